"""Threads with one owner and one name."""

from __future__ import annotations

import itertools
import threading
from typing import Callable, Iterable, List, Optional, Protocol, Tuple

from ..log import get_logger
from .clock import Clock

log = get_logger(__name__)

_numbers = itertools.count(1)


def next_number() -> int:
    """A number for the names of one client's threads, unique in this process."""
    return next(_numbers)


class Joinable(Protocol):
    """What a client waits for when it stops: a thread, or its share of one."""

    @property
    def name(self) -> str:
        """The thread's name."""

    @property
    def alive(self) -> bool:
        """True as long as it may still do something."""

    @property
    def is_current(self) -> bool:
        """True for a caller that runs as a part of it."""

    def join(self, timeout: float) -> bool:
        """Wait up to *timeout* seconds for its end; True also if it never began, or for a caller that is part of it."""


class Worker:
    """A daemon thread that runs *target* once. A crash of *target* is logged and given to *on_crash*."""

    def __init__(
        self, name: str, target: Callable[[], None], on_crash: Optional[Callable[[BaseException], None]] = None
    ) -> None:
        self._target = target
        self._on_crash = on_crash
        # A daemon: the interpreter's exit must not hang on a thread that waits for the network or for a callback.
        self._thread = threading.Thread(name=name, target=self._run, daemon=True)

    @property
    def name(self) -> str:
        return self._thread.name

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def is_current(self) -> bool:
        return threading.current_thread() is self._thread

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout: float) -> bool:
        """Wait up to *timeout* seconds; True when the thread has ended, never started, or is the caller itself."""
        if self._thread.ident is None or self.is_current:
            return True
        self._thread.join(max(timeout, 0.0))
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._target()
        except BaseException as exc:
            log.exception("thread %s ended by an unexpected error", self.name)
            if self._on_crash is not None:
                self._on_crash(exc)


def join_all(workers: Iterable[Joinable], clock: Clock, deadline: float) -> List[str]:
    """Join *workers* against one *deadline* (on *clock*); the names of those still alive."""
    return [worker.name for worker in workers if not worker.join(deadline - clock.now())]


class Run(Protocol):
    """One life of a client, from start to stop."""

    def alive(self, deadline: float) -> List[str]:
        """Join its threads until *deadline*; the names of those still alive, the caller's own aside."""


class EarlierRuns:
    """The lives of a client that another one followed, as long as a thread of theirs is left."""

    def __init__(self) -> None:
        self._runs: Tuple[Run, ...] = ()

    def add(self, run: Run, now: float) -> None:
        """*run* is followed by another one at *now*. One thread at a time."""
        self._runs = (*(each for each in self._runs if each.alive(now)), run)

    def alive(self, deadline: float) -> List[str]:
        """Join the threads of all of them until *deadline*; the names of those still alive. Any thread."""
        return [name for run in self._runs for name in run.alive(deadline)]
