"""Carries what was received to the callbacks, on worker threads (docs/architecture, Dispatch).

Three dispatchers: one for messages, a small one for events with a deadline of 5 s, and a single thread for the client's
own news. So busy handlers make no event late, and none of either keeps on_error from hearing why the client ended.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, List, Optional, Set, Tuple

from ..errors import Overloaded
from ..runtime import hooks
from ..runtime.dispatch import KeyedDispatcher, Task
from .callbacks import Handler
from .checks import EVENT_WINDOW
from .frames import WsCmd, WsFrame, is_urgent
from .inbox import Intake
from .parts import Parts

UNHEARD_LOGGED = 20  # message types that are worth a warning; a hostile server must not fill the disk
UNHEARD_NAME = 40  # characters of such a type's name in the log
LOOK_EVERY = 1.0  # seconds; looking through all events that wait takes the reader a millisecond or two
_EVENT = WsCmd.EVENT_CALLBACK.value
_NEWS = object()  # the lane of the client's own news: one at a time, in order

Submission = Tuple[str, Task, WsFrame]
Trouble = Tuple[str, str]  # what is too much, and what to do about it
_TOO_MANY_MESSAGES = (
    "messages wait for a worker; a new one was dropped.",
    "Make the handlers shorter, or raise max_workers or max_queued_messages.",
)
_TOO_MANY_EVENTS = (
    "events wait for a worker of theirs; one was dropped.",
    "Make the handlers of enter_chat and of card clicks shorter, or raise priority_workers or max_queued_messages.",
)


class Delivery:
    """The worker threads of one run. ``pushed`` belongs to the reader; the rest may be called from any thread.

    intake: where frames go in place of the callbacks, when the client has a receiver.
    """

    def __init__(
        self,
        parts: Parts,
        number: int,
        intake: Optional[Intake] = None,
    ) -> None:
        options, clock = parts.options, parts.clock
        self._callbacks = parts.callbacks
        self._intake = intake
        self._seen = parts.seen
        self._clock = clock
        self._log = parts.log
        self._limit = options.max_queued_messages
        self._logged: Set[Trouble] = set()
        self._look_again_at = 0.0  # for events that are too late; on the clock
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
        self._life = KeyedDispatcher(f"wxsdk-run-{number}-life", max_workers=1, clock=clock, on_error=self._raised)

    @property
    def _dispatchers(self) -> Tuple[KeyedDispatcher, ...]:
        return self._main, self._urgent, self._life

    def load(self) -> Dict[str, int]:
        """Count what waits and who works, for ``Health``; the thread for the client's own news is not counted."""
        main, urgent = self._main, self._urgent
        return {
            "queued": main.queued,
            "workers_busy": main.busy,
            "workers": main.max_workers,
            "priority_queued": urgent.queued,
            "priority_workers_busy": urgent.busy,
            "priority_workers": urgent.max_workers,
        }

    @property
    def is_inside(self) -> bool:
        """True on a thread that runs a callback of this run."""
        return any(each.is_inside for each in self._dispatchers)

    def pushed(self, frames: List[WsFrame]) -> None:
        """Submit new frames to their lanes; drop those seen before, and those past max_queued_messages."""
        self.last_inbound = self._clock.now()
        for _ in frames:
            hooks.emit("received", "aibot", queued=self._main.queued)
        if self._intake is not None:
            self._take_in(self._intake, frames)
            return
        normal: List[Submission] = []
        urgent: List[Submission] = []
        for frame in frames:
            msgid = frame.msgid
            if msgid is not None and not self._seen.is_new(msgid):
                self._log.debug("message %s came twice; dropped", msgid)
                continue
            handlers = self._handlers_for(frame)
            if not handlers:
                self._unheard_of(frame)
                continue
            task = (frame.chat, partial(self._handle, handlers, frame), frame)
            if frame.eventtype and is_urgent(frame):
                urgent.append(task)
            else:
                normal.append(task)
        if urgent:
            self._submit_urgent(urgent)
        if normal:
            self._submit(self._main, normal, _TOO_MANY_MESSAGES)

    def _take_in(self, intake: Intake, frames: List[WsFrame]) -> None:
        """Give the frames not seen before to the receiver, as many as there is room for."""
        new = [frame for frame in frames if frame.msgid is None or self._seen.is_new(frame.msgid)]
        room = max(self._limit - intake.queued, 0)
        if new[:room]:
            intake.pushed(new[:room])
        for _ in new[room:]:
            self._drop(_TOO_MANY_MESSAGES)

    def report(self, event: str, *arguments: Any) -> None:
        """Call the functions registered for *event* of the client's own life, after those reported before."""
        if event == "reconnecting":
            hooks.emit("reconnect", "aibot")
        handlers = self._callbacks.handlers(event)
        if handlers:
            self._life.submit(_NEWS, partial(self._run, handlers, arguments, event != "error"))

    def report_trouble(self, error: BaseException) -> bool:
        """Log *error* as a warning and report it to on_error, on their thread; False when the threads have ended."""
        handlers = (self._warn, *self._callbacks.handlers("error"))
        return self._life.submit(_NEWS, partial(self._run, handlers, (error,), False))

    def _warn(self, error: BaseException) -> None:
        self._log.warning("%s", error)

    def report_then(self, done: Task, event: str, *arguments: Any) -> bool:
        """Do as ``report``, and call *done* when every function has returned; False when the threads have ended."""
        handlers = (*self._callbacks.handlers(event), lambda *_: done())
        return self._life.submit(_NEWS, partial(self._run, handlers, arguments))

    def after_news(self, action: Task) -> None:
        """Call *action*, which must be short, when everything reported before has been heard."""
        heard = not (self._life.queued or self._life.busy)  # in this order: what waits runs before it is done
        if heard or not self._life.submit(_NEWS, action):
            action()

    def drain(self, deadline: float) -> bool:
        """Wait until everything submitted has run (but for the caller's own lane); False at *deadline*."""
        # News last: the callbacks of the others report errors.
        return all(each.drain(max(deadline - self._clock.now(), 0.0)) for each in self._dispatchers)

    def close(self, deadline: float) -> List[str]:
        """End the threads; the names of those still alive at *deadline*."""
        return [name for each in self._dispatchers for name in each.close(deadline)]

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

    def _submit_urgent(self, tasks: List[Submission]) -> None:
        """Submit events with a deadline; without room for them, those that can no longer be answered in time go first.

        They are not dropped before that: a click says something even when its card can no longer be updated.
        """
        now = self._clock.now()
        if self._limit - self._urgent.queued < len(tasks) and now >= self._look_again_at:
            self._look_again_at = now + LOOK_EVERY
            late = [frame for frame in self._urgent.waiting() if _is_late(frame, now)]
            for _ in range(self._urgent.discard(late)):
                self._drop(_TOO_MANY_EVENTS)
        self._submit(self._urgent, tasks, _TOO_MANY_EVENTS)

    def _submit(self, dispatcher: KeyedDispatcher, tasks: List[Submission], trouble: Trouble) -> None:
        """Submit as many as there is room for; only the reader submits, so the room does not shrink meanwhile."""
        room = max(self._limit - dispatcher.queued, 0)
        if room:
            dispatcher.submit_many(tasks[:room])
        for _ in tasks[room:]:
            self._drop(trouble)

    def _drop(self, trouble: Trouble) -> None:
        what, remedy = trouble
        error = Overloaded(f"More than {self._limit} {what}", remedy=remedy)
        if trouble not in self._logged:
            self._logged.add(trouble)
            self._log.error("%s (This is logged once.)", error)
        self._report_error(error)

    def _report_error(self, error: BaseException) -> None:
        """Tell on_error of something that may happen any number of times; it has been logged."""
        if self._life.queued < self._limit:  # a blocked on_error must not fill the memory
            self.report("error", error)

    def _handle(self, handlers: Tuple[Handler, ...], frame: WsFrame) -> None:
        with hooks.handling("aibot") as failures:
            self._run(handlers, (frame,), failures=failures)

    def _run(
        self,
        handlers: Tuple[Handler, ...],
        arguments: Tuple[Any, ...],
        report: bool = True,
        failures: Optional[List[BaseException]] = None,
    ) -> None:
        for handler in handlers:
            try:
                handler(*arguments)
            except BaseException as exc:  # noqa: BLE001  even SystemExit must not keep the others from running
                if failures is not None:
                    failures.append(exc)
                self._log.error("the callback %s raised", getattr(handler, "__qualname__", handler), exc=exc)
                if report:
                    self._report_error(exc)

    def _raised(self, exc: BaseException, context: Any) -> None:
        self._log.error("delivering %r failed", context, exc=exc)


def _is_event(frame: WsFrame) -> bool:
    return frame.cmd == _EVENT or frame.msgtype == "event"


def _is_late(frame: WsFrame, now: float) -> bool:
    return frame.received_at is not None and now - frame.received_at > EVENT_WINDOW
