"""Feed: the receiver of one client, which brings what it received to the Bot's handlers."""

from __future__ import annotations

from typing import Callable, List, Optional

from ..runtime.receiver import Received
from .adapter import Adapter
from .message import Message
from .workshop import Workshop


class Feed:
    """See ``Receiver``. workshop(): where messages go now; None between two starts."""

    def __init__(self, adapter: Adapter, workshop: Callable[[], Optional[Workshop]]) -> None:
        self._adapter = adapter
        self._workshop = workshop

    @property
    def queued(self) -> int:
        workshop = self._workshop()
        return 0 if workshop is None else workshop.queued

    def received(self, batch: List[Received]) -> None:
        workshop = self._workshop()
        if workshop is None:
            return  # it stays in its inbox
        adapter = self._adapter
        workshop.take_in([Message(adapter, received, adapter.facts(received.origin)) for received in batch])

    def wait_for_room(self, limit: int, timeout: Optional[float]) -> bool:
        workshop = self._workshop()
        return workshop is None or workshop.wait_for_room(limit, timeout)
