"""What ``replies`` keeps of a frame that wants an acknowledgement, and of those who wait for one."""

from __future__ import annotations

import queue
from collections import deque
from typing import Callable, Deque, Optional, Union

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


class Line:
    """The callers that wait on one req_id, first come first served, and the queue that brings their outcomes."""

    __slots__ = ("callers", "queue")

    def __init__(self) -> None:
        self.queue: queue.Queue[Call] = queue.Queue()
        self.callers: Deque[Call] = deque()
