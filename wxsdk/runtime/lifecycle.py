"""Running a client in the foreground: until Ctrl-C, SIGTERM, or its own end."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import Any, Callable, Iterator, List

from ..log import get_logger

log = get_logger(__name__)

# Seconds. On Windows a wait is not interrupted by Ctrl-C, and nowhere is one that begins just as the signal arrives.
WAKE_EVERY = 0.2


def wait_until_stopped(wait: Callable[[float], bool], *, start: Callable[[], object] = lambda: None) -> None:
    """Call *start*, then *wait(seconds)* until it returns True (the client has ended), or Ctrl-C or SIGTERM arrives.

    Signals are caught only where Python allows it, in the main thread; elsewhere this waits for the client's end. What
    either raises is passed on.
    """
    with _signals_caught() as arrived:
        start()
        while not arrived and not wait(WAKE_EVERY):
            pass
    if arrived:
        log.info("stopping after signal %s", signal.Signals(arrived[0]).name)


class _SignalArrived(BaseException):
    """Raised by the signal handler to end the wait at once; never leaves this module."""


@contextlib.contextmanager
def _signals_caught() -> Iterator[List[int]]:
    arrived: List[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield arrived
        return

    def on_signal(number: int, _: Any) -> None:
        if not arrived:
            arrived.append(number)
            raise _SignalArrived

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with contextlib.suppress(_SignalArrived):
            yield arrived
    finally:
        for number, handler in before.items():
            # None: set by something that is not Python, and cannot be put back from here.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
