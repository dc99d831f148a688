"""When the next message may go out: the platform blocks bursts (3 in about 1 s, 18 in 34 s; protocol-ilink, 4)."""

from __future__ import annotations

from collections import deque
from typing import Deque, Optional


class Pacer:
    """At most *burst* messages in any ``burst / per_second`` seconds; None for no pacing.

    Not thread-safe: its owner holds a lock. Every *now* is seconds of one monotonic clock.
    """

    def __init__(self, per_second: Optional[float], burst: int) -> None:
        self._span = 0.0 if per_second is None else burst / per_second
        self._slots: Deque[float] = deque(maxlen=burst)  # when the last ones were let go, the future ones too

    def next_slot(self, now: float) -> float:
        """Take the next free slot; the seconds to wait for it, 0.0 for none."""
        slot = now
        if self._slots:
            slot = max(slot, self._slots[-1])
        if len(self._slots) == self._slots.maxlen:
            slot = max(slot, self._slots[0] + self._span)
        self._slots.append(slot)
        return slot - now
