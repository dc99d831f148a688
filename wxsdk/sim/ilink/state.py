"""Keeps the state of the simulated iLink platform: mailbox and cursors, bot tokens, and what each conversation may
still be sent.

Pure: no socket, thread or clock; `now` (wall clock, seconds) is an argument. The owner of the lock calls it.
"""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Deque, Dict, List, Optional, Sequence, Tuple

MANNERS = ("replays", "forgets")
WINDOW = 24 * 3600.0  # seconds after a user's last message in which the bot may write; docs/protocol/ilink, 4
QUOTA = 10  # sends per message of the user; docs/protocol/ilink, 4
BURST: Tuple[Tuple[int, float], ...] = (
    (3, 1.0),
    (18, 34.0),
)  # the n-th send within so many seconds is refused; docs/protocol/ilink, 4
TYPING_TTL = 5.0  # seconds that one sendtyping shows; docs/protocol/ilink, 4

Message = Dict[str, Any]


class Mailbox:
    """The messages of all users to the bot, in order, and the cursors handed out for them.

    "replays": an old cursor is answered with everything after it. "forgets": what was handed out once never
    comes again. The empty cursor starts after the furthest cursor that a client came back with.
    """

    def __init__(self, manner: str = "replays", batch: Optional[int] = None) -> None:
        if manner not in MANNERS:
            raise ValueError(f"cursor must be one of {', '.join(MANNERS)}, not {manner!r}")
        self.manner = manner
        self.batch = batch
        self._log: List[Message] = []
        self._cursors: Dict[str, int] = {}
        self._names: Dict[int, str] = {}
        self._acked = 0
        self._handed_out = 0

    def __len__(self) -> int:
        return len(self._log)

    @property
    def last(self) -> Message:
        """The message queued last."""
        return self._log[-1]

    def put(self, message: Message) -> None:
        """Queue a message."""
        self._log.append(message)

    def knows(self, cursor: str) -> bool:
        """Whether this cursor was handed out here (the empty one counts)."""
        return not cursor or cursor in self._cursors

    def waiting(self, cursor: str) -> int:
        """Count the messages that a poll with this cursor would be given without a limit."""
        return len(self._log) - self._start(cursor)

    def take(self, cursor: str) -> Tuple[List[Message], str]:
        """The messages after *cursor*, at most one batch, and the cursor behind them."""
        start = self._start(cursor)
        self._acked = max(self._acked, self._cursors.get(cursor, 0))
        end = len(self._log) if self.batch is None else min(len(self._log), start + self.batch)
        self._handed_out = max(self._handed_out, end)
        return self._log[start:end], self._cursor_at(end)

    def progress(self, message_id: Any) -> Tuple[bool, bool]:
        """Whether the message was handed out, and whether the bot came back with a cursor behind it."""
        for position in range(len(self._log) - 1, -1, -1):
            if self._log[position].get("message_id") == message_id:
                return position < self._handed_out, position < self._acked
        return False, False

    def of(self, user_id: str) -> List[Message]:
        """The messages of one user."""
        return [message for message in self._log if message.get("from_user_id") == user_id]

    def export(self, kept: int) -> Dict[str, Any]:
        """Return the last *kept* messages and every cursor that still points at one of them, as JSON."""
        cut = max(0, len(self._log) - kept)
        return {
            "manner": self.manner,
            "batch": self.batch,
            "log": self._log[cut:],
            "cursors": {name: position - cut for name, position in self._cursors.items() if position >= cut},
            "acked": max(0, self._acked - cut),
            "handed_out": max(0, self._handed_out - cut),
        }

    @classmethod
    def imported(cls, state: Dict[str, Any]) -> Mailbox:
        """Make a mailbox from what `export` returned."""
        made = cls(state["manner"], state["batch"])
        made._log = list(state["log"])
        made._cursors = {str(name): int(position) for name, position in state["cursors"].items()}
        made._names = {position: name for name, position in made._cursors.items()}
        made._acked, made._handed_out = int(state["acked"]), int(state["handed_out"])
        return made

    def _start(self, cursor: str) -> int:
        if self.manner == "forgets":
            return self._handed_out
        return self._cursors.get(cursor, self._acked)

    def _cursor_at(self, position: int) -> str:
        if position not in self._names:
            name = secrets.token_urlsafe(24)
            self._names[position] = name
            self._cursors[name] = position
        return self._names[position]


