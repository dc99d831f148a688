"""One thread for everything that happens later: heartbeats, expiring frames, the tails of streams."""

from __future__ import annotations

import heapq
import itertools
import threading
from typing import Callable, List, Optional, Tuple

from ..log import get_logger
from ..runtime.clock import Clock
from ..runtime.worker import Worker

log = get_logger(__name__)

ROOM = 64  # timers; fewer are not worth tidying


class Timer:
    """One action that is still to come."""

    __slots__ = ("_action",)

    def __init__(self, action: Callable[[], None]) -> None:
        self._action: Optional[Callable[[], None]] = action

    def cancel(self) -> None:
        """Make sure, unless it has begun, that the action does not happen. Any thread; twice is once."""
        self._action = None

    @property
    def is_over(self) -> bool:
        """True when it was cancelled or taken."""
        return self._action is None

    def take(self) -> Optional[Callable[[], None]]:
        """The action, which from now on is the caller's; None when it was cancelled."""
        action, self._action = self._action, None
        return action


class Ticker:
    """Runs actions at their time on a thread called *name*. An action must be short: the others wait for it."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._clock = clock
        # Held by its own name: entering a Condition takes several steps, and Ctrl-C between them would leave it locked.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._timers: List[Tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._room = ROOM  # how many timers may be kept before the cancelled ones are thrown out
        self._stopped = False
        self.worker = Worker(name, self._run)

    def start(self) -> None:
        """Start the thread."""
        self.worker.start()

    def stop(self) -> None:
        """Let the thread end; what is still to come does not happen. Does not wait."""
        with self._lock:
            self._stopped = True
            self._timers.clear()
            self._changed.notify_all()

    def at(self, when: float, action: Callable[[], None]) -> Optional[Timer]:
        """Call *action* at *when* (the clock's seconds), or at once when that is over; None after ``stop``.

        Any thread may call it.
        """
        timer = Timer(action)
        with self._lock:
            if self._stopped:
                return None
            if len(self._timers) >= self._room:
                self._tidy()
            heapq.heappush(self._timers, (when, next(self._numbers), timer))
            if self._timers[0][2] is timer:  # only an earlier hour is a reason to wake the thread
                self._changed.notify_all()
        return timer

    def _tidy(self) -> None:
        """Throw out the cancelled timers: a stream cancels one with every frame, whose hour is minutes away."""
        self._timers = [entry for entry in self._timers if not entry[2].is_over]
        heapq.heapify(self._timers)
        self._room = max(2 * len(self._timers), ROOM)

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._stopped:
                    return
                wait = self._timers[0][0] - self._clock.now() if self._timers else None
                if wait is None or wait > 0:
                    self._clock.wait(self._changed, wait)
                    continue
                action = heapq.heappop(self._timers)[2].take()
            if action is None:
                continue
            try:
                action()
            except Exception:  # one bad action must not take the heartbeat with it
                log.exception("an action of thread %s failed", self.worker.name)
