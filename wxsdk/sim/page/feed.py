"""Numbers the page's events and hands them to its readers, as server-sent events."""

from __future__ import annotations

import json
import secrets
import threading
from collections import deque
from typing import Any, Callable, Deque, Iterator, List, Optional, Tuple

KEPT = 2_000  # events; a reader that missed more gets everything anew
HEARTBEAT = 15.0  # seconds of silence after which a comment shows that the line is alive
RETRY_MS = 1_000  # after which a browser comes back

Snapshot = Callable[[], Any]


class Feed:
    """The events since the start. Any thread may publish; each reader is a thread of its own."""

    def __init__(self, clean: Callable[[str], str]) -> None:
        self._clean = clean
        self._life = secrets.token_hex(4)  # numbers of an earlier process mean nothing
        self._events: Deque[Tuple[int, str]] = deque(maxlen=KEPT)
        self._last = 0
        self._closed = False
        self.changed = threading.Condition(threading.RLock())
        self.readers = 0

    def publish(self, kind: str, data: Any) -> None:
        """Send an event to every reader. Its order is that of the calls."""
        text = self._clean(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
        with self.changed:
            self._last += 1
            self._events.append((self._last, f"event: {kind}\ndata: {text}\n\n"))
            self.changed.notify_all()

    def open(self) -> None:
        """Take readers, after a close too."""
        with self.changed:
            self._closed = False

    def close(self) -> None:
        """End every reader."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()

    def read(self, last_id: Optional[str], snapshot: Snapshot) -> Iterator[str]:
        """Yield what a reader misses since *last_id*, then what happens, until the feed closes.

        A reader that is new, or that missed too much, gets an event "hello" with *snapshot()* first.
        """
        with self.changed:
            self.readers += 1
        try:
            yield f"retry: {RETRY_MS}\n\n"
            position = self._position(last_id)
            closed = False
            while not closed:
                if position is None:
                    with self.changed:  # nothing may be published between the snapshot and its number
                        position = self._last
                        data = snapshot()
                    text = self._clean(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
                    yield f"id: {self._life}-{position}\nevent: hello\ndata: {text}\n\n"
                events, closed = self._after(position)
                if events is None:
                    position = None
                    continue
                for number, text in events:
                    yield f"id: {self._life}-{number}\n{text}"
                    position = number
                if not events and not closed:
                    yield ": still here\n\n"
        finally:
            with self.changed:
                self.readers -= 1

    def _position(self, last_id: Optional[str]) -> Optional[int]:
        life, _, number = (last_id or "").partition("-")
        if life != self._life or not number.isdecimal():
            return None
        with self.changed:
            oldest = self._events[0][0] if self._events else self._last + 1
            return int(number) if oldest - 1 <= int(number) <= self._last else None

    def _after(self, position: int) -> Tuple[Optional[List[Tuple[int, str]]], bool]:
        """Wait for what came after *position*; None when a slow reader has missed more than is kept. And: closed?"""
        with self.changed:
            self.changed.wait_for(lambda: self._closed or self._last > position, HEARTBEAT)
            missed = self._last - position
            if missed > len(self._events):
                return None, self._closed
            return [self._events[index] for index in range(-missed, 0)], self._closed
