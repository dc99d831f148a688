"""Where a growing stream may be shown up to, and where it goes over into the next message.

Unlike ``split_text``, which cuts a text that is complete, a cut here never lies before what was shown already, so that
nothing a user has read moves into another message.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Optional

from ..core.graphemes import MAX_CLUSTER, is_joined, whole_until
from ..core.textsplit import Fence, closes, opening_fence

_MAX_FENCE_LINE = 256  # bytes; a longer opening line is not repeated in the next message
_SEAMS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"[。！？；…]|[.!?;](?=\s)"), re.compile(r"\s"))
_THINK = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))


class Cut(NamedTuple):
    """part: the message. after: where the rest begins in the text. opener: what the rest needs before it."""

    part: str
    after: int
    opener: str


def utf8_len(text: str) -> int:
    """Bytes of UTF-8; lone surrogates count as what replaces them."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def fits(text: str, max_bytes: int) -> bool:
    """Whether *text* has at most *max_bytes*; cheap for short ones."""
    return len(text) * 4 <= max_bytes or utf8_len(text) <= max_bytes


def first_part(text: str, max_bytes: int, least: int) -> Cut:
    """The first message of a *text* that does not fit into *max_bytes*, cut behind character *least*.

    At a blank line, else a line end, a sentence's end, a space, else between two characters that are shown as two. A
    code block that is cut is closed, and reopened in the rest. White space at a cut outside of code goes.
    """
    window = text[:max_bytes]
    reserve = _MAX_FENCE_LINE if "```" in window or "~~~" in window else 0
    end = reach(text, max_bytes - reserve)
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
    """The last index up to which *text* takes at most *max_bytes* and no character is cut that is shown as one."""
    raw = text[:max_bytes].encode("utf-8", "surrogatepass")
    end = len(raw[:max_bytes].decode("utf-8", "ignore")) if len(raw) > max_bytes else min(len(text), max_bytes)
    return whole_until(text, end)


def held_back(text: str) -> str:
    """*text* without its last visible character, so that the final text differs from every snapshot before it."""
    text = text.rstrip()
    cut = whole_until(text, len(text) - 1)
    if cut <= MAX_CLUSTER and is_joined(text, cut):
        return ""  # all of it is shown as one
    return text[: max(cut, 0)].rstrip()


def open_fence(text: str) -> Optional[Fence]:
    """The code block that is open at the end of *text*; None outside of one, or when its first line is huge."""
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
    """*text*, whose open code block is *fence*, with that block closed."""
    if fence is None:
        return text
    return f"{text}{'' if text.endswith(chr(10)) else chr(10)}{fence.indent}{fence.marks}"


def is_visible(text: str) -> bool:
    """Whether a reader sees anything of *text*: think blocks, zero-width characters and white space are nothing."""
    return bool(_THINK.sub("", text).translate(_INVISIBLE).strip())


def without_halves(text: str) -> str:
    """*text* with the halves of surrogate pairs joined, and lone ones replaced by U+FFFD."""
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
