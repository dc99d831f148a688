"""Keeps, for ``acks``, a frame that wants an acknowledgement, and the callers that wait for one."""

from __future__ import annotations

import queue
import threading
from collections import deque
from typing import TYPE_CHECKING, Callable, Deque, Optional, Union

from ..errors import WxError
from ..runtime.clock import Event
from ..runtime.wsock import WsConnection
from .frames import WsFrame
from .ticker import Timer

Outcome = Union[WsFrame, WxError]
OnOutcome = Callable[[Outcome], None]

NOT_WRITTEN = -1  # a ticket: the connection refused the frame


class Call:
    """One frame on its way to its one outcome. (Class attributes: most calls leave most of them alone.)"""

    outcome: Optional[Outcome] = None
    decided = False  # an ack won the race against the timeout: the outcome is on its way
    turn: Optional[Event] = None
    timer: Optional[Timer] = None
    ticket: Optional[int] = None
    written_at: Optional[float] = None
    line: Optional[Line] = None
    ws: WsConnection

    def __init__(self, req_id: str, cmd: str, text: str, timeout: float, on_outcome: Optional[OnOutcome]) -> None:
        self.req_id = req_id
        self.cmd = cmd
        self.text = text
        self.timeout = timeout
        self.on_outcome = on_outcome

    @property
    def was_written(self) -> bool:
        """False only when it is certain that no byte went out."""
        if self.written_at is None:
            return False
        # No ticket yet: another thread is writing it at this moment.
        return self.ticket is None or (self.ticket != NOT_WRITTEN and self.ws.was_written(self.ticket))


if TYPE_CHECKING:
    _Queue = queue.Queue[Call]
else:
    # Not gevent's, which it puts in the place of the standard one: that keeps its parts to itself. (A base cannot be
    # subscripted in Python 3.9.)
    _Queue = queue.Queue if queue.Queue.__module__ == "queue" else object


class Outcomes(_Queue):
    """A queue without bounds, for one consumer at a time.

    The two calls that every reply makes, without what bounds and several consumers need, which is half their cost. The
    lock is held by its own name: entering a Condition takes several steps, and Ctrl-C between them would leave it
    locked.
    """

    def __init__(self) -> None:
        self.queue: Deque[Call] = deque()
        self.mutex = threading.Lock()
        self.not_empty = threading.Condition(self.mutex)

    def empty(self) -> bool:
        """Return whether it holds nothing."""
        return not self.queue

    def put_nowait(self, item: Call) -> None:
        """Add *item*."""
        with self.mutex:
            self.queue.append(item)
            self.not_empty.notify()

    def get(self, block: bool = True, timeout: Optional[float] = None) -> Call:
        """Return the next item; raises ``queue.Empty`` after *timeout* seconds, or sooner after a needless wake-up."""
        with self.mutex:
            if not self.queue and block:
                self.not_empty.wait(timeout)
            if not self.queue:
                raise queue.Empty
            item: Call = self.queue.popleft()
            return item


class Line:
    """The callers that wait on one req_id, first come first served, and the queue that brings their outcomes."""

    __slots__ = ("callers", "queue")

    def __init__(self) -> None:
        self.queue = Outcomes()
        self.callers: Deque[Call] = deque()
