"""Keeps what was received and is not handled yet.

One write takes in a whole batch: its messages, the cursor behind it, the users' newest context tokens, and what
duplicates and quotes are recognised by. It is made before anything is handled, so a killed process loses nothing.
"""

from __future__ import annotations

import itertools
import math
import secrets
import threading
from typing import Callable, Dict, List, Optional, Sequence, Union

from ..log import get_logger
from ..runtime.clock import Clock
from ..runtime.store import Change, Delete, Put
from .config import WeixinConfig
from .inbound import MessageKeys, SeenMessages
from .inbox_rules import CursorProgress
from .raw_message import RawMessage
from .state import Book, parsed
from .tables import CONTEXT_TOKENS, CURSOR, INBOX, QUOTES, SEEN, STATE, quote_key
from .wire import WeixinMessage

log = get_logger(__name__)

TRIM_EVERY = 1000  # messages between two clean-ups of the store; each costs milliseconds


class Entry:
    """A message in the inbox. batch: the number it is counted under."""

    __slots__ = ("batch", "key", "raw", "redelivered")

    def __init__(self, key: str, raw: Union[RawMessage, WeixinMessage], batch: int, redelivered: bool = False) -> None:
        self.key = key
        self.raw = RawMessage.of(raw)
        self.batch = batch
        self.redelivered = redelivered

    @property
    def user_id(self) -> str:
        """Who wrote it."""
        return self.raw.user_id

    @property
    def message(self) -> WeixinMessage:
        """The message, decoded when it is first read."""
        return self.raw.message


