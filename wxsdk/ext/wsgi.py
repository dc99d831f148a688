"""WSGI: a bot in callback mode under gunicorn, uWSGI or any other WSGI server, with ``/healthz``.

.. code-block:: python

    # mybot.py, started as: gunicorn -w 4 mybot:application
    from wxsdk import Bot, CallbackOptions, SQLiteStore
    from wxsdk.ext import wsgi

    bot = Bot(store=SQLiteStore("bot.db"))  # several workers need a store that they share
    bot.add(CallbackOptions(bot_id="…", token="…", encoding_aes_key="…"))

    @bot.default
    def answer(message):
        return message.text

    application = wsgi.application(bot)

The bot is started by a worker's first request, since a server forks its workers after it has loaded this module.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from .callback_views import Callbacks

__all__ = ["application"]

HEALTH_PATH = "/healthz"
_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 405: "Method Not Allowed", 413: "Content Too Large"}
_UNAVAILABLE = "Service Unavailable"

Environ = Dict[str, Any]
StartResponse = Callable[[str, List[Tuple[str, str]]], Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


def application(bot: Any, name: Optional[str] = None) -> Application:
    """Make a WSGI application that answers the platform's calls, on every path but ``/healthz``.

    bot: a Bot, or a CallbackClient. name: which of the Bot's bots, where it has several in callback mode; ConfigError
    when that is not clear. ``/healthz`` answers GET with the health of all as JSON, and 200 while this process can take
    messages or has had none to take yet, else 503.
    """
    callbacks = Callbacks(bot, name)

    def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == HEALTH_PATH:
            ok, facts = callbacks.health()
            return _answer(start_response, 200 if ok else 503, {"Content-Type": "application/json"}, _encoded(facts))
        headers = {key[5:].replace("_", "-"): str(value) for key, value in environ.items() if key.startswith("HTTP_")}
        response = callbacks.handle(
            environ.get("REQUEST_METHOD", "GET"), environ.get("QUERY_STRING", ""), _body(environ, callbacks), headers
        )
        return _answer(start_response, response.status, response.headers, response.body)

    return serve


def _body(environ: Environ, callbacks: Callbacks) -> bytes:
    """The request's body, as far as it may be long: what is longer is refused unread."""
    most = callbacks.max_body_bytes + 1
    length = str(environ.get("CONTENT_LENGTH") or "")
    if length.isdecimal():
        most = min(int(length), most)
    elif not environ.get("wsgi.input_terminated"):
        return b""  # without a length, reading would wait for ever (PEP 3333)
    data: bytes = environ["wsgi.input"].read(most) if most else b""
    return data


def _encoded(facts: Any) -> bytes:
    return json.dumps(facts).encode("ascii")


def _answer(start_response: StartResponse, status: int, headers: Dict[str, str], body: bytes) -> List[bytes]:
    reason = _REASONS.get(status, _UNAVAILABLE)
    start_response(f"{status} {reason}", [*headers.items(), ("Content-Length", str(len(body)))])
    return [body]
