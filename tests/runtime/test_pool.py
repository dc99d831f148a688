"""The pool's threads are daemons, are lent to whoever needs one, and end when nobody does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import List

import pytest

from wxsdk.runtime.pool import WorkerPool

WAIT = 10.0  # seconds after which a test gives up


class User:
    """Keeps the threads of a pool at rest from ending."""


def _all_rest(pool: WorkerPool, count: int) -> None:
    while pool.resting != count:
        threading.Event().wait(0.001)


@pytest.mark.parametrize("daemon", [True, False])
def test_its_threads_are_daemons_whichever_thread_submits(daemon: bool) -> None:
    found: List[bool] = []
    pool = WorkerPool()

    def submit() -> None:
        pool.submit(lambda: found.append(threading.current_thread().daemon)).result(WAIT)

    thread = threading.Thread(target=submit, daemon=daemon)
    thread.start()
    thread.join()
    pool.shutdown()
    assert found == [True]


def test_results_and_errors_come_back_as_from_the_standard_one() -> None:
    with WorkerPool() as pool:
        assert pool.submit(pow, 2, 5).result(WAIT) == 32
        assert pool.submit(int, "7", base=8).result(WAIT) == 7
        with pytest.raises(ValueError, match="invalid literal"):
            pool.submit(int, "x").result(WAIT)
        assert list(pool.map(abs, [-1, -2])) == [1, 2]
    with pytest.raises(RuntimeError):
        pool.submit(pow, 2, 5)


def test_a_thread_that_rests_takes_the_next_job_and_no_new_one_is_made() -> None:
    pool, user = WorkerPool(), User()
    pool.enter(user)
    idents = []
    for _ in range(20):
        idents.append(pool.submit(threading.get_ident).result(WAIT))
        _all_rest(pool, 1)
    assert len(set(idents)) == 1
    (thread,) = pool.leave(user)
    thread.join(WAIT)
    assert not thread.is_alive()


def test_threads_that_rest_for_long_end_and_the_pool_grows_again() -> None:
    pool, user = WorkerPool(idle_seconds=0.01), User()
    pool.enter(user)
    together = threading.Barrier(20)
    threads = [
        pool.submit(lambda: (together.wait(WAIT), threading.current_thread())[1]).result  # type: ignore[index]
        for _ in range(20)
    ]
    for result in threads:
        result(WAIT).join(WAIT)
    assert pool.resting == 0
    assert pool.submit(pow, 2, 5).result(WAIT) == 32
    pool.leave(user)


def test_no_thread_rests_without_a_user_or_for_one_that_is_forgotten() -> None:
    pool = WorkerPool()
    pool.enter(User())  # garbage at once
    thread = pool.submit(threading.current_thread).result(WAIT)
    thread.join(WAIT)
    assert not thread.is_alive()


def test_a_job_that_raises_costs_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    pool, user = WorkerPool(), User()
    pool.enter(user)

    def fail() -> None:
        raise SystemExit(3)

    pool.run(fail)
    _all_rest(pool, 1)
    assert pool.submit(pow, 2, 5).result(WAIT) == 32
    assert "a job of a worker thread failed" in caplog.text
    pool.leave(user)


def test_what_a_job_held_is_free_while_its_thread_rests() -> None:
    pool, user = WorkerPool(), User()
    pool.enter(user)
    gone = threading.Event()

    class Held:
        def __call__(self) -> None:
            """The job."""

        def __del__(self) -> None:
            gone.set()

    pool.run(Held())
    assert gone.wait(WAIT)
    _all_rest(pool, 1)
    pool.leave(user)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is POSIX's")
def test_a_forked_child_has_a_pool_without_its_parents_threads() -> None:
    done = subprocess.run([sys.executable, "-c", _FORKED], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "32"), done.stderr


_FORKED = """
import os, threading
from wxsdk.runtime.pool import shared
class User: pass
user = User()
shared.enter(user)
shared.submit(pow, 2, 5).result(10)
while not shared.resting:
    threading.Event().wait(0.001)
pid = os.fork()
if not pid:
    print(shared.submit(pow, 2, 5).result(10), flush=True)
    os._exit(0)
os.waitpid(pid, 0)
"""


_STUCK = """
import sys, threading
from wxsdk.runtime.clock import Clock
from wxsdk.runtime.dispatch import KeyedDispatcher
from wxsdk.runtime.pool import WorkerPool
started = threading.Semaphore(0)
def stuck():
    started.release()
    threading.Event().wait()
if sys.argv[1] == "pool":
    pool = WorkerPool()
    pool.submit(stuck)
else:
    clock = Clock()
    dispatcher = KeyedDispatcher("wxsdk-run-1", max_workers=2, clock=clock, on_error=print)
    dispatcher.submit("a", stuck)
    dispatcher.submit("a", stuck)
started.acquire()
if sys.argv[1] == "closed":
    print(dispatcher.close(clock.now()))
else:
    print("end")
"""


@pytest.mark.parametrize(("how", "said"), [("pool", "end"), ("open", "end"), ("closed", "['wxsdk-run-1_0']")])
def test_the_interpreter_ends_though_a_callback_never_returns(how: str, said: str) -> None:
    done = subprocess.run([sys.executable, "-c", _STUCK, how], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, said), done.stderr
