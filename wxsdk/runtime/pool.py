"""Lends worker threads to all clients of the process, and ends those that had nothing to do for a minute."""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Callable, List, Optional, TypeVar

from ..log import get_logger

log = get_logger(__name__)

T = TypeVar("T")
Job = Callable[[], None]

IDLE_SECONDS = 60.0  # that a thread waits for more work; long enough for the pauses of a conversation, a choice
_numbers = itertools.count(1)


class _Thread(threading.Thread):
    """A thread of a pool. A daemon: a callback that never returns must not keep a finished program alive."""

    def __init__(self, pool: WorkerPool, job: Job) -> None:
        super().__init__(name=f"wxsdk-worker-{next(_numbers)}", daemon=True)
        self._pool = pool
        self._own_name = self.name
        self.job: Optional[Job] = job
        self.bell = threading.Lock()  # released to wake it
        self.bell.acquire()

    def run(self) -> None:
        while self.job is not None:
            job, self.job = self.job, None
            try:
                job()
            except BaseException:  # a defect of ours; the thread is others' too
                log.exception("a job of a worker thread failed")
            del job  # what it holds must not live as long as the thread rests
            self.name = self._own_name
            self._pool._rest(self)


class WorkerPool(ThreadPoolExecutor):
    """A ThreadPoolExecutor that grows with its jobs and shrinks when there are none.

    How many threads run at a time is up to its users (a ``KeyedDispatcher`` has its own limit). While nothing uses it,
    no thread rests: all of them have ended soon after the last client.
    """

    def __init__(self, idle_seconds: float = IDLE_SECONDS) -> None:
        super().__init__(max_workers=1)  # the threads of the base class are never made
        self._idle_seconds = idle_seconds
        self._gate = threading.Lock()
        self._resting: List[_Thread] = []
        self._users: weakref.WeakSet[Any] = weakref.WeakSet()
        self._closed = False

    def run(self, job: Job) -> None:
        """Run *job* on a thread of its own until it returns. RuntimeError when no thread can be had."""
        with self._gate:
            if self._closed:
                raise RuntimeError("the pool is shut down")
            thread = self._resting.pop() if self._resting else None  # the last one to rest, whose memory is still warm
        if thread is None:
            _Thread(self, job).start()
        else:
            thread.job = job
            thread.bell.release()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run *fn* on a thread; its outcome comes by the Future. RuntimeError when no thread can be had."""
        future: Future[T] = Future()
        self.run(partial(_fulfil, future, partial(fn, *args, **kwargs)))
        return future

    def enter(self, user: object) -> None:
        """Let threads rest, ready for *user*, until it leaves or is forgotten."""
        with self._gate:
            self._users.add(user)

    def leave(self, user: object) -> List[threading.Thread]:
        """End the threads that rest if *user* was the last one; those that were told to end."""
        with self._gate:
            self._users.discard(user)
            ending: List[_Thread] = []
            if not self._users:
                ending, self._resting = self._resting, []
        return self._end(ending)

    @property
    def in_use(self) -> bool:
        """Whether any user has not left."""
        return bool(self._users)

    @property
    def resting(self) -> int:
        """Threads that wait for work."""
        return len(self._resting)

    def shutdown(self, wait: bool = True, **_: Any) -> None:
        """Take no more jobs and end the threads that rest; the others end after their job."""
        with self._gate:
            self._closed = True
            ending, self._resting = self._resting, []
        for thread in self._end(ending):
            if wait:
                thread.join()

    def _rest(self, thread: _Thread) -> None:
        """Wait on *thread* itself for its next job; without one, it is to end."""
        with self._gate:
            if self._closed or not self._users:
                return
            self._resting.append(thread)
        if thread.bell.acquire(timeout=self._idle_seconds):
            return
        with self._gate:
            if thread in self._resting:
                self._resting.remove(thread)
                return
        thread.bell.acquire()  # it was taken just now

    @staticmethod
    def _end(threads: List[_Thread]) -> List[threading.Thread]:
        for thread in threads:
            thread.bell.release()
        return list(threads)

    def _forget_threads(self) -> None:
        """In a forked child: the threads, and their users, are the parent's."""
        self._gate = threading.Lock()
        self._resting = []
        self._users = weakref.WeakSet()


def _fulfil(future: Future[T], work: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as exc:  # noqa: BLE001  the caller hears of it by the Future
        future.set_exception(exc)
    else:
        future.set_result(result)


shared = WorkerPool()  # of this process


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=shared._forget_threads)
