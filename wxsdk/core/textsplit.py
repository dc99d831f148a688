"""Cutting a long text into messages: by UTF-8 bytes, where it hurts least, code fences closed and reopened.

Linear in the text: every look at it is bounded by the size of one part, and two parts in a row take up at least half of
one part's room.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from typing import Iterator, List, NamedTuple, Optional, Pattern, Tuple

from ..errors import ConfigError
from .graphemes import whole_until

MAX_CHAR_BYTES = 4  # UTF-8
_FENCE_LINE = re.compile(r"^(?P<indent>[ \t]*)(?P<marks>`{3,}|~{3,})(?P<info>[^\n]*)$", re.M)
_SENTENCE_END = re.compile(r"[。！？；…][”’」』）】]{0,3}|[.!?;][\"')\]]{0,3}(?=\s)")
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_BLANK = re.compile(r"\s*")


class Fence(NamedTuple):
    """The line that opens a code block: its indentation, its marks and what is written behind them."""

    indent: str
    marks: str
    info: str


def opening_fence(line: str) -> Optional[Fence]:
    """The fence that *line* (without its line end) opens, None when it opens none."""
    match = _FENCE_LINE.fullmatch(line)
    return None if match is None else _opening(match)


def closes(line: str, fence: Fence) -> bool:
    """Whether *line* ends the block that *fence* opened: the same marks, as many at least, and nothing behind them."""
    match = _FENCE_LINE.fullmatch(line)
    return match is not None and _closing(match, fence)


def _opening(match: re.Match[str]) -> Optional[Fence]:
    indent, marks, info = match.group("indent", "marks", "info")
    # ```a``` on one line is inline code.
    return None if marks[0] == "`" and "`" in info else Fence(indent, marks, info)


def _closing(match: re.Match[str], fence: Fence) -> bool:
    marks = match.group("marks")
    return marks[0] == fence.marks[0] and len(marks) >= len(fence.marks) and not match.group("info").strip()


def split_text(text: str, max_bytes: int) -> List[str]:
    """*text* in parts of at most *max_bytes* UTF-8 bytes each, in order; a text that fits comes back as it is.

    It is cut at a blank line, else a line end, a sentence's end, a space, else between two characters that are shown as
    two. White space at a cut goes; nothing else does. A code block that is cut is closed and reopened, with what its
    first line says. A text of nothing, or of white space too long for one part, gives no parts.
    Raises ConfigError when *text* is no str or cannot be UTF-8, and when not even one character fits.
    """
    if not isinstance(text, str):
        raise ConfigError(f"The text is not a str but {type(text).__name__}.")
    if not isinstance(max_bytes, int) or isinstance(max_bytes, bool):
        raise ConfigError("max_bytes is not a whole number.")
    size = _utf8_size(text)
    if size <= max_bytes:
        return [text] if text else []
    if max_bytes < MAX_CHAR_BYTES and max_bytes < max(len(char.encode("utf-8")) for char in set(text)):
        raise ConfigError("max_bytes has no room for one character.", remedy="Give at least 4.")
    return list(_Splitter(text, max_bytes).parts())


def _utf8_size(text: str) -> int:
    try:
        return len(text.encode("utf-8"))
    except UnicodeEncodeError as exc:
        where = f"at index {exc.start}"
    raise ConfigError(f"The text has half of a character (a lone surrogate) {where}.")


@dataclass(frozen=True)
class _Block:
    """A code block: *start* of its first line, *inside* of its content, *end* of its content, *after* its last line.

    opener and closer reopen and close it in a part.
    """

    start: int
    inside: int
    end: int
    after: int
    opener: str
    closer: str


class _Next(NamedTuple):
    """One part, where the next one begins, and the block that goes on there."""

    part: str
    at: int
    block: Optional[_Block]


class _Splitter:
    def __init__(self, text: str, max_bytes: int) -> None:
        self._text = text
        self._max = max_bytes
        self._spans = list(_spans(text))
        self._starts = [span.start for span in self._spans]

    def parts(self) -> Iterator[str]:
        """The parts, none of them blank."""
        at, block = 0, None
        while at < len(self._text):
            part, at, block = self._next(at, block)
            if part.strip():
                yield part

    def _next(self, at: int, inside: Optional[_Block]) -> _Next:
        """The part that begins at *at*, within the block *inside* if there is one."""
        opener = inside.opener if inside is not None else ""
        room = self._max - _size(opener)
        end = self._reach(at, room)
        if end == len(self._text):
            return _Next(opener + self._text[at:], end, None)
        cut, after = self._cut(at, end)
        block = self._block_around(after)
        if block is None:
            return _Next(opener + self._text[at:cut], after, None)
        code_end = min(self._reach(at, room - _size(block.closer) - 1), block.end)
        if block.start > at and (code_end <= block.inside or self._goes_better_whole(at, end, block)):
            return _Next(opener + self._text[at : block.start].rstrip(), block.start, None)
        cut, after = self._cut_in_code(max(at, block.inside), code_end)
        body = opener + self._text[at:cut]
        part = body + ("" if body.endswith("\n") else "\n") + block.closer
        if after >= block.end:
            return _Next(part, self._skip_blank(block.after), None)
        return _Next(part, after, block)

    def _goes_better_whole(self, at: int, end: int, block: _Block) -> bool:
        """Whether a part from *at* to *end* had better stop before *block*: full enough, or the block fits a part."""
        if 2 * (block.start - at) >= end - at:
            return True
        length = block.after - block.start
        return length <= self._max and _size(self._text[block.start : block.after]) <= self._max

    def _reach(self, at: int, room: int) -> int:
        """The last index up to which the text from *at* takes at most *room* bytes."""
        window = self._text[at : at + room]
        raw = window.encode("utf-8")
        return at + len(window if len(raw) <= room else raw[:room].decode("utf-8", "ignore"))

    def _cut(self, at: int, end: int) -> Tuple[int, int]:
        """Where a part from *at* to *end* at most ends, and where the next one begins."""
        for lowest in (
            at + (end - at) // 2,
            at,
        ):  # rather a line end that fills the part than a blank line that does not
            for find in (self._blank_line, self._line, self._sentence, self._space):
                cut = find(max(lowest, at + 1), end)
                kept = self._text[at:cut].rstrip() if cut is not None else ""
                if cut is not None and kept:
                    return at + len(kept), self._skip_blank(cut)
        cut = whole_until(self._text, end, at)
        return cut, cut

    def _cut_in_code(self, at: int, end: int) -> Tuple[int, int]:
        """As ``_cut``, where every space counts: after a line, else anywhere."""
        line = self._text.rfind("\n", at + 1, end + 1)
        if line >= 0:
            return line, line + 1
        cut = whole_until(self._text, end, at)
        return cut, cut

    def _skip_blank(self, index: int) -> int:
        """Past the white space at *index*, but not past the indentation of a line."""
        after = _BLANK.match(self._text, index).end()  # type: ignore[union-attr]
        line = self._text.rfind("\n", index, after)
        return after if line < 0 or after == len(self._text) else line + 1

    def _blank_line(self, low: int, high: int) -> Optional[int]:
        found = self._text.rfind("\n\n", low, high)
        return found if found >= 0 else _last(_BLANK_LINE, self._text, low, high)

    def _line(self, low: int, high: int) -> Optional[int]:
        # The line end may be the first character that does not fit: it goes anyway.
        found = self._text.rfind("\n", low, high + 1)
        return found if found >= 0 else None

    def _sentence(self, low: int, high: int) -> Optional[int]:
        return _last(_SENTENCE_END, self._text, low, high)

    def _space(self, low: int, high: int) -> Optional[int]:
        found = max(self._text.rfind(blank, low, high + 1) for blank in " \t\u3000")
        return found if found >= 0 else None

    def _block_around(self, index: int) -> Optional[_Block]:
        """The block that a cut at *index* parts in two, None when it cannot be closed and reopened within max_bytes."""
        before = bisect_left(self._starts, index) - 1
        if before < 0 or index >= self._spans[before].after:
            return None
        start, line_end, fence, end, after = self._spans[before]
        opener = self._text[start:line_end] + "\n"
        closer = self._text[end:after].rstrip() or fence.indent + fence.marks
        room = self._max - _size(opener) - _size(closer) - 1
        # With less room, parts would be made of fences, and a hostile text would grow without bound.
        if room < max(MAX_CHAR_BYTES, self._max // 4):
            return None
        return _Block(start, min(line_end + 1, end), end, after, opener, closer)


class _Span(NamedTuple):
    """Where a code block lies: *start* and *line_end* of its first line, *end* and *after* of its last one."""

    start: int
    line_end: int
    fence: Fence
    end: int
    after: int


def _spans(text: str) -> Iterator[_Span]:
    opened: Optional[Tuple[int, int, Fence]] = None
    for match in _FENCE_LINE.finditer(text):
        if opened is None:
            fence = _opening(match)
            opened = None if fence is None else (match.start(), match.end(), fence)
        elif _closing(match, opened[2]):
            yield _Span(*opened, match.start(), match.end())
            opened = None
    if opened is not None:
        yield _Span(*opened, len(text), len(text))


def _last(pattern: Pattern[str], text: str, low: int, high: int) -> Optional[int]:
    """The end of the last match between *low* and *high*; the character at *high* is looked at."""
    cut = None
    for match in pattern.finditer(text, low, high + 1):
        if match.end() <= high:
            cut = match.end()
    return cut


def _size(text: str) -> int:
    return len(text.encode("utf-8"))
