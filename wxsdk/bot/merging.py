"""Merger: holds what users say back for the merge window, and gives on as one message what came within it."""

from __future__ import annotations

import threading
from typing import Callable, Hashable, List

from ..runtime.clock import Clock
from ..runtime.worker import Worker, next_number
from .merge_rules import Buckets, merged_facts
from .message import Message


class Merger:
    """The messages that wait for others of their lane, and the thread that gives them on. Any thread.

    give_on(message): called for each one in the order of its lane, never under the lock.
    """

    def __init__(self, window: float, clock: Clock, give_on: Callable[[Message], None]) -> None:
        self._clock = clock
        self._give_on = give_on
        self._changed = threading.Condition(threading.Lock())  # guards what follows
        self._buckets: Buckets[Message] = Buckets(window)
        self._stopped = False
        self._worker = Worker(f"wxsdk-bot-merge-{next_number()}", self._run)

    @property
    def queued(self) -> int:
        return len(self._buckets)

    def start(self) -> None:
        self._worker.start()

    def stop(self, deadline: float) -> List[str]:
        """Give nothing on any more: what waits stays in its inbox. The thread's name if it is alive at *deadline*."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        return [] if self._worker.join(deadline - self._clock.now()) else [self._worker.name]

    def add(self, lane: Hashable, message: Message) -> None:
        """Hold *message* back."""
        with self._changed:
            self._buckets.add(lane, message, self._clock.now())
            self._changed.notify_all()

    def flush(self, lane: Hashable) -> None:
        """Give on what waits of *lane*, since something follows that does not wait."""
        with self._changed:
            waiting = self._buckets.take(lane)
        if waiting:
            self._give_on(merge(waiting))

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopped:
                    return
                due = self._buckets.take_due(self._clock.now())
                if not due:
                    hour = self._buckets.next_hour()
                    self._clock.wait(self._changed, None if hour is None else hour - self._clock.now())
                    continue
            for messages in due:
                self._give_on(merge(messages))


def merge(messages: List[Message]) -> Message:
    """*messages* of one lane as one, which is answered and marked as handled for all of them."""
    if len(messages) == 1:
        return messages[0]
    newest = messages[-1]
    facts = merged_facts([each.facts for each in messages])
    return Message(newest.adapter, newest.received, facts, messages[:-1])
