"""The store that several machines reach: Redis 7 or later, or Valkey.

A table is a hash of values and two sorted sets (the order of the first puts, and the times); a ``write`` is one Lua
script, so all of its changes apply or none. What a crash of the server can lose is the operator's choice: AOF
``everysec`` (a second) or ``always`` (nothing); a fail-over to a replica loses what was not replicated yet.
"""

from __future__ import annotations

import contextlib
import errno
from typing import Any, Iterator, List, Optional, Sequence, Tuple

from ..core.redact import scrub
from ..core.settings import text as check_text
from ..errors import ConfigError, StoreError
from .lease import DEFAULT_TTL, Lease, lease_lost
from .sealing import Sealer, decode, encode
from .store import Change, Delete, Put

SOCKET_TIMEOUT = 5.0  # seconds for one answer, so that a handler never waits for long; ours
RETRIES = 3  # of a command whose connection broke, with growing pauses
MAX_CONNECTIONS = 32  # of one store in one process; further threads wait for a free one

# KEYS[1]: the prefix. ARGV: the lease's name ("" for none), owner and number, then for each change op, table, key,
# value and at.
_WRITE = """
local p = KEYS[1]
if ARGV[1] ~= '' and redis.call('GET', p .. ':lease:' .. ARGV[1]) ~= ARGV[2] .. ':' .. ARGV[3] then
  return redis.error_reply('LEASELOST')
end
for i = 4, #ARGV, 5 do
  local op, t, k = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local v, o, a = p .. ':v:' .. t, p .. ':o:' .. t, p .. ':a:' .. t
  if op == 'p' then
    if redis.call('HSET', v, k, ARGV[i + 3]) == 1 then
      redis.call('ZADD', o, redis.call('INCR', p .. ':place'), k)
    end
    redis.call('ZADD', a, ARGV[i + 4], k)
  elseif op == 'd' then
    redis.call('HDEL', v, k); redis.call('ZREM', o, k); redis.call('ZREM', a, k)
  else
    redis.call('DEL', v, o, a)
  end
end
return 1
"""
_PUT_IF_ABSENT = """
local p, t, k = KEYS[1], ARGV[1], ARGV[2]
local v = p .. ':v:' .. t
local found = redis.call('HGET', v, k)
if found then return found end
redis.call('HSET', v, k, ARGV[3])
redis.call('ZADD', p .. ':o:' .. t, redis.call('INCR', p .. ':place'), k)
redis.call('ZADD', p .. ':a:' .. t, ARGV[4], k)
return false
"""
_ITEMS = """
local p, t = KEYS[1], ARGV[1]
local keys = redis.call('ZRANGE', p .. ':o:' .. t, 0, -1)
local rows = {}
for i, k in ipairs(keys) do
  rows[2 * i - 1] = k
  rows[2 * i] = redis.call('HGET', p .. ':v:' .. t, k)
end
return rows
"""
_TRIM = """
local p, t = KEYS[1], ARGV[1]
local v, o, a = p .. ':v:' .. t, p .. ':o:' .. t, p .. ':a:' .. t
local n = 0
local function drop(keys)
  for _, k in ipairs(keys) do
    redis.call('HDEL', v, k); redis.call('ZREM', o, k); redis.call('ZREM', a, k); n = n + 1
  end
end
if ARGV[2] ~= '' then drop(redis.call('ZRANGEBYSCORE', a, '-inf', '(' .. ARGV[2])) end
if ARGV[3] ~= '' then
  local spare = redis.call('ZCARD', o) - tonumber(ARGV[3])
  if spare > 0 then drop(redis.call('ZRANGE', o, 0, spare - 1)) end
end
return n
"""
_ACQUIRE = """
local l = KEYS[1] .. ':lease:' .. ARGV[1]
if redis.call('EXISTS', l) == 1 then return false end
local n = redis.call('INCR', KEYS[1] .. ':fence:' .. ARGV[1])
redis.call('SET', l, ARGV[2] .. ':' .. n, 'PX', ARGV[3])
return n
"""
_RENEW = """
local l = KEYS[1] .. ':lease:' .. ARGV[1]
if redis.call('GET', l) ~= ARGV[2] .. ':' .. ARGV[3] then return 0 end
return redis.call('PEXPIRE', l, ARGV[4])
"""
_RELEASE = """
local l = KEYS[1] .. ':lease:' .. ARGV[1]
if redis.call('GET', l) == ARGV[2] .. ':' .. ARGV[3] then return redis.call('DEL', l) end
return 0
"""


