"""The fake clock drives waits without real time; the leak check sees what is left."""

from __future__ import annotations

import queue
import socket
import threading
from typing import Callable

import pytest

from wxsdk import testing
from wxsdk.testing import FakeClock, no_leaks


def _started(target: Callable[[], object], name: str = "sleeper") -> threading.Thread:
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


def test_hours_pass_at_once() -> None:
    clock = FakeClock()
    ended: list[float] = []
    stop = clock.event()

    def tick() -> None:
        while not stop.wait(30.0):
            ended.append(clock.now())

    thread = _started(tick)
    for _ in range(100):
        clock.wait_parked()
        clock.advance(30.0)
    clock.wait_parked()
    stop.set()
    thread.join(10)
    assert ended == [1000.0 + 30.0 * turn for turn in range(1, 101)]


def test_a_wait_does_not_end_before_its_hour() -> None:
    clock = FakeClock()
    event = clock.event()
    results: list[bool] = []
    thread = _started(lambda: results.append(event.wait(10.0)))
    clock.wait_parked()
    assert clock.next_deadline() == 10.0
    clock.advance(9.5)
    clock.wait_parked()
    assert (results, clock.next_deadline()) == ([], 0.5)
    clock.advance(0.5)
    thread.join(10)
    assert results == [False]
    assert clock.next_deadline() is None


def test_a_woken_thread_does_not_pass_the_next_barrier() -> None:
    clock = FakeClock()
    event, gate = clock.event(), threading.Event()

    def wait_twice() -> None:
        event.wait(1.0)
        gate.wait(20)  # still at work when the barrier is reached
        event.wait(1.0)

    thread = _started(wait_twice)
    clock.wait_parked()
    clock.advance(1.0)
    passed = threading.Event()
    barrier = _started(lambda: (clock.wait_parked(), passed.set()), "barrier")
    assert not passed.wait(0.05)
    gate.set()
    barrier.join(10)
    assert passed.is_set()
    clock.advance(1.0)
    thread.join(10)
    assert not thread.is_alive()


def test_a_thread_notified_by_another_does_not_pass_the_barrier_either() -> None:
    clock = FakeClock()
    condition = threading.Condition()
    rounds: list[int] = []

    def wait_often() -> None:
        with condition:
            for turn in range(200):
                clock.wait(condition, None)
                rounds.append(turn)

    thread = _started(wait_often)
    for turn in range(200):
        clock.wait_parked()
        assert len(rounds) == turn
        with condition:
            condition.notify_all()
    thread.join(10)
    assert len(rounds) == 200


def test_an_advance_at_any_moment_is_not_missed() -> None:
    clock = FakeClock()
    results: list[bool] = []
    for _ in range(200):
        event = clock.event()
        thread = _started(lambda: results.append(event.wait(5.0)))  # noqa: B023
        clock.advance(5.0)  # before, while or after it parks
        while thread.is_alive():
            clock.advance(5.0)
            thread.join(0.001)
    assert results == [False] * 200  # each by its time, none by the safety net


def test_the_barrier_counts_and_knows_names() -> None:
    clock = FakeClock()
    event = clock.event()
    threads = [_started(event.wait, f"reader-{number}") for number in range(3)]
    clock.wait_parked(3, name="reader-")
    clock.wait_parked(1, name="reader-2")
    assert [thread.is_alive() for thread in threads] == [True] * 3
    event.set()
    for thread in threads:
        thread.join(10)
    assert [thread.is_alive() for thread in threads] == [False] * 3


def test_a_barrier_that_nobody_reaches_fails_with_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "SAFETY_NET", 0.05)
    with pytest.raises(AssertionError, match="expected, there are"):
        FakeClock().wait_parked(name="nobody")


def test_a_forgotten_wait_fails_instead_of_hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "SAFETY_NET", 0.05)
    with pytest.raises(AssertionError, match="fake clock"):
        FakeClock().event().wait(5.0)


def test_queues_wait_by_the_clock_too() -> None:
    clock, source = FakeClock(), queue.Queue[str]()
    results: list[str] = []

    def take() -> None:
        results.append(clock.get(source, 5.0))
        try:
            clock.get(source, 5.0)
        except queue.Empty:
            results.append("empty")

    thread = _started(take)
    clock.wait_parked()
    source.put("item")
    while len(results) < 1:
        clock.wait_parked()
    clock.wait_parked()
    clock.advance(5.0)
    thread.join(10)
    assert results == ["item", "empty"]


def test_the_time_of_day_may_jump_alone() -> None:
    clock = FakeClock()
    now, wall = clock.now(), clock.wall()
    clock.jump_wall(-3600.0)
    assert (clock.now(), clock.wall()) == (now, wall - 3600.0)
    clock.advance(1.0)
    assert (clock.now(), clock.wall()) == (now + 1.0, wall - 3599.0)


def test_the_leak_check_names_a_thread_that_was_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "GRACE", 0.05)
    stop = threading.Event()
    with pytest.raises(AssertionError, match="wxsdk-left"), no_leaks():
        thread = _started(stop.wait, "wxsdk-left")
    stop.set()
    thread.join(10)


def test_the_leak_check_counts_sockets_that_were_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "GRACE", 0.05)
    left: list[socket.socket] = []
    if not testing._open_sockets() and not hasattr(socket, "AF_NETLINK"):
        pytest.skip("only Linux tells which sockets are open")
    with pytest.raises(AssertionError, match="1 socket"), no_leaks():
        left.append(socket.socket())
    left[0].close()


def test_the_leak_check_waits_for_what_is_on_its_way_out_and_ignores_others() -> None:
    stop = threading.Event()
    with no_leaks():
        leaving = _started(lambda: stop.wait(0.02), "wxsdk-leaving")
        other = _started(stop.wait, "somebody-else")
    assert not leaving.is_alive()
    stop.set()
    other.join(10)


@pytest.mark.parametrize("start", [1_000.0, 1_000.1, 123_456.789, 1e9 + 0.3])
def test_an_advance_to_the_next_deadline_reaches_it(start: float) -> None:
    clock = FakeClock(now=start)
    for number in range(200):
        wait = 0.1 + number / 7  # numbers whose sums are rounded
        woken = threading.Thread(target=clock.event().wait, args=(wait,), name="waiter")
        woken.start()
        clock.wait_parked(name="waiter")
        gap = clock.next_deadline()
        assert gap is not None
        clock.advance(gap)
        woken.join(5)
        assert not woken.is_alive()
