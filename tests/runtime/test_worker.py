"""Threads with one owner and one name."""

from __future__ import annotations

import logging
import threading

import pytest

from wxsdk.runtime.clock import Clock
from wxsdk.runtime.worker import EarlierRuns, Worker, join_all, next_number


def test_it_starts_when_told_and_runs_once_under_its_name() -> None:
    names: list[str] = []
    worker = Worker("wxsdk-test-1", lambda: names.append(threading.current_thread().name))
    assert not worker.alive
    assert worker.join(0)
    worker.start()
    assert worker.join(10)
    assert names == ["wxsdk-test-1"] == [worker.name]


def test_it_cannot_keep_the_interpreter_from_ending() -> None:
    daemons: list[bool] = []
    worker = Worker("wxsdk-test", lambda: daemons.append(threading.current_thread().daemon))
    worker.start()
    worker.join(10)
    assert daemons == [True]


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_a_crash_is_logged_and_told(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[BaseException] = []

    def fail() -> None:
        raise error

    worker = Worker("wxsdk-crash", fail, heard.append)
    with caplog.at_level(logging.ERROR):
        worker.start()
        assert worker.join(10)
    assert heard == [error]
    assert "wxsdk-crash" in caplog.text


def test_joining_itself_returns_at_once_and_joining_a_busy_one_tells_so() -> None:
    results: list[bool] = []
    go = threading.Event()

    def run() -> None:
        results.append(worker.is_current and worker.join(60))
        go.wait(20)

    worker = Worker("wxsdk-self", run)
    worker.start()
    assert not worker.is_current
    clock = Clock()
    assert join_all([worker], clock, clock.now() + 0.02) == ["wxsdk-self"]
    assert join_all([worker], clock, clock.now() - 5) == ["wxsdk-self"]
    go.set()
    assert join_all([worker], clock, clock.now() + 10) == []
    assert results == [True]


def test_numbers_are_never_the_same() -> None:
    assert len({next_number() for _ in range(100)}) == 100


class _Run:
    """A life with some threads left."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)

    def alive(self, deadline: float) -> list[str]:
        return list(self.names)


def test_the_threads_of_earlier_runs_are_named_as_long_as_they_live() -> None:
    earlier = EarlierRuns()
    assert earlier.alive(0.0) == []
    first, second = _Run("a", "b"), _Run("c")
    earlier.add(first, 0.0)
    earlier.add(second, 0.0)
    assert earlier.alive(0.0) == ["a", "b", "c"]
    first.names = ["b"]
    assert earlier.alive(0.0) == ["b", "c"]


def test_an_earlier_run_without_threads_is_forgotten_when_the_next_one_comes() -> None:
    earlier = EarlierRuns()
    done, stuck = _Run(), _Run("d")
    earlier.add(done, 0.0)
    earlier.add(stuck, 0.0)
    done.names = ["never looked at again"]
    assert earlier.alive(0.0) == ["d"]
