"""SQLite, Redis and PostgreSQL held to one set of tests, each with its real server."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import threading
from typing import Any, Callable, List

import pytest

from wxsdk.errors import ConfigError, LeaseLost, StoreError
from wxsdk.runtime.postgres_store import PostgresStore
from wxsdk.runtime.redis_store import RedisStore
from wxsdk.runtime.sealing import KEY_VARIABLE
from wxsdk.runtime.store import Clear, Delete, Put
from wxsdk.testing import STORE_CHECKS

from .conftest import KEY, MakeStore
from .servers import Postgres, Redis


@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__.strip("_"))
def test_the_contract_of_a_store(make_store: MakeStore, check: Callable[[Any], None]) -> None:
    check(make_store())


def test_what_one_process_writes_another_one_reads(make_store: MakeStore) -> None:
    one, other = make_store(), make_store()
    one.write([Put("t", "a", "1", 1.0), Put("t", "b", "2", 2.0)])
    assert other.items("t") == [("a", "1"), ("b", "2")]
    other.write([Delete("t", "a"), Put("t", "c", "3", 3.0)])
    assert one.items("t") == [("b", "2"), ("c", "3")]
    other.write([Clear("t")])
    assert one.items("t") == []


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "\udfff\ud800", "微信\U0001f600", "x" * 2**20, ""])
def test_any_text_fits(make_store: MakeStore, text: str) -> None:
    store = make_store()
    key = text[:100]
    store.write([Put(f"t{key}", key, text, 1.0)])
    assert make_store().items(f"t{key}") == [(key, text)]
    assert store.put_if_absent(Put(f"t{key}", key, "other", 1.0)) == text


def test_of_two_processes_one_puts_what_is_absent(make_store: MakeStore) -> None:
    stores = [make_store() for _ in range(4)]
    answers: List[Any] = []
    barrier = threading.Barrier(4)

    def put(store: Any) -> None:
        barrier.wait()
        answers.append(store.put_if_absent(Put("once", "k", "", 1.0)))  # the same value from all

    threads = [threading.Thread(target=put, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers, key=str) == ["", "", "", None]


def test_writers_that_touch_the_same_rows_in_different_orders_all_succeed(make_store: MakeStore) -> None:
    stores = [make_store() for _ in range(2)]
    failures: List[BaseException] = []

    def write(number: int) -> None:
        keys = [str(one) for one in range(10)]
        try:
            for turn in range(15):
                order = keys if number % 2 else keys[::-1]
                stores[number % 2].write([Put("t", key, f"{number} {turn}", 1.0) for key in order])
        except BaseException as exc:  # noqa: BLE001  shown by the test
            failures.append(exc)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len({value for _, value in stores[0].items("t")}) == 1


# -- leases ----------------------------------------


def test_one_holder_at_a_time_and_each_number_is_greater(make_store: MakeStore) -> None:
    one, other = make_store().lease("bot", ttl=30.0), make_store().lease("bot", ttl=30.0)
    assert one.acquire()
    assert one.acquire()  # again changes nothing
    assert not other.acquire()
    first = one.number
    one.release()
    assert other.acquire()
    assert other.number > first
    assert not one.lost.is_set()  # it was let go, not lost
    other.release()


def test_a_lease_is_waited_for(make_store: MakeStore) -> None:
    one, other = make_store().lease("bot", ttl=0.5), make_store().lease("bot", ttl=30.0)
    assert one.acquire()
    one.number, held = 0, one.number  # as if its process had died: nothing renews it
    assert other.acquire(timeout=5.0)
    assert other.number > held
    other.release()


def test_a_lease_is_renewed_as_long_as_its_process_lives(make_store: MakeStore) -> None:
    one, other = make_store().lease("bot", ttl=0.6), make_store().lease("bot", ttl=0.6)
    assert one.acquire()
    assert not other.acquire(timeout=1.5)
    assert one.held
    one.release()


def test_who_was_paused_finds_its_lease_lost_before_it_writes_anything(make_store: MakeStore) -> None:
    store, other_store = make_store(), make_store()
    paused, other = store.lease("bot", ttl=0.5), other_store.lease("bot", ttl=30.0)
    assert paused.acquire()
    setattr(paused, "renew", lambda: True)  # noqa: B010  its thread is stopped with its process
    assert other.acquire(timeout=5.0)
    paused._valid_until += 1000.0  # nor does its clock know
    with pytest.raises(LeaseLost):
        store.write([Put("t", "k", "from the past", 1.0)], lease=paused)
    assert store.get("t", "k") is None
    assert paused.lost.wait(1.0)
    other_store.write([Put("t", "k", "new", 1.0)], lease=other)
    assert store.get("t", "k") == "new"
    other.release()
    paused.release()


def test_a_lease_that_ran_out_unrenewed_is_lost(make_store: MakeStore) -> None:
    store = make_store()
    lease = store.lease("bot", ttl=0.3)
    assert lease.acquire()
    store.release_lease("bot", lease.owner, lease.number)  # as an operator's redis-cli does
    assert lease.lost.wait(2.0)
    with pytest.raises(LeaseLost):
        store.write([], lease=lease)
    lease.release()


def test_a_thousand_leases_need_one_thread(make_store: MakeStore) -> None:
    store = make_store()
    leases = [store.lease(f"bot-{number}", ttl=60.0) for number in range(100)]
    assert all(lease.acquire() for lease in leases)
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("wxsdk-lease")]
    assert len(names) == 1
    for lease in leases:
        lease.release()


# -- secrets at rest ----------------------------------------


@pytest.fixture(params=["redis", "postgres"])
def open_store(request: pytest.FixtureRequest) -> Callable[..., Any]:
    def make(prefix: str, **settings: Any) -> Any:
        if request.param == "redis":
            return RedisStore(request.getfixturevalue("redis_server").url, prefix=prefix, **settings)
        return PostgresStore(request.getfixturevalue("postgres_server").dsn, prefix=prefix, **settings)

    return make


def test_without_a_key_it_is_refused_unless_plain_is_allowed(
    open_store: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(ConfigError, match=KEY_VARIABLE):
        open_store("nokey")
    store = open_store("nokey", allow_plain=True)
    store.write([Put("t", "k", "v", 1.0)])
    assert store.get("t", "k") == "v"
    store.close()


def test_the_server_sees_no_value(redis_server: Redis, postgres_server: Postgres) -> None:
    canary = "canary-7f3a9c"
    for store in (RedisStore(redis_server.url, prefix="seen"), PostgresStore(postgres_server.dsn, prefix="seen")):
        store.write([Put("t", "k", canary, 1.0)])
        store.put_if_absent(Put("t", "j", canary, 1.0))
        store.close()
    assert canary.encode() not in b"".join(path.read_bytes() for path in redis_server.folder.rglob("*.aof"))
    import psycopg

    with psycopg.connect(postgres_server.dsn) as connection:
        rows = connection.execute("SELECT value FROM seen_entries").fetchall()
    assert len(rows) == 2
    assert not any(canary.encode() in bytes(value) for (value,) in rows)


def test_another_key_cannot_read_and_a_second_one_can(
    open_store: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = open_store("rotate")
    old.write([Put("t", "k", "v", 1.0)])
    new_key = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
    monkeypatch.setenv(KEY_VARIABLE, new_key)
    new = open_store("rotate")
    with pytest.raises(StoreError, match="another key"):
        new.get("t", "k")
    monkeypatch.setenv(KEY_VARIABLE, f"{new_key},{KEY}")
    both = open_store("rotate")
    assert both.get("t", "k") == "v"
    for store in (old, new, both):
        store.close()


def test_no_password_is_shown(open_store: Callable[..., Any]) -> None:
    for made in (
        RedisStore("redis://me:canary-pass@127.0.0.1:1/0", prefix="p"),
        PostgresStore("postgresql://me:canary-pass@127.0.0.1:1/db", prefix="p"),
    ):
        with pytest.raises(StoreError) as caught:
            made.get("t", "k")
        assert "canary-pass" not in f"{made!r} {made.identity} {caught.value} {caught.value.__dict__}"
        made.close()
    for bad in ("http://me:canary-pass@host", "canary-pass"):
        with pytest.raises(ConfigError) as refused:
            RedisStore(bad)
        assert "canary-pass" not in str(refused.value)


# -- trouble of the servers ----------------------------------------


def test_a_killed_redis_comes_back_with_everything_and_is_found_again() -> None:
    server = Redis()
    server.start()
    try:
        store = RedisStore(server.url)
        store.write([Put("t", str(number), "v", 1.0) for number in range(50)])
        server.kill()
        with pytest.raises(StoreError):
            store.write([Put("t", "while it was away", "v", 1.0)])
        server.start()
        assert [key for key, _ in store.items("t")] == [str(number) for number in range(50)]
        store.close()
    finally:
        server.remove()


def test_a_killed_postgres_comes_back_and_is_found_again() -> None:
    server = Postgres()
    server.start()
    try:
        store = PostgresStore(server.dsn)
        store.write([Put("t", "k", "v", 1.0)])
        server.send(signal.SIGQUIT)  # what the administrator's "immediate" does
        assert server.process is not None
        server.process.wait(10)
        with pytest.raises(StoreError):
            store.get("t", "k")
        server.start()
        assert store.get("t", "k") == "v"
        store.close()
    finally:
        server.remove()


def _fill(store: Any) -> None:
    for number in range(200):
        store.write([Put("full", str(number), "x" * 100_000, 1.0)])


def test_a_full_redis_is_a_store_error_with_a_remedy() -> None:
    server = Redis("--maxmemory", "8mb", "--maxmemory-policy", "noeviction")
    server.start()
    try:
        store = RedisStore(server.url)
        store.write([Put("t", "k", "v", 1.0)])
        with pytest.raises(StoreError) as caught:
            _fill(store)
        assert caught.value.errno == errno.ENOSPC
        assert "maxmemory" in caught.value.remedy
        store.write([Clear("full")])
        assert store.get("t", "k") == "v"
        store.close()
    finally:
        server.remove()


def test_a_redis_that_hangs_fails_the_call_and_not_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from wxsdk.runtime import redis_store

    monkeypatch.setattr(redis_store, "SOCKET_TIMEOUT", 0.2)
    server = Redis()
    server.start()
    try:
        store = RedisStore(server.url)
        lease = store.lease("bot", ttl=0.6)
        assert lease.acquire()
        server.send(signal.SIGSTOP)
        with pytest.raises(StoreError):
            store.get("t", "k")
        assert lease.lost.wait(10.0)  # it ran out while nobody could renew it
        server.send(signal.SIGCONT)
        assert store.get("t", "k") is None
        lease.release()
        store.close()
    finally:
        server.remove()


def test_a_forked_child_has_connections_and_leases_of_its_own(make_store: MakeStore) -> None:
    store = make_store()
    lease = store.lease("bot", ttl=30.0)
    assert lease.acquire()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        answer = (store.put_if_absent(Put("t", "child", "c", 1.0)), lease.held, lease.acquire())
        os.write(writer, pickle.dumps(answer))
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert pickle.load(pipe) == (None, False, False)
    assert store.get("t", "child") == "c"
    lease.release()
