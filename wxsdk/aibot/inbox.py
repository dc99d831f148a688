"""Brings received frames to a receiver (``runtime/receiver``), by way of the store where that is durable.

The platform pushes a message once, so it is on the disk before the receiver gets it; what was not handled when the
process died is handed over at the next start. A thread of its own writes, so that the reader never waits for a disk.
"""

from __future__ import annotations

import secrets
import threading
from typing import Any, List, Optional, Sequence

from ..runtime.clock import Clock
from ..runtime.receiver import Received, Receiver
from ..runtime.store import Change, Delete, Put, Store
from ..runtime.worker import Worker
from .config import WSClientOptions
from .frames import WsFrame
from .inbox_rules import decode_row, encode_row
from .logger import BotLog
from .seen import SeenIds

INBOX = "aibot_inbox"  # and the bot_id, as behind the next one: any key -> the frame, in the order of arrival
SEEN = "aibot_seen"  # msgid -> "", against duplicates that come after a restart
TRIM_EVERY = 200  # batches between two clean-ups of the store


class Inbox:
    """The rows of one client that are received and not handled. Any thread may use it."""

    def __init__(self, store: Store, options: WSClientOptions, clock: Clock, log: BotLog) -> None:
        self.store = store
        self.is_durable = store.durable  # looked at anew by ``recall``: every message asks
        self._table = f"{INBOX} {options.bot_id}"
        self._seen_table = f"{SEEN} {options.bot_id}"
        self._max_seen = options.max_seen_ids
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._owed: List[Change] = []  # what a failing store did not take; the next write makes up for it
        self._batches = 0

    def recall(self, seen: SeenIds) -> None:
        """Note in *seen* the messages of earlier runs. Raises what the store raises."""
        self.is_durable = self.store.durable
        if self.is_durable:
            self.store.trim(self._seen_table, max_count=self._max_seen)
            for msgid, _ in self.store.items(self._seen_table):
                seen.is_new(msgid)

    def left_over(self) -> List[Received]:
        """Return the unfinished messages of an earlier run, oldest first. Raises what the store raises."""
        if not self.is_durable:
            return []
        now, wall = self._clock.now(), self._clock.wall()
        found: List[Received] = []
        for key, text in self.store.items(self._table):
            row = decode_row(text)
            if row is None:
                self._log.warning("an unreadable message in the store is left out")
                self.store.write([Delete(self._table, key)])
                continue
            raw, at = row
            # The store has the time of day, which may jump; in memory only the passing of time counts.
            found.append(FrameReceived(self, key, WsFrame(raw, now - max(wall - at, 0.0)), redelivered=True))
        return found

    def accept(self, frames: Sequence[WsFrame]) -> List[Received]:
        """Write *frames*, where the store is durable, and return them to be handled.

        Never raises: the platform will not push them again, so with a failing store they are handed over all the same.
        """
        if not self.is_durable:
            return [FrameReceived(self, "", frame) for frame in frames]
        batch = [FrameReceived(self, secrets.token_hex(8), frame) for frame in frames]
        wall = self._clock.wall()
        changes: List[Change] = [Put(self._table, one.key, encode_row(one.origin.raw, wall), wall) for one in batch]
        changes += [Put(self._seen_table, one.msgid, "", wall) for one in frames if one.msgid is not None]
        try:
            self.store.write(changes)
            self._trim_now_and_then()
        except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
            self._log.warning(
                "%d message(s) are not in the store, and lost if the process dies before they are handled: %s",
                len(batch),
                type(exc).__name__,
            )
        return list(batch)

    def finish(self, keys: Sequence[str], changes: Sequence[Change]) -> None:
        """Take *keys* out and apply *changes*, in one write. Never raises; what fails is written with the next one."""
        rows = [Delete(self._table, key) for key in keys] if self.is_durable else []
        with self._lock:
            owed, self._owed = self._owed, []
        try:
            self.store.write([*owed, *rows, *changes])
        except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
            self._log.warning(
                "a handled message stays in the store and may be handed over again: %s", type(exc).__name__
            )
            with self._lock:
                self._owed = [*owed, *rows, *changes, *self._owed]

    def _trim_now_and_then(self) -> None:
        self._batches += 1
        if self._batches % TRIM_EVERY == 0:
            self.store.trim(self._seen_table, max_count=self._max_seen)


class FrameReceived:
    """See ``Received``. origin: the WsFrame."""

    __slots__ = ("_inbox", "_key", "origin", "redelivered")

    def __init__(self, inbox: Inbox, key: str, frame: WsFrame, redelivered: bool = False) -> None:
        self._inbox = inbox
        self._key = key
        self.origin: Any = frame
        self.redelivered = redelivered

    @property
    def key(self) -> str:
        """See ``Received``. Without a row it is made when it is asked for, which is rare."""
        if not self._key:
            self._key = secrets.token_hex(8)
        return self._key

    @property
    def store(self) -> Store:
        return self._inbox.store

    def finish(self, changes: Sequence[Change] = (), also: Sequence[FrameReceived] = ()) -> None:
        if changes or self._inbox.is_durable:
            self._inbox.finish([self.key, *(each.key for each in also)], changes)


class Intake:
    """From the reader to the receiver, for one run. ``pushed`` belongs to the reader and never waits."""

    def __init__(self, inbox: Inbox, receiver: Receiver, clock: Clock, number: int) -> None:
        self._inbox = inbox
        self._receiver = receiver
        self._clock = clock
        self._changed = threading.Condition(threading.Lock())  # guards what follows
        self._pending: List[WsFrame] = []
        self._left_over: List[Received] = []
        self._subscribed = False
        self._stopped = False
        self.worker: Optional[Worker] = None
        if inbox.is_durable:
            self.worker = Worker(f"wxsdk-aibot-inbox-{number}", self._run)

    @property
    def queued(self) -> int:
        """How many messages wait, here and at the receiver."""
        return len(self._pending) + self._receiver.queued

    def start(self, left_over: List[Received]) -> None:
        """Start the thread, if there is one. What is *left_over* goes first, once the client is subscribed."""
        self._left_over = left_over
        if self.worker is not None:
            self.worker.start()

    def stop(self) -> None:
        """Take no more; what the thread has not written yet is written and handed over before it ends."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def subscribed(self) -> None:
        """The client can answer, so what is left over of an earlier run may be handled."""
        with self._changed:
            self._subscribed = True
            self._changed.notify_all()

    def pushed(self, frames: List[WsFrame]) -> None:
        """Take new *frames* over, in their order."""
        if self.worker is None:
            self._receiver.received(self._inbox.accept(frames))
            return
        with self._changed:
            self._pending += frames
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._clock.wait_for(self._changed, self._has_work, None)
                left_over: List[Received] = []
                if self._subscribed:
                    left_over, self._left_over = self._left_over, []
                frames, self._pending = self._pending, []
                if self._stopped and not frames:
                    return
            if left_over:
                self._receiver.received(left_over)
            if frames:
                self._receiver.received(self._inbox.accept(frames))

    def _has_work(self) -> bool:
        return bool(self._stopped or self._pending or (self._subscribed and self._left_over))
