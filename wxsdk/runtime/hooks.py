"""Reports what happens in clients to observers, on a thread of its own.

Where something happens costs one look at an empty list while nobody observes. With an observer it costs putting an
event into a queue, so an observer that is slow, or raises, holds no client up, and none runs under a lock of ours.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from dataclasses import dataclass
from typing import Callable, Iterator, List, Optional, Tuple

from ..log import get_logger
from .forked import tell_of_forks
from .worker import Worker, next_number

log = get_logger(__name__)

MAX_EVENTS = 10_000  # that wait for a slow observer; later ones are dropped and counted
LEAVE_GRACE = 1.0  # seconds that remove() waits for the events that came before it


@dataclass(frozen=True)
class Event:
    """Something that happened. It holds no text, no token and no name of a person.

    kind: "received" (a message came), "handled" (its handler returned or raised), "sent", "refused" (the platform or
    the network did not take a message), "reconnect" (a connection or a poll failed and is tried again).
    platform: "ilink" or "aibot" ("callback" for that of a Bot). at: when it ended, in Unix seconds. seconds: how long
    it took, None where that makes no sense. error: the name of the error's class, None for success. errcode: of a
    refusal by the platform. queued: messages that wait for a worker, where known.
    """

    kind: str
    platform: str
    at: float
    seconds: Optional[float] = None
    error: Optional[str] = None
    errcode: Optional[int] = None
    queued: Optional[int] = None


Observer = Callable[[Event], object]


class Observers:
    """The observers of this process. Any thread may call any method."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._observers: Tuple[Observer, ...] = ()
        self._queue: queue.SimpleQueue[Optional[Event]] = queue.SimpleQueue()
        self._worker: Optional[Worker] = None
        self._dropped = False
        tell_of_forks(self)

    def add(self, observer: Observer) -> None:
        """Call *observer* with each Event from now on, one at a time, on the thread ``wxsdk-hooks-<n>``."""
        with self._lock:
            if observer not in self._observers:
                self._observers = (*self._observers, observer)
            if self._worker is None:
                events: queue.SimpleQueue[Optional[Event]] = queue.SimpleQueue()
                self._queue = events
                self._worker = Worker(f"wxsdk-hooks-{next_number()}", lambda: self._run(events))
                self._worker.start()

    def remove(self, observer: Observer) -> None:
        """Call *observer* no more, after the events that have happened; the thread ends with the last one."""
        with self._lock:
            left = tuple(each for each in self._observers if each != observer)
            worker = self._worker if not left else None
            if worker is not None:
                self._worker = None
                self._queue.put(None)
            else:
                self._observers = left
        if worker is not None:
            worker.join(LEAVE_GRACE)
            with self._lock:
                if self._worker is None:
                    self._observers = ()

    @property
    def wanted(self) -> bool:
        """Return whether anyone observes."""
        return bool(self._observers)

    def emit(self, event: Event) -> None:
        """Hand *event* to the observers; returns at once and raises nothing."""
        if not self._observers:
            return
        if self._queue.qsize() < MAX_EVENTS:
            self._queue.put(event)
        elif not self._dropped:
            self._dropped = True
            log.warning("an observer is slower than the bot: events are dropped. (This is logged once.)")

    def _run(self, events: queue.SimpleQueue[Optional[Event]]) -> None:
        while True:
            event = events.get()
            if event is None:
                return
            for observer in self._observers:
                try:
                    observer(event)
                except Exception:
                    log.exception("an observer raised")

    def _after_fork(self) -> None:
        """Start a thread of its own in a forked child, where something is observed."""
        self._lock = threading.Lock()
        self._worker = None
        observers, self._observers = self._observers, ()
        for observer in observers:
            self.add(observer)


OBSERVERS = Observers()


def emit(kind: str, platform: str, *, queued: Optional[int] = None, error: Optional[BaseException] = None) -> None:
    """Report something that took no time."""
    if OBSERVERS.wanted:
        OBSERVERS.emit(Event(kind, platform, time.time(), None, _name(error), getattr(error, "errcode", None), queued))


@contextlib.contextmanager
def handling(platform: str) -> Iterator[List[BaseException]]:
    """Report the block as a message's handling. What the block catches itself, it puts into the list that it gets."""
    if not OBSERVERS.wanted:
        yield []
        return
    began = time.monotonic()
    failures: List[BaseException] = []
    try:
        yield failures
    except BaseException as exc:
        failures.append(exc)
        raise
    finally:
        _report("handled", platform, began, failures)


@contextlib.contextmanager
def sending(platform: str) -> Iterator[None]:
    """Report the block as the sending of a message: sent, or refused when it raises."""
    if not OBSERVERS.wanted:
        yield
        return
    began = time.monotonic()
    failures: List[BaseException] = []
    try:
        yield
    except BaseException as exc:
        failures.append(exc)
        raise
    finally:
        _report("refused" if failures else "sent", platform, began, failures)


def _report(kind: str, platform: str, began: float, failures: List[BaseException]) -> None:
    error = failures[0] if failures else None
    took = time.monotonic() - began
    OBSERVERS.emit(Event(kind, platform, time.time(), took, _name(error), getattr(error, "errcode", None)))


def _name(error: Optional[BaseException]) -> Optional[str]:
    return None if error is None else type(error).__name__
