"""Inbox: what was received and is not handled yet.

One write takes in a whole batch: its messages, the cursor behind it, the users' newest context tokens, and what
duplicates and quotes are recognised by. It is made before anything is handled, so a killed process loses nothing.
"""

from __future__ import annotations

import math
import secrets
import threading
from dataclasses import dataclass
from typing import Callable, Dict, List, Optional, Sequence

from ..log import get_logger
from ..runtime.clock import Clock
from ..runtime.store import Change, Delete, Put
from .config import WeixinConfig
from .inbound import MessageKeys, SeenMessages, is_for_handler, keys_of
from .inbox_rules import CursorProgress
from .jsontext import dump_json
from .state import Book, parsed
from .tables import CONTEXT_TOKENS, CURSOR, INBOX, SEEN, STATE
from .wire import WeixinMessage

log = get_logger(__name__)

TRIM_EVERY = 1000  # messages between two clean-ups of the store; each costs milliseconds


@dataclass(frozen=True)
class Entry:
    """A message in the inbox. batch: the number it is counted under."""

    key: str
    message: WeixinMessage
    batch: int
    redelivered: bool = False


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
        self._untrimmed = 0  # messages taken in since the last clean-up

    def left_over(self) -> List[Entry]:
        """The unfinished messages of an earlier run, oldest first, to be handled before anything else.

        Also recalls what was seen lately. Called once, before the first ``accept``. Raises what the store raises.
        """
        self._recall_seen()
        left: Dict[str, WeixinMessage] = {}
        for key, text in self._book.store.items(INBOX):
            message = parsed(text)
            if message is None:
                log.warning("an unreadable message in the store is left out")
                self._book.store.write([Delete(INBOX, key)])
            else:
                left[key] = message
        batch = self._progress.begin(len(left), (self._book.cursor() or None) if left else None)
        self._book.trim()
        return [Entry(key, message, batch, redelivered=True) for key, message in left.items()]

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

    def accept(self, messages: Sequence[WeixinMessage], cursor: Optional[str], *, epoch: int) -> List[Entry]:
        """Write one batch and the *cursor* behind it (None: no new one); its new messages, to be handled.

        epoch: the book's, when the batch was asked for; of a batch for an older token only the messages count. Raises
        what the store raises; then nothing was taken in and the cursor stays.
        """
        now, wall = self._clock.now(), self._clock.wall()
        new = self._new_messages(messages, now)
        owned = self._token_changes(messages, wall)
        if cursor is not None:
            owned.append(Put(STATE, CURSOR, cursor, wall))
        current = self._book.write_of(epoch, self._changes(new, wall), owned)
        for message in new.values():
            self._seen.add(keys_of(message), now)
        with self._lock:
            batch = self._progress.begin(len(new), cursor if current else None)
            self._tell_reached()
        self._trim_now_and_then(max(len(messages), 1))
        return [Entry(key, message, batch) for key, message in new.items()]

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

    def _new_messages(self, messages: Sequence[WeixinMessage], now: float) -> Dict[str, WeixinMessage]:
        """Those for the handler that were not seen before, under fresh keys. Remembers nothing yet."""
        batch = SeenMessages(self._config.dedupe_window, max(len(messages), 1))
        new: Dict[str, WeixinMessage] = {}
        for message in messages:
            if not is_for_handler(message) or self._seen.knows(keys_of(message), now):
                continue
            if batch.is_new(message, now):
                new[secrets.token_hex(8)] = message
        return new

    def _changes(self, new: Dict[str, WeixinMessage], wall: float) -> List[Change]:
        changes: List[Change] = []
        for key, message in new.items():
            changes.append(Put(INBOX, key, dump_json(message.to_dict()).decode(), wall))
            changes += [Put(SEEN, one, str(wall), wall) for one in keys_of(message) if one]
            changes += self._book.quote_changes(message.from_user_id or "", message)
        for user_id in dict.fromkeys(message.from_user_id for message in new.values()):
            changes += self._heard(user_id) if user_id else []
        return changes

    @staticmethod
    def _token_changes(messages: Sequence[WeixinMessage], wall: float) -> List[Change]:
        # A duplicate may bring another token; received last, it is the newest (docs/protocol/ilink, 2).
        tokens = {one.from_user_id: one.context_token for one in messages if one.from_user_id and one.context_token}
        return [Put(CONTEXT_TOKENS, user_id, str(token), wall) for user_id, token in tokens.items()]


def _time_of(text: str) -> Optional[float]:
    """Seconds since 1970 in a row of the store; None when it holds no time."""
    try:
        seconds = float(text)
    except (ValueError, TypeError):  # TypeError: a store of somebody's own may hold anything
        return None
    return seconds if math.isfinite(seconds) else None
