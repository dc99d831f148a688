"""Carrying what was received to the callbacks, on threads of their own (design, Dispatch).

Two dispatchers: one for messages, and a small one for what cannot wait (events with a 5 s deadline, and the client's
own news), so that busy handlers make neither late.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import Any, List, Optional, Set, Tuple

from ..errors import Overloaded
from ..runtime.clock import Clock
from ..runtime.dispatch import KeyedDispatcher, Task
from .callbacks import Callbacks, Handler
from .config import WSClientOptions
from .frames import WsCmd, WsFrame, is_urgent
from .logger import BotLog
from .seen import SeenIds

UNHEARD_LOGGED = 20  # message types that are worth a warning; a hostile server must not fill the disk
UNHEARD_NAME = 40  # characters of such a type's name in the log
_EVENT = WsCmd.EVENT_CALLBACK.value
_NEWS = object()  # the lane of the client's own news: one at a time, in order


class Delivery:
    """The worker threads of one run. ``pushed`` belongs to the reader; the rest may be called from any thread."""

    def __init__(
        self, options: WSClientOptions, callbacks: Callbacks, seen: SeenIds, clock: Clock, log: BotLog, number: int
    ) -> None:
        self._callbacks = callbacks
        self._seen = seen
        self._clock = clock
        self._log = log
        self._limit = options.max_queued_messages
        self._inside = threading.local()
        self._overloaded = False
        self._unheard: Set[str] = set()  # message types
        self.last_inbound: Optional[float] = None  # on the clock
        self._main = KeyedDispatcher(
            f"wxsdk-run-{number}", max_workers=options.max_workers, clock=clock, on_error=self._raised
        )
        self._urgent = KeyedDispatcher(
            f"wxsdk-run-{number}-urgent",
            max_workers=options.priority_workers,
            clock=clock,
            on_error=self._raised,
            setting="priority_workers",
        )

    @property
    def queued(self) -> int:
        """Frames that wait for a worker."""
        return self._main.queued + self._urgent.queued

    @property
    def busy(self) -> int:
        return self._main.busy + self._urgent.busy

    @property
    def workers(self) -> int:
        return self._main.max_workers + self._urgent.max_workers

    @property
    def is_inside(self) -> bool:
        """True on a thread that runs a callback of this run."""
        return getattr(self._inside, "running", False)

    def pushed(self, frames: List[WsFrame]) -> None:
        """Submit new frames to their lanes; drop those seen before, and those past max_queued_messages."""
        self.last_inbound = self._clock.now()
        room = self._limit - self._main.queued
        normal: List[Tuple[str, Task, WsFrame]] = []
        urgent: List[Tuple[str, Task, WsFrame]] = []
        for frame in frames:
            msgid = frame.msgid
            if msgid is not None and not self._seen.is_new(msgid):
                self._log.debug("message %s came twice; dropped", msgid)
                continue
            handlers = self._handlers_for(frame)
            if not handlers:
                self._unheard_of(frame)
                continue
            task = (frame.chat, partial(self._run, handlers, (frame,)), frame)
            if frame.eventtype and is_urgent(frame):
                urgent.append(task)
            elif len(normal) < room:
                normal.append(task)
            else:
                self._drop()
        if urgent:
            self._urgent.submit_many(urgent)
        if normal:
            self._main.submit_many(normal)

    def tell(self, event: str, *arguments: Any) -> None:
        """Call the functions registered for *event* of the client's own life, after those told before."""
        handlers = self._callbacks.handlers(event)
        if handlers:
            self._urgent.submit(_NEWS, partial(self._run, handlers, arguments, event != "error"))

    def tell_then(self, done: Task, event: str, *arguments: Any) -> bool:
        """As ``tell``, and call *done* when every function has returned; False when there are no threads any more."""
        handlers = (*self._callbacks.handlers(event), lambda *_: done())
        return self._urgent.submit(_NEWS, partial(self._run, handlers, arguments))

    def after_news(self, action: Task) -> None:
        """Call *action*, which must be short, when everything told before has been heard."""
        if not self._urgent.submit(_NEWS, action):
            action()

    def drain(self, deadline: float) -> bool:
        """Wait until everything submitted has run (but for the caller's own lane); False at *deadline*."""
        done = self._main.drain(max(deadline - self._clock.now(), 0.0))
        return self._urgent.drain(max(deadline - self._clock.now(), 0.0)) and done

    def close(self, deadline: float) -> List[str]:
        """End the threads; the names of those still alive at *deadline*."""
        return self._main.close(deadline) + self._urgent.close(deadline)

    def _handlers_for(self, frame: WsFrame) -> Tuple[Handler, ...]:
        find = self._callbacks.handlers
        if _is_event(frame):
            return find("event") + find("event_" + frame.eventtype)
        return find("message") + find("message_" + frame.msgtype)

    def _unheard_of(self, frame: WsFrame) -> None:
        """Say once per msgtype that a message is dropped. Not of events: most bots want few of them."""
        msgtype = frame.msgtype[:UNHEARD_NAME]
        if _is_event(frame) or msgtype in self._unheard or len(self._unheard) >= UNHEARD_LOGGED:
            return
        self._unheard.add(msgtype)
        self._log.warning(
            "no callback for %r: a message was dropped. Register on_message, or the one of its type, before connect(). "
            "(This is logged once.)",
            msgtype,
        )

    def _drop(self) -> None:
        error = Overloaded(
            f"More than {self._limit} messages wait for a worker; a new one was dropped.",
            remedy="Make the handlers shorter, or raise max_workers or max_queued_messages.",
        )
        if not self._overloaded:
            self._overloaded = True
            self._log.error("%s (This is logged once.)", error)
        if self._urgent.queued < self._limit:  # a blocked on_error must not fill the memory instead
            self.tell("error", error)

    def _run(self, handlers: Tuple[Handler, ...], arguments: Tuple[Any, ...], report: bool = True) -> None:
        self._inside.running = True
        try:
            for handler in handlers:
                try:
                    handler(*arguments)
                except BaseException as exc:  # noqa: BLE001  even SystemExit must not keep the others from running
                    self._log.error("the callback %s raised", getattr(handler, "__qualname__", handler), exc=exc)
                    if report:
                        self.tell("error", exc)
        finally:
            self._inside.running = False

    def _raised(self, exc: BaseException, context: Any) -> None:
        self._log.error("delivering %r failed", context, exc=exc)


def _is_event(frame: WsFrame) -> bool:
    return frame.cmd == _EVENT or frame.msgtype == "event"
