"""One streamed answer in callback mode: the handler writes, and the platform collects (docs/protocol/callback, 3)."""

from __future__ import annotations

import base64
from typing import Any, Optional, Type

from ..aibot.bodies import as_wire
from ..aibot.field_checks import need_feedback, need_list
from ..aibot.stream_rules import StreamOutcome
from ..errors import ConfigError
from .exchange import Exchange


class CallbackStream:
    """A paragraph of the bubble that grows. Any thread.

    The bubble ends when its handler does, or when a question is asked; what is written here is collected by the
    platform's refreshes about once a second. Leaving the with-block finishes the stream; when the block raises, what
    was written stays and a notice says that it broke off.
    """

    def __init__(self, exchange: Exchange, feedback: Any = None) -> None:
        self._exchange = exchange
        wire = None if feedback is None else as_wire(feedback)
        if wire is not None:
            need_feedback(wire, "feedback")
        self._number = exchange.begin(wire)
        self._finished = False

    def write(self, delta: str) -> None:
        """Append *delta*. Raises ConfigError for no str, after ``finish``, or when the handler has ended."""
        self._need_open(delta)
        self._exchange.write(self._number, delta)

    def replace(self, text: str) -> None:
        """Make *text* the whole paragraph. Raises as ``write``."""
        self._need_open(text)
        self._exchange.write(self._number, text, replace=True)

    def thinking(self) -> None:
        """Show the animation of a beginning answer now."""
        self._need_open("")
        self._exchange.thinking()

    def finish(self, text: Optional[str] = None, msg_item: Any = None) -> StreamOutcome:
        """The paragraph is complete (*text* replaces it); *msg_item*: pictures at the bubble's end. Twice is once.

        Raises ConfigError or LimitExceeded for odd arguments; the stream is then open as before.
        """
        if not self._finished:
            for item in need_list(as_wire(msg_item or []), "msg_item", 10):
                self._exchange.show_picture(base64.b64decode(item["image"]["base64"]))
            if text is not None:
                self.replace(text)
            self._finished = True
        return self.outcome

    @property
    def outcome(self) -> StreamOutcome:
        """ "unknown" until the platform has asked for the end of the bubble, then "delivered"; "failed" says why."""
        error = self._exchange.error
        if error is not None:
            return StreamOutcome("failed", error=error)
        return StreamOutcome("delivered" if self._exchange.collected else "unknown", rescued=self._exchange.rescued)

    def __enter__(self) -> CallbackStream:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_: object) -> None:
        if kind is not None:
            self._exchange.failed = True
        self._finished = True

    def _need_open(self, text: Any) -> None:
        if not isinstance(text, str):
            raise ConfigError(f"A stream takes text, not {type(text).__name__}.")
        if self._finished:
            raise ConfigError("The stream is finished; open another one.")
