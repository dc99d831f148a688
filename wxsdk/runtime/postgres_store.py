"""The store that several machines reach and that loses no acknowledged write in a fail-over: PostgreSQL 13 or later.

One table for all rows and one for leases, both made when they are not there. Texts are bytea, since PostgreSQL's text
holds neither NUL nor lone surrogates. A ``write`` is one transaction.
"""

from __future__ import annotations

import contextlib
import errno
import re
import threading
import zlib
from typing import Any, Callable, Iterator, List, Optional, Sequence, Set, Tuple, TypeVar

from ..core.settings import matching
from ..core.settings import text as check_text
from ..errors import ConfigError, LeaseLost, StoreError
from .forked import tell_of_forks
from .lease import DEFAULT_TTL, Lease, lease_lost
from .sealing import Sealer, decode, encode
from .store import Change, Delete, Put

T = TypeVar("T")

MAX_CONNECTIONS = 8  # of one store in one process; further threads wait for a free one
CONNECT_TIMEOUT = 5  # seconds; ours
STATEMENT_TIMEOUT = 5000  # milliseconds, so that a handler never waits for long; ours
TRIES = 3  # of a call whose connection broke, or that met a deadlock

_SCHEMA = """
CREATE TABLE IF NOT EXISTS {p}_entries (place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, at double precision NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS {p}_entries_by_key ON {p}_entries (name, key);
CREATE INDEX IF NOT EXISTS {p}_entries_by_place ON {p}_entries (name, place);
CREATE INDEX IF NOT EXISTS {p}_entries_by_age ON {p}_entries (name, at);
CREATE TABLE IF NOT EXISTS {p}_leases (name bytea PRIMARY KEY, owner text NOT NULL, number bigint NOT NULL,
  expires timestamptz NOT NULL);
"""
_PUT = (
    "INSERT INTO {p}_entries (name, key, value, at) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT (name, key) DO UPDATE SET value = excluded.value, at = excluded.at"
)
_ACQUIRE = (
    "INSERT INTO {p}_leases AS l (name, owner, number, expires)"
    " VALUES (%s, %s, 1, clock_timestamp() + %s * interval '1 second')"
    " ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, number = l.number + 1, expires = excluded.expires"
    " WHERE l.expires <= clock_timestamp() RETURNING number"
)
_HELD = (
    "SELECT 1 FROM {p}_leases WHERE name = %s AND owner = %s AND number = %s AND expires > clock_timestamp() FOR SHARE"
)
_WRITING = 0x7778_5345  # advisory locks of tables while several rows change
_MIGRATING = 0x7778_5344  # advisory lock while the tables are made


