"""Keeps the text of a streamed answer: the whole of it, where the current message begins, and where it may be cut.

Unlike ``split_text``, which cuts a text that is complete, a cut here never lies before what was shown already, so that
nothing a user has read moves into another message.
"""

from __future__ import annotations

import re
from typing import List, NamedTuple, Optional

from ..core.graphemes import MAX_CLUSTER, is_joined, whole_until
from ..core.textsplit import Fence, closes, opening_fence

MAX_THOUGHT = 2000  # characters of a think block that are kept, its last ones, when the message is too long; ours
_THOUGHT = re.compile(r"<think>(.*?)(</think>|\Z)", re.DOTALL)
_MAX_FENCE_LINE = 256  # bytes; a longer opening line is not repeated in the next message
INVISIBLE = "\u200b"  # zero width space
_ROOM_TO_DIFFER = 4  # bytes of a line end and INVISIBLE
_MAX_ROOM = _MAX_FENCE_LINE + _ROOM_TO_DIFFER  # what may have to follow a text that was shown
_SEAMS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"[。！？；…]|[.!?;](?=\s)"), re.compile(r"\s"))
_THINK = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))


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
        self.revision = 0  # grows with every change by the user
        self._start = 0  # where in _source the current message begins
        self._opener = ""  # the first line of a code block that the current message reopens

    def write(self, delta: str) -> None:
        """Append *delta*; cheap, since text is joined only when it is looked at."""
        self._pieces.append(delta)
        self.revision += 1

    def replace(self, text: str) -> None:
        """Make *text* the whole answer. When it does not begin with the messages that are complete, all of it counts
        as the current message."""
        self.revision += 1
        self._settle()
        done = self._source[: self._start]
        self._pieces.clear()
        self._source = without_halves(text)
        if not self._source.startswith(done):
            self._start, self._opener = 0, ""

    def current(self, *, last: bool = False) -> str:
        """Return the text of the current message and of what may follow it. *last*: nothing more will be written."""
        self._settle(last)
        return self._opener + self._source[self._start :]

    def snapshot(self, max_bytes: int) -> str:
        """Return what may be shown of the current message: at most *max_bytes*, never its last visible character."""
        text = self.current()
        if not fits(text, max_bytes):
            text = text[: reach(text, max_bytes)]
        return held_back(text)

    def is_too_long(self, *, to_be_shown: bool = False) -> bool:
        """Check whether the current message must be ended and another one begun.

        to_be_shown: all of it is to be shown before it ends, so the last frame must have room to differ from it.
        """
        text = self.current()
        room = _room_behind(text) if to_be_shown and not fits(text, self._max_bytes - _MAX_ROOM) else 0
        return not fits(text, self._max_bytes - room)

    def append(self, notice: str) -> None:
        """Add *notice* as a separate paragraph."""
        current = self.current(last=True)
        self._source += noted(current, notice)[len(current) :]

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
        """Cut the current message, which is too long. The part holds *shown*, if that is how the text begins."""
        text = self.current()
        # A text that fits is cut as well: it is too long to be shown before it ends.
        limit = self._max_bytes - (_MAX_ROOM if fits(text, self._max_bytes) else 0)
        cut = first_part(text, limit, len(shown) if text.startswith(shown) else 0)
        return Sealed(cut.part, text[: cut.after], cut.opener)

    def go_on_behind(self, sealed: Sealed) -> None:
        """Begin the next message behind the sealed one, which is out (at the start, if the text was replaced since)."""
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
    """Join *text* and *notice* as paragraphs, with an open code or think block closed before the notice."""
    closed = with_closed_fence(text, open_fence(text))
    if closed.rfind("<think>") > closed.rfind("</think>"):
        closed += "</think>"
    return f"{closed}\n\n{notice}" if closed else notice


# -- cutting ----------------------------------------


class Cut(NamedTuple):
    """part: the message. after: where the rest begins in the text. opener: what the rest needs before it."""

    part: str
    after: int
    opener: str


