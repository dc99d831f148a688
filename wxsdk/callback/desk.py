"""Keeps the callbacks of one bot in its store: the inbox, the answers for other workers, and what was used once."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..aibot.frames import WsFrame
from ..log import get_logger
from ..runtime.clock import Clock
from ..runtime.store import Change, Delete, Put, Store, put_if_absent
from .exchange import Record

log = get_logger(__name__)

# The tables' names, each followed by the bot_id.
INBOX = "callback_inbox"  # message key -> a Row as JSON, until it is handled
DONE = "callback_done"  # message key -> "", against a repetition
ANSWERS = "callback_answers"  # stream id -> a Record as JSON, for refreshes and repetitions
COLLECTED = "callback_collected"  # stream id -> "", once the end of the stream was asked for
URLS_USED = "callback_urls_used"  # message key -> "", once its response_url was used
WORKERS = "callback_workers"  # worker id -> "", renewed by each worker that lives
TAKEN_OVER = "callback_taken_over"  # "what/worker id" -> the worker that has it in place of a dead one
LANES = "callback_lanes"  # a chat and user -> the worker that handles their messages now
DEAD_AFTER = 15.0  # seconds without a sign of life; docs/architecture.rst


class Row(NamedTuple):
    """A message that is not handled yet. worker: the id of the worker that handles it; at: seconds since 1970."""

    message: Dict[str, Any]
    cmd: str
    worker: str
    at: float

    @property
    def frame(self) -> WsFrame:
        return WsFrame({"cmd": self.cmd, "headers": {}, "body": self.message})


def lane_of(frame: WsFrame) -> str:
    """Whose messages are handled in order, by one worker at a time: a chat's, in a group one user's."""
    sender = frame.raw_body.get("from")
    return f"{frame.chat}|{sender.get('userid') if isinstance(sender, dict) else ''}"


class Desk:
    """The tables of one bot. Any thread; each method raises what the store raises."""

    def __init__(self, store: Store, bot_id: str, worker: str, clock: Clock) -> None:
        self.store = store
        self.worker = worker
        self._bot_id = bot_id
        self._clock = clock

    def _table(self, name: str) -> str:
        return f"{name} {self._bot_id}"

    def _put(self, table: str, key: str, value: str) -> Put:
        return Put(self._table(table), key, value, self._clock.wall())

    def is_done(self, key: str) -> bool:
        return self.store.get(self._table(DONE), key) is not None

    def take_in(self, key: str, frame: WsFrame) -> bool:
        """Write a new message down. True when this worker is to handle it.

        False when it is known, or when another worker handles messages of the same chat now: that one finds it.
        """
        if self.is_done(key):
            return False
        worker = self.owner_of(lane_of(frame))
        row = Row(frame.raw_body, frame.cmd or "", worker, self._clock.wall())
        if put_if_absent(self.store, self._put(INBOX, key, json.dumps(row, ensure_ascii=False))) is not None:
            return False
        if self.is_done(key):  # by another worker, between the two looks
            self.store.write([Delete(self._table(INBOX), key)])
            return False
        return worker == self.worker

    def owner_of(self, lane: str) -> str:
        """The worker that handles the messages of *lane*: the one that does, or this one from now on."""
        owner = put_if_absent(self.store, self._put(LANES, lane, self.worker))
        if owner is None or owner == self.worker or self._is_alive(owner):
            return owner or self.worker
        claimed = put_if_absent(self.store, self._put(TAKEN_OVER, f"{lane}/{owner}", self.worker))
        if claimed is not None and claimed != self.worker:
            return claimed
        self.store.write([self._put(LANES, lane, self.worker)])
        return self.worker

    def leave_lane(self, lane: str) -> List[Change]:
        """The change that lets any worker handle the next message of *lane*; none when another one has it."""
        mine = self.store.get(self._table(LANES), lane) == self.worker
        return [Delete(self._table(LANES), lane)] if mine else []

    def addressed(self) -> List[Tuple[str, Row]]:
        """The unhandled messages of this worker, those that others have taken in for it included, oldest first."""
        rows = [(key, Row(*json.loads(text))) for key, text in self.store.items(self._table(INBOX))]
        return [(key, row) for key, row in rows if row.worker == self.worker]

    def finished(self, keys: Sequence[str], changes: Sequence[Change]) -> None:
        """Take handled messages out of the inbox and apply *changes*, in one write."""
        handled: List[Change] = []
        for key in keys:
            handled += [Delete(self._table(INBOX), key), self._put(DONE, key, "")]
        self.store.write([*handled, *changes])

    def publish(self, stream_id: str, record: Record) -> None:
        """Let the other workers answer as *record* says."""
        self.store.write([self.put_record(stream_id, record)])

    def publish_first(self, stream_id: str, record: Record) -> None:
        """Publish *record* unless the worker that handles the message has published a better one."""
        put_if_absent(self.store, self.put_record(stream_id, record))

    def put_record(self, stream_id: str, record: Record) -> Put:
        """The change that publishes *record*, for a write with others."""
        return self._put(ANSWERS, stream_id, record.to_json())

    def published(self, stream_id: str) -> Optional[Record]:
        text = self.store.get(self._table(ANSWERS), stream_id)
        return None if text is None else Record.from_json(text)

    def note_collected(self, stream_id: str) -> None:
        """The platform asked for the end of the stream."""
        put_if_absent(self.store, self._put(COLLECTED, stream_id, ""))

    def is_collected(self, stream_id: str) -> bool:
        return self.store.get(self._table(COLLECTED), stream_id) is not None

    def use_url(self, key: str) -> bool:
        """True for the first one of all workers that uses the response_url of the message."""
        return put_if_absent(self.store, self._put(URLS_USED, key, "")) is None

    # -- workers ----------------------------------------

    def beat(self) -> None:
        """This worker lives."""
        self.store.write([self._put(WORKERS, self.worker, str(self._clock.wall()))])

    def leave(self) -> None:
        """This worker ends in good order."""
        self.store.write([Delete(self._table(WORKERS), self.worker)])

    def _is_alive(self, worker: str) -> bool:
        at = self.store.get(self._table(WORKERS), worker)
        return at is not None and self._clock.wall() - float(at) <= DEAD_AFTER

    def orphans(self) -> Iterator[Tuple[str, Row]]:
        """Unhandled messages whose worker shows no life any more, now given to this worker."""
        for key, text in self.store.items(self._table(INBOX)):
            row = Row(*json.loads(text))
            if row.worker == self.worker or self._is_alive(row.worker):
                continue
            claim = self._put(TAKEN_OVER, f"{key}/{row.worker}", self.worker)
            if put_if_absent(self.store, claim) is None and self.owner_of(lane_of(row.frame)) == self.worker:
                mine = row._replace(worker=self.worker)
                self.store.write([self._put(INBOX, key, json.dumps(mine, ensure_ascii=False))])
                yield key, mine

    def trim(self, life: float) -> None:
        """Forget what is older than *life* seconds. The inbox keeps what is not handled."""
        before = self._clock.wall() - life
        for name in (DONE, ANSWERS, COLLECTED, URLS_USED, WORKERS, TAKEN_OVER):
            self.store.trim(self._table(name), before=before)
