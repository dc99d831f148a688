"""Runs tasks of one key one at a time and in order, and those of different keys in parallel.

Waking a thread costs ten times what a short handler does, so the threads are counted closely: a worker goes from lane
to lane as long as any lane waits, at most one thread is being woken at any moment, and it is that thread that wakes the
next one. Short handlers are thus served by one or two threads, and blocking ones get as many as are allowed. A worker
that finds no lane goes back to the pool, where another client may have it.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict, deque
from typing import Any, Callable, Deque, Dict, Hashable, Iterable, List, Optional, Set, Tuple

from ..log import get_logger
from .clock import Clock
from .pool import WorkerPool, shared

log = get_logger(__name__)

Task = Callable[[], None]
OnError = Callable[[BaseException, Any], None]
Lane = Deque[Tuple[Task, Any]]

TASKS_PER_TURN = 16  # tasks a lane may run before others get its thread; a choice between fairness and wake-ups
_NO_LANE = object()  # a key that no lane has
BUSY_WARNING_AFTER = 10.0  # seconds that a lane waits for a worker before the log says so, once


class KeyedDispatcher:
    """Runs tasks on up to *max_workers* threads of a pool, which are called ``<name>_<n>`` meanwhile.

    *on_error(exc, context)* gets what a task raised, on the task's thread; nothing that a task raises stops anything.
    *setting* is the name of the option to raise when workers run out, for the log. No thread starts before the first
    task. *pool*: None for the one that all clients of the process share.
    """

    def __init__(
        self,
        name: str,
        *,
        max_workers: int,
        clock: Clock,
        on_error: OnError,
        setting: str = "max_workers",
        pool: Optional[WorkerPool] = None,
    ) -> None:
        self._name = name
        self._pool = shared if pool is None else pool
        self._clock = clock
        self._on_error = on_error
        self._setting = setting
        self._changed = threading.Condition(threading.Lock())
        self._watchers = 0  # threads that wait for _changed; notifying nobody costs as much as a short task
        self._lanes: Dict[Hashable, Lane] = {}
        self._waiting: OrderedDict[Hashable, float] = OrderedDict()  # lanes without a worker, and since when
        self._running: Dict[int, Hashable] = {}  # thread ident -> lane
        self._left: Set[int] = set()  # idents of threads that are no workers any more
        self._held: Dict[Hashable, int] = {}  # lane -> ident of the thread that works for it elsewhere
        self._threads: Dict[int, threading.Thread] = {}  # number of worker -> its thread
        self._workers = 0  # threads that work here, or are being woken for it
        self._waking = False  # a worker was woken, or is being made, and has not taken a lane yet
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

    @property
    def is_inside(self) -> bool:
        """True on a thread that runs a task of this dispatcher."""
        return threading.get_ident() in self._running

    def submit(self, key: Hashable, task: Task, context: Any = None) -> bool:
        """Append *task* to the lane of *key*. False when the dispatcher is closed. Never blocks."""
        return self.submit_many(((key, task, context),))

    def submit_many(self, tasks: Iterable[Tuple[Hashable, Task, Any]]) -> bool:
        """``submit`` for many tasks (key, task, context) in one go, which is cheaper. All are taken or none."""
        with self._changed:
            if self._closed:
                return False
            lanes, waiting, now = self._lanes, self._waiting, self._clock.now()
            for key, task, context in tasks:
                lane = lanes.get(key)
                if lane is None:
                    lanes[key] = deque(((task, context),))
                    waiting[key] = now
                else:
                    lane.append((task, context))
                self._queued += 1
            wake = self._needs_worker()
        if wake and not self._wake():
            return False
        self._warn_when_exhausted(now)
        return True

    def hold(self, key: Hashable, thread: int) -> None:
        """Let the tasks of *key* wait until ``release``, since the thread *thread* (its ident) works for it elsewhere.

        To be called before the first task of *key*.
        """
        with self._changed:
            self._held[key] = thread
            self._lanes[key] = deque()

    def release(self, key: Hashable) -> None:
        """Let the tasks of a held *key* run. Once closed and without threads, they are forgotten."""
        idle: List[Callable[[], None]] = []
        with self._changed:
            self._held.pop(key, None)
            self._waiting[key] = self._clock.now()
            wake = self._needs_worker()
            if self._closed and not self._workers:
                idle = self._forget_waiting()
        if wake:
            self._wake()
        self._follow(idle)

    def leave(self) -> bool:
        """Called by a task that is about to wait for long: from now on its thread is not a worker, but the task's own.

        Its lane goes on with the next task, and another thread may take its place as a worker. False, and nothing
        changes, on a thread that runs no task, or has left already.
        """
        ident = threading.get_ident()
        idle: List[Callable[[], None]] = []
        with self._changed:
            key = self._running.pop(ident, None)
            if key is None:
                return False
            self._left.add(ident)
            self._workers -= 1
            if self._lanes[key]:
                self._waiting[key] = self._clock.now()
            else:
                del self._lanes[key]
                idle = self._last_done()
            wake = self._needs_worker()
        if wake:
            self._wake()
        self._follow(idle)
        return True

    def waiting(self) -> List[Any]:
        """The contexts of the tasks that wait, those of one key in order."""
        with self._changed:
            return [context for lane in self._lanes.values() for _, context in lane]

    def discard(self, contexts: Iterable[Any]) -> int:
        """Take out the tasks with these very *contexts* as far as they still wait; how many there were."""
        unwanted = {id(context) for context in contexts}
        with self._changed:
            before = self._queued
            for key, lane in list(self._lanes.items()):
                kept = [entry for entry in lane if id(entry[1]) not in unwanted]
                self._queued -= len(lane) - len(kept)
                lane.clear()
                lane.extend(kept)
                if not kept and self._waiting.pop(key, None) is not None:
                    del self._lanes[key]
            count = before - self._queued
            idle = self._last_done()
        self._follow(idle)
        return count

    def wait_for_room(self, limit: int, timeout: Optional[float]) -> bool:
        """Wait until fewer than *limit* tasks wait; False when *timeout* seconds passed first."""
        self._warn_when_exhausted(self._clock.now())  # nobody may submit any more while there is no room
        return self._watch(lambda: self._closed or self._queued < limit, timeout)

    def drain(self, timeout: float) -> bool:
        """Wait up to *timeout* seconds until every task has run; a caller inside a task does not wait for its lane.

        Nor does the thread that a lane is held for.
        """
        ident = threading.get_ident()
        own = self._running.get(ident, _NO_LANE)
        held = self._held
        return self._watch(lambda: not any(key != own and held.get(key) != ident for key in self._lanes), timeout)

    def close(self, deadline: float) -> List[str]:
        """Take no more tasks and end the threads; the names of those still alive at *deadline* (on the clock).

        Tasks that still wait are run by the threads that are left, as far as the process lives; ``drain`` comes first.
        """
        me = threading.current_thread()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            working = [thread for thread in self._threads.values() if thread is not me]
        ending = self._pool.leave(self)
        with self._changed:
            self._watchers += 1
            try:
                self._changed.wait_for(lambda: self._others(me) == 0, max(deadline - self._clock.now(), 0.0))
            finally:
                self._watchers -= 1
            alive = [thread.name for thread in self._threads.values() if thread is not me]
        if not alive and not self._pool.in_use:  # the last user waits for the threads themselves
            for thread in working + ending:
                thread.join(max(deadline - self._clock.now(), 0.0))
        return alive

    def _others(self, me: threading.Thread) -> int:
        """Under the lock: threads other than *me* that work here, have left, or are being woken."""
        return sum(thread is not me for thread in self._threads.values()) + self._waking

    def call_when_idle(self, action: Callable[[], None]) -> None:
        """Call *action* once no task waits or runs: now, or on the thread that ends the last one."""
        with self._changed:
            if self._lanes:
                self._when_idle.append(action)
                return
        action()

    def _watch(self, predicate: Callable[[], bool], timeout: Optional[float]) -> bool:
        with self._changed:
            self._watchers += 1
            try:
                return self._clock.wait_for(self._changed, predicate, timeout)
            finally:
                self._watchers -= 1

    # -- waking ----------------------------------------

    def _needs_worker(self) -> bool:
        """Under the lock: whether ``_wake`` is to be called, outside of it; a worker counts from now on."""
        if not self._waiting or self._waking or self._closed or self._workers >= self.max_workers:
            return False
        self._waking = True
        self._workers += 1
        return True

    def _wake(self) -> bool:
        """Outside the lock. False when no thread can be had and no worker is left: then the tasks are forgotten."""
        try:
            self._pool.run(self._work)
        except RuntimeError:  # the system gives no thread, or the interpreter is ending
            with self._changed:
                self._waking = False
                self._workers -= 1
                if self._workers:
                    return True
                idle = self._forget_waiting()
            self._follow(idle)
            return False
        return True

    def _forget_waiting(self) -> List[Callable[[], None]]:
        """Under the lock, without workers: drop the tasks of the lanes that wait; what is to follow the last task."""
        for key in self._waiting:
            self._queued -= len(self._lanes.pop(key))
        self._waiting.clear()
        return self._last_done()

    # -- a worker ----------------------------------------

    def _work(self) -> None:
        """Serve lane after lane, until none waits."""
        ident, thread = threading.get_ident(), threading.current_thread()
        with self._changed:
            number = next(each for each in itertools.count() if each not in self._threads)
            self._threads[number] = thread
            if not self._closed:
                self._pool.enter(self)
        thread.name = f"{self._name}_{number}"
        woken = True
        while True:
            with self._changed:
                if woken:
                    self._waking = woken = False
                if not self._waiting:
                    self._workers -= 1
                    del self._threads[number]
                    if self._watchers:
                        self._changed.notify_all()
                    return
                key, _ = self._waiting.popitem(last=False)
                self._running[ident] = key
                lane = self._lanes[key]
                wake = self._needs_worker()
            if wake:
                self._wake()
            if not self._run_lane(ident, key, lane):
                with self._changed:
                    del self._threads[number]
                    if self._watchers:
                        self._changed.notify_all()
                return

    def _run_lane(self, ident: int, key: Hashable, lane: Lane) -> bool:
        """Run tasks of one lane; past a turn's length, send it to the end of the line of lanes.

        False when the thread left the workers meanwhile.
        """
        left = TASKS_PER_TURN
        idle: List[Callable[[], None]] = []
        while True:
            with self._changed:
                if not lane:
                    del self._running[ident]
                    del self._lanes[key]
                    idle = self._last_done()
                    break
                if left <= 0 and self._waiting:
                    del self._running[ident]
                    self._waiting[key] = self._clock.now()
                    break
                task, context = lane.popleft()
                self._queued -= 1
                if self._watchers:
                    self._changed.notify_all()
            left -= 1
            try:
                task()
            except BaseException as exc:  # noqa: BLE001  a handler's SystemExit must not end the lane either
                self._report(exc, context)
            if self._left and ident in self._left:
                with self._changed:
                    self._left.discard(ident)
                return False
        self._follow(idle)
        return True

    def _last_done(self) -> List[Callable[[], None]]:
        """Under the lock: a lane may be done with; what is to follow the last one of all."""
        idle: List[Callable[[], None]] = []
        if not self._lanes:
            idle, self._when_idle = self._when_idle, []
        if self._watchers:
            self._changed.notify_all()
        return idle

    @staticmethod
    def _follow(idle: List[Callable[[], None]]) -> None:
        for action in idle:
            try:
                action()
            except Exception:
                log.exception("what was to follow the last task failed")

    def _report(self, exc: BaseException, context: Any) -> None:
        try:
            self._on_error(exc, context)
        except BaseException:
            log.exception("an error callback raised itself")

    def _warn_when_exhausted(self, now: float) -> None:
        if self._warned or not self._waiting:
            return
        with self._changed:
            oldest = next(iter(self._waiting.values()), None)
            if oldest is None or self._warned or now - oldest < BUSY_WARNING_AFTER:
                return
            self._warned = True
        log.warning(
            "all %d workers have been busy for %.0f seconds and messages wait; raise %s, or make the handlers shorter",
            self.max_workers,
            now - oldest,
            self._setting,
        )
