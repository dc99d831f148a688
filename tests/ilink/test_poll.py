from __future__ import annotations

import json
import queue
import threading
from typing import Any, List, Optional, Tuple

import pytest

from wxsdk.errors import TokenStale, TransportError, WxError
from wxsdk.health import HealthState
from wxsdk.ilink.config import WeixinConfig
from wxsdk.ilink.inbox import Entry, Inbox
from wxsdk.ilink.poll import PollLoop
from wxsdk.ilink.state import Book
from wxsdk.runtime.health_record import Vitals
from wxsdk.runtime.http import HttpReply
from wxsdk.runtime.store import MemoryStore
from wxsdk.testing import FakeClock

WAIT = 10.0


class PretendApi:
    """Answers each poll with what the test puts in; an interruption ends the poll under way."""

    token = "t"

    def __init__(self) -> None:
        self.calls: queue.Queue[Tuple[str, Any]] = queue.Queue()
        self._answers: queue.Queue[Any] = queue.Queue()
        self.interrupted = False

    def poll(self, cursor: str, timeout: float) -> HttpReply:
        self.calls.put(("poll", (cursor, timeout)))
        answer = self._answers.get(timeout=WAIT)
        if isinstance(answer, Exception):
            raise answer
        return HttpReply(*answer)

    def notify_start(self, *, timeout: float) -> None:
        self.calls.put(("start", timeout))

    def notify_stop(self, *, timeout: float) -> None:
        self.calls.put(("stop", timeout))

    def interrupt_polls(self) -> None:
        self._answers.put(TransportError("interrupted"))

    def resume_polls(self) -> None:
        """Nothing to resume: each interruption ends one poll."""

    def answer(self, status: int = 200, **fields: Any) -> None:
        self._answers.put((status, {}, json.dumps(fields).encode()))

    def fail(self, error: Exception) -> None:
        self._answers.put(error)

    def next_call(self) -> Tuple[str, Any]:
        return self.calls.get(timeout=WAIT)


class Setting:
    def __init__(self, store: Optional[MemoryStore] = None, **settings: Any) -> None:
        self.clock = FakeClock()
        self.api = PretendApi()
        self.vitals = Vitals(self.clock)
        self.run_vitals = self.vitals.of_run()
        self.handed: List[Entry] = []
        self.states: List[HealthState] = []  # at each hand-over
        self.stale: List[TokenStale] = []
        self.failures: List[WxError] = []
        self.crashes: List[BaseException] = []
        self.ready = threading.Event()
        self.room = threading.Event()
        self.ready.set()
        self.room.set()
        config = WeixinConfig(token="t", **settings)
        self.store = store or MemoryStore()
        self.book = Book(self.store, config, self.clock)
        self.book.claim("t")
        inbox = Inbox(self.book, config, self.clock, tell=lambda cursor: None, heard=lambda user: [])
        self.loop = PollLoop(
            0,
            self.api,  # type: ignore[arg-type]
            self.book,
            inbox,
            config,
            self.clock,
            self.run_vitals,
            ready=lambda seconds: self.ready.wait(0.01),
            room=lambda seconds: self.room.wait(0.01),
            hand_over=self.hand_over,
            on_stale=self.stale.append,
            on_failure=self.failures.append,
            on_crash=self.crashes.append,
        )

    def hand_over(self, entries: List[Entry]) -> None:
        self.handed.extend(entries)
        self.states.append(self.vitals.snapshot().state)

    def start(self, cursor: str = "") -> None:
        self.loop.start(cursor, [])
        assert self.api.next_call() == ("start", 2.0)

    def expect_poll(self, cursor: Optional[str] = None) -> float:
        kind, (sent, timeout) = self.api.next_call()
        assert kind == "poll"
        assert cursor is None or sent == cursor
        return float(timeout)

    def stop(self) -> List[str]:
        """Stop and join; the calls made meanwhile."""
        self.loop.stop()
        assert self.loop.worker.join(WAIT)
        assert self.crashes == []
        made = []
        while not self.api.calls.empty():
            made.append(self.api.calls.get()[0])
        return made


@pytest.fixture
def setting() -> Setting:
    return Setting()


def message(number: int) -> Any:
    return {"message_id": str(number), "from_user_id": "alice", "message_type": 1, "item_list": []}


def test_each_poll_asks_after_the_cursor_of_the_last_one(setting: Setting) -> None:
    setting.start("c0")
    assert setting.expect_poll("c0") == 45.0
    setting.api.answer(ret=0, msgs=[message(1)], get_updates_buf="c1", longpolling_timeout_ms=20_000)
    assert setting.expect_poll("c1") == 30.0  # the announced hold and the margin
    assert [entry.message.message_id for entry in setting.handed] == ["1"]
    assert setting.book.cursor() == "c1"
    assert setting.stop() == ["stop"]


