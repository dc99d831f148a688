"""Cuts an answer that grows into paragraphs for a platform whose messages cannot change. Decides only.

A paragraph ends at an empty line outside of a code fence, so none is ever cut inside a fence or a table (a table's rows
have no empty line between them).
"""

from __future__ import annotations

import re

KEPT_SENDS = 2  # of the user's quota are left for the end of the answer and for an error

_FENCE = re.compile(r"[ ]{0,3}(`{3,}|~{3,})")


class Paragraphs:
    """An answer that grows. Not thread-safe."""

    def __init__(self) -> None:
        self._text = ""
        self._sent = 0  # characters that were taken, with the white space after them

    @property
    def text(self) -> str:
        """The whole answer so far."""
        return self._text

    def write(self, delta: str) -> None:
        """Append *delta*."""
        self._text += delta

    def replace(self, text: str) -> None:
        """Make *text* the answer. What was taken stays taken: when *text* begins with it, the rest follows."""
        taken = self._text[: self._sent]
        self._text = text
        self._sent = len(taken) if text.startswith(taken) else 0

    def take_complete(self) -> str:
        """Take the paragraphs that are complete and not taken yet, as one text; "" when there are none."""
        end = last_break(self._text, self._sent)
        if end <= self._sent:
            return ""
        part, self._sent = self._text[self._sent : end], end
        return part.strip("\n")

    def take_rest(self) -> str:
        """Take everything that is not taken yet."""
        part, self._sent = self._text[self._sent :], len(self._text)
        return part.strip("\n") if part.strip() else ""


def last_break(text: str, start: int) -> int:
    """Where the last complete paragraph of ``text[start:]`` ends, behind its empty line; *start* when none is."""
    fence = ""
    found = start
    position = start
    blank_ends = False  # whether the lines since the last break say anything
    while True:
        end = text.find("\n", position)
        if end < 0:
            return found
        line = text[position:end]
        position = end + 1
        opened = _FENCE.match(line)
        if fence:
            if opened and opened.group(1).startswith(fence) and not line[opened.end() :].strip():
                fence = ""
        elif opened:
            fence, blank_ends = opened.group(1), True
        elif line.strip():
            blank_ends = True
        elif blank_ends:
            found, blank_ends = position, False
