"""Flask: the bot runs inside the application, in exactly one of its processes.

.. code-block:: python

    from flask import Flask
    from wxsdk import WSClient, WSClientOptions
    from wxsdk.ext.flask import WxBot

    app = Flask(__name__)
    client = WSClient(WSClientOptions(bot_id="…", secret="…"))
    bot = WxBot(client, health_url="/bot/health")

    @client.on_message_text
    @bot.context
    def answer(frame): ...

    bot.init_app(app)  # last: it starts the bot, and a message that no callback is there for is lost

Handlers run on threads of wxsdk with an application context pushed by ``bot.context``. Under gunicorn each worker loads
the application; one worker runs the bot, and another takes over when it ends.
"""

from __future__ import annotations

import atexit
import functools
from typing import Any, Callable, Optional, TypeVar, cast

from flask import Flask, jsonify

from .standby import Client, Standby

__all__ = ["WxBot"]

F = TypeVar("F", bound=Callable[..., Any])


class WxBot:
    """Binds *client* to *app* (or to the one given to ``init_app``) and starts it there.

    health_url: a path that answers GET with the health as JSON, 200 while running or standing by, else 503; None for no
    such path. autostart: False leaves starting to ``start``.
    """

    def __init__(
        self, client: Client, app: Optional[Flask] = None, *, health_url: Optional[str] = None, autostart: bool = True
    ) -> None:
        self._standby = Standby(client)
        self._health_url = health_url
        self._autostart = autostart
        self._app: Optional[Flask] = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Register with *app*; starts the bot unless autostart is False."""
        self._app = app
        app.extensions["wxsdk"] = self
        if self._health_url is not None:
            app.add_url_rule(self._health_url, endpoint="wxsdk_health", view_func=self._health)
        if self._autostart:
            self.start()

    def start(self) -> None:
        """Run the bot in this process, or stand by for the one that does; returns at once."""
        self._standby.start()
        atexit.register(self.stop)

    def stop(self) -> bool:
        """Stop the bot, if it runs in this process; True when its threads ended."""
        atexit.unregister(self.stop)
        return self._standby.stop()

    def context(self, handler: F) -> F:
        """A decorator for handlers: runs them inside an application context, as requests are."""

        @functools.wraps(handler)
        def inside(*args: Any, **kwargs: Any) -> Any:
            if self._app is None:
                return handler(*args, **kwargs)
            with self._app.app_context():
                return handler(*args, **kwargs)

        return cast(F, inside)

    def _health(self) -> Any:
        health = self._standby.client.health()
        owner = self._standby.is_owner
        answer = jsonify(
            state=health.state.value if owner else "standby",
            since=health.since.isoformat() if health.since else None,
            last_inbound=health.last_inbound.isoformat() if health.last_inbound else None,
            last_outbound=health.last_outbound.isoformat() if health.last_outbound else None,
            last_error=health.last_error,
            remedy=health.remedy,
            queued=health.queued,
            workers_busy=health.workers_busy,
            workers=health.workers,
            priority_queued=health.priority_queued,
            priority_workers_busy=health.priority_workers_busy,
            priority_workers=health.priority_workers,
        )
        answer.status_code = 200 if not owner or health.state.value in ("running", "starting") else 503
        return answer
