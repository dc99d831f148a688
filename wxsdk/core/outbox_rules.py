"""Sends that wait: whose turn it is, and what follows a try. Decides only; ``runtime.outbox_worker`` does it.

Messages to one recipient form a line: only its first one is tried, so a later one never overtakes it. Lines go side by
side: one that waits holds up no other. Every *now* is seconds of one monotonic clock.
"""

from __future__ import annotations

import json
import math
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Deque, Dict, List, NamedTuple, Optional, Union

from ..errors import LimitExceeded, WxError
from .backoff import jittered

FIRST_DELAY = 1.0  # seconds before the second try of a send that failed on the way; a choice
LONGEST_DELAY = 60.0  # seconds between two tries, at most; a choice: a recovery is noticed earlier by other ways
_MOST_DOUBLINGS = 16  # above every ceiling used here, and far below where 2 ** n is no float


@dataclass(frozen=True)
class OutboxItem:
    """A message that waits in the outbox.

    kind: "text" or "media" (iLink); the msgtype (WeCom). created: when it was put in (aware, UTC). attempts: tries so
    far; with one or more, a part of it, or all of it, may have gone out.
    """

    id: str
    to: str
    kind: str
    created: datetime
    attempts: int


@dataclass
class Entry:
    """One message as it is kept. payload: what its client needs to send it, anything that JSON can carry.

    created: seconds since 1970. born: the same moment on the clock of *now*. failures: in a row, in this process.
    """

    id: str
    to: str
    kind: str
    created: float
    payload: Dict[str, Any] = field(repr=False)  # texts, tokens and keys
    attempts: int = 0
    born: float = 0.0
    failures: int = 0

    def item(self) -> OutboxItem:
        """What a user sees of it."""
        created = datetime.fromtimestamp(self.created, timezone.utc)
        return OutboxItem(self.id, self.to, self.kind, created, self.attempts)

    def encode(self) -> str:
        """Its row in the store. Raises ValueError or TypeError when JSON cannot carry the payload."""
        row = {
            "to": self.to,
            "kind": self.kind,
            "created": self.created,
            "attempts": self.attempts,
            "payload": self.payload,
        }
        return json.dumps(row, allow_nan=False, separators=(",", ":"))

    @classmethod
    def decode(cls, id: str, text: str) -> Optional[Entry]:
        """The message of a row; None when it is not one."""
        try:
            row = json.loads(text)
            to, kind, payload = row["to"], row["kind"], row["payload"]
            created, attempts = float(row["created"]), int(row["attempts"])
            datetime.fromtimestamp(created, timezone.utc)
        except (ValueError, TypeError, KeyError, OverflowError, OSError):
            return None
        if not (isinstance(to, str) and isinstance(kind, str) and isinstance(payload, dict)):
            return None
        return cls(id, to, kind, created, payload, attempts)


# What follows a try


class Sent(NamedTuple):
    """It went out."""


class Retry(NamedTuple):
    """Try again in *delay* seconds, or when the connection is back; for *pause* seconds nobody else is tried either."""

    delay: float
    pause: float = 0.0


class WaitForUser(NamedTuple):
    """Try again when the recipient wrote; *at_latest* in so many seconds, None for not before."""

    at_latest: Optional[float] = None


class GiveUp(NamedTuple):
    """It never goes out, or nobody can know whether it did."""

    error: WxError


Verdict = Union[Sent, Retry, WaitForUser, GiveUp]


def backoff(failures: int, unit: float, *, first: float = FIRST_DELAY, longest: float = LONGEST_DELAY) -> float:
    """Seconds after *failures* (1 or more) in a row: *first*, doubling up to *longest*; *unit* is random, in [0, 1)."""
    return jittered(min(first * (1 << min(failures - 1, _MOST_DOUBLINGS)), longest), unit)


def after_network_failure(failures: int, row: int, unit: float, first: float = FIRST_DELAY) -> Retry:
    """The network, the platform or the store failed: others would fail as well, so they wait, too.

    failures: of this message. row: of whichever message, since the last success. They are told apart so that one
    message which never gets through slows down itself, not the others.
    first: seconds before the second try.
    """
    return Retry(backoff(failures, unit, first=first), pause=backoff(row, unit, first=first))


# Whose turn it is


class Try(NamedTuple):
    """Send *entry* now, and ``settle`` it. row: failures of the network in a row, over all lines."""

    entry: Entry
    row: int


class Expired(NamedTuple):
    """*entry* waited too long and is out of its line."""

    entry: Entry
    error: LimitExceeded


class Idle(NamedTuple):
    """Nothing to do for *seconds*, None for as long as nothing happens."""

    seconds: Optional[float]


Step = Union[Try, Expired, Idle]


class _Line:
    """The messages to one recipient, oldest first."""

    __slots__ = ("busy", "due", "entries", "for_user", "news", "tried", "wakes")

    def __init__(self) -> None:
        self.entries: Deque[Entry] = deque()
        self.due = -math.inf  # when the first one may be tried
        self.for_user = False  # the recipient has to write first
        self.busy = False  # the first one is being tried
        self.news = False  # the recipient wrote meanwhile, or may have
        self.tried = 0  # number of the last try, for taking turns
        self.wakes = 0  # how often everything had been woken when that one began


