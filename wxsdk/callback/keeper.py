"""The one thread of a CallbackClient: flushes snapshots, ends old streams, and looks after dead workers' messages."""

from __future__ import annotations

import threading
from functools import partial
from typing import Dict, List, Protocol, Sequence, Tuple

from ..aibot.frames import WsFrame
from ..log import get_logger
from ..runtime.clock import Clock
from ..runtime.store import Change
from ..runtime.worker import Worker, join_all, next_number
from .config import CallbackOptions
from .desk import Desk
from .exchange import Exchange

log = get_logger(__name__)

BEAT_EVERY = 5.0  # seconds between two signs of life, and two looks for orphans; docs/architecture.rst
LOOK_EVERY = 0.1  # seconds between two looks for messages that other workers took in; ours
LOOK_AFTER = 5.0  # seconds that this goes on after the last message: a worker may just have addressed one
TRIM_EVERY = 600.0  # seconds; ours


class Keepable(Protocol):
    """What the keeper lets its client do."""

    def publish(self, exchange: Exchange) -> None: ...

    def rescue(self, exchange: Exchange) -> None: ...

    def hand_over_again(self, key: str, frame: WsFrame, age: float) -> None: ...

    def look_for_addressed(self) -> None: ...


class Keeper:
    """Made for one run of the client. Its thread waits for the next thing that is due, not in steps."""

    def __init__(self, options: CallbackOptions, desk: Desk, clock: Clock, client: Keepable) -> None:
        self._options = options
        self._desk = desk
        self._clock = clock
        self._client = client
        self._number = next_number()
        self._condition = threading.Condition(threading.Lock())
        self._dirty: Dict[str, Exchange] = {}
        self._watched: Dict[str, Exchange] = {}  # streams that the platform knows, until they are collected
        self._ended_at: Dict[str, float] = {}  # of those that are finished
        self._owed: Dict[Tuple[str, ...], Sequence[Change]] = {}
        self._stopped = False
        self._poked = False  # what is due has changed
        self._look_until = 0.0
        self._flush_at = self._beat_at = self._trim_at = self._look_at = clock.now()
        self._worker = Worker(f"wxsdk-callback-keep-{self._number}", self._run)
        self._posts: List[Worker] = []

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Flush, leave, and end the threads within *timeout* seconds; True when they have ended."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()
        return not join_all([self._worker, *self._posts], self._clock, self._clock.now() + timeout)

    def note_changed(self, exchange: Exchange) -> None:
        """The snapshot of *exchange* is to be seen by others, soon."""
        with self._condition:
            if not self._dirty:
                self._poke()
            self._dirty[exchange.stream_id] = exchange

    def watch(self, exchange: Exchange) -> None:
        """The platform was answered with the beginning of a stream, or the handler of such a one has ended."""
        with self._condition:
            self._watched[exchange.stream_id] = exchange
            self._poke()

    def expect_addressed(self) -> None:
        """This worker handles messages of a chat, so others take further ones in for it."""
        with self._condition:
            now = self._clock.now()
            if now >= self._look_until:
                self._poke()
            self._look_until = now + LOOK_AFTER

    def owe(self, keys: Sequence[str], changes: Sequence[Change]) -> None:
        """Mark messages as handled later: the store failed."""
        with self._condition:
            self._owed[tuple(keys)] = changes

    def _poke(self) -> None:
        self._poked = True
        self._condition.notify_all()

    # -- the thread ----------------------------------------

    def _run(self) -> None:
        while True:
            with self._condition:
                self._clock.wait_for(self._condition, self._is_due, self._pause())
                stopped, self._poked = self._stopped, False
                dirty: List[Exchange] = []
                if stopped or self._clock.now() >= self._flush_at:
                    dirty, self._dirty = list(self._dirty.values()), {}
            self._do(self._flush, dirty)
            if stopped:
                self._do(self._desk.leave)
                return
            now = self._clock.now()
            self._do(self._look_after, now)
            if now >= self._look_at and (now < self._look_until or now >= self._beat_at):
                self._look_at = now + LOOK_EVERY
                self._do(self._client.look_for_addressed)
            if now >= self._beat_at:
                self._beat_at = now + BEAT_EVERY
                self._do(self._beat)
            if now >= self._trim_at:
                self._trim_at = now + TRIM_EVERY
                self._do(self._desk.trim, 2 * self._options.max_request_age)

    def _is_due(self) -> bool:
        return self._stopped or self._poked or (bool(self._dirty) and self._clock.now() >= self._flush_at)

    def _pause(self) -> float:
        """Seconds until something is due by itself."""
        now = self._clock.now()
        times = [self._trim_at, self._beat_at]
        if now < self._look_until:
            times.append(self._look_at)
        if self._dirty:
            times.append(self._flush_at)
        for stream_id, exchange in self._watched.items():
            ended = self._ended_at.get(stream_id)
            if ended is not None:
                times.append(ended + self._options.collect_timeout)
            elif not exchange.bubble_over:
                times.append(exchange.started_at + self._options.stream_life)
        return max(min(times) - now, 0.0)

    def _flush(self, dirty: List[Exchange]) -> None:
        if dirty:
            self._flush_at = self._clock.now() + self._options.flush_interval
        for exchange in dirty:
            self._client.publish(exchange)

    def _look_after(self, now: float) -> None:
        """End streams whose life is over, and rescue those whose end is not asked for."""
        with self._condition:
            watched = list(self._watched.items())
        for stream_id, exchange in watched:
            exchange.expire(self._options.stream_life)
            if not exchange.settled:
                continue
            if exchange.collected:
                self._forget(stream_id)
                self._client.rescue(exchange)
            elif stream_id not in self._ended_at:
                self._ended_at[stream_id] = now
            elif now >= self._ended_at[stream_id] + self._options.collect_timeout:
                self._forget(stream_id)
                # On a thread of its own: a POST may take request_timeout seconds, and streams go on meanwhile.
                self._posts = [post for post in self._posts if post.alive]
                post = Worker(f"wxsdk-callback-post-{next_number()}", partial(self._client.rescue, exchange))
                self._posts.append(post)
                post.start()

    def _forget(self, stream_id: str) -> None:
        with self._condition:
            self._watched.pop(stream_id, None)
            self._ended_at.pop(stream_id, None)

    def _beat(self) -> None:
        with self._condition:
            owed, self._owed = self._owed, {}
        for keys, changes in owed.items():
            try:
                self._desk.finished(keys, changes)
            except Exception:  # noqa: BLE001  tried again with the next beat
                with self._condition:
                    self._owed.setdefault(keys, changes)
        if not self._desk.store.durable:
            return
        self._desk.beat()
        wall = self._clock.wall()
        for key, row in self._desk.orphans():
            self._client.hand_over_again(key, row.frame, wall - row.at)

    @staticmethod
    def _do(step: object, *args: object) -> None:
        """Run one step; a failing store must not end the thread."""
        try:
            step(*args)  # type: ignore[operator]
        except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
            log.warning("a step of the callback keeper failed and is tried again: %s", type(exc).__name__)
