"""Real time: every wait ends by its reason or by its hour."""

from __future__ import annotations

import queue
import threading
import time

import pytest

from wxsdk.runtime.clock import Clock

SHORT = 0.02  # seconds of a wait that is meant to pass


def test_now_never_goes_back_and_wall_is_the_time_of_day() -> None:
    clock = Clock()
    first = clock.now()
    assert clock.now() >= first
    assert abs(clock.wall() - time.time()) < 5


def test_an_event_wakes_its_waiters_and_stays_set() -> None:
    event = Clock().event()
    seen: list[bool] = []
    threads = [threading.Thread(target=lambda: seen.append(event.wait(20))) for _ in range(3)]
    for thread in threads:
        thread.start()
    event.set()
    for thread in threads:
        thread.join()
    assert seen == [True] * 3
    assert event.is_set()
    assert event.wait(0)
    event.clear()
    assert not event.wait(SHORT)
    assert not event.wait(0)
    assert not event.wait(-1)


def test_wait_for_tells_whether_the_predicate_held() -> None:
    clock, condition, ready = Clock(), threading.Condition(), []
    with condition:
        assert not clock.wait_for(condition, lambda: bool(ready), SHORT)

    def make_ready() -> None:
        with condition:
            condition.notify_all()  # a notification alone is not enough
            ready.append(1)
            condition.notify_all()

    with condition:
        thread = threading.Thread(target=make_ready)
        thread.start()
        assert clock.wait_for(condition, lambda: bool(ready), 20)
        assert clock.wait_for(condition, lambda: True, 0)
    thread.join()


def test_get_takes_from_the_queue_or_raises_empty() -> None:
    clock, source = Clock(), queue.Queue[int]()
    source.put(1)
    assert clock.get(source, None) == 1
    for timeout in (SHORT, 0, -1):
        with pytest.raises(queue.Empty):
            clock.get(source, timeout)
