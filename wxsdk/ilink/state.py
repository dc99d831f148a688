"""Book: what a client remembers beyond one run, all of it in the store."""

from __future__ import annotations

import itertools
import threading
from functools import partial
from typing import List, Optional

from ..log import get_logger
from ..runtime.clock import Clock
from ..runtime.forked import tell_of_forks
from ..runtime.store import Change, Clear, Delete, Put, Store
from ..runtime.store_writer import writer_for
from .config import WeixinConfig
from .inbound import message_id_of
from .jsontext import dump_json, load_json
from .quotes import quotable
from .tables import (
    CONTEXT_TOKEN_AGE,
    CONTEXT_TOKENS,
    CURSOR,
    QUOTA,
    QUOTES,
    SEEN,
    STATE,
    TOKEN,
    fingerprint,
    quote_key,
)
from .wire import WeixinMessage, decode_message

log = get_logger(__name__)

SPARE_QUOTES = 10  # per cent of max_quotes that sends may add before the oldest are dropped
TRIM_QUOTAS_EVERY = 1000  # sends; rows of users who got nothing for a whole window are dropped then


class Book:
    """Cursor, owner of the state and remembered messages. Any thread may use it; what the store raises is passed on."""

    def __init__(self, store: Store, config: WeixinConfig, clock: Clock) -> None:
        self.store = writer_for(store, clock)
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()
        self._owner: Optional[str] = None
        self._sends = itertools.count()  # of this process
        self.epoch = 0  # goes up with each new token
        tell_of_forks(self)

    # whose state it is

    def belongs_to(self, token: str) -> bool:
        """Whether the state is known to be that of *token*. Reads no store."""
        return self._owner == fingerprint(token)

    def claim(self, token: str) -> None:
        """The state belongs to *token* now. With another one than last time, cursor, context tokens and quotas go."""
        if self.belongs_to(token):
            return
        mark = fingerprint(token)
        with self._lock:
            known = self.store.get(STATE, TOKEN)
            if known != mark:
                changes: List[Change] = [Put(STATE, TOKEN, mark, self._clock.wall())]
                if known is not None:
                    log.info("another bot token than before: the cursor, context tokens and quotas are dropped")
                    changes = [Delete(STATE, CURSOR), Clear(CONTEXT_TOKENS), Clear(QUOTA), *changes]
                self.store.write(changes)
            self._owner = mark
            self.epoch += 1

    def write_of(self, epoch: int, changes: List[Change], owned: List[Change]) -> bool:
        """Write *changes*, and *owned* as well if no new token came since *epoch*; whether it did not."""
        with self._lock:
            current = epoch == self.epoch
            written = changes + owned if current else changes
            if written:
                self.store.write(written)
        return current

    def cursor(self) -> str:
        """The newest stored cursor, "" for none."""
        return self.store.get(STATE, CURSOR) or ""

    def begin_after(self, cursor: str) -> None:
        """Make *cursor* the stored one, whatever came before."""
        with self._lock:
            self.store.write([Put(STATE, CURSOR, str(cursor), self._clock.wall())])

    # messages that may be quoted by their id alone

    def quote_changes(self, user_id: str, message: WeixinMessage) -> List[Change]:
        """What remembers *message* of the conversation with *user_id*."""
        message_id = message_id_of(message)
        if not message_id or not self._config.max_quotes:
            return []
        text = dump_json(quotable(message).to_dict()).decode()
        return [Put(QUOTES, quote_key(user_id, message_id), text, self._clock.wall())]

    def quoted(self, user_id: str, message_id: str) -> Optional[WeixinMessage]:
        """The remembered message of that id."""
        return parsed(self.store.get(QUOTES, quote_key(user_id, message_id)))

    # size

    def trim_after_send(self) -> None:
        """Drop now and then what sends alone make too much of: a bot that only sends never calls ``trim``."""
        number = next(self._sends)  # from 0: a program that sends once each time it runs drops its part, too
        limit = self._config.max_quotes
        if limit and number % max(limit * SPARE_QUOTES // 100, 1) == 0:
            self.store.soon(partial(self.store.trim, QUOTES, max_count=limit))
        if number % TRIM_QUOTAS_EVERY == 0:
            self.store.soon(partial(self.store.trim, QUOTA, before=self._clock.wall() - self._config.quota_window))

    def trim(self) -> None:
        """Drop what is too old or too much."""
        wall = self._clock.wall()
        self.store.trim(SEEN, max_count=2 * self._config.max_seen_ids, before=wall - self._config.dedupe_window)
        self.store.trim(QUOTES, max_count=self._config.max_quotes)
        self.store.trim(CONTEXT_TOKENS, before=wall - CONTEXT_TOKEN_AGE)
        self.store.trim(QUOTA, before=wall - self._config.quota_window)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()  # in the child; a thread of the parent may have held the old one


def parsed(text: Optional[str]) -> Optional[WeixinMessage]:
    """The message in a stored row; None when there is none, or none that can be read."""
    try:
        return None if text is None else decode_message(load_json(text.encode("utf-8", "replace")))
    except ValueError:
        return None
