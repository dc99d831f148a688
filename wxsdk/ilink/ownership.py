"""Owns, for one client of a machine at a time, its bot and its store."""

from __future__ import annotations

import contextlib
from typing import Iterator, List, Optional

from ..errors import AlreadyRunning
from ..runtime.instance_lock import InstanceLock
from ..runtime.store import Lock, Store, locks_of


class Ownership:
    """The locks of one client. *wanted*: False when it is not to care about others. One thread at a time."""

    def __init__(self, store: Store, *, wanted: bool) -> None:
        self._store = store
        self._wanted = wanted
        self._bot_lock: Optional[InstanceLock] = None
        self._store_locks: List[Lock] = []

    def acquire(self, base_url: str, token: str) -> None:
        """Own bot and store; what is owned already stays so. Raises AlreadyRunning, then ``release`` is to follow."""
        if not self._wanted:
            return
        if self._bot_lock is None:
            self._bot_lock = _acquired(lock_of_bot(base_url, token))
        if not self._store_locks:
            for lock in locks_of(self._store):
                _acquire_store(lock)
                self._store_locks.append(lock)

    @contextlib.contextmanager
    def moving(self, base_url: str, token: str) -> Iterator[None]:
        """Where a bot is owned, own that one in its place once the block is through; when it raises, all is as before.

        Raises AlreadyRunning before the block is entered.
        """
        if self._bot_lock is None:
            yield
            return
        lock = _acquired(lock_of_bot(base_url, token))
        try:
            yield
        except BaseException:
            lock.release()
            raise
        self._bot_lock.release()
        self._bot_lock = lock

    def release(self) -> None:
        """Give back what is owned."""
        bot, self._bot_lock = self._bot_lock, None
        store, self._store_locks = self._store_locks, []
        for lock in [*([bot] if bot is not None else []), *store]:
            lock.release()

    def after_fork(self) -> None:
        """In a forked child: what is owned is the parent's, and its locks have forgotten it by themselves."""
        self._bot_lock, self._store_locks = None, []


def _acquired(lock: InstanceLock) -> InstanceLock:
    lock.acquire()
    return lock


def lock_of_bot(base_url: str, token: str) -> InstanceLock:
    return InstanceLock("ilink", f"{base_url}\n{token}")


def _acquire_store(lock: Lock) -> None:
    """Two bots in one store would take each other's messages for duplicates of their own."""
    try:
        lock.acquire()
    except AlreadyRunning as exc:
        raise AlreadyRunning(
            f"Another bot (process {exc.pid}) uses this store.",
            pid=exc.pid,
            remedy="Give each bot a store of its own.",
        ) from None
