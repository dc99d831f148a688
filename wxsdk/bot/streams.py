"""The streams that handlers write to: a platform's stream that obeys its call, and one that was finished before."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Optional

from ..aibot.stream_rules import StreamOutcome
from .adapter import AnswerStream

if TYPE_CHECKING:
    from .call import Call


class CallStream(AnswerStream):
    """A stream of a platform, as the handler of *call* gets it: what ended the call ends the writing, too."""

    def __init__(self, call: Call, inner: AnswerStream, step: int) -> None:
        self._call = call
        self._inner = inner
        self._step = step
        self._ending = threading.Lock()
        self.is_animated = inner.is_animated

    def __repr__(self) -> str:
        return f"AnswerStream({self.outcome.state if self.outcome else 'open'})"

    def write(self, delta: str) -> None:
        self._call.check()
        self._inner.write(delta)

    def replace(self, text: str) -> None:
        self._call.check()
        self._inner.replace(text)

    def thinking(self) -> None:
        self._call.check()
        self._inner.thinking()

    def finish(self, text: Optional[str] = None) -> StreamOutcome:
        if self._inner.outcome is not None:
            return self._inner.outcome
        self._call.check()
        outcome = self._inner.finish(text)
        self._call.note_stream(self._step, outcome)
        return outcome

    @property
    def outcome(self) -> Optional[StreamOutcome]:
        return self._inner.outcome

    @property
    def is_blank(self) -> bool:
        return self._inner.is_blank

    def break_off(self, notice: str) -> None:
        call = self._call
        with self._ending:  # the handler and the one who ends it may both come here
            if self._inner.outcome is None:
                self._inner.break_off(notice if call.stop_reason is None else call.stop_notice)


class ReplayedStream(AnswerStream):
    """A stream that was finished before a restart: it takes what is written again, and shows nothing."""

    is_blank = False

    def __init__(self, call: Call, state: Any) -> None:
        self._call = call
        self._outcome = StreamOutcome(str(state))

    def write(self, delta: str) -> None:
        self._call.check()

    def replace(self, text: str) -> None:
        self._call.check()

    def thinking(self) -> None:
        self._call.check()

    def finish(self, text: Optional[str] = None) -> StreamOutcome:
        self._call.check()
        return self._outcome

    @property
    def outcome(self) -> StreamOutcome:
        return self._outcome

    def break_off(self, notice: str) -> None:
        """It has ended already."""
