"""Keeps one life of a client: its connection, its callbacks' threads, and how far its end has come."""

from __future__ import annotations

from typing import Callable, List, Optional

from ..core.outbox_rules import OutboxItem
from ..errors import WxError
from ..runtime.receiver import Receiver
from ..runtime.worker import Joinable, Worker, join_all, next_number
from .connection import Connection, RunListener
from .delivery import Delivery
from .frames import WsFrame
from .inbox import Intake
from .parts import Parts


class Run(RunListener):
    """Lives from one connect() to its disconnect().

    receiver: gets the messages in place of the callbacks, by way of the inbox. on_ready: called on the reader when
    subscribed. on_over: called there at the end, of whatever kind.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        receiver: Optional[Receiver] = None,
        on_ready: Callable[[], None],
        on_over: Callable[[], None],
    ) -> None:
        number, clock, inbox = next_number(), parts.clock, parts.inbox
        self._on_ready = on_ready
        self._on_over = on_over
        self.intake = Intake(inbox, receiver, clock, number) if inbox is not None and receiver is not None else None
        self.delivery = Delivery(parts, number, self.intake)
        self.connection = Connection(parts, self, number)
        self.ended = clock.event()  # by itself, or disconnect() is done
        self.reported = clock.event()  # on_error has heard why it ended
        self.stopping = False
        self.stopped = clock.event()  # disconnect() is done
        self.left = False  # its threads have had their last word in what it shares with the next run
        self.outbox_worker: Optional[Worker] = None
        self._is_over = False
        self._close_by: Optional[float] = None  # on the clock; see close_when_over
        self._clock = clock

    @property
    def error(self) -> Optional[WxError]:
        """Why the run ended by itself."""
        return self.connection.ended_by

    @property
    def workers(self) -> List[Joinable]:
        """Its threads, but for those of the callbacks."""
        inbox_worker = None if self.intake is None else self.intake.worker
        return [*self.connection.workers, *(each for each in (self.outbox_worker, inbox_worker) if each is not None)]

    @property
    def is_at_work(self) -> bool:
        """True on a thread that this run lives by: the user's logger, or store, is called there."""
        return any(worker.is_current for worker in self.workers)

    @property
    def is_inside(self) -> bool:
        """True on any thread of this run, which others may be waiting for."""
        return self.delivery.is_inside or self.is_at_work

    def alive(self, deadline: float) -> List[str]:
        """Join the threads of a stopped run until *deadline*; the names of those still alive but for the caller's own.

        On one of its own threads it does not wait: two callbacks must not wait for each other.
        """
        if self.is_inside:
            deadline = self._clock.now()
        alive = join_all(self.workers, self._clock, deadline)
        self.delivery.drain(deadline)
        return alive + self.delivery.close(deadline)

    def close_when_over(self, deadline: float) -> None:
        """Let the callbacks that wait run until *deadline*, and end their threads, as soon as the reader is done."""
        self._close_by = deadline
        if self._is_over:  # perhaps the reader did not see the line above any more
            self.delivery.close(self._clock.now())

    def connected(self) -> None:
        self.delivery.report("connected")

    def authenticated(self) -> None:
        self._on_ready()
        if self.intake is not None:
            self.intake.subscribed()
        self.delivery.report("authenticated")

    def disconnected(self, reason: str) -> None:
        self.delivery.report("disconnected", reason)

    def reconnecting(self, attempt: int) -> None:
        self.delivery.report("reconnecting", attempt)

    def failed(self, error: WxError) -> None:
        self.delivery.report("error", error)

    def pushed(self, frames: List[WsFrame]) -> None:
        self.delivery.pushed(frames)

    def gave_up(self, item: OutboxItem, error: WxError, done: Callable[[], None]) -> bool:
        return self.delivery.report_then(done, "outbox_given_up", item, error)

    def over(self) -> None:
        self._on_over()
        if self.intake is not None:
            self.intake.stop()
        self.delivery.after_news(self.reported.set)
        self._is_over = True
        if self._close_by is not None:
            self.delivery.drain(self._close_by)
            self.delivery.close(self._clock.now())
        if not self.stopping:
            self.ended.set()
