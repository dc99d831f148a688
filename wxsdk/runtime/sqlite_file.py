"""Opens the file of an SQLiteStore: private, of this program, of the known schema, and not damaged.

POSIX drops all locks that a process has on a file when any descriptor of that file is closed. So a file is read by
other means than SQLite only while no connection of this process has it open.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import sqlite3
import stat
from typing import Dict, Iterable, Iterator, NamedTuple, Optional, Tuple, Union

from ..errors import ConfigError

APPLICATION_ID = 0x77785344  # "wxSD"; at byte 68 of the file, so that another program's database is told apart
WAL_LIMIT = 4 * 1024 * 1024  # bytes that the -wal file keeps after a checkpoint

SPARE_PAGES = 256  # free pages (1 MiB) that may lie in the file before clean-up gives them back to the disk

FileId = Tuple[int, int]  # device and inode


class Stamp(NamedTuple):
    """A file as it was after the last write of this connection. What else changes it is looked into."""

    id: FileId
    size: int
    changed: int  # ns


_MAGIC = b"SQLite format 3\0"
_APPLICATION_ID_AT = 68  # byte of the header; sqlite.org/fileformat2, 1.3
_TABLES_AT = 103  # of the first page: how many tables and indexes are listed on it; the same, 1.6
_HEADER_BYTES = 105


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
    (
        # Each costs every row that comes and goes; what needed them runs at a start, or once in a thousand messages.
        "DROP INDEX entries_by_place",
        "DROP INDEX entries_by_age",
    ),
)
SCHEMA_VERSION = len(MIGRATIONS)


def connect(
    path: pathlib.Path, *, synchronous: str, busy_timeout: float, max_bytes: Optional[int]
) -> sqlite3.Connection:
    """Open the file *path*, which exists, and bring it to the newest schema. ConfigError when it cannot be used."""
    connection = None
    try:
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode=rw",  # "rw": never makes a file
            uri=True,
            timeout=busy_timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        _prepare(connection, path, synchronous, max_bytes)
        connection.text_factory = bytes
    except (sqlite3.Error, ConfigError) as exc:
        if connection is not None:
            connection.close()
        if isinstance(exc, ConfigError):
            raise
        raise _unusable(path, f"cannot be opened: {exc}") from exc
    return connection


def check_is_ours(path: pathlib.Path) -> None:
    """Look at the file's first bytes, since SQLite may change a file as soon as it opens it. ConfigError if foreign."""
    with open(path, "rb") as file:
        header = file.read(_HEADER_BYTES)
    if not header:
        return
    if not header.startswith(_MAGIC):
        raise _unusable(path, "is not an SQLite database")
    owner = int.from_bytes(header[_APPLICATION_ID_AT : _APPLICATION_ID_AT + 4], "big")
    # A process that was killed while it made the file left a database without tables.
    if owner != APPLICATION_ID and (owner or any(header[_TABLES_AT : _TABLES_AT + 2])):
        raise _unusable(path, "belongs to another program, or is damaged")


def _prepare(connection: sqlite3.Connection, path: pathlib.Path, synchronous: str, max_bytes: Optional[int]) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise _unusable(path, f"was written by a newer wxsdk (schema {version}, known is {SCHEMA_VERSION})")
    if version:
        verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        if verdict != "ok":
            raise _unusable(path, f"is damaged: {verdict}")
    else:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # has an effect before the first table only
    if version < SCHEMA_VERSION:
        _migrate(connection)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("SELECT 1 FROM entries LIMIT 1")  # makes the -wal file
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")
    if max_bytes is not None:
        page_size = int(connection.execute("PRAGMA page_size").fetchone()[0])
        connection.execute(f"PRAGMA max_page_count = {max(max_bytes // page_size, 1)}")
    connection.execute("PRAGMA busy_timeout = 0")  # from now on the store does the waiting
    _compact(connection)


def _unusable(path: pathlib.Path, why: str) -> ConfigError:
    return ConfigError(f"The store {path} {why}.", remedy="Nothing was changed; move the file away, or name another.")


def checked_path(path: Union[str, os.PathLike[str]]) -> str:
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


def create_private(path: pathlib.Path) -> None:
    """Make *path* as an empty file that only its owner can read, unless it is there."""
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
    finally:
        os.close(descriptor)


def make_private(path: pathlib.Path) -> None:
    """Take the right to read the store's files from all but their owner; ConfigError when that fails.

    For a file that is known to be a store: a path given by mistake may lead to one whose mode is not ours to change.
    """
    if os.name == "posix":
        real = os.path.realpath(path)
        for each in (real, f"{real}-wal", f"{real}-shm", f"{real}-journal"):
            _make_private(each)


def _make_private(name: str) -> None:
    """Take the right to read *name*, where it is there, from all but its owner; ConfigError when that fails."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_IMODE(os.stat(name).st_mode) == 0o600:
            return
        with contextlib.suppress(PermissionError):
            os.chmod(name, 0o600)
        if os.stat(name).st_mode & 0o077:  # some file systems have no modes and do not say so
            raise ConfigError(
                f"Others can read the store {name}, and it cannot be made private.",
                remedy="Give the file to the user who runs the bot, on a file system that knows permissions.",
            )


def file_id(name: str) -> FileId:
    status = os.stat(name)
    return status.st_dev, status.st_ino


def stamps(names: Iterable[str]) -> Dict[str, Stamp]:
    return {name: found for name in names for found in [stamp_of(name)] if found is not None}


def stamp_of(name: str, before: Optional[Stamp] = None) -> Optional[Stamp]:
    """The file *name* as it is now, None when it is not there; *before* where that cannot be told."""
    try:
        status = os.stat(name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return before  # a folder that may not be looked into any more does not mean that the file is gone
    return Stamp((status.st_dev, status.st_ino), status.st_size, status.st_mtime_ns)


def damage(path: pathlib.Path) -> str:
    """What is wrong with the file at *path* as another process would read it, "" when nothing is.

    Through SQLite alone: closing a descriptor of our own would drop the locks that this process has on the file.
    """
    if not os.path.getsize(path):
        return "it is empty"  # SQLite would delete the -wal file that lies beside an empty one
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)) as fresh:
            verdict = str(fresh.execute("PRAGMA quick_check(1)").fetchone()[0])
            fresh.execute("SELECT 1 FROM entries LIMIT 1")
            owner = int(fresh.execute("PRAGMA application_id").fetchone()[0])
    except sqlite3.Error as exc:
        return "" if is_busy(exc) else str(exc)
    return "it belongs to another program" if owner != APPLICATION_ID else "" if verdict == "ok" else verdict


def is_busy(exc: sqlite3.Error) -> bool:
    return "database is locked" in str(exc)


def free_pages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


def _compact(connection: sqlite3.Connection) -> None:
    """Rewrite a file of an earlier version that is mostly air, once: later the clean-up gives pages back."""
    mode = int(connection.execute("PRAGMA auto_vacuum").fetchone()[0])
    if mode == 0 and free_pages(connection) > SPARE_PAGES:
        with contextlib.suppress(sqlite3.Error):  # another process uses it, or the disk is full: the next start may
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("VACUUM")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself has rolled back after some failures
            connection.execute("ROLLBACK")
        raise


def _migrate(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        # Read again: another process may have done it while this one waited for the lock.
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        for step in MIGRATIONS[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
