from __future__ import annotations

from chat.views import index
from django.conf import settings
from django.urls import path

from wxsdk.ext.django.views import health, login_page

urlpatterns = [
    path("", index),
    path("bot/health", health),
    # Who may log the bot in gets its messages: here, anyone on this machine while developing.
    path("bot/login", login_page("default", allowed=lambda request: settings.DEBUG)),
]
