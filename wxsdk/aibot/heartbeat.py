"""Decides when to ping, and when a silent connection is dead (docs/protocol/aibot, 2)."""

from __future__ import annotations

from enum import Enum
from typing import Optional

MAX_MISSED = 2  # answers in a row; docs/protocol/aibot, 2
# An answer that takes longer than this part of the interval is missing. Below 1, so that a half-open connection
# is known as dead within 3 intervals even when it went silent right after an answer (peers, half-open TCP).
PATIENCE = 0.8


class Beat(Enum):
    """What to do now: send a ping, or drop the connection."""

    PING = "ping"
    DEAD = "dead"


class Heartbeat:
    """The heartbeat of one connection. *interval* is in seconds, *now* any clock's seconds. Not thread-safe.

    Only answers to pings count as life: a gateway that still pushes and no longer answers is broken too.
    """

    def __init__(self, interval: float, now: float) -> None:
        self._interval = interval
        self._next_ping = now + interval
        self._last_ping = now
        self._silent_since: Optional[float] = None  # the oldest ping that was not answered
        self.missed = 0

    @property
    def due(self) -> float:
        """When ``tick`` has something to say next, unless an answer comes first."""
        return self._dead_at if self.missed >= MAX_MISSED else self._next_ping

    @property
    def _dead_at(self) -> float:
        return self._last_ping + self._interval * PATIENCE

    def tick(self, now: float) -> Optional[Beat]:
        """Return what is due at *now*, None for nothing. After PING the ping counts as sent; DEAD is the end."""
        if self.missed >= MAX_MISSED:
            return Beat.DEAD if now >= self._dead_at else None
        if now < self._next_ping:
            return None
        self.missed += 1
        self._last_ping = now
        if self._silent_since is None:
            self._silent_since = now
        # Keeps the beat while ticks are a little late; starts a new one after a long pause (a laptop that slept).
        on_beat = self._next_ping + self._interval
        self._next_ping = on_beat if on_beat > now + self._interval / 2 else now + self._interval
        return Beat.PING

    def on_pong(self) -> None:
        """Note that an answer to a ping came, whatever it says."""
        self._silent_since = None
        self.missed = 0

    def is_late(self, now: float) -> bool:
        """True when the answer to a ping is missing: the connection may be dead, though it is not given up yet."""
        since = self._silent_since
        return since is not None and now - since >= self._interval * PATIENCE
