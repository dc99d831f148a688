"""Runs the bot inside a Flask application, in exactly one of its processes.

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

    bot.init_app(app)  # last: it may start the bot, and a message that no callback is there for is lost

The bot starts when the application is served: in a worker of gunicorn, uvicorn, uWSGI and the like, with ``app.run()``
and ``flask run`` (under the reloader in the process that serves), and never in another command such as
``flask routes``. Under a server that is not known it starts with the first request. ``bot.start()`` starts it anywhere.
One process runs the bot, and another takes over when it ends. Handlers run on threads of wxsdk with an application
context pushed by ``bot.context``.
"""

from __future__ import annotations

import atexit
import functools
import os
from typing import Any, Callable, Optional, TypeVar, cast

from flask import Flask, Response, jsonify, request

from ..accounts import Account
from ..ilink.config import WeixinConfig
from .health_view import health_answer
from .serving import Plan, ServedBot, When, decide, look_around
from .standby import Client, Standby

__all__ = ["WxBot", "callback", "login_page"]

MAX_LOGIN_BYTES = 4096  # of a request of the login page: a number and an id

F = TypeVar("F", bound=Callable[..., Any])


def callback(bot: Any, name: Optional[str] = None) -> Callable[[], Response]:
    """Make a view for a bot in callback mode; it starts the bot at a worker's first request.

    .. code-block:: python

        app.add_url_rule("/wecom", view_func=callback(bot), methods=["GET", "POST"])

    bot: a Bot or a CallbackClient; name: which of the Bot's bots, where several are in callback mode. Several workers
    need a store that they share. A form parser or login check before the view must let the request through as it is.
    """
    from .callback_views import Callbacks  # only here: a bot with a connection needs none of it

    callbacks = Callbacks(bot, name)

    def wxsdk_callback() -> Response:
        body = request.stream.read(callbacks.max_body_bytes + 1)
        answer = callbacks.handle(request.method, request.query_string, body, dict(request.headers))
        return Response(answer.body, answer.status, answer.headers)

    if name is not None:
        wxsdk_callback.__name__ = f"wxsdk_callback_{name}"  # Flask names the endpoint after it
    return wxsdk_callback


def login_page(
    account: str,
    *,
    allowed: Callable[[Any], bool],
    config: Optional[WeixinConfig] = None,
    on_login: Optional[Callable[[Account], Any]] = None,
) -> Callable[[], Response]:
    """Make a view on which a person logs a bot for personal WeChat in, and which keeps it as *account*.

    .. code-block:: python

        view = login_page("support", allowed=lambda request: current_user.is_admin)
        app.add_url_rule("/bot/login", view_func=view, methods=["GET", "POST"])

    allowed: called with each request; who may log the bot in gets its messages. config: for another server. on_login:
    called with the Account, to give a running client its new token. A login lives in the process that began it.
    """
    from .login_page import LoginPage  # only here: other sites need none of it

    page = LoginPage(account, config, on_login)

    def wxsdk_login() -> Response:
        if not allowed(request):
            return Response("Not allowed.", 403)
        body = request.stream.read(MAX_LOGIN_BYTES + 1)
        answer = page.answer(request.method, request.args, body, dict(request.headers))
        return Response(answer.body, answer.status, answer.headers)

    return wxsdk_login


class WxBot:
    """Binds *client* to *app* (or to the one given to ``init_app``) and starts it when that is served.

    health_url: a path that answers GET with the health as JSON: 200 in the process where the bot is well and in those
    that stand by, 503 where it is not well or cannot run; None for no such path. autostart: False leaves starting to
    ``start``.
    """

    def __init__(
        self, client: Client, app: Optional[Flask] = None, *, health_url: Optional[str] = None, autostart: bool = True
    ) -> None:
        self._bot = ServedBot(Standby(client))
        self._health_url = health_url
        self._autostart = autostart
        self._app: Optional[Flask] = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Register with *app*; with autostart the bot starts when it is served, which may be now."""
        self._app = app
        app.extensions["wxsdk"] = self
        if self._health_url is not None:
            app.add_url_rule(self._health_url, endpoint="wxsdk_health", view_func=self._health)
        atexit.register(self.stop)
        if not self._autostart:
            return
        plan = decide(look_around(*_command_line()))
        app.before_request(self._on_request)
        self._bot.follow(plan)
        if plan.when is When.AT_THE_FIRST_REQUEST:
            self._start_with_run(app)

    def start(self) -> None:
        """Run the bot in this process, or stand by for the one that does; returns at once."""
        self._bot.start()

    def stop(self) -> bool:
        """Stop the bot, if it runs in this process; True when its threads ended."""
        return self._bot.standby.stop()

    def context(self, handler: F) -> F:
        """Decorate a handler: it runs inside an application context, as requests do."""

        @functools.wraps(handler)
        def inside(*args: Any, **kwargs: Any) -> Any:
            if self._app is None:
                return handler(*args, **kwargs)
            with self._app.app_context():
                return handler(*args, **kwargs)

        return cast(F, inside)

    def _on_request(self) -> None:
        # A test's client calls the application as a server does, and names itself so.
        if not request.headers.get("User-Agent", "").startswith("Werkzeug/"):
            self._bot.on_request()

    def _start_with_run(self, app: Flask) -> None:
        """Start the bot with ``app.run()``, which is called after this, in the process that serves."""
        run = app.run

        @functools.wraps(run)
        def started(
            host: Any = None, port: Any = None, debug: Optional[bool] = None, *args: Any, **options: Any
        ) -> None:
            reloads = options.get("use_reloader", app.debug if debug is None else debug)
            if reloads and os.environ.get("WERKZEUG_RUN_MAIN") != "true":
                self._bot.follow(Plan(When.NEVER, "This process watches the files; the one that it starts serves."))
            else:
                self._bot.start()
            run(host, port, debug, *args, **options)

        app.run = started  # type: ignore[method-assign]

    def _health(self) -> Any:
        status, answer = health_answer(self._bot)
        response = jsonify(answer)
        response.status_code = status
        return response


def _command_line() -> tuple[Optional[str], bool]:
    """Return the command of Flask's command line that loads the application, None outside, and whether it reloads."""
    if os.environ.get("FLASK_RUN_FROM_CLI") != "true":
        return None, False
    import click
    from flask.helpers import get_debug_flag

    context = click.get_current_context(silent=True)
    if context is None:
        return None, False
    reload = context.params.get("reload")
    return context.info_name or "flask", bool(get_debug_flag() if reload is None else reload)
