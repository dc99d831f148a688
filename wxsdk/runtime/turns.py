"""KeyedTurns: callers of one key go one at a time, in the order in which they came."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import Deque, Dict, Hashable, Iterator

from .clock import Clock


class KeyedTurns:
    """First come, first served, per key. (A plain lock wakes any of its waiters, so it keeps no order.)"""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition(threading.Lock())
        self._lines: Dict[Hashable, Deque[object]] = {}

    def waiting(self, key: Hashable) -> int:
        """Callers in line for *key*, the one whose turn it is included."""
        with self._changed:
            return len(self._lines.get(key, ()))

    @contextlib.contextmanager
    def turn(self, key: Hashable) -> Iterator[None]:
        """Wait for the caller's turn; the block is the turn."""
        me = object()
        with self._changed:
            line = self._lines.setdefault(key, deque())
            line.append(me)
        try:
            with self._changed:
                self._clock.wait_for(self._changed, lambda: line[0] is me, None)
            yield
        finally:
            with self._changed:
                line.remove(me)
                if not line:
                    del self._lines[key]
                self._changed.notify_all()
