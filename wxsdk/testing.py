"""For tests of programs that use wxsdk: a clock that tests own, and a check that nothing was left running."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from dataclasses import dataclass
from typing import Iterator, List, Optional, TypeVar

from .runtime.clock import Clock

__all__ = ["FakeClock", "no_leaks"]

T = TypeVar("T")

SAFETY_NET = 30.0  # real seconds after which a forgotten wait of a test fails instead of hanging
GRACE = 2.0  # real seconds that a thread on its way out may take
THREAD_PREFIX = "wxsdk-"


@dataclass(eq=False)
class _Parked:
    condition: threading.Condition
    deadline: Optional[float]
    name: str


class FakeClock(Clock):
    """Time that moves only by ``advance``. Threads that wait by it are *parked* until a notification or their hour."""

    def __init__(self, now: float = 1_000.0, wall: float = 1_700_000_000.0) -> None:
        self._now = now
        self._wall = wall
        self._parked: List[_Parked] = []
        self._changed = threading.Condition(threading.Lock())

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._wall

    def wait(self, condition: threading.Condition, timeout: Optional[float]) -> None:
        parked = _Parked(condition, None if timeout is None else self._now + timeout, threading.current_thread().name)
        with self._changed:
            self._parked.append(parked)
            self._changed.notify_all()
        try:
            if not condition.wait(SAFETY_NET):
                raise AssertionError(f"{parked.name} waited {SAFETY_NET:.0f} real seconds on a fake clock")
        finally:
            self._unpark([parked])

    def get(self, source: queue.Queue[T], timeout: Optional[float]) -> T:
        with source.not_empty:
            self.wait_for(source.not_empty, lambda: bool(source.queue), timeout)
        return source.get_nowait()

    def advance(self, seconds: float) -> None:
        """Move time on and wake each thread whose hour has come. A woken thread no longer counts as parked."""
        with self._changed:
            self._now += seconds
            self._wall += seconds
            due = [parked for parked in self._parked if parked.deadline is not None and parked.deadline <= self._now]
        # Un-park first: a barrier that follows must not take a thread that was just woken for one that waits.
        self._unpark(due)
        for parked in due:
            with parked.condition:
                parked.condition.notify_all()

    def jump_wall(self, seconds: float) -> None:
        """Change the time of day alone, as an administrator or NTP does."""
        self._wall += seconds

    def wait_parked(self, count: int = 1, *, name: str = "") -> None:
        """The barrier: return once *count* threads whose names contain *name* are parked."""

        def enough() -> bool:
            return sum(name in parked.name for parked in self._parked) >= count

        with self._changed:
            if not self._changed.wait_for(enough, SAFETY_NET):
                waiting = [parked.name for parked in self._parked]
                raise AssertionError(f"{count} parked thread(s) like {name!r} expected, there are {waiting}")

    def next_deadline(self) -> Optional[float]:
        """Seconds from now to the first hour that a parked thread waits for; None when none does."""
        with self._changed:
            hours = [parked.deadline for parked in self._parked if parked.deadline is not None]
        return min(hours) - self._now if hours else None

    def _unpark(self, woken: List[_Parked]) -> None:
        with self._changed:
            self._parked = [parked for parked in self._parked if parked not in woken]
            self._changed.notify_all()


def _threads() -> List[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(THREAD_PREFIX)]


def _open_sockets() -> int:
    """How many sockets this process holds; 0 where the system does not tell (only Linux does, by /proc)."""
    count = 0
    with contextlib.suppress(FileNotFoundError):
        for entry in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # closed between listing and reading
                count += os.readlink(f"/proc/self/fd/{entry}").startswith("socket:")
    return count


@contextlib.contextmanager
def no_leaks() -> Iterator[None]:
    """Fail with AssertionError when the block leaves a thread of wxsdk, or more open sockets than before, behind."""
    threads_before = set(_threads())
    sockets_before = _open_sockets()
    yield
    deadline = time.monotonic() + GRACE
    for thread in _threads():
        if thread not in threads_before:
            thread.join(max(deadline - time.monotonic(), 0.0))
    left = sorted(thread.name for thread in _threads() if thread not in threads_before)
    assert not left, f"threads left running: {left}"
    sockets = _open_sockets()
    assert sockets <= sockets_before, f"{sockets - sockets_before} socket(s) left open"
