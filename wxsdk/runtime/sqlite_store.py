"""The store that outlives the process: one SQLite file.

The file is in WAL mode: readers and the writer do not hinder each other, a commit is one append, and a killed process
loses nothing that was committed. It is created with mode 0600, and SQLite gives its -wal and -shm the same mode.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import sqlite3
import stat
import threading
import weakref
from typing import Dict, Iterator, List, Optional, Sequence, Tuple, Union

from ..core.settings import check_seconds
from ..errors import ConfigError, StoreError
from .store import Change, Delete, Put

APPLICATION_ID = 0x77785344  # "wxSD"; at byte 68 of the file, so that another program's database is told apart
MIN_SQLITE = (3, 24, 0)  # the first with ON CONFLICT DO UPDATE (2018)
WAL_LIMIT = 4 * 1024 * 1024  # bytes that the -wal file keeps after a checkpoint

# SQLite's words for SQLITE_FULL and SQLITE_BUSY (Python 3.9 and 3.10 do not give the codes), errno, remedy.
_FAILURES = (
    ("disk is full", errno.ENOSPC, "Free some space on its disk, or allow it to grow."),
    ("database is locked", errno.EBUSY, "Another process keeps it busy."),
)

FileId = Tuple[int, int]  # device and inode

_MAGIC = b"SQLite format 3\0"
_APPLICATION_ID_AT = 68  # byte of the header; sqlite.org/fileformat2, 1.3
_HEADER_BYTES = 100

# One step for each schema version; step n brings a file of version n to n + 1. Steps are added, never changed.
MIGRATIONS: Tuple[Tuple[str, ...], ...] = (
    (
        # "place" grows with each new key, so it is the order of the first puts.
        """CREATE TABLE entries (place INTEGER PRIMARY KEY,
           name TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, at REAL NOT NULL)""",
        "CREATE UNIQUE INDEX entries_by_key ON entries (name, key)",
        "CREATE INDEX entries_by_place ON entries (name, place)",
        "CREATE INDEX entries_by_age ON entries (name, at)",
    ),
)
SCHEMA_VERSION = len(MIGRATIONS)

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
    the process. After ``close`` the next call opens the file again. A forked child opens a connection of its own.
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
        self._path = pathlib.Path(os.path.abspath(_checked_path(path)))
        self._synchronous = synchronous
        self._busy_timeout = busy_timeout
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._connection: Optional[sqlite3.Connection] = None
        self._files: Dict[str, FileId] = {}  # what is open: the file itself and its -wal
        _stores.add(self)
        with self._lock:
            self._connection = self._open()

    def __repr__(self) -> str:
        return f"SQLiteStore({str(self._path)!r})"

    @property
    def identity(self) -> str:
        """The same for every store on this file; a client locks it, so that no two bots use one store at a time."""
        return os.path.realpath(self._path)

    def get(self, table: str, key: str) -> Optional[str]:
        with self._used() as connection:
            row = connection.execute(
                "SELECT value FROM entries WHERE name = ? AND key = ?", (_bound(table), _bound(key))
            ).fetchone()
        return None if row is None else _text(row[0])

    def items(self, table: str) -> List[Tuple[str, str]]:
        with self._used() as connection:
            rows = connection.execute(
                "SELECT key, value FROM entries WHERE name = ? ORDER BY place", (_bound(table),)
            ).fetchall()
        return [(_text(key), _text(value)) for key, value in rows]

    def write(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        with self._writing() as connection:
            for change in changes:
                name = _bound(change.table)
                if isinstance(change, Put):
                    connection.execute(_PUT, (name, _bound(change.key), _bound(change.value), change.at))
                elif isinstance(change, Delete):
                    connection.execute("DELETE FROM entries WHERE name = ? AND key = ?", (name, _bound(change.key)))
                else:
                    connection.execute("DELETE FROM entries WHERE name = ?", (name,))

    def put_if_absent(self, put: Put) -> Optional[str]:
        """Apply *put* unless its key is there; the value that is there already. One step for all processes."""
        name, key = _bound(put.table), _bound(put.key)
        with self._writing() as connection:
            row = connection.execute("SELECT value FROM entries WHERE name = ? AND key = ?", (name, key)).fetchone()
            if row is None:
                connection.execute(_PUT, (name, key, _bound(put.value), put.at))
        return None if row is None else _text(row[0])

    def trim(self, table: str, *, max_count: Optional[int] = None, before: Optional[float] = None) -> int:
        removed = 0
        name = _bound(table)
        with self._writing() as connection:
            if before is not None:
                removed += connection.execute("DELETE FROM entries WHERE name = ? AND at < ?", (name, before)).rowcount
            if max_count is not None:
                removed += connection.execute(_TRIM_COUNT, (name, name, max_count)).rowcount
        return removed

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

    @contextlib.contextmanager
    def _used(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one call at a time: SQLite has one writer anyway, and reads take microseconds."""
        with self._lock:
            if self._connection is None:
                self._connection = self._open()
            try:
                yield self._connection
            except sqlite3.ProgrammingError:
                raise  # a mistake of the caller, such as a value that is no str
            except sqlite3.Error as exc:
                raise self._failed(exc) from exc

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """The connection, within a transaction, as long as its file is where a restart looks for it."""
        with self._used() as connection:
            self._check_in_place()
            with _transaction(connection):
                yield connection

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
                _create_private(self._path)
                self._check_is_ours()
            connection = self._connect()
            names = str(self._path), f"{self.identity}-wal"  # SQLite puts the latter beside what a link leads to
            self._files = {name: _file_id(name) for name in names if os.path.exists(name)}
        return connection

    def _is_open_elsewhere(self) -> bool:
        try:
            found = _file_id(str(self._path))
        except OSError:
            return False
        return any(found in store._files.values() for store in list(_stores))

    def _check_in_place(self) -> None:
        """Raise StoreError when a restart would not find what is written from now on. Costs some microseconds."""
        for name, opened in self._files.items():
            if not _is_still(name, opened):
                raise StoreError(
                    f"The file {name} was deleted, moved or replaced while the store was open.",
                    number=errno.ENOENT,
                    path=str(self._path),
                    remedy="Put it back, or stop the bot and start it again: it then uses the file that it finds, "
                    "or makes a new one.",
                )

    def _connect(self) -> sqlite3.Connection:
        connection = None
        try:
            connection = sqlite3.connect(
                f"{self._path.as_uri()}?mode=rw",  # "rw": never makes a file
                uri=True,
                timeout=self._busy_timeout,
                isolation_level=None,
                check_same_thread=False,
            )
            self._prepare(connection)
            connection.text_factory = bytes
        except (sqlite3.Error, ConfigError) as exc:
            if connection is not None:
                connection.close()
            if isinstance(exc, ConfigError):
                raise
            raise self._unusable(f"cannot be opened: {exc}") from exc
        return connection

    def _check_is_ours(self) -> None:
        """Look at the file's first bytes: SQLite may change a file as soon as it opens it."""
        with open(self._path, "rb") as file:
            header = file.read(_HEADER_BYTES)
        if not header:
            return
        if not header.startswith(_MAGIC):
            raise self._unusable("is not an SQLite database")
        if int.from_bytes(header[_APPLICATION_ID_AT : _APPLICATION_ID_AT + 4], "big") != APPLICATION_ID:
            raise self._unusable("belongs to another program, or is damaged")

    def _prepare(self, connection: sqlite3.Connection) -> None:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise self._unusable(f"was written by a newer wxsdk (schema {version}, known is {SCHEMA_VERSION})")
        if version:
            verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            if verdict != "ok":
                raise self._unusable(f"is damaged: {verdict}")
        if version < SCHEMA_VERSION:
            _migrate(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("SELECT 1 FROM entries LIMIT 1")  # makes the -wal file
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")
        if self._max_bytes is not None:
            page_size = int(connection.execute("PRAGMA page_size").fetchone()[0])
            connection.execute(f"PRAGMA max_page_count = {max(self._max_bytes // page_size, 1)}")

    def _unusable(self, why: str) -> ConfigError:
        return ConfigError(
            f"The store {self._path} {why}.", remedy="Nothing was changed; move the file away, or name another."
        )

    def _forget_connection(self) -> None:
        self._lock = threading.Lock()  # another thread of the parent may have held the old one
        if self._connection is not None:
            _abandoned.append(self._connection)
            self._connection = None
        self._files = {}


def _checked_path(path: Union[str, os.PathLike[str]]) -> str:
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigError("The store's path must be the name of a file.")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:  # half of a character
        raise ConfigError("The store's path is not one that a file can have.") from None
    if text == ":memory:":
        raise ConfigError("An SQLiteStore needs a file.", remedy="Use MemoryStore() to keep nothing.")
    return text


def _create_private(path: pathlib.Path) -> None:
    """Make *path* as an empty file that only its owner can read, or take that right from the others."""
    try:
        # Made here and not by SQLite, which would go by the umask.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    except FileNotFoundError as exc:
        raise ConfigError(f"The folder of the store {path} does not exist.", remedy="Make it first.") from exc
    except OSError as exc:
        raise ConfigError(f"The store {path} cannot be opened: {exc.strerror}.") from exc
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"The store {path} is not a file.")
        if status.st_size == 0 and stat.S_IMODE(status.st_mode) != 0o600:
            os.chmod(path, 0o600)
    finally:
        os.close(descriptor)


def _file_id(name: str) -> FileId:
    status = os.stat(name)
    return status.st_dev, status.st_ino


def _is_still(name: str, opened: FileId) -> bool:
    try:
        return _file_id(name) == opened
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # a folder that may not be looked into any more does not mean that the file is gone


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself has rolled back after some failures
            connection.execute("ROLLBACK")
        raise


def _migrate(connection: sqlite3.Connection) -> None:
    with _transaction(connection):
        # Read again: another process may have done it while this one waited for the lock.
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        for step in MIGRATIONS[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _bound(text: str) -> Union[str, bytes]:
    """*text* as SQLite takes it. JSON can carry half a surrogate pair, which is no UTF-8; such a text goes as bytes."""
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
