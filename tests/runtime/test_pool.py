"""The pool's threads are daemons, whoever makes them, and do not hold up the interpreter's exit."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from wxsdk.runtime.pool import DaemonThreadPoolExecutor


@pytest.mark.parametrize("daemon", [True, False])
def test_its_threads_are_daemons_whoever_submits(daemon: bool) -> None:
    found: list[bool] = []
    pool = DaemonThreadPoolExecutor(max_workers=2, thread_name_prefix="wxsdk-pool")

    def submit() -> None:
        pool.submit(lambda: found.append(threading.current_thread().daemon)).result(10)

    thread = threading.Thread(target=submit, daemon=daemon)
    thread.start()
    thread.join()
    pool.shutdown()
    assert found == [True]


def test_results_and_errors_come_back_as_from_the_standard_one() -> None:
    with DaemonThreadPoolExecutor(max_workers=2) as pool:
        assert pool.submit(pow, 2, 5).result(10) == 32
        assert pool.submit(int, "7", base=8).result(10) == 7
        with pytest.raises(ValueError, match="invalid literal"):
            pool.submit(int, "x").result(10)
        assert list(pool.map(abs, [-1, -2])) == [1, 2]
        assert 1 <= len(pool.threads()) <= 2
    with pytest.raises(RuntimeError):
        pool.submit(pow, 2, 5)


_STUCK = """
import sys, threading
from wxsdk.runtime.clock import Clock
from wxsdk.runtime.dispatch import KeyedDispatcher
from wxsdk.runtime.pool import DaemonThreadPoolExecutor
started = threading.Semaphore(0)
def stuck():
    started.release()
    threading.Event().wait()
if sys.argv[1] == "pool":
    pool = DaemonThreadPoolExecutor(max_workers=2)
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
