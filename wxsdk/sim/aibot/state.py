"""Keeps what the gateway knows: bots, chats, open requests, and each bubble as a client app shows it. Pure: `now`
is an argument.
"""

from __future__ import annotations

import re
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Callable, Deque, Dict, List, Optional, Set, Tuple

from .errors import RATE_LIMITED, Refused
from .uploads import Uploads

REPLY_SECONDS = 24 * 3600.0  # docs/protocol/aibot, 4
EVENT_SECONDS = 5.0  # welcome and card update; docs/protocol/aibot, 1
STREAM_IDLE_SECONDS = 6 * 60.0  # docs/protocol/aibot, 4
STREAM_LIFE_SECONDS = 10 * 60.0
MESSAGES_PER_MINUTE = 30
MESSAGES_PER_HOUR = 1000

_THINK = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_INVISIBLE = dict.fromkeys((8203, 8204, 8205, 8288, 65279, 173))


def visible_text(content: str) -> str:
    """Return what a reader sees of a stream's content: no think block, no zero-width characters, no white space
    around it.
    """
    return _THINK.sub("", content).translate(_INVISIBLE).strip()


@dataclass
class Request:
    """One callback the gateway has pushed; its req_id is what the bot answers with."""

    req_id: str
    bot_id: str
    kind: str
    """``message``, or the event's type."""
    chat: str
    user: str
    at: float
    task_id: Optional[str] = None
    card_sent: bool = False
    welcomed: bool = False
    over: bool = False
    streams: Dict[str, Bubble] = field(default_factory=dict)


@dataclass(eq=False)
class Bubble:
    """One thing the bot has put into a chat. A stream's grows in place."""

    bot_id: str
    chat: str
    kind: str
    via: str
    viewers: Tuple[str, ...]
    started_at: float
    updated_at: float
    req_id: Optional[str] = None
    stream_id: Optional[str] = None
    text: str = ""
    finished: bool = True
    updates: int = 1
    expired: bool = False
    dropped_final: bool = False
    card: Optional[Dict[str, Any]] = None
    cards: Dict[str, Dict[str, Any]] = field(default_factory=dict)
    feedback_id: Optional[str] = None
    images: List[bytes] = field(default_factory=list, repr=False)
    data: Optional[bytes] = field(default=None, repr=False)
    name: Optional[str] = None
    media_id: Optional[str] = None
    title: Optional[str] = None
    description: Optional[str] = None
    raw: List[Dict[str, Any]] = field(default_factory=list, repr=False)
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    """Ours: a name that stays over a restart."""

    def stale(self, now: float) -> bool:
        """True once the platform takes no further frame of this stream (846608)."""
        if self.expired:
            return True
        return now - self.updated_at > STREAM_IDLE_SECONDS or now - self.started_at > STREAM_LIFE_SECONDS


@dataclass(frozen=True)
class Violation:
    """One thing a careful client does not do."""

    rule: str
    detail: str
    connection: int
    cmd: Optional[str] = None


@dataclass
class Settings:
    """The gateway's switches; each may be turned at any time."""

    drops_equal_final: bool = True
    """A final stream frame equal to the one before it is acked and thrown away (docs/protocol/aibot, 4)."""
    enforce_rates: bool = False
    """More than 30 messages a minute or 1000 an hour in one chat are refused with 45009."""
    errors_without_req_id: bool = False
    """Error answers carry no req_id (docs/protocol/aibot, 1)."""
    kick_keeps_open: bool = False
    """The socket of a subscriber who was replaced stays open, and its pings are answered."""
    masked_pong: bool = True
    """A WebSocket ping is answered with a masked frame, as the platform does (docs/protocol/aibot, 2)."""


class World:
    """All state of the gateway. Not thread-safe: its owner holds the lock."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.bots: Dict[str, str] = {}
        self.users: Set[str] = set()
        self.groups: Dict[str, List[str]] = {}
        self.requests: Dict[str, Request] = {}
        self.bubbles: List[Bubble] = []
        self.shown: Dict[str, List[Bubble]] = {}
        """Per user and per group: finished bubbles in the order in which they were finished."""
        self.cards: Dict[Tuple[str, str], Bubble] = {}
        self.task_ids: Set[Tuple[str, str]] = set()
        self.uploads = Uploads()
        self.violations: List[Violation] = []
        self._sent: Dict[Tuple[str, str], Deque[float]] = {}
        self.touched: Callable[[Bubble], None] = lambda bubble: None
        """Called with each bubble that is new or has changed."""

    # -- what goes to the bot ----------------------------------------

    def open_request(
        self, bot_id: str, kind: str, chat: str, user: str, now: float, task_id: Optional[str] = None
    ) -> Request:
        """Mint a req_id for a callback about to be pushed."""
        request = Request(secrets.token_hex(12), bot_id, kind, chat, user, now, task_id)
        self.requests[request.req_id] = request
        return request

    def viewers(self, chat: str) -> Tuple[str, ...]:
        """The users who see what is written into *chat*."""
        return tuple(self.groups[chat]) if chat in self.groups else (chat,)

    def chattype(self, chat: str) -> str:
        return "group" if chat in self.groups else "single"

    # -- what comes from the bot ----------------------------------------

    def new_bubble(self, bot_id: str, chat: str, kind: str, via: str, now: float, **facts: Any) -> Bubble:
        """Put a bubble into *chat*, counting it against the rates. Raises Refused with 45009."""
        self._count(bot_id, chat, now)
        bubble = Bubble(bot_id, chat, kind, via, self.viewers(chat), now, now, **facts)
        self.bubbles.append(bubble)
        if bubble.finished:
            self.show(bubble)
        self.touched(bubble)
        return bubble

    def show(self, bubble: Bubble) -> None:
        """*bubble* is final now: everybody who sees the chat may expect it."""
        for viewer in bubble.viewers:
            self.shown.setdefault(viewer, []).append(bubble)
        if bubble.chat in self.groups:
            self.shown.setdefault(bubble.chat, []).append(bubble)

    def put_card(self, bubble: Bubble, card: Dict[str, Any]) -> None:
        """Attach a checked card to its bubble, to be found by its task_id."""
        bubble.card = card
        feedback = card.get("feedback")
        if feedback and bubble.feedback_id is None:
            bubble.feedback_id = feedback["id"]
        if card.get("task_id"):
            key = (bubble.bot_id, card["task_id"])
            self.task_ids.add(key)
            self.cards[key] = bubble
        self.touched(bubble)

    def _count(self, bot_id: str, chat: str, now: float) -> None:
        if not self.settings.enforce_rates:
            return
        times = self._sent.setdefault((bot_id, chat), deque())
        while times and now - times[0] > 3600:
            times.popleft()
        if len(times) >= MESSAGES_PER_HOUR or sum(now - at < 60 for at in times) >= MESSAGES_PER_MINUTE:
            raise Refused(RATE_LIMITED, "api freq out of limit")
        times.append(now)

    def thinking(self, now: float) -> List[Bubble]:
        """Streams that still turn: neither finished nor given up by the platform."""
        return [bubble for bubble in self.bubbles if not bubble.finished and not bubble.stale(now)]
