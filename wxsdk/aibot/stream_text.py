"""The text of a streamed answer: the whole of it, and where the message being written now begins."""

from __future__ import annotations

import re
from typing import List, NamedTuple

from .stream_cuts import first_part, fits, held_back, open_fence, reach, with_closed_fence, without_halves

MAX_THOUGHT = 2000  # characters of a think block that are kept, its last ones, when the message is too long; ours
_THOUGHT = re.compile(r"<think>(.*?)(</think>|\Z)", re.DOTALL)


class Sealed(NamedTuple):
    """The text of a message that another one follows. consumed: what of the text it stands for. opener: see below."""

    part: str
    consumed: str
    opener: str


class StreamText:
    """An answer that grows, in messages of at most *max_bytes* each. Not thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._source = ""
        self._pieces: List[str] = []  # written, not yet in _source
        self._start = 0  # where in _source the current message begins
        self._opener = ""  # the first line of a code block that the current message reopens

    def write(self, delta: str) -> None:
        """Append *delta*; cheap, since text is joined only when it is looked at."""
        self._pieces.append(delta)

    def replace(self, text: str) -> None:
        """Make *text* the whole answer. When it does not begin with the messages that are complete, all of it counts
        as the current message."""
        self._settle()
        done = self._source[: self._start]
        self._pieces.clear()
        self._source = without_halves(text)
        if not self._source.startswith(done):
            self._start, self._opener = 0, ""

    def current(self, *, last: bool = False) -> str:
        """The text of the current message and of what may follow it. *last*: nothing more will be written."""
        self._settle(last)
        return self._opener + self._source[self._start :]

    def snapshot(self, max_bytes: int) -> str:
        """What may be shown of the current message: at most *max_bytes*, and never its last visible character."""
        text = self.current()
        if not fits(text, max_bytes):
            text = text[: reach(text, max_bytes)]
        return held_back(text)

    def append(self, notice: str) -> None:
        """Add *notice* as a paragraph of its own."""
        current = self.current(last=True)
        self._source += noted(current, notice)[len(current) :]

    def is_too_long(self) -> bool:
        """Whether the current message must be ended and another one begun."""
        return not fits(self.current(), self._max_bytes)

    def fold_thoughts(self) -> bool:
        """Shorten long think blocks of the current message; True when there were any.

        They are not part of the answer, and one that is cut would leave its message thinking.
        """
        text = self.current()
        folded = _THOUGHT.sub(lambda found: f"<think>{found.group(1)[-MAX_THOUGHT:]}{found.group(2)}", text)
        if len(folded) == len(text):
            return False
        self._source = self._source[: self._start] + folded[len(self._opener) :]
        return True

    def seal(self, shown: str) -> Sealed:
        """The current message's final text, when it is too long. It holds *shown*, if that is how the text begins."""
        text = self.current()
        cut = first_part(text, self._max_bytes, len(shown) if text.startswith(shown) else 0)
        return Sealed(cut.part, text[: cut.after], cut.opener)

    def go_on_behind(self, sealed: Sealed) -> None:
        """The sealed message is out; the next one begins behind it (at the start, if the text was replaced since)."""
        if self.current().startswith(sealed.consumed):
            self._start += len(sealed.consumed) - len(self._opener)
            self._opener = sealed.opener
        else:
            self._start, self._opener = 0, ""

    def _settle(self, last: bool = False) -> None:
        if not self._pieces:
            return
        text = "".join(self._pieces)
        self._pieces.clear()
        if not last and "\ud800" <= text[-1:] <= "\udbff":
            self._pieces.append(text[-1])  # the first half of a pair waits for the second
            text = text[:-1]
        self._source += text if text.isascii() else without_halves(text)


def noted(text: str, notice: str) -> str:
    """*text* and *notice* as paragraphs, with an open code or think block closed before the notice."""
    closed = with_closed_fence(text, open_fence(text))
    if closed.rfind("<think>") > closed.rfind("</think>"):
        closed += "</think>"
    return f"{closed}\n\n{notice}" if closed else notice
