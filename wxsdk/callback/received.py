"""One message of the platform on its way to a receiver (``runtime/receiver``)."""

from __future__ import annotations

from typing import Any, Callable, Sequence

from ..aibot.frames import WsFrame
from ..runtime.store import Change, Store

Finish = Callable[[Sequence[str], Sequence[Change]], None]


class CallbackReceived:
    """See ``runtime.receiver.Received``. origin: a WsFrame, without a req_id."""

    __slots__ = ("_finish", "_store", "key", "origin", "redelivered")

    def __init__(self, key: str, frame: WsFrame, store: Store, redelivered: bool, finish: Finish) -> None:
        self.key = key
        self.origin: Any = frame
        self.redelivered = redelivered
        self._store = store
        self._finish = finish

    @property
    def store(self) -> Store:
        return self._store

    def finish(self, changes: Sequence[Change] = (), also: Sequence[Any] = ()) -> None:
        self._finish([self.key, *(other.key for other in also)], changes)
