"""Leases: at most one holder of a name at a time, over all processes and machines on a store.

A store keeps the lease with the server's clock; the holder renews it at a third of its time. Who was paused longer than
that has lost it, whether or not it knows: a write with the lease is then refused by the store, since the number of the
lease (the fencing number) has grown.
"""

from __future__ import annotations

import secrets
import threading
import weakref
from typing import Any, Dict, Optional, Protocol

from ..core.settings import check_seconds
from ..errors import ConfigError, LeaseLost
from ..log import get_logger
from .clock import Clock, Event
from .forked import tell_of_forks
from .worker import Worker, next_number

log = get_logger(__name__)

DEFAULT_TTL = 15.0  # seconds; docs/architecture.rst
RENEWALS = 3  # in the time of a lease, so that two may fail; ours
RETRY_EVERY = 0.25  # seconds between two tries to acquire; ours


class LeaseServer(Protocol):
    """What a store does for leases. *owner* names one Lease object of one process; all times are the server's."""

    def acquire_lease(self, name: str, owner: str, ttl: float) -> Optional[int]:
        """Give the lease to *owner* for *ttl* seconds if nobody holds it: its number, greater than all before it."""

    def renew_lease(self, name: str, owner: str, number: int, ttl: float) -> bool:
        """Let it live *ttl* seconds from now; False when *owner* does not hold it under *number* any more."""

    def release_lease(self, name: str, owner: str, number: int) -> None:
        """End it, if *owner* still holds it."""


class Lease:
    """One name of a store, made by ``store.lease(name, ttl)``. Any thread; a forked child holds none.

    lost: set once it is no longer held although it was not released. number: the fencing number, 0 when not held.
    """

    def __init__(self, server: LeaseServer, name: str, ttl: float = DEFAULT_TTL, *, clock: Optional[Clock] = None):
        if not isinstance(name, str) or not name:
            raise ConfigError("A lease needs a name.")
        self.name = name
        self.ttl = check_seconds("ttl", ttl, above_zero=True)
        self.owner = secrets.token_hex(8)
        self.number = 0
        self._server = server
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._valid_until = 0.0  # on this process's clock, counted from before the server was asked
        self.lost: Event = self._clock.event()
        self._released = self._clock.event()
        tell_of_forks(self)

    def __repr__(self) -> str:
        return f"Lease({self.name!r}, number={self.number}, held={self.held})"

    @property
    def held(self) -> bool:
        """True as long as no other process can hold it, by this process's clock."""
        return self.number > 0 and not self.lost.is_set() and self._clock.now() < self._valid_until

    def acquire(self, timeout: float = 0.0) -> bool:
        """Get the lease, trying for *timeout* seconds; False when another one holds it. Again changes nothing.

        Raises what the store raises.
        """
        deadline = self._clock.now() + check_seconds("timeout", timeout)
        stop = self._clock.event()
        while not self._acquired():
            left = deadline - self._clock.now()
            if left <= 0:
                return False
            stop.wait(min(RETRY_EVERY, left))
        return True

    def _acquired(self) -> bool:
        with self._lock:
            if self.held:
                return True
            asked_at = self._clock.now()
            number = self._server.acquire_lease(self.name, self.owner, self.ttl)
            if number is None:
                return False
            self.number = number
            self._valid_until = asked_at + self.ttl
            self.lost.clear()
            self._released.clear()
        _keeper_of(self._clock).add(self)
        return True

    def check(self) -> None:
        """Raise LeaseLost unless it is held, by this process's clock."""
        if not self.held:
            self.note_lost()
            raise lease_lost(self.name)

    def release(self) -> None:
        """Let it go, so that another process can have it at once. Raises nothing: with a failing store it runs out."""
        with self._lock:
            number, self.number = self.number, 0
            self._valid_until = 0.0
            self._released.set()
        _keeper_of(self._clock).remove(self)
        if number:
            try:
                self._server.release_lease(self.name, self.owner, number)
            except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
                log.warning("a lease could not be released and runs out by itself: %s", type(exc).__name__)

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def renew(self) -> bool:
        """Renew it now; False when it is lost. Raises nothing: while the store fails it is held until it runs out."""
        with self._lock:
            number = self.number
            if not number:
                return False
            asked_at = self._clock.now()
            try:
                still = self._server.renew_lease(self.name, self.owner, number, self.ttl)
            except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
                log.warning("a lease could not be renewed: %s", type(exc).__name__)
                still = asked_at < self._valid_until
            else:
                if still:
                    self._valid_until = asked_at + self.ttl
        if not still:
            self.note_lost()
        return still

    def note_lost(self) -> None:
        """The store says that it is lost."""
        if self.number and not self._released.is_set() and not self.lost.is_set():
            log.warning("the lease %r is lost: another process may hold it", self.name)
            self.lost.set()

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self.number = 0
        self.owner = secrets.token_hex(8)
        self.lost = self._clock.event()
        self._released = self._clock.event()


class LeaseKeeper:
    """Renews all leases of a process, on one thread that lives as long as there is a lease."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._condition = threading.Condition(threading.Lock())
        self._due: Dict[Lease, float] = {}
        self._worker: Optional[Worker] = None

    def add(self, lease: Lease) -> None:
        """Renew *lease* from now on."""
        with self._condition:
            self._due[lease] = self._clock.now() + lease.ttl / RENEWALS
            self._condition.notify_all()
            if self._worker is None:
                self._worker = Worker(f"wxsdk-lease-{next_number()}", self._run)
                self._worker.start()

    def remove(self, lease: Lease) -> None:
        """Renew *lease* no more."""
        with self._condition:
            self._due.pop(lease, None)
            self._condition.notify_all()

    def _run(self) -> None:
        while True:
            with self._condition:
                if not self._due:
                    self._worker = None
                    return
                now = self._clock.now()
                due = [lease for lease, at in self._due.items() if at <= now]
                if not due:
                    self._clock.wait(self._condition, min(self._due.values()) - now)
                    continue
            for lease in due:
                kept = lease.renew()
                with self._condition:
                    if not kept:
                        self._due.pop(lease, None)
                    elif lease in self._due:
                        self._due[lease] = self._clock.now() + lease.ttl / RENEWALS

    def _after_fork(self) -> None:
        self._condition = threading.Condition(threading.Lock())
        self._due = {}
        self._worker = None


_keepers: weakref.WeakKeyDictionary[Any, LeaseKeeper] = weakref.WeakKeyDictionary()
_real = Clock()
_keepers_lock = threading.Lock()


def _keeper_of(clock: Clock) -> LeaseKeeper:
    """The keeper of all leases by *clock*: one for real time, and one for each fake clock."""
    key = _real if type(clock) is Clock else clock
    with _keepers_lock:
        keeper = _keepers.get(key)
        if keeper is None:
            keeper = _keepers[key] = LeaseKeeper(key)
            tell_of_forks(keeper)
        return keeper


def lease_lost(name: str) -> LeaseLost:
    """The error for a write, or a step, that needed the lease *name*."""
    return LeaseLost(
        f"The lease {name!r} is not held any more: nothing was written.",
        name=name,
        remedy="Another process may have taken over; stop, or acquire the lease again.",
    )
