"""KeyedDispatcher: tasks of one key one at a time and in order, different keys in parallel."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import Any, Callable, Deque, Dict, Hashable, List, Optional, Tuple

from ..log import get_logger
from .clock import Clock
from .pool import DaemonThreadPoolExecutor

log = get_logger(__name__)

Task = Callable[[], None]
OnError = Callable[[BaseException, Any], None]

TASKS_PER_TURN = 16  # tasks a lane may run before others get its thread; a choice between fairness and wake-ups
BUSY_WARNING_AFTER = 10.0  # seconds that a lane waits for a worker before the log says so, once


class KeyedDispatcher:
    """Runs tasks on a bounded pool of daemon threads named ``<name>_<n>``.

    *on_error(exc, context)* hears of each task that raised, on the task's thread; nothing that a task raises stops
    anything. *setting* is the name of the option to raise when workers run out, for the log. Threads start with the
    first task.
    """

    def __init__(
        self,
        name: str,
        *,
        max_workers: int,
        clock: Clock,
        on_error: OnError,
        setting: str = "max_workers",
    ) -> None:
        self._pool = DaemonThreadPoolExecutor(max_workers=max_workers, thread_name_prefix=name)
        self._clock = clock
        self._on_error = on_error
        self._setting = setting
        self._changed = threading.Condition(threading.Lock())
        self._lanes: Dict[Hashable, Deque[Tuple[Task, Any]]] = {}
        self._waiting: OrderedDict[Hashable, float] = OrderedDict()  # lanes without a worker, and since when
        self._running: Dict[int, Hashable] = {}  # thread ident -> lane
        self._queued = 0
        self._closed = False
        self._warned = False
        self._when_idle: List[Callable[[], None]] = []
        self.max_workers = max_workers

    @property
    def queued(self) -> int:
        """Tasks that wait; the running ones are not counted."""
        return self._queued

    @property
    def busy(self) -> int:
        """Workers that run a task now."""
        return len(self._running)

    def submit(self, key: Hashable, task: Task, context: Any = None) -> bool:
        """Append *task* to the lane of *key*. False when the dispatcher is closed. Never blocks."""
        with self._changed:
            if self._closed:
                return False
            self._queued += 1
            lane = self._lanes.get(key)
            if lane is not None:
                lane.append((task, context))
                return True
            self._lanes[key] = deque([(task, context)])
            self._waiting[key] = self._clock.now()
        if not self._start_turn(key):
            with self._changed:
                self._waiting.pop(key, None)
                self._queued -= len(self._lanes.pop(key, ()))
            return False
        self._warn_when_exhausted()
        return True

    def wait_for_room(self, limit: int, timeout: Optional[float]) -> bool:
        """Wait until fewer than *limit* tasks wait; False when *timeout* seconds passed first."""
        with self._changed:
            return self._clock.wait_for(self._changed, lambda: self._closed or self._queued < limit, timeout)

    def drain(self, timeout: float) -> bool:
        """Wait up to *timeout* seconds until every task has run; a caller inside a task does not wait for its lane."""
        own = self._running.get(threading.get_ident(), self)

        def idle() -> bool:
            return not any(key != own for key in self._lanes)

        with self._changed:
            return self._clock.wait_for(self._changed, idle, timeout)

    def close(self, deadline: float) -> List[str]:
        """Take no more tasks and end the threads; the names of those still alive at *deadline* (on the clock).

        Tasks that still wait are run by the threads that are left, as far as the process lives; ``drain`` comes first.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._pool.shutdown(wait=False)
        alive = []
        for thread in self._pool.threads():
            if thread is threading.current_thread():
                continue
            thread.join(max(deadline - self._clock.now(), 0.0))
            if thread.is_alive():
                alive.append(thread.name)
        return alive

    def call_when_idle(self, action: Callable[[], None]) -> None:
        """Call *action* once no task waits or runs: now, or on the thread that ends the last one."""
        with self._changed:
            if self._lanes:
                self._when_idle.append(action)
                return
        action()

    def _start_turn(self, key: Hashable) -> bool:
        try:
            self._pool.submit(self._turn, key)
        except RuntimeError:  # the pool is shut: a lane that still runs goes on in its own thread, see _turn
            return False
        return True

    def _turn(self, key: Hashable) -> None:
        """Run tasks of one lane on this thread; past a turn's length, go to the end of the line of lanes."""
        while self._run_some(key):
            if self._start_turn(key):
                return

    def _run_some(self, key: Hashable) -> bool:
        """True when the lane still has tasks and its turn is over."""
        ident = threading.get_ident()
        with self._changed:
            self._waiting.pop(key, None)
            self._running[ident] = key
        left = TASKS_PER_TURN
        while True:
            with self._changed:
                lane = self._lanes[key]
                if not lane:
                    idle = self._end_lane(ident, key)
                    break
                if left <= 0 and self._waiting and not self._closed:
                    del self._running[ident]
                    self._waiting[key] = self._clock.now()
                    return True
                task, context = lane.popleft()
                self._queued -= 1
                self._changed.notify_all()
            left -= 1
            self._run(task, context)
        for action in idle:
            action()
        return False

    def _end_lane(self, ident: int, key: Hashable) -> List[Callable[[], None]]:
        del self._running[ident]
        del self._lanes[key]
        self._changed.notify_all()
        if self._lanes:
            return []
        actions, self._when_idle = self._when_idle, []
        return actions

    def _run(self, task: Task, context: Any) -> None:
        try:
            task()
        except BaseException as exc:  # noqa: BLE001  a handler's SystemExit must not end the lane either
            try:
                self._on_error(exc, context)
            except Exception:
                log.exception("an error callback raised itself")

    def _warn_when_exhausted(self) -> None:
        if self._warned or not self._waiting:
            return
        with self._changed:
            oldest = next(iter(self._waiting.values()), None)
            if oldest is None or self._warned or self._clock.now() - oldest < BUSY_WARNING_AFTER:
                return
            self._warned = True
        log.warning(
            "all %d workers have been busy for %.0f seconds and messages wait; raise %s, or make the handlers shorter",
            self.max_workers,
            self._clock.now() - oldest,
            self._setting,
        )
