"""A receiver for tests of both clients: keeps what it gets, in order."""

from __future__ import annotations

import threading
from typing import Any, Callable, List, Optional

from wxsdk.runtime.receiver import Received

WAIT = 10.0  # seconds for what must happen


class KeepingReceiver:
    """Takes everything and handles nothing."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.got: List[Received] = []

    @property
    def queued(self) -> int:
        return 0

    def received(self, batch: List[Received]) -> None:
        with self._changed:
            self.got += batch
            self._changed.notify_all()

    def wait_for_room(self, limit: int, timeout: Optional[float]) -> bool:
        return True

    def wait_for(self, predicate: Callable[[], Any]) -> None:
        with self._changed:
            assert self._changed.wait_for(predicate, WAIT), f"only this came: {self.got}"
