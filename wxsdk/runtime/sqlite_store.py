"""Keeps a client's state in one SQLite file, so that it outlives the process.

The file is in WAL mode: readers and the writer do not hinder each other, a commit is one append, and a killed process
loses nothing that was committed. It is created with mode 0600, and SQLite gives its -wal and -shm the same mode.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pathlib
import sqlite3
import threading
import weakref
from typing import Callable, Dict, List, Optional, Sequence, Tuple, TypeVar, Union

from ..core.settings import MAX_SECONDS, check_seconds
from ..errors import ConfigError, LeaseLost, StoreError
from .clock import Clock
from .instance_lock import InstanceLock
from .lease import DEFAULT_TTL, Lease, lease_lost
from .sqlite_file import (
    SPARE_PAGES,
    Stamp,
    check_is_ours,
    checked_path,
    connect,
    create_private,
    damage,
    file_id,
    free_pages,
    is_busy,
    make_private,
    stamp_of,
    stamps,
    transaction,
)
from .store import Change, Delete, Lock, Put

T = TypeVar("T")

MIN_SQLITE = (3, 24, 0)  # the first with ON CONFLICT DO UPDATE (2018)
LOOK_AGAIN = 0.01  # seconds between two tries while another process writes; a choice between delay and load
VERIFY_EVERY = 10.0  # seconds between two checks of the whole file while other processes write to it, too

# SQLite's words for SQLITE_FULL and SQLITE_BUSY (Python 3.9 and 3.10 do not give the codes), errno, remedy.
_FAILURES = (
    ("disk is full", errno.ENOSPC, "Free some space on its disk, or allow it to grow."),
    (
        "database is locked",
        errno.EBUSY,
        "Another process keeps it busy: end that one, or raise busy_timeout if it only writes for long.",
    ),
)

_LEASES = b"\0leases"  # no table of a user's: theirs are texts that a protocol names
_GET = "SELECT value FROM entries WHERE name = ? AND key = ?"
_DELETE = "DELETE FROM entries WHERE name = ? AND key = ?"
_PUT = (
    "INSERT INTO entries (name, key, value, at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (name, key) DO UPDATE SET value = excluded.value, at = excluded.at"
)
_TRIM_COUNT = (
    "DELETE FROM entries WHERE place IN (SELECT place FROM entries WHERE name = ? ORDER BY place"
    " LIMIT max((SELECT count(*) FROM entries WHERE name = ?) - ?, 0))"
)

_stores: weakref.WeakSet[SQLiteStore] = weakref.WeakSet()
_opening = threading.Lock()  # one open at a time; see SQLiteStore._open
_abandoned: List[sqlite3.Connection] = []  # connections of the parent process; see _abandon_in_child


class SQLiteStore:
    """A durable ``Store`` in the file *path*, which is made when it is not there; its folder must exist.

    synchronous: "NORMAL" (default) survives a killed process; after a power failure the last commits may be missing,
    though the file is never damaged. "FULL" waits for the disk at each write, some milliseconds, and loses nothing then
    either. busy_timeout: seconds to wait for another process that writes. max_bytes: the file grows no further, None
    for no limit but the disk's.

    ConfigError when an argument is unusable, or the file is damaged, is not a store of wxsdk or was written by a newer
    version (it is left as it is), or cannot be opened. StoreError (also OSError) when a call fails later, a full disk
    for one; nothing of that call has taken effect, and the store goes on when the cause is gone. A file that was
    deleted, moved or replaced while it is open fails each write (ENOENT), since what went into it would be lost with
    the process; so does one that was truncated or written over (EIO). While another process writes, a write waits up
    to busy_timeout for it, and reads go on. After ``close`` the next call opens the file again. A forked child opens a
    connection of its own. A file that others can read is made private (0600); ConfigError where that is not possible.
    """

    durable = True

    def __init__(
        self,
        path: Union[str, os.PathLike[str]],
        *,
        synchronous: str = "NORMAL",
        busy_timeout: float = 5.0,
        max_bytes: Optional[int] = None,
    ) -> None:
        if sqlite3.sqlite_version_info < MIN_SQLITE:
            raise ConfigError(f"SQLite {sqlite3.sqlite_version} is too old.", remedy="3.24 or newer is needed.")
        if synchronous not in ("NORMAL", "FULL"):
            raise ConfigError('synchronous must be "NORMAL" or "FULL".')
        check_seconds("busy_timeout", busy_timeout)
        if not 0 <= busy_timeout <= 3600:
            raise ConfigError("busy_timeout must be seconds between 0 and 3600.")
        if max_bytes is not None and (not isinstance(max_bytes, int) or isinstance(max_bytes, bool) or max_bytes <= 0):
            raise ConfigError(f"max_bytes is {max_bytes!r:.40}.", remedy="Give a number of bytes above 0, or None.")
        self._path = pathlib.Path(os.path.abspath(checked_path(path)))
        self._synchronous = synchronous
        self._busy_timeout = busy_timeout
        self._max_bytes = max_bytes
        self._clock = Clock()
        self._lock = threading.Lock()
        self._free = threading.Condition(self._lock)  # waited on while another process writes
        self._interruptions = 0
        self._connection: Optional[sqlite3.Connection] = None
        self._files: Dict[str, Stamp] = {}  # what is open: the file itself and its -wal
        self._version = 0  # SQLite's data_version: changes when another connection writes
        self._told_version = 0  # the same, when changed_elsewhere() was last called
        self._verified_at = 0.0  # on the clock
        _stores.add(self)
        with self._lock:
            self._connection = self._open()

    def __repr__(self) -> str:
        return f"SQLiteStore({str(self._path)!r})"

    @property
    def identity(self) -> str:
        """The same for every store on this file."""
        return os.path.realpath(self._path)

    def owner_locks(self) -> List[Lock]:
        """The locks that keep two bots from one file: beside it, and by its inode, since it may have several names."""
        locks: List[Lock] = [InstanceLock("store", self.identity, beside=self._path)]
        with contextlib.suppress(OSError):  # it was taken away; the next write says so
            device, inode = file_id(str(self._path))
            locks.append(InstanceLock("store", f"{device}:{inode}"))
        return locks

    def get(self, table: str, key: str) -> Optional[str]:
        row = self._read(_GET, _bound(table), _bound(key))
        return _text(row[0][0]) if row else None

    def items(self, table: str) -> List[Tuple[str, str]]:
        rows = self._read("SELECT key, value FROM entries WHERE name = ? ORDER BY place", _bound(table))
        return [(_text(key), _text(value)) for key, value in rows]

    def write(self, changes: Sequence[Change], *, lease: Optional[Lease] = None) -> None:
        """Apply all *changes* or none. lease: LeaseLost, and nothing applied, unless it is held now."""
        if lease is not None:
            lease.check()
        if not changes:
            return
        try:
            self._write(lambda connection: self._apply_under(connection, changes, lease))
        except LeaseLost:
            assert lease is not None
            lease.note_lost()
            raise

    def _apply_under(self, connection: sqlite3.Connection, changes: Sequence[Change], lease: Optional[Lease]) -> None:
        if lease is not None and not self._holds(connection, lease.name, lease.owner, lease.number):
            raise lease_lost(lease.name)
        _apply(connection, changes)

    # -- leases ----------------------------------------

    def lease(self, name: str, ttl: float = DEFAULT_TTL) -> Lease:
        """A lease of *name* among the processes of this machine; it lives *ttl* seconds past its last renewal."""
        return Lease(self, name, ttl)

    def acquire_lease(self, name: str, owner: str, ttl: float) -> Optional[int]:
        def acquired(connection: sqlite3.Connection) -> Optional[int]:
            row = connection.execute(_GET, (_LEASES, _bound(name))).fetchone()
            _, number, expires = json.loads(_text(row[0])) if row else ("", 0, 0.0)
            now = self._clock.wall()
            if now < expires <= now + MAX_SECONDS:
                return None
            self._put_lease(connection, name, owner, number + 1, now + ttl)
            return int(number + 1)

        return self._write(acquired)

    def renew_lease(self, name: str, owner: str, number: int, ttl: float) -> bool:
        def renewed(connection: sqlite3.Connection) -> bool:
            holds = self._holds(connection, name, owner, number)
            if holds:
                self._put_lease(connection, name, owner, number, self._clock.wall() + ttl)
            return holds

        return self._write(renewed)

    def release_lease(self, name: str, owner: str, number: int) -> None:
        def released(connection: sqlite3.Connection) -> None:
            if self._holds(connection, name, owner, number):
                self._put_lease(connection, name, owner, number, 0.0)  # the row stays, for its number

        self._write(released)

    def _holds(self, connection: sqlite3.Connection, name: str, owner: str, number: int) -> bool:
        row = connection.execute(_GET, (_LEASES, _bound(name))).fetchone()
        found, last, expires = json.loads(_text(row[0])) if row else ("", 0, 0.0)
        return (found, last) == (owner, number) and self._clock.wall() < expires

    def _put_lease(self, connection: sqlite3.Connection, name: str, owner: str, number: int, expires: float) -> None:
        value = json.dumps([owner, number, expires])
        connection.execute(_PUT, (_LEASES, _bound(name), _bound(value), self._clock.wall()))

    def try_write(self, changes: Sequence[Change]) -> bool:
        """As ``write``, but False at once while another process writes."""
        try:
            self._write(lambda connection: _apply(connection, changes), patience=0.0)
        except StoreError as exc:
            if exc.errno != errno.EBUSY:
                raise
            return False
        return True

    def put_if_absent(self, put: Put) -> Optional[str]:
        """Apply *put* unless its key is there; the value that is there already. One step for all processes."""
        name, key = _bound(put.table), _bound(put.key)

        def put_or_found(connection: sqlite3.Connection) -> Optional[str]:
            row = connection.execute(_GET, (name, key)).fetchone()
            if row is None:
                connection.execute(_PUT, (name, key, _bound(put.value), put.at))
            return None if row is None else _text(row[0])

        return self._write(put_or_found)

    def trim(self, table: str, *, max_count: Optional[int] = None, before: Optional[float] = None) -> int:
        name = _bound(table)

        def trimmed(connection: sqlite3.Connection) -> int:
            removed = 0
            if before is not None:
                removed += connection.execute("DELETE FROM entries WHERE name = ? AND at < ?", (name, before)).rowcount
            if max_count is not None:
                removed += connection.execute(_TRIM_COUNT, (name, name, max_count)).rowcount
            return removed

        count = self._write(trimmed)
        self._done(self._give_back)
        return count

    def _give_back(self, connection: sqlite3.Connection) -> None:
        """Give free pages back to the disk when there are many."""
        if free_pages(connection) > SPARE_PAGES:
            with contextlib.suppress(sqlite3.Error):  # the next clean-up tries it again
                connection.executescript("PRAGMA incremental_vacuum")  # execute() would free one page only
            self._files = stamps(self._files)

    def changed_elsewhere(self) -> bool:
        """Whether another connection, of this process or another one, wrote since the last time this was asked."""
        with self._lock:
            if self._connection is None:
                return False
            before = self._told_version
            self._told_version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
            return self._told_version != before

    def interrupt(self) -> None:
        """Let the calls that wait for another process fail now (StoreError, EBUSY). Later ones wait again."""
        with self._free:
            self._interruptions += 1
            self._free.notify_all()

    def close(self) -> None:
        """Give the file back; the next call opens it again."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()
            self._files = {}

    def __del__(self) -> None:
        # A store that nobody refers to any more needs no close() by hand; Python 3.13 would warn of an open connection.
        # No lock: nobody else can be in a call, and a finalizer must not wait.
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.close()

    def _read(self, statement: str, *values: Union[str, bytes]) -> List[Tuple[bytes, ...]]:
        return self._done(lambda connection: connection.execute(statement, values).fetchall())

    def _write(self, work: Callable[[sqlite3.Connection], T], patience: Optional[float] = None) -> T:
        """What *work* returns, done in a transaction, as long as the file is what a restart would find."""

        def written(connection: sqlite3.Connection) -> T:
            self._check_in_place(connection)
            with transaction(connection):
                result = work(connection)
            self._files = stamps(self._files)
            return result

        return self._done(written, patience)

    def _done(self, work: Callable[[sqlite3.Connection], T], patience: Optional[float] = None) -> T:
        """What *work* returns, one call at a time: SQLite has one writer anyway, and reads take microseconds.

        The lock is free between two tries while another process writes, so that no read waits for that one.
        """
        with self._free:
            interruptions = self._interruptions
            give_up_at: Optional[float] = None
            while True:
                if self._connection is None:
                    self._connection = self._open()
                try:
                    return work(self._connection)
                except sqlite3.ProgrammingError:
                    raise  # a mistake of the caller, such as a value that is no str
                except sqlite3.Error as exc:
                    now = self._clock.now()
                    if give_up_at is None:
                        give_up_at = now + (self._busy_timeout if patience is None else patience)
                    if not is_busy(exc) or now >= give_up_at or self._interruptions != interruptions:
                        raise self._failed(exc) from exc
                    self._clock.wait(self._free, min(LOOK_AGAIN, give_up_at - now))

    def _failed(self, exc: sqlite3.Error) -> StoreError:
        number, remedy = errno.EIO, ""
        for words, known, advice in _FAILURES:
            if words in str(exc):
                number, remedy = known, advice
        return StoreError(f"The store {self._path} failed: {exc}.", number=number, path=str(self._path), remedy=remedy)

    def _open(self) -> sqlite3.Connection:
        with _opening:
            # POSIX drops a process's locks on a file when any descriptor of it is closed. So the file is looked at
            # only while no connection of this process has it open; one that has it open has looked at it before.
            if not self._is_open_elsewhere():
                create_private(self._path)
                check_is_ours(self._path)
                make_private(self._path)
            connection = connect(
                self._path,
                synchronous=self._synchronous,
                busy_timeout=self._busy_timeout,
                max_bytes=self._max_bytes,
            )
            names = str(self._path), f"{self.identity}-wal"  # SQLite puts the latter beside what a link leads to
            self._files = stamps(name for name in names if os.path.exists(name))
            self._noted_version(connection)
            self._told_version = self._version
            self._verified_at = self._clock.now()
        return connection

    def _is_open_elsewhere(self) -> bool:
        try:
            found = file_id(str(self._path))
        except OSError:
            return False
        return any(found == stamp.id for store in list(_stores) for stamp in store._files.values())

    def _check_in_place(self, connection: sqlite3.Connection) -> None:
        """Raise StoreError when a restart would not find what is written from now on. Costs some microseconds."""
        untouched = True
        for name, stamp in self._files.items():
            found = stamp_of(name, stamp)
            if found is None or found.id != stamp.id:
                raise StoreError(
                    f"The file {name} was deleted, moved or replaced while the store was open.",
                    number=errno.ENOENT,
                    path=str(self._path),
                    remedy="Put it back, or stop the bot and start it again: it then uses the file that it finds, "
                    "or makes a new one.",
                )
            untouched = untouched and found == stamp
        if not untouched:
            self._verify(connection)

    def _verify(self, connection: sqlite3.Connection) -> None:
        """Raise StoreError when something other than SQLite changed the file: a connection of its own reads all of it.

        This connection has most pages in memory and would notice nothing until a restart.
        """
        others_wrote, now = self._noted_version(connection), self._clock.now()
        if others_wrote and now - self._verified_at < VERIFY_EVERY:
            return  # that explains the change; the next one is looked into
        why = damage(self._path)
        if why:
            raise StoreError(
                f"The file {self._path} was truncated or written over while the store was open ({why}).",
                number=errno.EIO,
                path=str(self._path),
                remedy="Stop the bot, move the file and its -wal and -shm away or restore all of a backup, and start it"
                " again.",
            )
        self._verified_at = now

    def _noted_version(self, connection: sqlite3.Connection) -> bool:
        """Whether another connection wrote since the last call of this."""
        before = self._version
        self._version = int(connection.execute("PRAGMA data_version").fetchone()[0])
        return self._version != before

    def _forget_connection(self) -> None:
        self._lock = threading.Lock()  # another thread of the parent may have held the old one
        self._free = threading.Condition(self._lock)
        if self._connection is not None:
            _abandoned.append(self._connection)
            self._connection = None
        self._files = {}


