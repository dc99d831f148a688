"""Passes the changes of a simulator on to the threads that wait for them and to the listeners that show them."""

from __future__ import annotations

import threading
from typing import Any, Callable, List, Optional

Listener = Callable[[str, Any], None]
"""Gets what happened in one word, and the thing that it happened to. Called with the simulator's lock held, so it must
neither wait nor call back; a queue is a good listener."""


class Changes(threading.Condition):
    """The lock of a simulator, with everything that waits and listens behind it."""

    def __init__(self, lock: Optional[threading.RLock] = None) -> None:
        super().__init__(threading.RLock() if lock is None else lock)
        self._listeners: List[Listener] = []

    @property
    def heard(self) -> bool:
        """Whether there is a listener; what only listeners need is not made without one."""
        return bool(self._listeners)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call *listener* from now on; the returned function ends that."""
        with self:
            self._listeners.append(listener)

        def end() -> None:
            with self:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return end

    def tell(self, what: str, thing: Any = None) -> None:
        """Pass *what* happened to *thing* on to the listeners."""
        if self._listeners:
            with self:
                for listener in list(self._listeners):
                    listener(what, thing)

    def notify_all(self) -> None:
        """Wake every waiting thread, and report an unspecified change."""
        super().notify_all()
        self.tell("changed")
