"""When to fetch a typing ticket: one per user, refreshed at a random time within 24 h (docs/protocol/ilink, 4)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple, Optional

from ..core.redact import Secret

TICKET_LIFE = 86400.0  # s; docs/protocol/ilink, 4
FIRST_RETRY = 2.0  # s, doubling; docs/protocol/ilink, 4
MAX_RETRY = 3600.0  # s; docs/protocol/ilink, 4
MAX_TICKETS = 10_000  # users remembered


class TicketChoice(NamedTuple):
    """*ticket*: the one to use, None when there is none. *fetch*: ask for a new one first."""

    ticket: Optional[Secret]
    fetch: bool


@dataclass(frozen=True)
class _Entry:
    ticket: Optional[Secret]
    fetch_at: float
    retry: float  # seconds before the next try, should the next fetch fail


class TypingTickets:
    """The tickets of all users. Not thread-safe: its owner holds a lock. Every *now* is of one monotonic clock."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def choose(self, user: str, now: float) -> TicketChoice:
        """What to use for *user* at *now*. After a failed refresh the old ticket still serves."""
        entry = self._entries.get(user)
        return TicketChoice(None, True) if entry is None else TicketChoice(entry.ticket, now >= entry.fetch_at)

    def fetched(self, user: str, ticket: Optional[str], now: float, unit: float) -> None:
        """The platform gave *ticket* (an empty one means that it has none). *unit*: a random number in [0, 1)."""
        self._keep(user, _Entry(Secret(ticket) if ticket else None, now + unit * TICKET_LIFE, FIRST_RETRY))

    def failed(self, user: str, now: float) -> None:
        """The fetch failed: the next one waits 2 s, doubling up to 1 h."""
        entry = self._entries.get(user) or _Entry(None, now, FIRST_RETRY)
        self._keep(user, _Entry(entry.ticket, now + entry.retry, min(entry.retry * 2, MAX_RETRY)))

    def refused(self, user: str, now: float) -> None:
        """sendTyping refused the ticket: forget it, and fetch another no sooner than after a failure."""
        self.failed(user, now)
        entry = self._entries[user]
        self._keep(user, _Entry(None, entry.fetch_at, entry.retry))

    def clear(self) -> None:
        """Forget all tickets, for a new bot."""
        self._entries.clear()

    def _keep(self, user: str, entry: _Entry) -> None:
        self._entries[user] = entry
        self._entries.move_to_end(user)
        while len(self._entries) > MAX_TICKETS:
            self._entries.popitem(last=False)
