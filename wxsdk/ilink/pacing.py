"""When the next message may go out: the platform blocks bursts (3 in about 1 s, 18 in 34 s; docs/protocol/ilink, 4)."""

from __future__ import annotations

from collections import deque
from typing import Deque, Optional

RESOLUTION = 1e-9  # seconds; what is left below it is the rounding of floats


class Pacer:
    """At most *burst* messages in any ``burst / per_second`` seconds; None for no pacing.

    Not thread-safe: its owner holds a lock. Every *now* is seconds of one monotonic clock.
    """

    def __init__(self, per_second: Optional[float], burst: int) -> None:
        self._span = 0.0 if per_second is None else burst / per_second
        self._taken: Deque[float] = deque(maxlen=burst)  # when the last ones were let go

    @property
    def paces(self) -> bool:
        """Whether anything ever waits."""
        return self._span > 0

    def next_slot(self, now: float) -> float:
        """Take a slot, when one is free: 0.0. Else the seconds until one is, and nothing is taken: who gives up while
        it waits leaves nothing behind."""
        wait = self._taken[0] + self._span - now if len(self._taken) == self._taken.maxlen else 0.0
        if wait > RESOLUTION:
            return wait
        self._taken.append(now)
        return 0.0
