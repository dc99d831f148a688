"""A message of the inbox on its way through a receiver (``runtime/receiver``)."""

from __future__ import annotations

from typing import Sequence

from ..runtime.store import Change, Store
from .context import MessageContext
from .inbox import Entry, Inbox


class EntryReceived:
    """See ``Received``. origin: the MessageContext."""

    __slots__ = ("_entry", "_inbox", "origin", "store")

    def __init__(self, entry: Entry, context: MessageContext, inbox: Inbox, store: Store) -> None:
        self._entry = entry
        self._inbox = inbox
        self.origin = context
        self.store = store

    @property
    def key(self) -> str:
        return self._entry.key

    @property
    def redelivered(self) -> bool:
        return self._entry.redelivered

    def finish(self, changes: Sequence[Change] = (), also: Sequence[EntryReceived] = ()) -> None:
        self._inbox.finish(self._entry, changes, [each._entry for each in also])
