from __future__ import annotations

import threading
from typing import Iterator, List

import pytest

from wxsdk.aibot.ticker import ROOM, Ticker
from wxsdk.testing import FakeClock

NAME = "wxsdk-aibot-tick-test"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ticker(clock: FakeClock) -> Iterator[Ticker]:
    made = Ticker(NAME, clock)
    made.start()
    clock.wait_parked(name=NAME)
    yield made
    made.stop()
    assert made.worker.join(5)


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
    assert ticker.worker.join(5)


def test_cancelled_actions_of_a_far_hour_are_not_kept(clock: FakeClock, ticker: Ticker) -> None:
    happened: List[int] = []
    for number in range(10 * ROOM):
        timer = ticker.at(clock.now() + 240, lambda: happened.append(-1))
        assert timer is not None
        timer.cancel()
        if number % 10 == 0:
            ticker.at(clock.now() + 1 + number, lambda number=number: happened.append(number))
    assert len(ticker._timers) <= 2 * ROOM
    clock.wait_parked(name=NAME)
    clock.advance(10 * ROOM)
    clock.wait_parked(name=NAME)
    assert happened == list(range(0, 10 * ROOM, 10))
