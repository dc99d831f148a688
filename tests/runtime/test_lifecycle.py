"""Running in the foreground until a signal, or the client's own end."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from wxsdk.runtime.lifecycle import wait_until_stopped


@pytest.mark.skipif(os.name != "posix", reason="a process cannot send itself these signals elsewhere")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_at_once_and_the_handlers_are_put_back(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        os.kill(os.getpid(), number)
        threading.Event().wait(20)
        return False

    wait_until_stopped(wait)
    assert len(waits) == 1
    assert waits[0] <= 0.2  # seconds; so long does a signal wait that comes just as a wait begins
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_clients_own_end_ends_it_and_its_error_is_passed_on() -> None:
    answers = [False, False, True]
    wait_until_stopped(lambda _: answers.pop(0))
    assert answers == []

    def fail(_: float) -> bool:
        raise ValueError("ended")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="ended"):
        wait_until_stopped(fail)
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def wait(_: float) -> bool:
        seen.append(signal.getsignal(signal.SIGINT))
        return True

    thread = threading.Thread(target=wait_until_stopped, args=(wait,))
    thread.start()
    thread.join(10)
    assert seen == [before]
