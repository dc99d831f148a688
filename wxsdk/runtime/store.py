"""Defines what a store of a client's state must do, and keeps such state in memory.

A store holds rows in named tables: text by key, in the order in which the keys were first put. What the tables mean is
its user's business. Everything that must not be torn apart by a crash goes through one ``write``.
"""

from __future__ import annotations

import threading
from typing import Callable, Dict, List, NamedTuple, Optional, Protocol, Sequence, Tuple, Union

from ..errors import ConfigError
from .forked import tell_of_forks
from .instance_lock import InstanceLock


class Put(NamedTuple):
    """Set *key* of *table* to *value*; a new key goes to the end of the table, a known one keeps its place.

    *at* is the time of day in seconds since 1970, by which ``trim`` tells old rows.
    """

    table: str
    key: str
    value: str
    at: float


class Delete(NamedTuple):
    """Remove *key* from *table*; one that is not there is no error."""

    table: str
    key: str


class Clear(NamedTuple):
    """Remove every row of *table*."""

    table: str


Change = Union[Put, Delete, Clear]

_one_at_a_time = threading.Lock()


class Store(Protocol):
    """What a store must do. Every method may be called from any thread, at the same time.

    A store that fails (a full disk, a lost server) raises OSError or an error of its own; nothing of the failed call
    may have taken effect. ``durable`` tells whether what was written outlives the process.

    A store may have more than these five calls: ``owner_locks()``, the locks (``acquire()``, which raises
    AlreadyRunning, and ``release()``) that a bot takes before it uses the store, or in their place a str ``identity``,
    the same for all that hold the same rows, which a bot then locks on its machine; ``interrupt()``, which ends the
    waits of the calls in progress with an error, so that a client can stop while the store is in trouble.
    """

    durable: bool

    def get(self, table: str, key: str) -> Optional[str]:
        """The value of *key*, None when there is none."""

    def items(self, table: str) -> List[Tuple[str, str]]:
        """Every (key, value) of *table*, first put first."""

    def write(self, changes: Sequence[Change]) -> None:
        """Apply all *changes* in order, or none. When it returns, a killed process loses nothing of them."""

    def trim(self, table: str, *, max_count: Optional[int] = None, before: Optional[float] = None) -> int:
        """Remove rows put before the time *before*, then the first ones past *max_count*; how many went."""

    def close(self) -> None:
        """Free what is held. A second call does nothing; any other call after it may raise."""


def put_if_absent(store: Store, put: Put) -> Optional[str]:
    """Apply *put* unless its key is there, in one step; the value that is there already, None when *put* was applied.

    What two processes on one store both want to do goes to the one that is told None. A store of the user's own that
    has no method ``put_if_absent(put)`` serves one process only; there the threads of this one are kept apart.
    """
    own: Optional[Callable[[Put], Optional[str]]] = getattr(store, "put_if_absent", None)
    if own is not None:
        return own(put)
    with _one_at_a_time:
        found = store.get(put.table, put.key)
        if found is None:
            store.write([put])
        return found


class Lock(Protocol):
    """The right to use something alone."""

    def acquire(self) -> None:
        """Take it now, or raise AlreadyRunning."""

    def release(self) -> None:
        """Give it back."""


def locks_of(store: Store) -> List[Lock]:
    """The locks that the one user of *store* holds; none for a store that nothing else can reach."""
    own: Optional[Callable[[], List[Lock]]] = getattr(store, "owner_locks", None)
    if own is not None:
        return own()
    identity = getattr(store, "identity", None)
    return [] if identity is None else [InstanceLock("ilink-store", str(identity))]


def as_store(given: Optional[Store]) -> Store:
    """*given*, a new MemoryStore for None. ConfigError for what is no store, such as a path."""
    if given is None:
        return MemoryStore()
    if not all(callable(getattr(given, name, None)) for name in ("get", "items", "write", "trim", "close")):
        raise ConfigError("The store is no Store.", remedy='Give SQLiteStore("bot.db"), or None.')
    return given


class MemoryStore:
    """A store that forgets everything with the process."""

    durable = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: Dict[str, Dict[str, Tuple[str, float]]] = {}
        tell_of_forks(self)

    def __repr__(self) -> str:
        with self._lock:
            sizes = {table: len(rows) for table, rows in self._tables.items()}
        return f"MemoryStore({sizes})"

    def get(self, table: str, key: str) -> Optional[str]:
        with self._lock:
            row = self._tables.get(table, {}).get(key)
        return None if row is None else row[0]

    def items(self, table: str) -> List[Tuple[str, str]]:
        with self._lock:
            return [(key, value) for key, (value, _) in self._tables.get(table, {}).items()]

    def write(self, changes: Sequence[Change]) -> None:
        with self._lock:
            for change in changes:
                rows = self._tables.setdefault(change.table, {})
                if isinstance(change, Put):
                    rows[change.key] = (change.value, change.at)
                elif isinstance(change, Delete):
                    rows.pop(change.key, None)
                else:
                    rows.clear()

    def put_if_absent(self, put: Put) -> Optional[str]:
        """Apply *put* unless its key is there; the value that is there already."""
        with self._lock:
            rows = self._tables.setdefault(put.table, {})
            if put.key in rows:
                return rows[put.key][0]
            rows[put.key] = (put.value, put.at)
            return None

    def trim(self, table: str, *, max_count: Optional[int] = None, before: Optional[float] = None) -> int:
        with self._lock:
            rows = self._tables.get(table, {})
            old = [] if before is None else [key for key, (_, at) in rows.items() if at < before]
            for key in old:
                del rows[key]
            spare = [] if max_count is None else list(rows)[: max(len(rows) - max_count, 0)]
            for key in spare:
                del rows[key]
            return len(old) + len(spare)

    def close(self) -> None:
        """Nothing is held but memory; what is in the store stays readable."""

    def _after_fork(self) -> None:
        self._lock = threading.Lock()  # in the child; a thread of the parent may have held the old one
