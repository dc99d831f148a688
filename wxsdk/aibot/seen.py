"""Remembers the ids of messages, so that a duplicate is dropped (docs/protocol/aibot, 3)."""

from __future__ import annotations

from collections import deque
from typing import Deque, Set


class SeenIds:
    """The last *limit* ids. Every call is O(1). Not thread-safe: the reader owns it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._order: Deque[str] = deque()
        self._ids: Set[str] = set()

    def is_new(self, msgid: str) -> bool:
        """True, and remembered, the first time; False for an id that is remembered."""
        if msgid in self._ids:
            return False
        if len(self._order) >= self._limit:
            self._ids.discard(self._order.popleft())
        self._order.append(msgid)
        self._ids.add(msgid)
        return True

    def __len__(self) -> int:
        return len(self._order)