class Inbox:
    """The inbox of one run. One thread takes batches in; any thread finishes entries.

    tell(cursor) is called for each cursor up to which everything has been handled, in order, under a lock: it must not
    block. heard(user_id) gives what to write when a user wrote.
    """

    def __init__(
        self,
        book: Book,
        config: WeixinConfig,
        clock: Clock,
        *,
        tell: Callable[[str], None],
        heard: Callable[[str], List[Change]],
    ) -> None:
        self._book = book
        self._config = config
        self._clock = clock
        self._tell = tell
        self._heard = heard
        self._lock = threading.Lock()
        self._progress = CursorProgress()
        self._seen = SeenMessages(config.dedupe_window, config.max_seen_ids)
        self._prefix = f"{secrets.token_hex(4)}-"  # keys of this run; no other run has them
        self._numbers = itertools.count()
        self._untrimmed = 0  # messages taken in since the last clean-up

    def recover(self) -> List[Entry]:
        """The unfinished messages of an earlier run, oldest first, to be handled before anything else.

        Also recalls what was seen lately and cleans up. Called once, before the first ``accept``. Raises what the store
        raises.
        """
        self._recall_seen()
        left = self._read_unfinished()
        self._book.trim()
        batch = self._progress.begin(len(left), (self._book.cursor() or None) if left else None)
        return [Entry(key, message, batch, redelivered=True) for key, message in left.items()]

    def _read_unfinished(self) -> Dict[str, WeixinMessage]:
        left: Dict[str, WeixinMessage] = {}
        unreadable: List[Change] = []
        for key, text in self._book.store.items(INBOX):
            message = parsed(text)
            if message is None:
                unreadable.append(Delete(INBOX, key))
            else:
                left[key] = message
        if unreadable:
            log.warning("%d unreadable message(s) in the store are left out", len(unreadable))
            self._book.store.write(unreadable)
        return left

    def _recall_seen(self) -> None:
        # The store has the time of day, which may jump; in memory only the passing of time counts.
        now, wall = self._clock.now(), self._clock.wall()
        unreadable = 0
        for key, at in self._book.store.items(SEEN):
            seen_at = _time_of(at)
            if seen_at is None:
                unreadable += 1
                continue
            keys = MessageKeys(key, "") if key.startswith("id:") else MessageKeys("", key)
            self._seen.add(keys, now - max(wall - seen_at, 0.0))
        if unreadable:
            log.warning("%d message(s) seen before cannot be recalled, so they may come twice", unreadable)

    def accept(
        self, messages: Sequence[Union[RawMessage, WeixinMessage]], cursor: Optional[str], *, epoch: int
    ) -> List[Entry]:
        """Write one batch and the *cursor* behind it (None: no new one); its new messages, to be handled.

        epoch: the book's, when the batch was asked for; of a batch for an older token only the messages count. Raises
        what the store raises; then nothing was taken in and the cursor stays.
        """
        now, wall = self._clock.now(), self._clock.wall()
        came = list(map(RawMessage.of, messages))
        new = self._new_messages(came, now)
        owned = self._token_changes(came, wall)
        if cursor is not None:
            owned.append(Put(STATE, CURSOR, cursor, wall))
        current = self._book.write_of(epoch, self._changes(new, wall), owned)
        self._seen.add_many([raw.keys for raw in new.values()], now)
        with self._lock:
            batch = self._progress.begin(len(new), cursor if current else None)
            self._tell_reached()
        self._trim_now_and_then(max(len(messages), 1))
        return [Entry(key, raw, batch) for key, raw in new.items()]

    def finish(self, entry: Entry, changes: Sequence[Change] = (), also: Sequence[Entry] = ()) -> None:
        """The handler of *entry*, and of those in *also*, returned or raised: take it out and apply *changes*, at once.

        Never raises. What a store in trouble does not take is written when it is well again; if the process dies before
        that, the message comes again.
        """
        finished = (entry, *also)
        self._book.store.mark([*(Delete(INBOX, each.key) for each in finished), *changes])
        with self._lock:
            for each in finished:
                self._progress.handled(each.batch)
            self._tell_reached()

    def _trim_now_and_then(self, count: int) -> None:
        self._untrimmed += count
        if self._untrimmed >= TRIM_EVERY:
            self._untrimmed = 0
            self._book.store.soon(self._book.trim)

    def _tell_reached(self) -> None:
        for cursor in self._progress.reached():
            self._tell(cursor)

    def _new_messages(self, came: Sequence[RawMessage], now: float) -> Dict[str, RawMessage]:
        """Those for the handler that were not seen before, under fresh keys. Remembers nothing yet."""
        new: Dict[str, RawMessage] = {}
        batch = SeenMessages(self._config.dedupe_window, max(len(came), 1))
        for raw in came:
            if not raw.is_for_handler:
                continue
            keys = raw.keys
            if not self._seen.knows(keys, now) and not batch.knows(keys, now):
                new[f"{self._prefix}{next(self._numbers):x}"] = raw
            batch.add(keys, now)
        return new

    def _changes(self, new: Dict[str, RawMessage], wall: float) -> List[Change]:
        changes: List[Change] = []
        at = str(wall)
        quotes = self._config.max_quotes > 0
        for key, raw in new.items():
            changes.append(Put(INBOX, key, raw.row(), wall))
            changes += [Put(SEEN, one, at, wall) for one in raw.keys if one]
            if quotes and raw.message_id:
                changes.append(Put(QUOTES, quote_key(raw.user_id, raw.message_id), raw.quote_row(), wall))
        for user_id in dict.fromkeys(raw.user_id for raw in new.values()):
            changes += self._heard(user_id) if user_id else []
        return changes

    @staticmethod
    def _token_changes(came: Sequence[RawMessage], wall: float) -> List[Change]:
        # A duplicate may bring another token; received last, it is the newest (docs/protocol/ilink, 2).
        tokens = {raw.user_id: raw.context_token for raw in came if raw.user_id and raw.context_token}
        return [Put(CONTEXT_TOKENS, user_id, token, wall) for user_id, token in tokens.items()]


def _time_of(text: str) -> Optional[float]:
    """Seconds since 1970 in a row of the store; None when it holds no time."""
    try:
        seconds = float(text)
    except (ValueError, TypeError):  # TypeError: a store of somebody's own may hold anything
        return None
    return seconds if math.isfinite(seconds) else None
