"""KeyedTurns: callers of one key go one at a time, in the order in which they came."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import Deque, Dict, Hashable, Iterator

from .clock import Clock, Event


class KeyedTurns:
    """First come, first served, per key. (A plain lock wakes any of its waiters, so it keeps no order.)"""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._lines: Dict[Hashable, Deque[Event]] = {}

    def waiting(self, key: Hashable) -> int:
        """Callers in line for *key*, the one whose turn it is included."""
        with self._lock:
            return len(self._lines.get(key, ()))

    @contextlib.contextmanager
    def turn(self, key: Hashable) -> Iterator[None]:
        """Wait for the caller's turn; the block is the turn."""
        me = self._clock.event()
        with self._lock:
            line = self._lines.setdefault(key, deque())
            line.append(me)
            first = line[0] is me
        try:
            if not first:
                me.wait()
            yield
        finally:
            with self._lock:
                line.remove(me)
                if line:
                    line[0].set()  # only the next one wakes, however many wait
                else:
                    del self._lines[key]