def test_a_message_is_handed_over_by_a_client_that_says_it_runs(setting: Setting) -> None:
    setting.start()
    setting.expect_poll()
    setting.run_vitals.enter(HealthState.RETRYING)
    setting.api.answer(ret=0, msgs=[message(1)], get_updates_buf="c")
    setting.expect_poll("c")
    setting.stop()
    assert len(setting.handed) == 1
    assert setting.states[-1] is HealthState.RUNNING


def test_failures_are_two_seconds_apart_then_thirty(setting: Setting) -> None:
    setting.start()
    waits = []
    for _ in range(4):
        setting.expect_poll()
        setting.api.answer(status=502)
        setting.clock.wait_parked(name="poll")
        deadline = setting.clock.next_deadline()
        assert deadline is not None
        waits.append(deadline)
        setting.clock.advance(deadline)
    setting.expect_poll()
    assert [1.6 <= wait <= 2.4 for wait in waits] == [True, True, False, True]
    assert 24.0 <= waits[2] <= 36.0
    assert len(setting.failures) == 1
    assert setting.vitals.snapshot().retries == 4
    setting.stop()


@pytest.mark.parametrize("error", [AttributeError("sock"), TypeError("defect"), RecursionError(), KeyError("x")])
def test_what_no_part_of_the_loop_knows_is_logged_counted_and_survived(
    setting: Setting, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(setting.api, "poll", fail)
        setting.start("c0")
        for retries in (1, 2):
            setting.clock.wait_parked(name="poll")
            health = setting.vitals.snapshot()
            assert (health.state, health.retries) == (HealthState.RETRYING, retries)
            assert type(error).__name__ in (health.last_error or "")
            if retries == 1:
                assert 1.6 <= (setting.clock.next_deadline() or 0) <= 2.4
                setting.clock.advance(2.4)
    setting.clock.advance(2.4)
    assert setting.expect_poll("c0")
    setting.api.answer(ret=0, msgs=[message(1)], get_updates_buf="c1")
    setting.expect_poll("c1")
    assert setting.vitals.snapshot().state is HealthState.RUNNING
    assert [type(failure.__cause__) for failure in setting.failures] == [type(error)]
    assert sum(record.exc_info is not None for record in caplog.records) == 2
    setting.stop()


def test_a_deadline_that_passes_is_an_empty_answer_that_health_tells_of(setting: Setting) -> None:
    setting.start("c0")
    setting.expect_poll()
    setting.clock.advance(45.0)
    setting.api.fail(TransportError("silence", kind="timeout", may_have_been_sent=True))
    setting.expect_poll("c0")
    assert setting.failures == []
    assert "did not answer" in str(setting.vitals.snapshot().last_error)
    setting.api.answer(ret=0)
    setting.clock.wait_parked(name="poll")  # half a second between polls that bring nothing
    assert setting.vitals.snapshot().state is HealthState.RUNNING
    setting.stop()


def test_cuts_at_once_for_a_minute_show_in_health_and_are_no_failure(setting: Setting) -> None:
    setting.start("c0")
    states = []
    for _ in range(130):
        setting.expect_poll("c0")
        setting.api.answer(status=524)
        setting.clock.wait_parked(name="poll")
        states.append(setting.vitals.snapshot().state)
        setting.clock.advance(0.5)
    assert states == [HealthState.RUNNING] * 120 + [HealthState.RETRYING] * 10
    assert setting.vitals.snapshot().retries == 10
    assert setting.failures == []
    setting.expect_poll("c0")
    setting.api.answer(ret=0)
    setting.clock.wait_parked(name="poll")
    assert setting.vitals.snapshot().state is HealthState.RUNNING
    assert setting.vitals.snapshot().last_error is None
    setting.stop()


def test_a_stale_token_pauses_for_an_hour_and_then_is_tried_once_after_a_notice(setting: Setting) -> None:
    setting.start()
    setting.expect_poll()
    setting.api.answer(ret=-14)
    setting.clock.wait_parked(name="poll")
    assert setting.clock.next_deadline() == 3600.0
    assert setting.vitals.snapshot().state is HealthState.TOKEN_STALE
    setting.clock.advance(3600.0)
    assert setting.api.next_call() == ("start", 2.0)
    setting.expect_poll()
    setting.api.answer(errcode=-14)
    setting.clock.wait_parked(name="poll")
    assert len(setting.stale) == 1  # the same token: once
    assert setting.stop() == []  # no notice of the end for a token that is not valid


def test_a_new_token_ends_the_pause_and_forgets_the_cursor(setting: Setting) -> None:
    setting.start("old cursor")
    setting.expect_poll("old cursor")
    setting.api.answer(ret=-14)
    setting.clock.wait_parked(name="poll")
    setting.book.claim("another token")
    setting.loop.token_changed()
    assert setting.vitals.snapshot().state is not HealthState.TOKEN_STALE
    assert setting.api.next_call()[0] == "start"  # the platform hears of the new token before the first poll with it
    setting.expect_poll("")
    setting.stop()


def test_a_pause_can_be_ended_without_a_new_token_and_a_poll_is_left_alone(setting: Setting) -> None:
    setting.start("c0")
    setting.expect_poll("c0")
    setting.api.answer(ret=-14)
    setting.clock.wait_parked(name="poll")
    setting.loop.end_pause()
    assert setting.vitals.snapshot().state is not HealthState.TOKEN_STALE
    assert setting.api.next_call()[0] == "start"
    setting.expect_poll("c0")
    setting.loop.end_pause()
    setting.api.answer(ret=0, msgs=[message(1)], get_updates_buf="c1")
    setting.expect_poll("c1")
    assert (len(setting.handed), len(setting.stale)) == (1, 1)
    setting.stop()


def test_the_notice_of_the_start_waits_no_longer_than_other_small_calls() -> None:
    setting = Setting(light_timeout=0.5)
    setting.loop.start("", [])
    assert setting.api.next_call() == ("start", 0.5)
    setting.stop()


def test_a_stop_ends_a_wait_and_a_poll(setting: Setting) -> None:
    setting.start()
    setting.expect_poll()
    assert setting.stop() == ["stop"]
    other = Setting()
    other.start()
    other.expect_poll()
    other.api.answer(status=502)
    other.clock.wait_parked(name="poll")
    assert other.stop() == ["stop"]


def test_what_came_with_the_stop_is_still_taken_in(setting: Setting) -> None:
    setting.start()
    setting.expect_poll()
    setting.api.answer(ret=0, msgs=[message(1)], get_updates_buf="c1")
    setting.stop()
    assert len(setting.handed) == 1
    assert setting.book.cursor() == "c1"


def test_no_poll_is_made_before_it_may_be_nor_without_room() -> None:
    setting = Setting()
    setting.ready.clear()
    setting.loop.start("", [])
    assert setting.stop() == []
    setting = Setting()
    setting.room.clear()
    setting.start()
    assert setting.stop() == ["stop"]


class Failing(MemoryStore):
    broken = False

    def write(self, changes: Any) -> None:
        if self.broken:
            raise OSError(28, "No space left on device")
        super().write(changes)


def test_a_batch_that_the_store_refuses_is_kept_and_written_before_the_next_poll() -> None:
    store = Failing()
    setting = Setting(store)
    setting.start("c0")
    setting.expect_poll("c0")
    store.broken = True
    setting.api.answer(ret=0, msgs=[message(1), message(2)], get_updates_buf="c1")
    for _ in range(4):
        setting.clock.wait_parked(name="poll")
        assert setting.handed == []
        health = setting.vitals.snapshot()
        assert health.state is HealthState.RETRYING
        assert "2 received message(s) wait in memory" in str(health.last_error)
        setting.clock.advance(20)
    assert len(setting.failures) == 1
    setting.clock.wait_parked(name="poll")
    store.broken = False
    setting.clock.advance(20)
    setting.expect_poll("c1")
    assert len(setting.handed) == 2
    assert setting.vitals.snapshot().state is HealthState.RUNNING
    setting.stop()


def test_a_stop_while_the_store_refuses_a_batch_says_how_much_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    store = Failing()
    setting = Setting(store)
    setting.start("c0")
    setting.expect_poll("c0")
    store.broken = True
    setting.api.answer(ret=0, msgs=[message(1), message(2), message(3)], get_updates_buf="c1")
    setting.clock.wait_parked(name="poll")
    setting.stop()
    assert "3 received message(s) are given up" in caplog.text
    assert setting.handed == []


def test_a_new_token_while_the_store_refuses_a_batch_costs_none_of_its_messages() -> None:
    store = Failing()
    setting = Setting(store)
    setting.start("c0")
    setting.expect_poll("c0")
    store.broken = True
    setting.api.answer(ret=0, msgs=[message(1)], get_updates_buf="c1")
    setting.clock.wait_parked(name="poll")
    store.broken = False
    setting.book.claim("another")
    setting.loop.token_changed()
    assert setting.api.next_call()[0] == "start"
    setting.expect_poll("")
    assert len(setting.handed) == 1
    setting.stop()


def test_the_loop_outlives_ten_thousand_odd_messages(setting: Setting) -> None:
    odd: List[Any] = [None, 5, "x", [], {}, {"item_list": None}, {"item_list": [None, 5, {"type": "x"}]}]
    good = [message(number) for number in range(100)]
    batch = [odd[number % len(odd)] for number in range(10_000)]
    for place, one in enumerate(good):
        batch.insert(place * 100, one)
    setting.start()
    setting.expect_poll()
    setting.api.answer(ret=0, msgs=batch, get_updates_buf="c1")
    setting.expect_poll("c1")
    assert [entry.message.message_id for entry in setting.handed] == [str(number) for number in range(100)]
    assert setting.failures == []
    setting.stop()
