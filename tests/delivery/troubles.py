"""What the two fault matrices share: an outage by a FakeClock, the way back from it, and the words of their tables."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any, Callable, List, NamedTuple, Optional

import pytest

from wxsdk.runtime import sockets
from wxsdk.testing import FakeClock

from .waiting import WAIT

FIRST = 5.0  # seconds of an outage that are counted
MOST = 4  # requests, or connections, in them; docs/protocol/ilink, 2
MARGIN = 1.0  # seconds that a recovery may take over the wait that was going on
SHUTDOWN = 5.0  # seconds that a stop waits for handlers, by default

FATES = {True: "may be out", False: "not out", None: "refused"}  # of a message, by may_have_been_sent


class Recovery(NamedTuple):
    wait: float  # seconds of the clock, which were going on when the trouble was over
    took: float  # seconds of real time from their end on

    def __str__(self) -> str:
        return f"{self.wait:.1f} s + {in_ms(self.took)}"


def in_ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def recovery(clock: FakeClock, recovered: Callable[[], Any]) -> Recovery:
    """Let the wait that is going on be over, call *recovered*, which returns when all is well, and tell the times."""
    wait = clock.next_deadline() or 0.0
    began = time.monotonic()
    clock.advance(wait)
    recovered()
    return Recovery(wait, time.monotonic() - began)


def pass_time(clock: FakeClock, thread: str, seconds: float) -> None:
    """Let *seconds* go by, each wait of *thread* at its time."""
    while True:
        clock.wait_parked(name=thread)
        step = clock.next_deadline() or 0.0
        if step > seconds:
            clock.advance(seconds)
            return
        seconds -= step
        clock.advance(step)


def lose_dns(patch: pytest.MonkeyPatch) -> None:
    """No name is found until *patch* is undone."""

    def fail(*_: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    patch.setattr(sockets, "_lookup", fail)


def stop_result(clock: FakeClock, stop: Callable[[], bool]) -> Optional[bool]:
    """What *stop*, which waits by *clock*, returns when its time is over; None when it never returns."""
    results: List[bool] = []
    stopper = threading.Thread(target=lambda: results.append(stop()), name="stopper")
    stopper.start()
    clock.wait_parked(name="stopper")
    clock.advance(SHUTDOWN)
    stopper.join(WAIT)
    return results[0] if results else None
