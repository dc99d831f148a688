"""Time as an object that owns every wait, so that tests can own time (``wxsdk.testing.FakeClock``)."""

from __future__ import annotations

import queue
import threading
import time
from typing import Callable, Optional, TypeVar

T = TypeVar("T")

RESOLUTION = 1e-9  # seconds; what is left below it is the rounding of floats


class Clock:
    """Real time. ``now`` never goes back; ``wall`` is the time of day and may jump."""

    def now(self) -> float:
        """Seconds from an arbitrary start, for measuring."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970, for what is stored or shown."""
        return time.time()

    def wait(self, condition: threading.Condition, timeout: Optional[float]) -> None:
        """Wait once on *condition* (held by the caller) for a notification or *timeout* seconds."""
        condition.wait(timeout)

    def wait_for(self, condition: threading.Condition, predicate: Callable[[], bool], timeout: Optional[float]) -> bool:
        """Wait on *condition* (held by the caller) until *predicate* holds; False when *timeout* passed first."""
        deadline = None if timeout is None else self.now() + timeout
        while not predicate():
            remaining = None if deadline is None else deadline - self.now()
            if remaining is not None and remaining < RESOLUTION:
                return False
            self.wait(condition, remaining)
        return True

    def get(self, source: queue.Queue[T], timeout: Optional[float]) -> T:
        """The next item of *source*; raises ``queue.Empty`` after *timeout* seconds. One consumer a queue."""
        return source.get(timeout=None if timeout is None else max(timeout, 0.0))

    def event(self) -> Event:
        """A new flag whose waits belong to this clock."""
        return Event(self)


class Event:
    """Like ``threading.Event``, waiting by its clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Held by its own name: entering a Condition takes several steps, and Ctrl-C between them would leave it locked.
        self._lock = threading.RLock()
        self._condition = threading.Condition(self._lock)
        self._flag = False

    def is_set(self) -> bool:
        return self._flag

    def set(self) -> None:
        with self._lock:
            self._flag = True
            self._condition.notify_all()

    def clear(self) -> None:
        with self._lock:
            self._flag = False

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait until the flag is set; False when *timeout* seconds passed first."""
        if self._flag:
            return True
        with self._lock:
            return self._clock.wait_for(self._condition, self.is_set, timeout)
