"""A store that fails costs no message."""

from __future__ import annotations

import errno
import os
import pathlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import List, Optional, Sequence

import pytest

from tests.ilink.bots import WAIT, Gate, Recorder, started
from tests.runtime.locks import write_lock_held
from wxsdk.errors import StoreError
from wxsdk.health import HealthState
from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.runtime.store import Change, Delete, MemoryStore
from wxsdk.sim import ILinkSim

from .waiting import until


class BrokenStore(MemoryStore):
    """Raises, as a full or a lost disk does, wherever its switches say so."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses_writes = False
        self.refuses_deletes = False
        self.refuses_quotes = False

    def write(self, changes: Sequence[Change]) -> None:
        deletes = any(isinstance(change, Delete) and change.table == "inbox" for change in changes)
        if self.refuses_writes or (deletes and self.refuses_deletes):
            raise OSError(28, "No space left on device")
        super().write(changes)

    def get(self, table: str, key: str) -> Optional[str]:
        if table == "quote" and self.refuses_quotes:
            raise OSError(5, "Input/output error")
        return super().get(table, key)


def test_a_message_whose_quote_cannot_be_looked_up_is_handled_all_the_same(ilink: ILinkSim) -> None:
    store, bot = BrokenStore(), Recorder()
    client = started(ilink, bot, store=store)
    alice = ilink.user("alice")
    alice.says("first")
    bot.wait_for(lambda: bot.contexts)
    store.refuses_quotes = True
    alice.quotes(next(iter(alice._said)), "what about that?", by_id=True)
    bot.wait_for(lambda: len(bot.contexts) == 2)
    assert client.shutdown()
    assert bot.bodies[1] == "what about that?"
    assert bot.errors == []


def test_what_a_full_disk_did_not_let_go_of_is_taken_out_later(ilink: ILinkSim) -> None:
    store, bot = BrokenStore(), Recorder()
    client = started(ilink, bot, store=store)
    store.refuses_deletes = True
    for text in ("one", "two"):
        ilink.user("alice").says(text)
    bot.wait_for(lambda: len(bot.contexts) == 2)
    until(lambda: client.health().workers_busy == 0)
    assert len(store.items("inbox")) == 2
    store.refuses_deletes = False
    ilink.user("alice").says("three")
    bot.wait_for(lambda: len(bot.contexts) == 3)
    until(lambda: store.items("inbox") == [], "an empty inbox")
    assert client.shutdown()


def test_sends_go_on_while_the_disk_is_full_and_what_comes_waits_at_the_platform(ilink: ILinkSim) -> None:
    store, bot = BrokenStore(), Recorder()
    client = started(ilink, bot, store=store)
    store.refuses_writes = True
    ilink.user("alice").says("one")
    until(lambda: client.health().state is HealthState.RETRYING)
    health = client.health()
    assert "store" in str(health.last_error)
    assert health.remedy
    assert client.send_text("alice", "still here").confirmed
    assert bot.contexts == []
    store.refuses_writes = False
    bot.wait_for(lambda: bot.contexts)
    until(lambda: client.health().state is HealthState.RUNNING)
    assert client.shutdown()
    assert bot.bodies == ["one"]
    errors: List[str] = [type(error).__name__ for error in bot.errors]
    assert errors == ["WxError"]
    assert ilink.user("alice").expects(WAIT).text == "still here"


posix = pytest.mark.skipif(os.name != "posix", reason="Windows lets nobody take away a file that is open")


@posix
def test_a_stores_file_taken_away_is_told_and_nothing_is_taken_in_until_it_is_back(
    ilink: ILinkSim, tmp_path: pathlib.Path
) -> None:
    path, bot = tmp_path / "bot.db", Recorder()
    client = started(ilink, bot, store=SQLiteStore(path))
    aside = path.rename(tmp_path / "aside.db")
    ilink.user("alice").says("one")
    bot.wait_for(lambda: bot.errors)
    until(lambda: client.health().state is HealthState.RETRYING)
    health = client.health()
    assert "deleted, moved or replaced" in str(health.last_error)
    assert "Put it back" in str(health.remedy)
    assert client.send_text("alice", "still here").confirmed
    assert bot.contexts == []
    aside.rename(path)
    bot.wait_for(lambda: bot.contexts)
    until(lambda: client.health().state is HealthState.RUNNING)
    assert client.shutdown()
    assert bot.bodies == ["one"]
    (error,) = bot.errors
    assert isinstance(error, StoreError)
    assert error.errno == errno.ENOENT


@posix
def test_what_came_while_the_stores_file_was_gone_is_handled_after_a_restart(
    ilink: ILinkSim, tmp_path: pathlib.Path
) -> None:
    path, bot = tmp_path / "bot.db", Recorder()
    client = started(ilink, bot, store=SQLiteStore(path))
    path.unlink()
    ilink.user("alice").says("one")
    bot.wait_for(lambda: bot.errors)
    assert client.shutdown()
    client.start()
    bot.wait_for(lambda: bot.contexts)
    assert client.shutdown()
    assert bot.bodies == ["one"]
    assert path.exists()


def test_a_platform_that_forgets_loses_nothing_while_the_store_is_held_by_another_process(
    tmp_path: pathlib.Path,
) -> None:
    with ILinkSim(cursor="forgets", hold=20, quota_limit=None) as sim:
        path, bot = tmp_path / "bot.db", Recorder()
        client = started(sim, bot, store=SQLiteStore(path, busy_timeout=0.05))
        with write_lock_held(path):
            for number in range(20):
                sim.user(f"u{number % 4}").says(str(number))
            until(lambda: client.health().state is HealthState.RETRYING)
            until(lambda: client.health().retries > 1)
            assert "wait in memory" in str(client.health().last_error)
            assert bot.contexts == []
        bot.wait_for(lambda: len(bot.contexts) == 20)
        assert client.shutdown()
        assert sorted(map(int, map(str, bot.bodies))) == list(range(20))


def test_a_store_held_by_another_process_delays_no_send_and_no_stop(ilink: ILinkSim, tmp_path: pathlib.Path) -> None:
    path, bot = tmp_path / "bot.db", Recorder()
    client = started(ilink, bot, store=SQLiteStore(path))
    ilink.user("u0").says("hello")
    bot.wait_for(lambda: bot.contexts)
    with write_lock_held(path), ThreadPoolExecutor(8) as threads:
        began = time.monotonic()
        for result in [threads.submit(client.send_text, f"u{number}", "hi") for number in range(8)]:
            assert result.result(WAIT).confirmed
        sent_after = time.monotonic() - began
        ilink.user("u0").says("comes while the store is held")
        until(lambda: client._running is not None and client._running.loop.worker.alive)
        began = time.monotonic()
        client.shutdown()
        stopped_after = time.monotonic() - began
    assert sent_after < 2  # each of them waited 5 s, in a row; here is the network alone, on a busy machine
    assert stopped_after < 1.5  # 0.5 s on an idle machine
    assert client.quota("u3").sent == 1
    assert client.send_text("u3", "after").confirmed
    other = SQLiteStore(path)
    until(lambda: other.get("quota", "u3") is not None)  # written in the background once the file is free
    other.close()
    client.shutdown()


def test_what_is_handled_while_the_store_is_held_is_marked_when_it_is_free(
    ilink: ILinkSim, tmp_path: pathlib.Path
) -> None:
    path, gate = tmp_path / "bot.db", Gate()
    bot = Recorder(lambda ctx: gate.pass_through())
    store = SQLiteStore(path, busy_timeout=0.05)
    client = started(ilink, bot, store=store)
    for user in ("a", "b"):
        ilink.user(user).says("hello")
        gate.wait_entered()
    with write_lock_held(path):
        gate.open()
        until(lambda: client.health().workers_busy == 0)
        assert len(store.items("inbox")) == 2
    until(lambda: store.items("inbox") == [], "an empty inbox")
    assert client.shutdown()
