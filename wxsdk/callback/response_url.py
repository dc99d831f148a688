"""Posts to a message's response_url, once for all workers (docs/protocol/callback, 4)."""

from __future__ import annotations

from typing import Any, Dict

from ..aibot.frames import WsFrame
from ..core.redact import scrub_exception
from ..errors import TransportError
from ..runtime.clock import Clock
from ..runtime.http import HttpDoor
from .config import CallbackOptions
from .desk import Desk
from .response_rules import HEADERS, URL_LIFE, encode, judge_reply, no_url, too_late, used_up

Body = Dict[str, Any]


class ResponseUrls:
    """The response_urls of one client. Any thread; each post blocks for at most request_timeout."""

    def __init__(self, options: CallbackOptions, desk: Desk, clock: Clock) -> None:
        self._timeout = options.request_timeout
        self._desk = desk
        self._clock = clock
        self._door = HttpDoor(proxy=options.proxy, ssl_context=options.ssl_context)

    def post(self, key: str, frame: WsFrame, age: float, body: Body) -> None:
        """Post *body* in answer to *frame*, whose message came *age* seconds ago.

        Raises Unsupported when there is no response_url, LimitExceeded when it was used or is over, ApiError when the
        platform refuses, TransportError when it cannot be reached: the one try is then used up, since the platform may
        have taken it.
        """
        url = url_of(frame)
        if not url:
            raise no_url()
        if age > URL_LIFE:
            raise too_late(age)
        data = encode(body)
        if not self._desk.use_url(key):
            raise used_up()
        try:
            reply = self._door.request("POST", url, headers=HEADERS, body=data, timeout=self._timeout, limit=65_536)
        except TransportError as exc:
            scrub_exception(exc, [url])
            raise
        error = judge_reply(reply.status, reply.body)
        if error is not None:
            raise error

    def close(self) -> None:
        """End what is in progress and close the connections."""
        self._door.interrupt()
        self._door.resume()
        self._door.close()


def url_of(frame: WsFrame) -> str:
    """The response_url of a message, "" when it has none."""
    url = frame.raw_body.get("response_url")
    return url if isinstance(url, str) and url.lower().startswith(("http://", "https://")) else ""
