"""The thread that sends what waits, with a pretended protocol."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

import pytest

from wxsdk.core.outbox_rules import Entry, GiveUp, OutboxItem, Retry, Sent, Verdict, WaitForUser
from wxsdk.errors import ConfigError, LimitExceeded, TransportError, WxError
from wxsdk.runtime.outbox_worker import Keep, OutboxCalls, Postbox
from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.runtime.store import Change, Delete, MemoryStore, Put, Store
from wxsdk.testing import FakeClock

WAIT = 10.0  # real seconds after which a test gives up
GONE = WxError("Refused for good.")


class Desk:
    """Tries come in by ``next_try``; the test says with ``answer`` what follows each."""

    def __init__(self) -> None:
        self._tries: queue.Queue[Entry] = queue.Queue()
        self._answers: queue.Queue[Any] = queue.Queue()
        self.given_up: queue.Queue[Tuple[OutboxItem, WxError, Callable[[], None]]] = queue.Queue()
        self.takes_given_up = True

    def deliver(self, entry: Entry, row: int, keep: Keep) -> Verdict:
        entry.attempts += 1
        self._tries.put(entry)
        answer = self._answers.get(timeout=WAIT)
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            answer = answer(entry, keep)
        assert isinstance(answer, tuple)
        return answer  # type: ignore[return-value]

    def next_try(self) -> Entry:
        return self._tries.get(timeout=WAIT)

    @property
    def idle(self) -> bool:
        return self._tries.empty()

    def answer(self, verdict: Any) -> None:
        self._answers.put(verdict)

    def give_up(self, item: OutboxItem, error: WxError, done: Callable[[], None]) -> bool:
        if self.takes_given_up:
            self.given_up.put((item, error, done))
        return self.takes_given_up


class Office:
    """A postbox on a fake clock, and the desk that it brings everything to."""

    def __init__(self, store: Store, **settings: Any) -> None:
        self.clock = FakeClock()
        self.store = store
        self.boxes: List[Postbox] = []
        self.desk = Desk()
        self.settings = {"max_age": 1000.0, "max_count": 100, "enabled": True, "setting": "outbox=True", **settings}

    def open(self, start: bool = True) -> Postbox:
        box = Postbox(self.store, "out", self.clock, deliver=self.desk.deliver, **self.settings)
        self.boxes.append(box)
        if start:
            box.start(self.desk.give_up)
        return box

    def settled(self) -> None:
        self.clock.wait_parked(name="wxsdk-outbox")

    def rows(self) -> int:
        return len(self.store.items("out"))


@pytest.fixture(params=["memory", "sqlite"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    made = Office(MemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / "store.db"))
    yield made
    for box in made.boxes:
        box.stop()
        made.desk.answer(Retry(1.0))
        assert box.join(WAIT)
    made.store.close()


def test_a_message_is_in_the_store_until_it_went_out(office: Office) -> None:
    box = office.open()
    item = box.put("alice", "text", {"text": "hello"})
    assert (item.to, item.kind, item.attempts) == ("alice", "text", 0)
    entry = office.desk.next_try()
    assert (entry.id, entry.payload) == (item.id, {"text": "hello"})
    assert office.rows() == 1
    assert [(each.id, each.attempts) for each in box.pending()] == [(item.id, 1)]
    office.desk.answer(Sent())
    assert box.flush(WAIT)
    assert (office.rows(), box.pending()) == (0, [])


def test_what_an_earlier_process_left_goes_first_and_in_order(office: Office) -> None:
    before = office.open(start=False)
    ids = [before.put("alice", "text", {"n": n}).id for n in range(3)]
    box = office.open()
    ids.append(box.put("alice", "text", {}).id)
    assert [item.id for item in box.pending()] == ids
    for id in ids:
        assert office.desk.next_try().id == id
        office.desk.answer(Sent())
    assert box.flush(WAIT)


def test_what_is_kept_during_a_try_is_there_after_a_restart(office: Office) -> None:
    box = office.open()
    box.put("alice", "text", {})
    entry = office.desk.next_try()

    def part_went_out(entry: Entry, keep: Keep) -> Verdict:
        entry.payload["part"] = 1
        keep()
        return Retry(5.0)

    office.desk.answer(part_went_out)
    office.settled()
    again = Entry.decode(entry.id, office.store.get("out", entry.id) or "")
    assert again is not None
    assert (again.payload, again.attempts) == ({"part": 1}, 1)


def test_a_failed_message_is_tried_again_in_its_time(office: Office) -> None:
    box = office.open()
    box.put("alice", "text", {})
    office.desk.next_try()
    office.desk.answer(Retry(5.0))
    office.settled()
    office.clock.advance(4.9)
    office.settled()
    assert office.desk.idle
    office.clock.advance(0.2)
    office.desk.next_try()
    office.desk.answer(Sent())
    assert box.flush(WAIT)


def test_a_message_waits_for_its_user(office: Office) -> None:
    box = office.open()
    box.put("alice", "text", {})
    office.desk.next_try()
    office.desk.answer(WaitForUser())
    office.settled()
    box.heard("bob")
    office.settled()
    assert office.desk.idle
    box.heard("alice")
    office.desk.next_try()
    office.desk.answer(Sent())
    assert box.flush(WAIT)


def test_the_connection_that_is_back_ends_the_wait(office: Office) -> None:
    box = office.open()
    box.put("alice", "text", {})
    office.desk.next_try()
    office.desk.answer(Retry(60.0, pause=60.0))
    office.settled()
    box.wake()
    office.desk.next_try()
    office.desk.answer(Sent())
    assert box.flush(WAIT)


def test_what_is_given_up_is_told_once_and_leaves_the_store_when_it_was_told(office: Office) -> None:
    box = office.open()
    item = box.put("alice", "text", {})
    office.desk.next_try()
    office.desk.answer(GiveUp(GONE))
    told, error, done = office.desk.given_up.get(timeout=WAIT)
    assert (told.id, told.attempts, error) == (item.id, 1, GONE)
    assert box.flush(WAIT)
    assert office.rows() == 1  # a process killed here tells again
    done()
    assert office.rows() == 0
    office.settled()
    assert office.desk.given_up.empty()


def test_what_could_not_be_told_is_given_up_again_at_the_next_start(office: Office) -> None:
    office.desk.takes_given_up = False
    box = office.open()
    item = box.put("alice", "text", {})
    office.desk.next_try()
    office.desk.answer(GiveUp(GONE))
    office.settled()
    assert (office.rows(), len(box.pending())) == (1, 0)
    office.desk.takes_given_up = True
    office.open()
    office.desk.next_try()
    office.desk.answer(GiveUp(GONE))
    assert office.desk.given_up.get(timeout=WAIT)[0].id == item.id


def test_a_message_that_waits_too_long_is_given_up(office: Office) -> None:
    box = office.open()
    box.put("alice", "text", {})
    office.desk.next_try()
    office.desk.answer(WaitForUser())
    office.settled()
    office.clock.advance(1000.0)
    _, error, done = office.desk.given_up.get(timeout=WAIT)
    assert isinstance(error, LimitExceeded)
    done()
    assert (office.rows(), box.pending()) == (0, [])


def test_the_age_goes_on_while_no_process_runs_and_jumps_of_the_clock_do_not_count(office: Office) -> None:
    office.open(start=False).put("alice", "text", {})
    office.clock.jump_wall(999.0)  # seen by the next process only, to which it is time that passed
    box = office.open()
    office.desk.next_try()
    office.desk.answer(WaitForUser())
    office.settled()
    office.clock.jump_wall(5000.0)
    box.heard("bob")
    office.settled()
    assert office.desk.given_up.empty()
    office.clock.advance(1.5)
    assert isinstance(office.desk.given_up.get(timeout=WAIT)[1], LimitExceeded)


def test_a_full_outbox_refuses_and_stores_nothing(office: Office) -> None:
    office.settings["max_count"] = 2
    box = office.open(start=False)
    for _ in range(2):
        box.put("alice", "text", {})
    with pytest.raises(LimitExceeded):
        box.put("bob", "text", {})
    assert office.rows() == 2


def test_a_cancelled_message_is_gone(office: Office) -> None:
    box = office.open(start=False)
    first, second = (box.put("alice", "text", {}) for _ in range(2))
    assert box.cancel(first.id)
    assert not box.cancel(first.id)
    assert not box.cancel("never")
    assert [item.id for item in box.pending()] == [second.id]
    assert office.rows() == 1


def test_a_message_that_is_being_sent_cannot_be_cancelled(office: Office) -> None:
    box = office.open()
    item = box.put("alice", "text", {})
    office.desk.next_try()
    assert not box.cancel(item.id)
    office.desk.answer(Retry(60.0))
    office.settled()
    assert box.cancel(item.id)
    assert box.flush(0)


def test_a_flush_ends_after_its_time(office: Office) -> None:
    box = office.open(start=False)
    box.put("alice", "text", {})
    assert not box.flush(0.0)
    results: List[bool] = []
    thread = threading.Thread(target=lambda: results.append(box.flush(5.0)), name="flusher")
    thread.start()
    office.clock.wait_parked(name="flusher")
    office.clock.advance(5.0)
    thread.join(WAIT)
    assert results == [False]


def test_a_stop_waits_for_the_try_under_way_and_makes_no_other(office: Office) -> None:
    box = office.open()
    for _ in range(2):
        box.put("alice", "text", {})
    office.desk.next_try()
    box.stop()
    assert box.worker is not None
    assert box.worker.name in box.join_until(office.clock.now())
    office.desk.answer(Sent())
    assert box.join(WAIT)
    assert box.join_until(office.clock.now()) == []
    assert (len(box.pending()), office.rows(), office.desk.idle) == (1, 1, True)
    box.start(office.desk.give_up)
    office.desk.next_try()
    office.desk.answer(Sent())
    assert box.flush(WAIT)


def test_a_try_that_outlives_a_stop_is_not_made_twice(office: Office) -> None:
    box = office.open()
    box.put("alice", "text", {})
    box.put("bob", "text", {})
    office.desk.next_try()
    box.stop()
    old = box.worker
    box.start(office.desk.give_up)
    assert office.desk.next_try().to == "bob"
    for _ in range(2):
        office.desk.answer(Sent())
    assert box.flush(WAIT)
    assert office.desk.idle
    assert old is not None
    assert old.join(WAIT)


def test_a_protocol_that_raises_makes_the_message_wait(office: Office) -> None:
    box = office.open()
    box.put("alice", "text", {})
    office.desk.next_try()
    office.desk.answer(OSError("disk full"))
    office.settled()
    office.clock.advance(1.3)
    office.desk.next_try()
    office.desk.answer(Sent())
    assert box.flush(WAIT)


def test_an_unreadable_row_is_left_out(office: Office) -> None:
    office.store.write([Put("out", "bad", "{", 1.0)])
    box = office.open(start=False)
    assert box.pending() == []
    assert office.rows() == 0


def test_what_another_process_sent_meanwhile_is_not_sent_again(office: Office) -> None:
    standby = office.open(start=False)
    first = standby.put("alice", "text", {})
    active = office.open()
    active.put("alice", "text", {})
    for _ in range(2):
        office.desk.next_try()
        office.desk.answer(Sent())
    assert active.flush(WAIT)
    active.stop()
    last = active.put("bob", "text", {})
    shared = isinstance(office.store, SQLiteStore)  # rows that other processes can reach are looked up each time
    assert [item.id for item in standby.pending()] == [last.id if shared else first.id]
    standby.load()
    standby.start(office.desk.give_up)
    assert office.desk.next_try().id == last.id
    office.desk.answer(Sent())
    assert standby.flush(WAIT)
    assert office.desk.idle


def test_a_try_under_way_goes_on_when_the_store_is_read_again(office: Office) -> None:
    box = office.open()
    ids = [box.put("alice", "text", {}).id for _ in range(2)]
    office.desk.next_try()
    box.stop()
    box.load()
    box.start(office.desk.give_up)
    assert [item.id for item in box.pending()] == ids
    for _ in range(2):
        office.desk.answer(Sent())
    assert office.desk.next_try().id == ids[1]
    assert box.flush(WAIT)
    assert office.desk.idle


def test_nothing_of_the_caller_is_shared(office: Office) -> None:
    box = office.open(start=False)
    payload = {"list": [1]}
    box.put("alice", "text", payload)
    payload["list"].append(2)
    box.start(office.desk.give_up)
    assert office.desk.next_try().payload == {"list": [1]}
    office.desk.answer(Sent())
    assert box.flush(WAIT)


@pytest.mark.parametrize("bad", [object(), float("nan"), {1}, b"bytes"])
def test_what_json_cannot_carry_is_refused(bad: Any) -> None:
    box = Office(MemoryStore()).open(start=False)
    with pytest.raises(ConfigError):
        box.put("alice", "text", {"bad": bad})
    assert box.pending() == []


class Failing(MemoryStore):
    """Fails to write while ``broken`` is set."""

    broken: Optional[type] = None

    def write(self, changes: Sequence[Change]) -> None:
        if self.broken is not None and any(isinstance(change, self.broken) for change in changes):
            raise OSError("disk full")
        super().write(changes)


def test_what_the_store_does_not_take_is_not_taken_in() -> None:
    store = Failing()
    box = Office(store).open(start=False)
    store.broken = Put
    with pytest.raises(OSError, match="disk full"):
        box.put("alice", "text", {})
    assert box.pending() == []


def test_a_deletion_that_failed_is_made_up_for() -> None:
    store = Failing()
    office = Office(store)
    box = office.open()
    box.put("alice", "text", {})
    store.broken = Delete
    office.desk.next_try()
    office.desk.answer(Sent())
    assert box.flush(WAIT)
    assert office.rows() == 1
    store.broken = None
    box.put("bob", "text", {})
    office.desk.next_try()
    assert office.rows() == 1  # that of bob
    office.desk.answer(Sent())
    assert box.flush(WAIT)
    assert office.rows() == 0
    box.stop()
    assert box.join(WAIT)


def test_an_outbox_that_is_off_touches_nothing_and_names_its_setting() -> None:
    class Untouchable(MemoryStore):
        def items(self, table: str) -> List[Tuple[str, str]]:
            raise AssertionError("read")

        def write(self, changes: Sequence[Change]) -> None:
            raise AssertionError("written")

    office = Office(Untouchable(), enabled=False)
    box = office.open()
    box.load()
    box.heard("alice")
    box.wake()
    box.stop()
    assert box.join(0)
    assert box.join_until(0.0) == []
    assert box.worker is None
    calls = OutboxCalls(box)
    for call in (calls.pending, lambda: calls.cancel("x"), lambda: calls.flush(0), lambda: box.put("a", "text", {})):
        with pytest.raises(ConfigError, match="outbox=True"):
            call()


def test_an_outbox_shows_whether_it_is_on() -> None:
    assert repr(OutboxCalls(Office(MemoryStore(), enabled=False).open())) == "<Outbox off>"
    assert repr(OutboxCalls(Office(MemoryStore()).open(start=False))) == "<Outbox on>"


def test_the_thread_says_what_it_is_and_is_started_by_start_alone(office: Office) -> None:
    box = office.open(start=False)
    box.put("alice", "text", {})
    assert box.worker is None
    box.start(office.desk.give_up)
    assert box.worker is not None
    assert box.worker.name.startswith("wxsdk-outbox-")
    office.desk.next_try()
    office.desk.answer(GiveUp(TransportError("Lost.", may_have_been_sent=True)))
    office.desk.given_up.get(timeout=WAIT)[2]()
