"""KeyedDispatcher: order within a key, parallel keys, fairness, and an end that is bounded."""

from __future__ import annotations

import logging
import random
import threading
from typing import Any, Callable, Iterator

import pytest

from wxsdk.runtime.clock import Clock
from wxsdk.runtime.dispatch import BUSY_WARNING_AFTER, TASKS_PER_TURN, KeyedDispatcher
from wxsdk.runtime.pool import WorkerPool
from wxsdk.testing import FakeClock

Make = Callable[..., KeyedDispatcher]


class _Desk:
    """Dispatchers of one test, with what their tasks raised; all of them are closed at its end."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.errors: list[tuple[BaseException, Any]] = []
        self._made: list[KeyedDispatcher] = []

    def make(self, max_workers: int = 4, **options: Any) -> KeyedDispatcher:
        options = {"clock": self.clock, "on_error": lambda exc, context: self.errors.append((exc, context)), **options}
        made = KeyedDispatcher("wxsdk-run-test", max_workers=max_workers, **options)
        self._made.append(made)
        return made

    def close(self) -> None:
        for dispatcher in self._made:
            assert dispatcher.close(dispatcher._clock.now() + 10) == []


@pytest.fixture
def desk() -> Iterator[_Desk]:
    made = _Desk()
    yield made
    made.close()


def _drained(dispatcher: KeyedDispatcher) -> None:
    assert dispatcher.drain(20)
    assert dispatcher.queued == 0


def test_nothing_starts_before_the_first_task(desk: _Desk) -> None:
    before = threading.active_count()
    dispatcher = desk.make()
    assert threading.active_count() == before
    assert (dispatcher.queued, dispatcher.busy) == (0, 0)


def test_tasks_of_one_key_run_in_order_and_one_at_a_time(desk: _Desk) -> None:
    dispatcher = desk.make(8)
    ran: dict[int, list[int]] = {key: [] for key in range(10)}
    running = dict.fromkeys(range(10), 0)
    overlaps: list[int] = []

    def task(key: int, number: int) -> None:
        running[key] += 1
        if running[key] > 1:
            overlaps.append(key)
        ran[key].append(number)
        running[key] -= 1

    for number in range(200):
        for key in range(10):
            assert dispatcher.submit(key, lambda key=key, number=number: task(key, number))  # type: ignore[misc]
    _drained(dispatcher)
    assert not overlaps
    assert all(numbers == list(range(200)) for numbers in ran.values())


def test_different_keys_run_at_the_same_time_up_to_the_limit(desk: _Desk) -> None:
    dispatcher = desk.make(4)
    together, names = threading.Barrier(4), set()
    for key in range(8):
        dispatcher.submit(key, lambda: (together.wait(10), names.add(threading.current_thread().name)))  # type: ignore[arg-type,return-value]
    _drained(dispatcher)
    assert desk.errors == []
    assert names == {f"wxsdk-run-test_{number}" for number in range(4)}


def test_a_blocked_key_does_not_hold_up_the_others(desk: _Desk) -> None:
    dispatcher = desk.make(2)
    go, done = threading.Event(), threading.Event()
    dispatcher.submit("slow", lambda: go.wait(20))
    dispatcher.submit("slow", lambda: None)
    for number in range(100):
        dispatcher.submit(number, lambda: None)
    dispatcher.submit("last", done.set)
    assert done.wait(10)
    assert (dispatcher.busy, dispatcher.queued) == (1, 1)
    go.set()
    _drained(dispatcher)


def test_a_long_lane_lets_the_others_pass(desk: _Desk) -> None:
    dispatcher = desk.make(1)
    ran: list[str] = []
    go = threading.Event()
    dispatcher.submit("busy", lambda: go.wait(20))
    for _ in range(100):
        dispatcher.submit("busy", lambda: ran.append("busy"))
    dispatcher.submit("other", lambda: ran.append("other"))
    go.set()
    _drained(dispatcher)
    assert ran.index("other") < TASKS_PER_TURN
    assert len(ran) == 101


def test_few_threads_serve_short_tasks(desk: _Desk) -> None:
    dispatcher = desk.make(16)
    threads = set()
    for number in range(500):
        dispatcher.submit(number, lambda: threads.add(threading.get_ident()))
        if number % 50 == 0:
            dispatcher.drain(10)
    _drained(dispatcher)
    assert len(threads) <= 8


def test_many_may_be_submitted_at_once(desk: _Desk) -> None:
    dispatcher = desk.make()
    ran: list[int] = []
    lock = threading.Lock()

    def note(number: int) -> Callable[[], None]:
        def task() -> None:
            with lock:
                ran.append(number)

        return task

    assert dispatcher.submit_many([(number % 3, note(number), None) for number in range(60)])
    assert dispatcher.submit_many([])
    _drained(dispatcher)
    for key in range(3):
        assert [number for number in ran if number % 3 == key] == list(range(key, 60, 3))


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_a_task_that_raises_is_told_with_its_context_and_stops_nothing(desk: _Desk, error: BaseException) -> None:
    dispatcher = desk.make(1)
    ran: list[int] = []

    def fail() -> None:
        raise error

    dispatcher.submit("a", fail, "the message")
    dispatcher.submit("a", lambda: ran.append(1))
    dispatcher.submit("b", lambda: ran.append(2))
    _drained(dispatcher)
    assert desk.errors == [(error, "the message")]
    assert sorted(ran) == [1, 2]


@pytest.mark.parametrize("error", [ValueError("again"), SystemExit(4)], ids=repr)
def test_an_error_callback_that_raises_stops_nothing_and_is_logged(
    desk: _Desk, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def on_error(*_: Any) -> None:
        raise error

    dispatcher = desk.make(1, on_error=on_error)
    ran: list[int] = []
    dispatcher.submit("a", lambda: 1 // 0)
    dispatcher.submit("a", lambda: ran.append(1))
    _drained(dispatcher)
    assert ran == [1]
    assert caplog.text.count("an error callback raised itself") == 1
    assert dispatcher.busy == 0


def test_drain_inside_a_task_does_not_wait_for_its_own_lane(desk: _Desk) -> None:
    dispatcher = desk.make(2)
    results: list[bool] = []
    other_ran = threading.Event()
    dispatcher.submit("own", lambda: results.append(dispatcher.drain(10)))
    dispatcher.submit("own", lambda: None)
    dispatcher.submit("other", other_ran.set)
    _drained(dispatcher)
    assert results == [True]
    assert other_ran.is_set()


def test_drain_gives_up_at_its_time(desk: _Desk) -> None:
    clock = FakeClock()
    dispatcher = desk.make(1, clock=clock)
    go = threading.Event()
    dispatcher.submit("a", lambda: go.wait(20))
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(dispatcher.drain(5.0)), name="drainer")
    thread.start()
    clock.wait_parked(name="drainer")
    clock.advance(5.0)
    thread.join(10)
    assert results == [False]
    go.set()


def test_after_close_nothing_is_taken_and_what_was_taken_runs(desk: _Desk) -> None:
    dispatcher = desk.make(1)
    ran: list[int] = []
    go = threading.Event()
    dispatcher.submit("a", lambda: go.wait(20))
    for number in range(30):
        dispatcher.submit(number % 2, lambda number=number: ran.append(number))  # type: ignore[misc]
    assert dispatcher.close(desk.clock.now() + 0.02) == ["wxsdk-run-test_0"]
    assert not dispatcher.submit("a", lambda: ran.append(-1))
    assert not dispatcher.submit("new", lambda: ran.append(-1))
    go.set()
    assert dispatcher.close(desk.clock.now() + 10) == []
    assert sorted(ran) == list(range(30))


def test_close_ends_idle_threads_at_once(desk: _Desk) -> None:
    dispatcher = desk.make(8)
    together = threading.Barrier(8)
    for key in range(8):
        dispatcher.submit(key, lambda: together.wait(10))
    _drained(dispatcher)
    started = desk.clock.now()
    assert dispatcher.close(desk.clock.now() + 10) == []
    assert desk.clock.now() - started < 2


def test_a_worker_without_work_goes_to_another_dispatcher(desk: _Desk) -> None:
    pool = WorkerPool()
    first, second = desk.make(pool=pool), desk.make(pool=pool)
    threads: list[int] = []
    for dispatcher in (first, second, first):
        dispatcher.submit("a", lambda: threads.append(threading.get_ident()))
        _drained(dispatcher)
        while not pool.resting:  # the task is over a moment before its thread rests
            threading.Event().wait(0.001)
    assert len(set(threads)) == 1
    assert first.close(desk.clock.now() + 10) == []
    assert pool.resting == 1
    assert second.close(desk.clock.now() + 10) == []
    assert pool.resting == 0


def test_close_inside_a_task_does_not_join_itself(desk: _Desk) -> None:
    dispatcher = desk.make(2)
    results: list[list[str]] = []
    dispatcher.submit("a", lambda: results.append(dispatcher.close(desk.clock.now() + 10)))
    assert dispatcher.drain(20)
    assert results == [[]]


def test_close_without_any_task_is_fine(desk: _Desk) -> None:
    dispatcher = desk.make()
    assert dispatcher.close(desk.clock.now()) == []
    assert dispatcher.close(desk.clock.now()) == []
    assert not dispatcher.submit("a", lambda: None)


def test_what_follows_the_last_task_is_called_on_its_thread_or_at_once(desk: _Desk) -> None:
    dispatcher = desk.make(2)
    names: list[str] = []
    dispatcher.call_when_idle(lambda: names.append(threading.current_thread().name))
    assert names == [threading.current_thread().name]
    go, called = threading.Event(), threading.Event()
    dispatcher.submit("a", lambda: go.wait(20))
    dispatcher.submit("b", lambda: None)
    dispatcher.call_when_idle(lambda: (names.append(threading.current_thread().name), called.set()))
    assert not called.is_set()
    go.set()
    assert called.wait(10)
    assert names[1].startswith("wxsdk-run-test_")
    assert len(names) == 2


def test_what_waits_can_be_taken_out_again(desk: _Desk) -> None:
    dispatcher = desk.make(1)
    begun, go, ran = threading.Event(), threading.Event(), []
    dispatcher.submit("a", lambda: (begun.set(), go.wait(20)), "runs")  # type: ignore[arg-type,return-value]
    assert begun.wait(10)
    contexts = [[key] for key in ("a", "b", "b", "c")]
    for context in contexts:
        dispatcher.submit(context[0], lambda context=context: ran.append(context), context)
    assert dispatcher.waiting() == contexts
    assert dispatcher.discard([contexts[1], contexts[3], "runs", ["b"]]) == 2
    assert dispatcher.waiting() == [contexts[0], contexts[2]]
    assert dispatcher.queued == 2
    assert dispatcher.discard(contexts) == 2
    assert sorted(dispatcher._lanes) == ["a"]  # no trace is left of those that wait for nobody
    dispatcher.submit("b", lambda: ran.append("after"))
    go.set()
    _drained(dispatcher)
    assert ran == ["after"]


def test_what_follows_the_last_task_follows_one_that_is_taken_out_too(
    desk: _Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatcher, called = desk.make(1), threading.Event()
    monkeypatch.setattr(dispatcher, "_needs_worker", lambda: False)  # no worker comes
    dispatcher.submit("a", lambda: None, "task")
    dispatcher.call_when_idle(called.set)
    assert not called.is_set()
    assert dispatcher.discard(["task"]) == 1
    assert called.is_set()


def test_what_follows_may_fail_without_costing_a_worker(desk: _Desk, caplog: pytest.LogCaptureFixture) -> None:
    dispatcher = desk.make(1)
    go, after = threading.Event(), threading.Event()
    dispatcher.submit("a", lambda: go.wait(20))
    dispatcher.call_when_idle(lambda: 1 // 0)
    dispatcher.call_when_idle(after.set)
    go.set()
    assert after.wait(10)
    for _ in range(3):
        dispatcher.submit("a", lambda: None)
        _drained(dispatcher)
    assert "ZeroDivisionError" in caplog.text


def test_the_tasks_of_a_held_key_wait_for_its_release_and_no_others_do(desk: _Desk) -> None:
    dispatcher = desk.make(2)
    ran: list[str] = []
    dispatcher.hold("a", 0)
    for key in "aba":
        dispatcher.submit(key, lambda key=key: ran.append(key))  # type: ignore[misc]
    assert not dispatcher.drain(0.05)
    assert (ran, dispatcher.queued) == (["b"], 2)
    dispatcher.release("a")
    _drained(dispatcher)
    assert ran == ["b", "a", "a"]


def test_drain_does_not_wait_for_a_lane_that_is_held_for_its_caller(desk: _Desk) -> None:
    dispatcher = desk.make()
    dispatcher.hold("a", threading.get_ident())
    dispatcher.submit("a", lambda: None)
    assert dispatcher.drain(20)
    dispatcher.release("a")


@pytest.mark.parametrize("had_workers", [False, True])
def test_a_key_that_is_released_after_the_end_is_forgotten_and_keeps_nothing_from_following(
    desk: _Desk, had_workers: bool
) -> None:
    dispatcher = desk.make()
    ran: list[str] = []
    dispatcher.hold("a", 0)
    dispatcher.submit("a", lambda: ran.append("a"))
    if had_workers:
        dispatcher.submit("b", lambda: None)
    assert dispatcher.close(dispatcher._clock.now() + 10) == []
    dispatcher.call_when_idle(lambda: ran.append("followed"))
    assert ran == []
    dispatcher.release("a")
    assert (ran, dispatcher.queued) == (["followed"], 0)


def test_a_full_dispatcher_makes_its_feeder_wait_for_room(desk: _Desk) -> None:
    clock = FakeClock()
    dispatcher = desk.make(1, clock=clock)
    go = threading.Semaphore(0)
    started = threading.Semaphore(0)
    for _ in range(4):
        dispatcher.submit("a", lambda: (started.release(), go.acquire(timeout=20)))  # type: ignore[arg-type,return-value]
    assert started.acquire(timeout=10)
    assert dispatcher.queued == 3
    assert dispatcher.wait_for_room(4, 0)
    assert not dispatcher.wait_for_room(3, 0)
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(dispatcher.wait_for_room(3, None)), name="feeder")
    thread.start()
    clock.wait_parked(name="feeder")
    go.release()
    thread.join(10)
    assert results == [True]
    for _ in range(3):
        go.release()


def test_closing_frees_a_feeder_that_waits_for_room(desk: _Desk) -> None:
    dispatcher = desk.make(1)
    go = threading.Event()
    for _ in range(3):
        dispatcher.submit("a", lambda: go.wait(20))
    thread = threading.Thread(target=lambda: dispatcher.wait_for_room(1, 60))
    thread.start()
    dispatcher.close(desk.clock.now())
    thread.join(10)
    assert not thread.is_alive()
    go.set()


def test_exhaustion_is_said_once_with_the_setting_to_change(desk: _Desk, caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    dispatcher = desk.make(2, clock=clock, setting="max_workers_of_mine")
    go = threading.Event()
    together = threading.Barrier(3)
    for key in range(2):
        dispatcher.submit(key, lambda: (together.wait(10), go.wait(20)))  # type: ignore[arg-type,return-value]
    together.wait(10)
    with caplog.at_level(logging.WARNING):
        dispatcher.submit("waits", lambda: None)
        clock.advance(BUSY_WARNING_AFTER - 0.1)
        dispatcher.submit("waits", lambda: None)
        assert "busy" not in caplog.text
        clock.advance(0.2)
        dispatcher.submit("waits", lambda: None)
        dispatcher.submit("too", lambda: None)
        clock.advance(100)
        dispatcher.submit("again", lambda: None)
    assert caplog.text.count("max_workers_of_mine") == 1
    assert "all 2 workers" in caplog.text
    go.set()


def test_one_slow_lane_alone_is_no_exhaustion(desk: _Desk, caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    dispatcher = desk.make(2, clock=clock)
    go, started = threading.Event(), threading.Event()
    dispatcher.submit("a", lambda: (started.set(), go.wait(20)))  # type: ignore[arg-type,return-value]
    started.wait(10)
    for _ in range(3):
        dispatcher.submit("a", lambda: None)
        clock.advance(100)
    assert "busy" not in caplog.text
    go.set()


def test_a_machine_without_threads_to_give_refuses_and_recovers(desk: _Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    dispatcher = desk.make(2)

    def refuse(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(dispatcher._pool, "run", refuse)
        assert not dispatcher.submit("a", lambda: None)
    assert (dispatcher.queued, dispatcher.busy) == (0, 0)
    done = threading.Event()
    assert dispatcher.submit("a", done.set)
    assert done.wait(10)


def test_fifty_threads_submitting_at_once_keep_every_order(desk: _Desk) -> None:
    dispatcher = desk.make(8)
    ran: dict[int, list[tuple[int, int]]] = {key: [] for key in range(7)}

    def feed(feeder: int) -> None:
        chance = random.Random(feeder)
        for number in range(60):
            key = chance.randrange(7)
            dispatcher.submit(key, lambda key=key, number=number: ran[key].append((feeder, number)))  # type: ignore[misc]

    threads = [threading.Thread(target=feed, args=(feeder,)) for feeder in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _drained(dispatcher)
    assert sum(map(len, ran.values())) == 50 * 60
    for rows in ran.values():
        for feeder in range(50):
            numbers = [number for who, number in rows if who == feeder]
            assert numbers == sorted(numbers)


def test_tasks_that_submit_tasks_while_it_closes_neither_hang_nor_vanish_silently(desk: _Desk) -> None:
    lock = threading.Lock()
    for _ in range(20):
        dispatcher = desk.make(3)
        taken: list[int] = []
        ran: list[int] = []

        def again(key: int) -> None:
            with lock:
                ran.append(key)  # noqa: B023
            if dispatcher.submit(key + 1, lambda: again(key + 1)):  # noqa: B023
                with lock:
                    taken.append(key + 1)  # noqa: B023

        for key in range(0, 3000, 1000):
            if dispatcher.submit(key, lambda key=key: again(key)):  # type: ignore[misc]
                with lock:
                    taken.append(key)
        assert dispatcher.close(desk.clock.now() + 10) == []
        assert sorted(taken) == sorted(ran)


def test_a_thread_that_left_frees_its_lane_and_its_place_among_the_workers(desk: _Desk) -> None:
    dispatcher = desk.make(1)
    answer, left, done = threading.Event(), threading.Event(), threading.Event()
    ran: list[str] = []

    def asks() -> None:
        assert dispatcher.is_inside
        assert dispatcher.leave()
        assert not dispatcher.is_inside
        assert not dispatcher.leave()
        left.set()
        assert answer.wait(20)
        ran.append("asked")
        done.set()

    dispatcher.submit("alice", asks)
    assert left.wait(20)
    dispatcher.submit("alice", lambda: ran.append("next of the same lane"))
    dispatcher.submit("bob", lambda: ran.append("another lane"))
    _drained(dispatcher)
    assert (ran, dispatcher.busy) == (["next of the same lane", "another lane"], 0)
    answer.set()
    assert done.wait(20)
    dispatcher.submit("alice", lambda: ran.append("later"))
    _drained(dispatcher)
    assert ran[-2:] == ["asked", "later"]


def test_what_waits_behind_a_task_goes_on_when_its_thread_leaves(desk: _Desk) -> None:
    dispatcher = desk.make(1)
    queued, answer = threading.Event(), threading.Event()

    def asks() -> None:
        assert queued.wait(20)
        dispatcher.leave()
        assert answer.wait(20)

    dispatcher.submit("alice", asks)
    dispatcher.submit("alice", answer.set)  # what the first one waits for
    queued.set()
    assert answer.wait(20)


def test_a_thread_of_elsewhere_cannot_leave(desk: _Desk) -> None:
    assert not desk.make().leave()