class Tokens:
    """The bot tokens: which are valid, and which of them may still send."""

    def __init__(self) -> None:
        self._valid: List[str] = []
        self._send_only: List[str] = []

    @property
    def valid(self) -> List[str]:
        """The valid tokens, oldest first."""
        return list(self._valid)

    def mint(self) -> str:
        """A fresh valid token."""
        token = "ilinkbot_" + secrets.token_hex(20)
        self._valid.append(token)
        return token

    def revoke(self, token: Optional[str], may_send: bool) -> None:
        """Make *token* stale, or every one; with *may_send* it goes on being good for everything but
        getupdates.
        """
        gone = self._valid + self._send_only if token is None else [token]
        self._valid = [one for one in self._valid if one not in gone]
        kept = [one for one in self._send_only if one not in gone]
        self._send_only = kept + gone if may_send else kept

    def restore(self, token: str) -> None:
        """Make a stale token valid again."""
        self._send_only = [one for one in self._send_only if one != token]
        if token not in self._valid:
            self._valid.append(token)

    def all(self) -> List[str]:
        """Every token that is good for anything."""
        return self._valid + self._send_only

    def export(self) -> Dict[str, List[str]]:
        """Return the tokens as JSON."""
        return {"valid": list(self._valid), "send_only": list(self._send_only)}

    @classmethod
    def imported(cls, state: Dict[str, List[str]]) -> Tokens:
        """Make the tokens from what `export` returned."""
        made = cls()
        made._valid, made._send_only = list(state["valid"]), list(state["send_only"])
        return made

    def accepts(self, token: str, *, polling: bool) -> bool:
        """Whether a call with this token is served."""
        return token in self._valid or (not polling and token in self._send_only)


@dataclass
class Limits:
    """What the platform refuses with ret -2; None turns a rule off."""

    quota: Optional[int] = QUOTA
    window: Optional[float] = WINDOW
    burst: Sequence[Tuple[int, float]] = ()
    burst_block: float = 0.0  # seconds for which a burst blocks the bot
    stale_tokens: str = "accepts"  # whether an older context_token of the same user is good: "accepts" or "refuses"


@dataclass
class Conversation:
    """What the platform knows of the bot and one user."""

    user_id: str
    last_inbound: Optional[float] = None
    sent: int = 0  # since the user's last message
    tokens: List[str] = field(default_factory=list, repr=False)
    ticket: Optional[str] = field(default=None, repr=False)
    typing_since: Optional[float] = None

    @property
    def context_token(self) -> Optional[str]:
        """The newest token."""
        return self.tokens[-1] if self.tokens else None

    def hear(self, now: float, token: str) -> None:
        """The user wrote: the window opens, the quota is full again."""
        self.last_inbound = now
        self.sent = 0
        if token not in self.tokens:
            self.tokens.append(token)

    def refusal(self, now: float, token: Optional[str], limits: Limits) -> Optional[str]:
        """Why a send is refused with -2 now; None when it is not."""
        if limits.window is not None and self.last_inbound is None:
            return "window: the user has never written"
        if limits.window is not None and self.last_inbound is not None and now - self.last_inbound >= limits.window:
            return f"window: the user's last message is {now - self.last_inbound:.0f} s old"
        if limits.quota is not None and self.sent >= limits.quota:
            return f"quota: {self.sent} messages were sent since the user's last one"
        if token and token not in self.tokens:
            return "context_token: it was never given out for this user"
        if token and limits.stale_tokens == "refuses" and token != self.context_token:
            return "context_token: it is not the newest"
        return None

    def is_typing(self, now: float, ttl: float) -> bool:
        """Whether the typing sign shows."""
        return self.typing_since is not None and now - self.typing_since < ttl


class Bursts:
    """Counts the bot's sends over short spans, refused ones included."""

    def __init__(self) -> None:
        self._times: Deque[float] = deque(maxlen=1000)
        self._blocked_until: Optional[float] = None

    def refusal(self, now: float, limits: Limits) -> Optional[str]:
        """Count a send; why it is refused, None when it is not."""
        self._times.append(now)
        if self._blocked_until is not None and now < self._blocked_until:
            return f"burst: blocked for {self._blocked_until - now:.0f} s more"
        for count, span in limits.burst:
            if sum(1 for one in self._times if now - one < span) >= count:
                self._blocked_until = now + limits.burst_block
                return f"burst: {count} sends within {span:g} s"
        return None
