"""Decides how many messages a user may still get, and when the next one may go out (docs/protocol/ilink, 4).

About 10 within 24 h of the user's last one, reported by users and not documented: so a policy decides what follows, and
nothing is refused by default. The platform blocks bursts (3 in about 1 s, 18 in 34 s).
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Deque, Optional

from ..errors import LimitExceeded

RESOLUTION = 1e-9  # seconds; what is left below it is the rounding of floats
MAX_USERS = 100_000  # remembered; each costs about 200 bytes
_REMEDY = "The platform may refuse it: wait until the user writes again."


@dataclass(frozen=True)
class Quota:
    """What is left for one user.

    sent: messages since the user's last one. limit, remaining: how many may follow it. window_left: seconds of the
    24 h that are left, None when the user was never heard from.
    """

    sent: int
    limit: int
    remaining: int
    window_left: Optional[float]


@dataclass(frozen=True)
class Tally:
    """What is counted of one user; can be stored. heard_at: seconds since 1970, None for never."""

    sent: int = 0
    heard_at: Optional[float] = None


class QuotaLedger:
    """The tallies of all users. Every *now* is seconds since 1970. Not thread-safe: its owner holds a lock."""

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._window = window
        self._tallies: OrderedDict[str, Tally] = OrderedDict()
        self._warned: set[str] = set()

    def tally(self, user: str) -> Tally:
        """What is counted of *user*, to be stored."""
        return self._tallies.get(user, Tally())

    def restore(self, user: str, tally: Tally) -> None:
        """Take over what was stored."""
        self._keep(user, tally)

    def on_inbound(self, user: str, now: float) -> None:
        """*user* wrote at *now*: all sends are free again. An older message than the last changes nothing."""
        heard_at = self.tally(user).heard_at
        if heard_at is None or now >= heard_at:
            self._warned.discard(user)
            self._keep(user, Tally(0, now))

    def on_sent(self, user: str) -> None:
        """A message to *user* was taken by the platform."""
        tally = self.tally(user)
        self._keep(user, dataclasses.replace(tally, sent=tally.sent + 1))

    def quota(self, user: str, now: float) -> Quota:
        """What is left for *user* at *now*."""
        tally = self.tally(user)
        left = None if tally.heard_at is None else min(max(tally.heard_at + self._window - now, 0.0), self._window)
        return Quota(tally.sent, self._limit, max(self._limit - tally.sent, 0), left)

    def excess(self, user: str, now: float, count: int = 1) -> Optional[LimitExceeded]:
        """Why *count* more messages to *user* exceed the quota, None when they do not.

        To be raised by the policy "refuse". A user never heard from is within it: the tokens may have been imported.
        """
        quota = self.quota(user, now)
        heard_at = self.tally(user).heard_at
        if heard_at is not None and now - heard_at > self._window:
            what = f"The user's last message is more than {self._window:g} s old."
            return LimitExceeded(what, limit=self._window, actual=round(now - heard_at, 1), remedy=_REMEDY)
        if heard_at is not None and quota.remaining < count:
            what = "These are too many messages since the user's last one."
            return LimitExceeded(what, limit=quota.limit, actual=quota.sent + count, remedy=_REMEDY)
        return None

    def warning(self, user: str, now: float, count: int = 1) -> Optional[LimitExceeded]:
        """As ``excess``, but only once per message of the user. To be logged by the policy "warn"."""
        found = None if user in self._warned else self.excess(user, now, count)
        if found is not None:
            self._warned.add(user)
        return found

    def clear(self) -> None:
        """Forget everything, for a new bot."""
        self._tallies.clear()
        self._warned.clear()

    def _keep(self, user: str, tally: Tally) -> None:
        self._tallies[user] = tally
        self._tallies.move_to_end(user)
        while len(self._tallies) > MAX_USERS:
            gone, _ = self._tallies.popitem(last=False)
            self._warned.discard(gone)


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
