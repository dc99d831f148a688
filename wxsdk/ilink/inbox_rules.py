"""Which cursors may be told to the user: those up to which every message has been handled."""

from __future__ import annotations

from collections import OrderedDict
from typing import List, Optional


class CursorProgress:
    """Counts what is left of each batch. Not thread-safe: its owner locks."""

    def __init__(self) -> None:
        self._left: OrderedDict[int, int] = OrderedDict()  # batch -> messages of it still to be handled
        self._cursors: dict[int, str] = {}
        self._next = 0

    def begin(self, count: int, cursor: Optional[str]) -> int:
        """A batch of *count* messages came, with the *cursor* behind it (None: it brought no new one). Its number."""
        number = self._next
        self._next += 1
        self._left[number] = count
        if cursor is not None:
            self._cursors[number] = cursor
        return number

    def handled(self, batch: int) -> None:
        """One message of *batch* is done with."""
        self._left[batch] -= 1

    def reached(self) -> List[str]:
        """The cursors that became true, oldest first; each is named once."""
        cursors = []
        while self._left:
            batch, left = next(iter(self._left.items()))
            if left > 0:
                break
            del self._left[batch]
            cursor = self._cursors.pop(batch, None)
            if cursor is not None:
                cursors.append(cursor)
        return cursors
