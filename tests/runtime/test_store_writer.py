"""StoreWriter: writes at once while all is well, waits for nobody in trouble, and hides neither from readers."""

from __future__ import annotations

import logging
import threading
from typing import Any, List, Optional, Sequence

import pytest

from wxsdk.runtime.clock import Clock
from wxsdk.runtime.store import Change, Clear, Delete, MemoryStore, Put, Store
from wxsdk.runtime.store_writer import StoreWriter, writer_for
from wxsdk.testing import STORE_CHECKS, FakeClock

WAIT = 10.0  # seconds after which a test gives up


class Durable(MemoryStore):
    """Memory that counts as durable, and fails or blocks when it is told to."""

    durable = True

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.blocked: Optional[threading.Event] = None
        self.entered = threading.Event()
        self.writes: List[int] = []

    def write(self, changes: Sequence[Change]) -> None:
        if self.blocked is not None:
            self.entered.set()
            assert self.blocked.wait(WAIT)
        if self.broken:
            raise OSError(28, "No space left on device")
        self.writes.append(len(changes))
        super().write(changes)


class Trying(Durable):
    busy = False

    def write(self, changes: Sequence[Change]) -> None:
        super().write(changes)

    def try_write(self, changes: Sequence[Change]) -> bool:
        if self.busy:
            return False
        super().write(changes)
        return True


def put(key: str, value: str = "v", table: str = "t") -> Put:
    return Put(table, key, value, 1.0)


@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__.strip("_"))
def test_it_is_a_store_itself(check: Any) -> None:
    store: Store = StoreWriter(Durable(), Clock())
    check(store)
    store.close()


@pytest.mark.parametrize("make", [MemoryStore, Durable, Trying])
def test_a_mark_is_in_the_store_when_it_returns(make: Any) -> None:
    store = make()
    writer = StoreWriter(store, Clock())
    writer.mark([put("a"), put("b"), Delete("t", "a")])
    assert store.items("t") == [("b", "v")]
    assert writer.waiting == 0


def test_later_never_waits_for_a_store_that_may_take_long() -> None:
    store = Durable()
    store.blocked = threading.Event()
    writer = StoreWriter(store, Clock())
    for number in range(100):
        writer.later([put("k", str(number))])
        assert writer.get("t", "k") == str(number)
        assert writer.items("t") == [("k", str(number))]
    store.blocked.set()
    assert writer.flush(WAIT)
    assert store.get("t", "k") == "99"
    assert len(store.writes) <= 3  # what waits goes in one write


def test_what_another_process_keeps_out_waits_and_goes_along_with_the_next_write() -> None:
    store = Trying()
    writer = StoreWriter(store, FakeClock())
    store.busy = store.broken = True
    writer.mark([put("old")])
    writer.mark([put("new"), Delete("t", "old")])
    assert store.items("t") == []
    assert writer.items("t") == [("new", "v")]
    assert writer.get("t", "old") is None
    store.busy = store.broken = False
    writer.write([put("newest")])
    assert store.items("t") == [("new", "v"), ("newest", "v")]
    assert writer.waiting == 0
    writer._clock.advance(3600)  # type: ignore[attr-defined]
    assert writer.end(1)


def test_a_failing_store_is_tried_again_with_backoff_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    clock, store = FakeClock(), Durable()
    writer = StoreWriter(store, clock)
    store.broken = True
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            writer.mark([put(str(number))])
        for _ in range(3):
            clock.wait_parked(name="wxsdk-store")
            clock.advance(30)
    clock.wait_parked(name="wxsdk-store")
    assert caplog.text.count("the store failed") == 1
    store.broken = False
    clock.advance(30)
    assert writer.flush(WAIT)
    assert len(store.items("t")) == 5


def test_clearing_a_table_takes_along_what_waits_for_it() -> None:
    store = Durable()
    store.write([put("a"), put("b"), put("kept", table="u")])
    store.blocked = threading.Event()
    writer = StoreWriter(store, Clock())
    writer.later([put("c")])
    assert store.entered.wait(WAIT)
    writer.later([put("d"), Clear("t"), put("e")])
    assert writer.items("t") == [("e", "v")]
    assert [writer.get("t", key) for key in "abcde"] == [None, None, None, None, "v"]
    assert writer.get("u", "kept") == "v"
    store.blocked.set()
    assert writer.flush(WAIT)
    assert store.items("t") == [("e", "v")]


def test_an_end_gives_up_what_the_store_does_not_take_and_a_later_write_brings_it() -> None:
    store = Durable()
    writer = StoreWriter(store, Clock())
    store.broken = True
    writer.mark([put("a")])
    assert not writer.end(0.01)
    assert writer.waiting == 1
    store.broken = False
    writer.write([put("b")])
    assert store.items("t") == [("a", "v"), ("b", "v")]


def test_what_no_store_can_take_is_dropped_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    store = Durable()
    writer = StoreWriter(store, Clock())
    writer.mark([Put("t", "k", None, 1.0), Delete("t", 5), put("good")])  # type: ignore[arg-type]
    assert store.items("t") == [("good", "v")]
    assert caplog.text.count("must be str") == 2


def test_a_write_of_its_own_in_a_subclass_is_never_passed_by() -> None:
    written: List[int] = []

    class Sub(Trying):
        def write(self, changes: Sequence[Change]) -> None:
            written.append(len(changes))
            super().write(changes)

    StoreWriter(Sub(), Clock()).mark([put("a")])
    assert written == [1]


def test_fifty_threads_that_mark_lose_nothing_and_share_writes() -> None:
    store = Durable()
    writer = StoreWriter(store, Clock())

    def work(number: int) -> None:
        for each in range(40):
            writer.mark([put(f"{number}.{each}")])
            assert writer.get("t", f"{number}.{each}") == "v"

    threads = [threading.Thread(target=work, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.items("t")) == 2000
    assert sum(store.writes) == 2000


def test_a_writer_is_not_wrapped_again() -> None:
    writer = StoreWriter(MemoryStore(), Clock())
    assert writer_for(writer, Clock()) is writer
