"""Calls actions at their time: heartbeats, expiring frames, the tails of streams.

One thread does it for all clients of the process, since a thread that mostly sleeps costs as much memory as a client.
It runs while a ticker uses it. The clock of a test has its own thread.
"""

from __future__ import annotations

import heapq
import itertools
import os
import threading
from typing import Callable, List, Optional, Set, Tuple

from ..log import get_logger
from ..runtime.clock import Clock
from ..runtime.worker import Worker

log = get_logger(__name__)

ROOM = 64  # timers; fewer are not worth tidying
THREAD_NAME = "wxsdk-aibot-tick"

Action = Callable[[], None]


class Timer:
    """One action that is still to come."""

    __slots__ = ("_action",)

    def __init__(self, action: Action) -> None:
        self._action: Optional[Action] = action

    def cancel(self) -> None:
        """Make sure, unless it has begun, that the action does not happen. Any thread; twice is once."""
        self._action = None

    @property
    def is_over(self) -> bool:
        """True when it was cancelled or taken."""
        return self._action is None

    def take(self) -> Optional[Action]:
        """Return the action, which from now on is the caller's; None when it was cancelled."""
        action, self._action = self._action, None
        return action


class Ticker:
    """Runs the actions of one client. An action must be short: those of all clients wait for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._thread: Optional[_TickThread] = None

    @property
    def name(self) -> str:
        return THREAD_NAME

    @property
    def alive(self) -> bool:
        """True as long as an action may still run."""
        thread = self._thread
        return thread is not None and not thread.has_left(self, 0.0)

    @property
    def is_current(self) -> bool:
        """True on the thread, while it runs an action of this ticker."""
        thread = self._thread
        return thread is not None and thread.runs_here(self)

    def start(self) -> None:
        """Begin to run actions."""
        self._thread = _thread_for(self._clock, self)

    def stop(self) -> None:
        """End: what is still to come does not happen. Does not wait for an action that runs."""
        if self._thread is not None:
            self._thread.remove(self)

    def join(self, timeout: float) -> bool:
        """Wait up to *timeout* seconds until it is stopped, no action runs, and a thread without a user has ended.

        True when that is so, and for a ticker that was never started, or one of whose actions calls this.
        """
        thread = self._thread
        return thread is None or thread.runs_here(self) or thread.has_left(self, timeout)

    def at(self, when: float, action: Action) -> Optional[Timer]:
        """Call *action* at *when* (the clock's seconds), or at once when that is over.

        None when the ticker does not run. Any thread may call it.
        """
        return None if self._thread is None else self._thread.plan(self, when, action)


class _TickThread:
    """A thread and the timers of the tickers that use it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Held by its own name: entering a Condition takes several steps, and Ctrl-C between them would leave it locked.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._idle = threading.Condition(self._lock)  # an action has ended, or a ticker was removed
        self._timers: List[Tuple[float, int, Timer, Ticker]] = []
        self._numbers = itertools.count()
        self._room = ROOM  # how many timers may be kept before the cancelled ones are thrown out
        self._users: Set[Ticker] = set()
        self._runs: Optional[Ticker] = None  # whose action runs now
        self._ended = False
        self.worker = Worker(THREAD_NAME, self._run)

    def add(self, ticker: Ticker) -> bool:
        """Serve *ticker*; False when the thread is ending."""
        with self._lock:
            if self._ended:
                return False
            self._users.add(ticker)
            if len(self._users) == 1 and not self.worker.alive:
                self.worker.start()
            return True

    def remove(self, ticker: Ticker) -> None:
        """Serve *ticker* no more, and end with the last one."""
        with self._lock:
            self._users.discard(ticker)
            self._ended = not self._users
            self._tidy()
            self._idle.notify_all()
            if self._ended:
                self._changed.notify_all()

    def plan(self, ticker: Ticker, when: float, action: Action) -> Optional[Timer]:
        timer = Timer(action)
        with self._lock:
            if ticker not in self._users:
                return None
            if len(self._timers) >= self._room:
                self._tidy()
            heapq.heappush(self._timers, (when, next(self._numbers), timer, ticker))
            if self._timers[0][2] is timer:  # only an earlier hour is a reason to wake the thread
                self._changed.notify_all()
        return timer

    def runs_here(self, ticker: Ticker) -> bool:
        return self._runs is ticker and self.worker.is_current

    def has_left(self, ticker: Ticker, timeout: float) -> bool:
        """Wait until *ticker* is removed and none of its actions runs, and for the end of an unused thread."""
        deadline = self._clock.now() + timeout
        with self._lock:
            while ticker in self._users or self._runs is ticker:
                left = deadline - self._clock.now()
                if left <= 0:
                    return False
                self._idle.wait(left)
            ended = self._ended
        return not ended or self.worker.join(deadline - self._clock.now())

    def _tidy(self) -> None:
        """Throw out the timers that are over or whose ticker has gone.

        A stream cancels one with every frame, whose hour is minutes away.
        """
        users = self._users
        self._timers = [entry for entry in self._timers if not entry[2].is_over and entry[3] in users]
        heapq.heapify(self._timers)
        self._room = max(2 * len(self._timers), ROOM)

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._ended:
                    return
                wait = self._timers[0][0] - self._clock.now() if self._timers else None
                if wait is None or wait > 0:
                    self._clock.wait(self._changed, wait)
                    continue
                _, _, timer, ticker = heapq.heappop(self._timers)
                action = timer.take()
                if action is None:
                    continue
                self._runs = ticker
            try:
                action()
            except Exception:  # one bad action must not take the heartbeats with it
                log.exception("an action of thread %s failed", self.worker.name)
            with self._lock:
                self._runs = None
                self._idle.notify_all()
            del action, timer, ticker  # what they hold must not live as long as the thread sleeps


_shared: Optional[_TickThread] = None
_shared_lock = threading.Lock()


def _thread_for(clock: Clock, ticker: Ticker) -> _TickThread:
    """Return the thread that serves *ticker* from now on."""
    global _shared
    if type(clock) is not Clock:
        own = _TickThread(clock)
        own.add(ticker)
        return own
    with _shared_lock:
        if _shared is None or not _shared.add(ticker):
            _shared = _TickThread(clock)
            _shared.add(ticker)
        return _shared


def _forget_in_child() -> None:
    """After a fork: the thread is the parent's."""
    global _shared, _shared_lock
    _shared, _shared_lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