class Lines:
    """All that waits. Not thread-safe: its owner holds a lock. max_age: seconds that a message may wait."""

    def __init__(self, max_age: float) -> None:
        self._max_age = max_age
        self._all: Dict[str, Entry] = {}
        self._lines: Dict[str, _Line] = {}
        self._paused_until = -math.inf
        self._row = 0
        self._tries = 0
        self._wakes = 0

    def __len__(self) -> int:
        return len(self._all)

    def entries(self) -> List[Entry]:
        """Every message, in the order in which they were put in."""
        return list(self._all.values())

    def check_room(self, max_count: int) -> None:
        """LimitExceeded when *max_count* messages wait already."""
        if len(self._all) >= max_count:
            raise LimitExceeded(
                "The outbox is full.",
                limit=max_count,
                actual=len(self._all) + 1,
                remedy="outbox_max_count allows more messages to wait.",
            )

    def add(self, entry: Entry) -> None:
        """Put *entry* at the end of its line."""
        self._all[entry.id] = entry
        self._lines.setdefault(entry.to, _Line()).entries.append(entry)

    def reload(self, entries: List[Entry]) -> None:
        """Hold *entries* and nothing else, but go on with those of them that are being tried."""
        busy = {line.entries[0].id: line.entries[0] for line in self._lines.values() if line.busy}
        self._all, self._lines = {}, {}
        for entry in entries:
            self.add(busy.get(entry.id, entry))
        for line in self._lines.values():
            line.busy = line.entries[0].id in busy

    def waiting(self, id: str) -> Optional[Entry]:
        """The message of that id; None when there is none, or when it is being tried."""
        entry = self._all.get(id)
        return None if entry is None or self._is_busy(entry) else entry

    def remove(self, entry: Entry) -> None:
        """Take *entry* out; the next one of its line is free to be tried if it was the first."""
        del self._all[entry.id]
        line = self._lines[entry.to]
        if line.entries[0] is entry:
            line.due, line.for_user = -math.inf, False
        line.entries.remove(entry)
        if not line.entries:
            del self._lines[entry.to]

    def take(self, now: float) -> Step:
        """What to do now. A message that comes in a Try is busy until ``settle``."""
        oldest = next((entry for entry in self._all.values() if not self._is_busy(entry)), None)
        if oldest is None:
            return Idle(None)
        if oldest.born + self._max_age <= now:
            self.remove(oldest)
            return Expired(oldest, _too_old(self._max_age, now - oldest.born))
        free = [line for line in self._lines.values() if not line.busy]
        ready = [line for line in free if line.due <= now] if self._paused_until <= now else []
        if not ready:
            hours = [max(line.due, self._paused_until) for line in free]
            return Idle(min([*hours, oldest.born + self._max_age]) - now)
        line = min(ready, key=lambda each: each.tried)
        self._tries += 1
        line.tried, line.busy, line.news, line.wakes = self._tries, True, False, self._wakes
        return Try(line.entries[0], self._row)

    def settle(self, entry: Entry, verdict: Verdict, now: float) -> None:
        """The try of *entry* led to *verdict*."""
        if self._all.get(entry.id) is not entry:
            return  # gone meanwhile
        line = self._lines[entry.to]
        line.busy = False
        paused = isinstance(verdict, Retry) and verdict.pause > 0
        self._row = self._row + 1 if paused else 0
        if isinstance(verdict, (Sent, GiveUp)):
            self.remove(entry)
            return
        entry.failures += 1
        if isinstance(verdict, Retry):
            line.due, line.for_user = now + verdict.delay, False
            if line.wakes == self._wakes:
                self._paused_until = max(self._paused_until, now + verdict.pause)
            else:  # what failed may have been the state before
                line.due = -math.inf
        else:
            line.due = math.inf if verdict.at_latest is None else now + verdict.at_latest
            line.for_user = True
        if line.news:
            line.due = -math.inf

    def heard(self, to: str) -> None:
        """The recipient *to* wrote."""
        line = self._lines.get(to)
        if line is not None:
            line.news = True
            if line.for_user:
                line.due = -math.inf

    def wake(self, *, users_too: bool) -> None:
        """The connection is back, or the credentials are new: whatever failed may work now.

        users_too: what waits for its recipient as well, whose word may have been missed.
        """
        self._wakes += 1
        self._paused_until, self._row = -math.inf, 0
        for line in self._lines.values():
            if users_too:
                line.news = True
            if users_too or not line.for_user:
                line.due = -math.inf

    def _is_busy(self, entry: Entry) -> bool:
        line = self._lines[entry.to]
        return line.busy and line.entries[0] is entry


def _too_old(max_age: float, age: float) -> LimitExceeded:
    return LimitExceeded(
        "The message could not be sent for longer than outbox_max_age.", limit=max_age, actual=round(age, 1)
    )
