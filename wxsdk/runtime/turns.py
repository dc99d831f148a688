"""KeyedTurns: callers of one key go one at a time, in the order in which they came."""

from __future__ import annotations

import threading
import time
from typing import Callable, Dict, Hashable, Optional, TypeVar

from .forked import tell_of_forks

T = TypeVar("T")


class TurnTimeout(Exception):
    """The turn did not come in time; the place in the line is given up."""


class _Place:
    """A place in a line. *left* is held until its caller has gone, whether or not its turn had come."""

    def __init__(self) -> None:
        self.left = threading.Lock()
        self.left.acquire()
        self.before: Optional[_Place] = None  # whom it waits for; None once nobody is left

    def wait(self, timeout: Optional[float] = None) -> None:
        """Wait until all before have left. Interrupted at any point, it has taken nothing from those behind.

        Raises TurnTimeout after *timeout* seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.before is not None:
            if deadline is not None:
                left = self.before.left
                if not left.acquire(timeout=max(deadline - time.monotonic(), 0.0)):
                    raise TurnTimeout
                left.release()
                self.before = self.before.before
                continue
            with self.before.left:  # nobody but the next in line takes it, and gives it back at once
                self.before = self.before.before  # not None: that one left before its turn had come


class KeyedTurns:
    """First come, first served, per key. (A plain lock wakes any of its waiters, so it keeps no order.)

    Ctrl-C raises KeyboardInterrupt in the main thread between any two steps, those of a ``finally`` included. So what
    gives a turn back is one step: the release of a lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: Dict[Hashable, _Place] = {}  # of each line; each place knows the one before
        tell_of_forks(self)

    def waiting(self, key: Hashable) -> int:
        """Callers in line for *key*, the one whose turn it is included."""
        count = 0
        with self._lock:
            place = self._last.get(key)
            while place is not None:
                count += place.left.locked()
                place = place.before
        return count

    def in_turn(self, key: Hashable, work: Callable[[], T], timeout: Optional[float] = None) -> T:
        """Wait for the caller's turn, and return or raise what *work* does, called in it.

        Raises TurnTimeout when the turn does not come within *timeout* seconds.
        """
        place = _Place()
        try:
            with self._lock:
                place.before = self._last.get(key)
                self._last[key] = place
            place.wait(timeout)
            return work()
        finally:
            place.left.release()
            self._tidy(key, place)

    def _tidy(self, key: Hashable, gone: _Place) -> None:
        """Forget a place that was left. (One that is not forgotten costs its memory, and holds nobody up.)"""
        with self._lock:
            if self._last.get(key) is not gone:
                return
            last = gone.before
            while last is not None and not last.left.locked():
                last = last.before
            if last is None:
                del self._last[key]
            else:
                self._last[key] = last

    def _after_fork(self) -> None:
        """In a forked child: whoever stood in line is not here."""
        self._lock = threading.Lock()
        self._last = {}
