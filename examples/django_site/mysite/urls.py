from __future__ import annotations

from chat.views import index
from django.urls import path

from wxsdk.ext.django.views import health

urlpatterns = [path("", index), path("bot/health", health)]