def utf8_len(text: str) -> int:
    """Bytes of UTF-8; lone surrogates count as what replaces them."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def fits(text: str, max_bytes: int) -> bool:
    """Check whether *text* has at most *max_bytes*; cheap for short ones."""
    return len(text) * 4 <= max_bytes or utf8_len(text) <= max_bytes


def first_part(text: str, max_bytes: int, least: int) -> Cut:
    """Return the first message of a *text* that does not fit into *max_bytes*, cut behind character *least*.

    At a blank line, else a line end, a sentence's end, a space, else between two characters that are shown as two. A
    code block that is cut is closed, and reopened in the rest. White space at a cut outside of code goes.
    """
    window = text[:max_bytes]
    reserve = _MAX_FENCE_LINE if "```" in window or "~~~" in window else 0
    end = max(reach(text, max_bytes - reserve), least)  # what is shown was shown with room behind it
    lowest = min(max(least, end // 2, 1), end)
    cut = _best_seam(text, lowest, end)
    fence = open_fence(text[:cut])
    if fence is not None:
        line = text.rfind("\n", lowest, end)
        cut = line + 1 if line >= 0 else end
        fence = open_fence(text[:cut])
    if fence is None:
        head, after = text[:cut].rstrip(), cut
        while after < len(text) and text[after] == "\n":
            after += 1
        return Cut(head, after, "")
    return Cut(with_closed_fence(text[:cut], fence), cut, f"{fence.indent}{fence.marks}{fence.info}\n")


def reach(text: str, max_bytes: int) -> int:
    """Return the last index up to which *text* takes at most *max_bytes* and no shown character is cut."""
    raw = text[:max_bytes].encode("utf-8", "surrogatepass")
    end = len(raw[:max_bytes].decode("utf-8", "ignore")) if len(raw) > max_bytes else min(len(text), max_bytes)
    return whole_until(text, end)


def told_apart(text: str) -> str:
    """Return *text* with an invisible character, where it harms neither an address nor a code block."""
    line = text[text.rfind("\n") + 1 :]
    if opening_fence(line) is not None or open_fence(text) is not None or line.strip(" `~") == "":
        return f"{text}\n{INVISIBLE}"
    start = max(text.rfind(space) for space in " \t\n\u3000") + 1
    return f"{text[:start]}{INVISIBLE}{text[start:]}" if "://" in text[start:] else text + INVISIBLE


def _room_behind(text: str) -> int:
    """Return the bytes that the end of *text* may need: an open code block closed, and an invisible character."""
    return utf8_len(with_closed_fence(text, open_fence(text))) - utf8_len(text) + _ROOM_TO_DIFFER


def held_back(text: str) -> str:
    """Cut off the last visible character of *text*, so that the final text differs from every snapshot before it."""
    text = text.rstrip()
    cut = whole_until(text, len(text) - 1)
    if cut <= MAX_CLUSTER and is_joined(text, cut):
        return ""  # all of it is shown as one
    return text[: max(cut, 0)].rstrip()


def open_fence(text: str) -> Optional[Fence]:
    """Return the code block that is open at the end of *text*; None outside of one, or when its first line is huge."""
    if "```" not in text and "~~~" not in text:
        return None
    opened: Optional[Fence] = None
    for line in text.split("\n"):
        if opened is None:
            opened = opening_fence(line)
        elif closes(line, opened):
            opened = None
    return None if opened is None or utf8_len("".join(opened)) > _MAX_FENCE_LINE - 2 else opened


def with_closed_fence(text: str, fence: Optional[Fence]) -> str:
    """Close the open code block *fence* of *text*."""
    if fence is None:
        return text
    return f"{text}{'' if text.endswith(chr(10)) else chr(10)}{fence.indent}{fence.marks}"


def is_visible(text: str) -> bool:
    """Check whether a reader sees anything of *text*, beside think blocks, zero-width characters and white space."""
    return bool(_THINK.sub("", text).translate(_INVISIBLE).strip())


def without_halves(text: str) -> str:
    """Join the halves of surrogate pairs in *text*, and replace lone ones by U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _best_seam(text: str, lowest: int, end: int) -> int:
    for seam in _SEAMS:
        found = 0
        for match in seam.finditer(text, max(lowest - 1, 0), min(end + 1, len(text))):
            if lowest <= match.end() <= end:
                found = match.end()
        if found:
            return found
    return end