class PostgresStore:
    """A durable ``Store`` in the PostgreSQL database *dsn* ("postgresql://user:password@host:port/database").

    prefix: begins the names of the two tables (letters, digits and _). Values are encrypted with the key in
    WXSDK_STORE_KEY; ConfigError without one unless allow_plain. Making a store opens nothing. A server that cannot be
    reached or refuses is a StoreError (also OSError); nothing of that call has taken effect, or, where the connection
    broke while the answer was awaited, it was tried again, which changes nothing further. Any thread, any process, any
    machine; a forked child opens connections of its own.
    """

    durable = True

    def __init__(self, dsn: str, *, prefix: str = "wxsdk", allow_plain: bool = False) -> None:
        try:
            import psycopg
            from psycopg import conninfo
        except ImportError:
            raise ConfigError(
                "PostgresStore needs the package psycopg.", remedy="Run: pip install 'wxsdk[postgres]'"
            ) from None
        check_text("dsn", dsn)
        self._prefix = matching(re.compile("[a-z_][a-z0-9_]{0,40}"), "small letters, digits and _")("prefix", prefix)
        self._sealer = Sealer(allow_plain=allow_plain)
        self._psycopg: Any = psycopg
        self._dsn = dsn
        try:
            parts = conninfo.conninfo_to_dict(dsn)
        except psycopg.Error:
            raise ConfigError("The dsn is not usable.", remedy="Give postgresql://user@host:port/database.") from None
        where = f"{parts.get('host', '')}:{parts.get('port', '')}/{parts.get('dbname', '')}"
        self.identity = f"postgres {where} {prefix}"
        self._reset()
        tell_of_forks(self)

    def __repr__(self) -> str:
        return f"PostgresStore({self.identity!r})"

    def _reset(self) -> None:
        self._lock = threading.Condition(threading.Lock())
        self._idle: List[Any] = []
        self._open = 0
        self._migrated = False

    def _after_fork(self) -> None:
        _abandoned.extend(self._idle)  # closing them would end the parent's sessions
        self._reset()

    def get(self, table: str, key: str) -> Optional[str]:
        sql = "SELECT value FROM {p}_entries WHERE name = %s AND key = %s"
        row = self._do(lambda run: run(sql, (encode(table), encode(key))).fetchone())
        return None if row is None else self._sealer.open(bytes(row[0]), f"{table}\0{key}")

    def items(self, table: str) -> List[Tuple[str, str]]:
        sql = "SELECT key, value FROM {p}_entries WHERE name = %s ORDER BY place"
        rows = self._do(lambda run: run(sql, (encode(table),)).fetchall())
        pairs = [(decode(bytes(key)), bytes(value)) for key, value in rows]
        return [(key, self._sealer.open(value, f"{table}\0{key}")) for key, value in pairs]

    def write(self, changes: Sequence[Change], *, lease: Optional[Lease] = None) -> None:
        """Apply all *changes* or none. lease: LeaseLost, and nothing applied, unless it is held now."""
        if lease is not None:
            lease.check()
        if not changes:
            return
        statements = [self._statement(change) for change in changes]

        def apply(run: Callable[..., Any]) -> None:
            if lease is not None and not run(_HELD, (encode(lease.name), lease.owner, lease.number)).fetchone():
                raise lease_lost(lease.name)
            if len(statements) > 1:
                self._lock_tables(run, {change.table for change in changes})
            for sql, values in statements:
                run(sql, values)

        try:
            self._do(apply)
        except LeaseLost:
            assert lease is not None
            lease.note_lost()
            raise

    def put_if_absent(self, put: Put) -> Optional[str]:
        """Apply *put* unless its key is there; the value that is there already. One step for all processes."""
        place = f"{put.table}\0{put.key}"
        sealed = self._sealer.seal(put.value, place)
        name, key = encode(put.table), encode(put.key)
        insert = "INSERT INTO {p}_entries (name, key, value, at) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"

        def put_or_found(run: Callable[..., Any]) -> Any:
            while not run(insert, (name, key, sealed, put.at)).rowcount:
                row = run("SELECT value FROM {p}_entries WHERE name = %s AND key = %s", (name, key)).fetchone()
                if row is not None:  # else it was deleted between the two
                    return bytes(row[0])
            return None

        found = self._do(put_or_found)
        # The same bytes (the nonce makes them unique) are those of a try whose answer was lost on the way.
        return None if found is None or found == sealed else self._sealer.open(found, place)

    def trim(self, table: str, *, max_count: Optional[int] = None, before: Optional[float] = None) -> int:
        name = encode(table)

        def trimmed(run: Callable[..., Any]) -> int:
            removed = 0
            self._lock_tables(run, {table})
            if before is not None:
                removed += run("DELETE FROM {p}_entries WHERE name = %s AND at < %s", (name, before)).rowcount
            if max_count is not None:
                sql = (
                    "DELETE FROM {p}_entries WHERE name = %s AND place NOT IN"
                    " (SELECT place FROM {p}_entries WHERE name = %s ORDER BY place DESC LIMIT %s)"
                )
                removed += run(sql, (name, name, max_count)).rowcount
            return removed

        return self._do(trimmed)

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._open -= len(idle)
        for connection in idle:
            connection.close()

    # -- leases ----------------------------------------

    def lease(self, name: str, ttl: float = DEFAULT_TTL) -> Lease:
        """A lease of *name* that lives *ttl* seconds past its last renewal. Making it asks nothing of the server."""
        return Lease(self, name, ttl)

    def acquire_lease(self, name: str, owner: str, ttl: float) -> Optional[int]:
        row = self._do(lambda run: run(_ACQUIRE, (encode(name), owner, ttl)).fetchone())
        return None if row is None else int(row[0])

    def renew_lease(self, name: str, owner: str, number: int, ttl: float) -> bool:
        sql = (
            "UPDATE {p}_leases SET expires = clock_timestamp() + %s * interval '1 second'"
            " WHERE name = %s AND owner = %s AND number = %s AND expires > clock_timestamp()"
        )
        return bool(self._do(lambda run: run(sql, (ttl, encode(name), owner, number)).rowcount))

    def release_lease(self, name: str, owner: str, number: int) -> None:
        # The row stays, for its number.
        sql = "UPDATE {p}_leases SET expires = clock_timestamp() WHERE name = %s AND owner = %s AND number = %s"
        self._do(lambda run: run(sql, (encode(name), owner, number)))

    # -- inside ----------------------------------------

    def _lock_tables(self, run: Callable[..., Any], tables: Set[str]) -> None:
        """Let one transaction at a time change several rows of a table: rows locked in two orders are a deadlock."""
        numbers = sorted({zlib.crc32(encode(f"{self._prefix}\0{table}")) for table in tables})
        run("SELECT pg_advisory_xact_lock(%s, k) FROM unnest(%s::int[]) AS k", (_WRITING, [n - 2**31 for n in numbers]))

    def _statement(self, change: Change) -> Tuple[str, Tuple[Any, ...]]:
        name = encode(change.table)
        if isinstance(change, Put):
            sealed = self._sealer.seal(change.value, f"{change.table}\0{change.key}")
            return _PUT, (name, encode(change.key), sealed, change.at)
        if isinstance(change, Delete):
            return "DELETE FROM {p}_entries WHERE name = %s AND key = %s", (name, encode(change.key))
        return "DELETE FROM {p}_entries WHERE name = %s", (name,)

    def _do(self, work: Callable[[Callable[..., Any]], T]) -> T:
        """Run *work* in one transaction; again when the connection broke or it met a deadlock."""
        errors = self._psycopg.errors
        for left in reversed(range(TRIES)):
            try:
                with self._connection() as connection, connection.transaction():
                    return work(lambda sql, values: connection.execute(sql.format(p=self._prefix), values))
            except (self._psycopg.OperationalError, self._psycopg.InterfaceError, OSError) as exc:
                again = not isinstance(exc, errors.QueryCanceled) or isinstance(exc, errors.DeadlockDetected)
                if left and again:
                    continue
                raise self._failed(exc) from None
            except self._psycopg.Error as exc:
                raise self._failed(exc) from None
        raise AssertionError("the last try returns or raises")

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        """A connection for one transaction. A broken one is closed, and so are its idle neighbours."""
        connection = self._taken()
        try:
            yield connection
        finally:
            dead: List[Any] = []
            with self._lock:
                if connection.closed or connection.broken:
                    dead = [connection, *self._idle]
                    self._idle = []
                    self._open -= len(dead)
                else:
                    self._idle.append(connection)
                self._lock.notify()
            for each in dead:
                each.close()

    def _taken(self) -> Any:
        with self._lock:
            if not self._lock.wait_for(lambda: self._idle or self._open < MAX_CONNECTIONS, CONNECT_TIMEOUT):
                raise OSError(errno.EBUSY, "every connection is in use")
            if self._idle:
                return self._idle.pop()
            self._open += 1
        try:
            connection = self._psycopg.connect(
                self._dsn,
                autocommit=True,
                connect_timeout=CONNECT_TIMEOUT,
                options=f"-c statement_timeout={STATEMENT_TIMEOUT} -c client_min_messages=warning",
            )
            self._migrate(connection)
            return connection
        except BaseException:
            with self._lock:
                self._open -= 1
                self._lock.notify()
            raise

    def _migrate(self, connection: Any) -> None:
        if self._migrated:
            return
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATING,))
            connection.execute(_SCHEMA.format(p=self._prefix))
        self._migrated = True

    def _failed(self, exc: BaseException) -> StoreError:
        full = isinstance(exc, self._psycopg.errors.DiskFull)
        return StoreError(
            f"The PostgreSQL server failed or cannot be reached: {type(exc).__name__}.",
            number=errno.ENOSPC if full else errno.EIO,
            path=self.identity,
            remedy="Free some space on its disk." if full else "It is tried again with the next call.",
        )


_abandoned: List[Any] = []  # connections of the parent process, kept for good
