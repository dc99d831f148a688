from __future__ import annotations

import threading
from typing import Iterator, List

import pytest

from wxsdk.aibot.ticker import ROOM, THREAD_NAME, Ticker
from wxsdk.runtime.clock import Clock
from wxsdk.testing import FakeClock

NAME = THREAD_NAME


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ticker(clock: FakeClock) -> Iterator[Ticker]:
    made = Ticker(clock)
    made.start()
    clock.wait_parked(name=NAME)
    yield made
    made.stop()
    assert made.join(5)


def test_actions_happen_at_their_time_and_in_its_order(clock: FakeClock, ticker: Ticker) -> None:
    happened: List[str] = []
    ticker.at(clock.now() + 2, lambda: happened.append("second"))
    ticker.at(clock.now() + 1, lambda: happened.append("first"))
    ticker.at(clock.now() + 9, lambda: happened.append("later"))
    clock.wait_parked(name=NAME)
    clock.advance(0.5)
    assert happened == []
    clock.advance(2)
    clock.wait_parked(name=NAME)
    assert happened == ["first", "second"]


def test_what_is_over_happens_at_once(clock: FakeClock, ticker: Ticker) -> None:
    happened = threading.Event()
    ticker.at(clock.now() - 5, happened.set)
    assert happened.wait(5)


def test_a_cancelled_action_does_not_happen(clock: FakeClock, ticker: Ticker) -> None:
    happened: List[str] = []
    timer = ticker.at(clock.now() + 1, lambda: happened.append("cancelled"))
    ticker.at(clock.now() + 1, lambda: happened.append("kept"))
    assert timer is not None
    timer.cancel()
    timer.cancel()
    clock.wait_parked(name=NAME)
    clock.advance(1)
    clock.wait_parked(name=NAME)
    assert happened == ["kept"]


def test_an_action_that_raises_stops_no_other(
    clock: FakeClock, ticker: Ticker, caplog: pytest.LogCaptureFixture
) -> None:
    happened = threading.Event()

    def broken() -> None:
        raise ValueError("a bug")

    ticker.at(clock.now() + 1, broken)
    ticker.at(clock.now() + 1, happened.set)
    clock.wait_parked(name=NAME)
    clock.advance(1)
    assert happened.wait(5)
    assert "a bug" in caplog.text


def test_an_action_may_plan_the_next_one(clock: FakeClock, ticker: Ticker) -> None:
    happened: List[float] = []

    def again() -> None:
        happened.append(clock.now())
        ticker.at(clock.now() + 1, again)

    start = clock.now()
    ticker.at(start + 1, again)
    for _ in range(3):
        clock.wait_parked(name=NAME)
        clock.advance(1)
    clock.wait_parked(name=NAME)
    assert happened == [start + 1, start + 2, start + 3]


def test_after_the_stop_nothing_is_planned(clock: FakeClock, ticker: Ticker) -> None:
    ticker.stop()
    assert ticker.at(clock.now(), lambda: None) is None
    assert ticker.join(5)


def test_cancelled_actions_of_a_far_hour_are_not_kept(clock: FakeClock, ticker: Ticker) -> None:
    happened: List[int] = []
    for number in range(10 * ROOM):
        timer = ticker.at(clock.now() + 240, lambda: happened.append(-1))
        assert timer is not None
        timer.cancel()
        if number % 10 == 0:
            ticker.at(clock.now() + 1 + number, lambda number=number: happened.append(number))
    assert ticker._thread is not None
    assert len(ticker._thread._timers) <= 2 * ROOM
    clock.wait_parked(name=NAME)
    clock.advance(10 * ROOM)
    clock.wait_parked(name=NAME)
    assert happened == list(range(0, 10 * ROOM, 10))


def tick_threads() -> List[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


def test_all_clients_share_one_thread_that_ends_with_the_last_of_them() -> None:
    tickers = [Ticker(Clock()) for _ in range(20)]
    assert tick_threads() == []
    heard = threading.Semaphore(0)
    for each in tickers:
        assert each.at(0.0, lambda: None) is None  # not started
        each.start()
        each.at(0.0, heard.release)
    for _ in tickers:
        assert heard.acquire(timeout=5)
    assert len(tick_threads()) == 1
    for each in tickers[1:]:
        each.stop()
        assert each.join(5)
        assert not each.alive
    tickers[0].at(0.0, heard.release)
    assert heard.acquire(timeout=5)
    tickers[0].stop()
    assert tickers[0].join(5)
    assert tick_threads() == []


def test_what_a_stopped_client_planned_does_not_happen_and_the_others_do() -> None:
    clock, happened, done = Clock(), [], threading.Event()
    first, second = Ticker(clock), Ticker(clock)
    for each in (first, second):
        each.start()
    first.at(clock.now() + 0.05, lambda: happened.append("first"))
    second.at(clock.now() + 0.06, done.set)
    first.stop()
    assert done.wait(5)
    second.stop()
    assert second.join(5)
    assert happened == []


def test_a_stop_waits_for_the_action_that_runs_and_for_no_other() -> None:
    begun, release = threading.Event(), threading.Event()
    slow, other = Ticker(Clock()), Ticker(Clock())
    for each in (slow, other):
        each.start()
    slow.at(0.0, lambda: (begun.set(), release.wait(5), None)[-1])
    assert begun.wait(5)
    other.stop()
    assert other.join(5)
    slow.stop()
    assert (slow.join(0.01), slow.alive) == (False, True)
    release.set()
    assert slow.join(5)
    assert tick_threads() == []


def test_an_action_may_stop_and_join_its_own_ticker() -> None:
    ticker, ended = Ticker(Clock()), threading.Event()
    ticker.start()

    def end() -> None:
        assert ticker.is_current
        ticker.stop()
        assert ticker.join(0)
        ended.set()

    ticker.at(0.0, end)
    assert ended.wait(5)
    assert not ticker.is_current
    assert ticker.join(5)


def test_threads_that_start_and_stop_tickers_at_once_leave_none_behind() -> None:
    def live() -> None:
        for _ in range(100):
            ticker, heard = Ticker(Clock()), threading.Event()
            ticker.start()
            ticker.at(0.0, heard.set)
            assert heard.wait(5)
            ticker.stop()
            assert ticker.join(5)
        done.release()

    done = threading.Semaphore(0)
    threads = [threading.Thread(target=live) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert all(done.acquire(timeout=0) for _ in threads)
    assert tick_threads() == []
