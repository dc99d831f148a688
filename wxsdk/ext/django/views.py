"""Views for a project's URLs."""

from __future__ import annotations

from django.apps import apps
from django.http import HttpRequest, JsonResponse

from ..health_view import NOT_STARTED, health_answer

__all__ = ["health"]


def health(request: HttpRequest) -> JsonResponse:
    """Answer with the bot's health: 200 where it is well or this process stands by, else 503."""
    bot = apps.get_app_config("wxsdk").bot
    if bot is None:
        reason = "WXSDK_AUTOSTART is off, so no bot runs in the server's processes."
        return JsonResponse({"state": NOT_STARTED, "last_error": reason}, status=503)
    status, answer = health_answer(bot)
    return JsonResponse(answer, status=status)