def _apply(connection: sqlite3.Connection, changes: Sequence[Change]) -> None:
    puts: List[Tuple[object, ...]] = []  # in a row: one call for all of them costs half of one for each
    for change in changes:
        if isinstance(change, Put):
            table, key, value, at = change
            if not (table.isascii() and key.isascii() and value.isascii()):
                table, key, value = _bound(table), _bound(key), _bound(value)  # type: ignore[assignment]
            puts.append((table, key, value, at))
            continue
        if puts:
            connection.executemany(_PUT, puts)
            puts = []
        if isinstance(change, Delete):
            connection.execute(_DELETE, (_bound(change.table), _bound(change.key)))
        else:
            connection.execute("DELETE FROM entries WHERE name = ?", (_bound(change.table),))
    if puts:
        connection.executemany(_PUT, puts)


def _bound(text: str) -> Union[str, bytes]:
    """*text* as SQLite takes it. JSON can carry half a surrogate pair, which is no UTF-8; such a text goes as bytes."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def _text(stored: bytes) -> str:
    try:
        return stored.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return stored.decode("utf-8", "replace")  # damaged; it must not keep the other rows from being read


def _abandon_in_child() -> None:
    """After a fork: the parent's connections must neither be used nor closed here, so they are kept and left alone."""
    global _opening
    _opening = threading.Lock()
    for store in list(_stores):
        store._forget_connection()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_in_child)