class RedisStore:
    """A durable ``Store`` on the Redis server at *url* ("redis://[user:password@]host:port/db", "rediss://…").

    prefix: begins every key, so that several fleets share a server. Values are encrypted with the key in
    WXSDK_STORE_KEY; ConfigError without one unless allow_plain. Making a store opens nothing. A server that cannot be
    reached, is full or refuses is a StoreError (also OSError); nothing of that call has taken effect, or, where the
    connection broke while the answer was awaited, it was tried again, which changes nothing further. Any thread, any
    process, any machine; a forked child opens connections of its own.
    """

    durable = True

    def __init__(self, url: str, *, prefix: str = "wxsdk", allow_plain: bool = False) -> None:
        try:
            import redis
            from redis.backoff import ExponentialBackoff
            from redis.retry import Retry
        except ImportError:
            raise ConfigError("RedisStore needs the package redis.", remedy="Run: pip install 'wxsdk[redis]'") from None
        check_text("url", url)
        self._prefix = check_text("prefix", prefix)
        self._sealer = Sealer(allow_plain=allow_plain)
        self._errors = redis.exceptions
        try:
            pool = redis.BlockingConnectionPool.from_url(
                url,
                max_connections=MAX_CONNECTIONS,
                timeout=SOCKET_TIMEOUT,
                socket_timeout=SOCKET_TIMEOUT,
                socket_connect_timeout=SOCKET_TIMEOUT,
                retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), RETRIES),
                retry_on_error=[redis.exceptions.ConnectionError, redis.exceptions.TimeoutError],
            )
        except (ValueError, AttributeError):
            raise ConfigError(
                "The url of the Redis server is not usable.", remedy="Give redis://host:port/0."
            ) from None  # the cause would quote the url with its password
        self._pool = pool
        self._redis: Any = redis.Redis(connection_pool=pool)
        keys = pool.connection_kwargs
        where = f"{keys.get('host', keys.get('path', '?'))}:{keys.get('port', '')}/{keys.get('db', 0)}"
        self.identity = f"redis {where} {prefix}"
        self._write_script = self._redis.register_script(_WRITE)
        self._put_script = self._redis.register_script(_PUT_IF_ABSENT)
        self._items_script = self._redis.register_script(_ITEMS)
        self._trim_script = self._redis.register_script(_TRIM)
        self._acquire_script = self._redis.register_script(_ACQUIRE)
        self._renew_script = self._redis.register_script(_RENEW)
        self._release_script = self._redis.register_script(_RELEASE)

    def __repr__(self) -> str:
        return f"RedisStore({self.identity!r})"

    def get(self, table: str, key: str) -> Optional[str]:
        with self._translated():
            found = self._redis.hget(self._key("v", table), encode(key))
        return None if found is None else self._sealer.open(found, f"{table}\0{key}")

    def items(self, table: str) -> List[Tuple[str, str]]:
        with self._translated():
            rows = self._items_script(keys=[self._prefix], args=[encode(table)])
        pairs = [(decode(rows[place]), rows[place + 1]) for place in range(0, len(rows), 2)]
        return [(key, self._sealer.open(value, f"{table}\0{key}")) for key, value in pairs]

    def write(self, changes: Sequence[Change], *, lease: Optional[Lease] = None) -> None:
        """Apply all *changes* or none. lease: LeaseLost, and nothing applied, unless it is held now."""
        if lease is not None:
            lease.check()
        if not changes:
            return
        args: List[Any] = ["", "", ""] if lease is None else [encode(lease.name), lease.owner, str(lease.number)]
        for change in changes:
            args += self._arguments(change)
        with self._translated(lease):
            self._write_script(keys=[self._prefix], args=args)

    def put_if_absent(self, put: Put) -> Optional[str]:
        """Apply *put* unless its key is there; the value that is there already. One step for all processes."""
        place = f"{put.table}\0{put.key}"
        sealed = self._sealer.seal(put.value, place)
        with self._translated():
            found = self._put_script(
                keys=[self._prefix], args=[encode(put.table), encode(put.key), sealed, repr(float(put.at))]
            )
        # The same bytes (the nonce makes them unique) are those of a try whose answer was lost on the way.
        return None if found is None or found == sealed else self._sealer.open(found, place)

    def trim(self, table: str, *, max_count: Optional[int] = None, before: Optional[float] = None) -> int:
        args = [encode(table), "" if before is None else repr(float(before)), "" if max_count is None else max_count]
        with self._translated():
            return int(self._trim_script(keys=[self._prefix], args=args))

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        with contextlib.suppress(Exception):
            self._pool.disconnect()

    # -- leases ----------------------------------------

    def lease(self, name: str, ttl: float = DEFAULT_TTL) -> Lease:
        """A lease of *name* that lives *ttl* seconds past its last renewal. Making it asks nothing of the server."""
        return Lease(self, name, ttl)

    def acquire_lease(self, name: str, owner: str, ttl: float) -> Optional[int]:
        with self._translated():
            number = self._acquire_script(keys=[self._prefix], args=[encode(name), owner, int(ttl * 1000)])
        return None if number is None else int(number)

    def renew_lease(self, name: str, owner: str, number: int, ttl: float) -> bool:
        with self._translated():
            return bool(
                self._renew_script(keys=[self._prefix], args=[encode(name), owner, str(number), int(ttl * 1000)])
            )

    def release_lease(self, name: str, owner: str, number: int) -> None:
        with self._translated():
            self._release_script(keys=[self._prefix], args=[encode(name), owner, str(number)])

    # -- inside ----------------------------------------

    def _key(self, kind: str, table: str) -> bytes:
        return encode(f"{self._prefix}:{kind}:{table}")

    def _arguments(self, change: Change) -> List[Any]:
        if isinstance(change, Put):
            sealed = self._sealer.seal(change.value, f"{change.table}\0{change.key}")
            return ["p", encode(change.table), encode(change.key), sealed, repr(float(change.at))]
        if isinstance(change, Delete):
            return ["d", encode(change.table), encode(change.key), "", ""]
        return ["c", encode(change.table), "", "", ""]

    @contextlib.contextmanager
    def _translated(self, lease: Optional[Lease] = None) -> Iterator[None]:
        try:
            yield
        except self._errors.ResponseError as exc:
            if lease is not None and "LEASELOST" in str(exc):
                lease.note_lost()
                raise lease_lost(lease.name) from None
            full = isinstance(exc, self._errors.OutOfMemoryError)
            raise StoreError(
                f"The Redis server refused: {scrub(str(exc))[:200]}.",
                number=errno.ENOSPC if full else errno.EIO,
                path=self.identity,
                remedy="Raise its maxmemory; the policy must be noeviction." if full else "",
            ) from None
        except (self._errors.RedisError, OSError) as exc:
            raise StoreError(
                f"The Redis server cannot be reached: {type(exc).__name__}.",
                number=errno.EIO,
                path=self.identity,
                remedy="It is tried again with the next call.",
            ) from None
