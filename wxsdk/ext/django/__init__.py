"""Runs the bot of a Django project: as a management command, or inside the server's processes.

Put ``"wxsdk.ext.django"`` into INSTALLED_APPS and name the client in the settings::

    WXSDK_CLIENT = "myproject.bot.client"   # a WeixinClient or WSClient, or a function that makes one
    WXSDK_AUTOSTART = False                 # True: run it in one of the server's processes
    WXSDK_CONN_MAX_AGE = 60                 # seconds; how old a handler's database connection may get, None: any age

``python manage.py wxsdk_run`` runs it in the foreground. With autostart it starts when the project's WSGI or ASGI
application is made or ``runserver`` serves; each process of a server tries, and one runs it. It never starts in other
commands, in tests, in Celery's workers or in a script that calls ``django.setup()``; ``start()`` starts it anywhere.
``path("bot/health", wxsdk.ext.django.views.health)`` answers with its health.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, Optional, TypeVar, cast

__all__ = ["callback", "start", "with_database"]

F = TypeVar("F", bound=Callable[..., Any])


def start() -> None:
    """Start the bot in this process, or stand by for the one that runs it; returns at once.

    For programs that serve in their own way; ``django.setup()`` has to have been called. Raises ConfigError when
    WXSDK_CLIENT names no client.
    """
    from django.apps import apps

    apps.get_app_config("wxsdk").start()


def callback(bot: Any, name: Optional[str] = None) -> Callable[[Any], Any]:
    """Make a view for a bot in callback mode; it starts the bot at a worker's first request, and needs no CSRF token.

    .. code-block:: python

        urlpatterns = [path("wecom", callback(bot))]

    bot: a Bot or a CallbackClient; name: which of the Bot's bots, where several are in callback mode. Several workers
    need a store that they share.
    """
    from django.http import HttpRequest, HttpResponse
    from django.views.decorators.csrf import csrf_exempt

    from ..callback_views import Callbacks

    callbacks = Callbacks(bot, name)

    def wxsdk_callback(request: HttpRequest) -> HttpResponse:
        body = request.read(callbacks.max_body_bytes + 1)
        answer = callbacks.handle(request.method, request.META.get("QUERY_STRING", ""), body, dict(request.headers))
        response = HttpResponse(answer.body, status=answer.status)
        for header, value in answer.headers.items():
            response[header] = value
        return response

    view: Callable[[Any], Any] = csrf_exempt(wxsdk_callback)
    return view


def with_database(handler: F) -> F:
    """Decorate a handler that uses the database: its connections are replaced when they are broken or old.

    The setting WXSDK_CONN_MAX_AGE says how old, in seconds (60 by default).
    """

    @functools.wraps(handler)
    def inside(*args: Any, **kwargs: Any) -> Any:
        from .database import refresh_connections

        refresh_connections()
        try:
            return handler(*args, **kwargs)
        finally:
            refresh_connections()

    return cast(F, inside)
