"""Django: the bot as a management command, or inside the server's processes.

Put ``"wxsdk.ext.django"`` into INSTALLED_APPS and name the client in the settings::

    WXSDK_CLIENT = "myproject.bot.client"   # a WeixinClient or WSClient, or a function that makes one
    WXSDK_AUTOSTART = False                 # True: run it in one of the server's processes

``python manage.py wxsdk_run`` runs it in the foreground. With autostart, each process of a server tries, and one runs
it; other management commands never start it. ``with_database`` gives handlers fresh database connections.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, TypeVar, cast

__all__ = ["with_database"]

F = TypeVar("F", bound=Callable[..., Any])


def with_database(handler: F) -> F:
    """A decorator for handlers that use the database.

    Django closes stale connections at the ends of requests; the threads of a bot have no requests, so it is done here.
    """
    from django.db import close_old_connections

    @functools.wraps(handler)
    def inside(*args: Any, **kwargs: Any) -> Any:
        close_old_connections()
        try:
            return handler(*args, **kwargs)
        finally:
            close_old_connections()

    return cast(F, inside)
