"""Gives a project its views: the bot's health, and a page to log it in."""

from __future__ import annotations

from typing import Any, Callable, Optional, cast

from django.apps import apps
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from ...accounts import Account
from ...ilink.config import WeixinConfig
from ..health_view import NOT_STARTED, health_answer
from ..login_page import LoginPage

__all__ = ["health", "login_page"]

View = Callable[[HttpRequest], HttpResponse]


def login_page(
    account: str,
    *,
    allowed: Callable[[HttpRequest], bool],
    config: Optional[WeixinConfig] = None,
    on_login: Optional[Callable[[Account], Any]] = None,
) -> View:
    """Make a view on which a person logs a bot for personal WeChat in, and which keeps it as *account*::

        path("bot/login", login_page("support", allowed=lambda request: request.user.is_superuser))

    allowed: called with each request; who may log the bot in gets its messages. config: for another server. on_login:
    called with the Account, to give a running client its new token. A login lives in the process that began it.
    """
    page = LoginPage(account, config, on_login)

    def login(request: HttpRequest) -> HttpResponse:
        if not allowed(request):
            return HttpResponse("Not allowed.", status=403)
        answer = page.answer(request.method or "", request.GET, request.body, request.headers)
        return HttpResponse(answer.body, status=answer.status, headers=answer.headers)

    # Not checked by Django's middleware, since the page sends a header that no other site's page can.
    return cast(View, csrf_exempt(login))


def health(request: HttpRequest) -> JsonResponse:
    """Answer with the bot's health: 200 where it is well or this process stands by, else 503."""
    bot = apps.get_app_config("wxsdk").bot
    if bot is None:
        reason = "WXSDK_AUTOSTART is off, so no bot runs in the server's processes."
        return JsonResponse({"state": NOT_STARTED, "last_error": reason}, status=503)
    status, answer = health_answer(bot)
    return JsonResponse(answer, status=status)
