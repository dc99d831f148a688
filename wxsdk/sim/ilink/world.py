"""Holds the state that the HTTP side and the pretend users of the simulated iLink platform share, under one lock."""

from __future__ import annotations

import base64
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional

from .cdn import Cdn
from .faults import Faults
from .login import Logins
from .people import SimMessage, SimUser
from .records import Hub, Recorder
from .state import TYPING_TTL, Bursts, Conversation, Limits, Mailbox, Message, Tokens

HOLD = 35.0  # seconds; docs/protocol/ilink, 2
QR_HOLD = 1.0  # seconds for which a status poll waits for news; ours, the platform's is not known
FIRST_MESSAGE_ID = 7_300_000_000_000_000_000  # above 2**53, so that a client which reads ids as doubles is found out
CHOICES = {
    "cursor_field": ("get_updates_buf", "sync_buf", "both"),
    "message_ids": ("number", "string"),
    "upload_urls": ("both", "param", "full_url"),
    "stale_tokens": ("accepts", "refuses"),
}
PLACES = (
    "getupdates",
    "sendmessage",
    "getuploadurl",
    "getconfig",
    "sendtyping",
    "notifystart",
    "notifystop",
    "get_bot_qrcode",
    "get_qrcode_status",
    "upload",
    "download",
)


@dataclass
class Settings:
    """How the simulator behaves; every field may be changed while it runs."""

    hold: float = HOLD
    announced_hold_ms: Optional[int] = None
    cursor_field: str = "get_updates_buf"
    message_ids: str = "number"
    confirms: bool = True
    typing_ttl: float = TYPING_TTL
    qr_hold: float = QR_HOLD
    strict: bool = True
    upload_urls: str = "both"
    rotate_tokens: bool = True
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            found = getattr(self.limits if name == "stale_tokens" else self, name)
            if found not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, not {found!r}")


class World:
    """The shared state. `hub.lock` guards everything here; code that changes something calls `hub.notify`."""

    def __init__(self, settings: Settings, mailbox: Mailbox, cdn: Cdn, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.clock = clock
        self.hub = Hub()
        self.recorder = Recorder(self.hub)
        self.faults = Faults(PLACES)
        self.mailbox = mailbox
        self.cdn = cdn
        self.tokens = Tokens()
        self.logins = Logins()
        self.bursts = Bursts()
        self.bot_id = secrets.token_hex(6) + "@im.bot"
        self.base_url = ""
        self.users: Dict[str, SimUser] = {}
        self.conversations: Dict[str, Conversation] = {}
        self.violations: List[str] = []
        self.duplicates: List[SimMessage] = []
        self.dropped: List[SimMessage] = []
        self.refusals: List[str] = []
        self.sent: Dict[str, SimMessage] = {}
        self.next_message_id = FIRST_MESSAGE_ID
        self.next_seq = 1

    def user(self, user_id: str) -> SimUser:
        """The pretend user of that id."""
        with self.hub.lock:
            return self.users.setdefault(user_id, SimUser(self, user_id))

    def conversation(self, user_id: str) -> Conversation:
        """Return what the platform knows of that user and the bot."""
        with self.hub.lock:
            return self.conversations.setdefault(user_id, Conversation(user_id))

    def ticket(self, user_id: str) -> Optional[str]:
        """The typing ticket of a user, made when there is none; None for a user who never wrote."""
        talk = self.conversation(user_id)
        if talk.last_inbound is None:
            return None
        if talk.ticket is None:
            talk.ticket = base64.b64encode(secrets.token_bytes(24)).decode()
        return talk.ticket

    def next_id(self) -> str:
        """A fresh message id."""
        with self.hub.lock:
            self.next_message_id += 1
            return str(self.next_message_id - 1)

    def on_wire(self, message_id: str) -> Any:
        """A message id as the settings want it on the wire."""
        return int(message_id) if self.settings.message_ids == "number" else message_id

    def violation(self, sentence: str) -> None:
        """Note that the client broke the protocol."""
        with self.hub.lock:
            self.violations.append(sentence)
            self.recorder.breach(sentence)
            self.hub.notify()

    def queue(self, user_id: str, item: Dict[str, Any], fields: Dict[str, Any]) -> str:
        """Queue a message of a user with one item, *fields* laid over it; its id comes back."""
        now = self.clock()
        with self.hub.lock:
            talk = self.conversation(user_id)
            fresh = self.settings.rotate_tokens or talk.context_token is None
            token = secrets.token_urlsafe(24) if fresh else talk.context_token
            message_id = self.next_id()
            moment = int(now * 1000)
            message: Message = {
                "seq": self.next_seq,
                "message_id": self.on_wire(message_id),
                "from_user_id": user_id,
                "to_user_id": self.bot_id,
                "client_id": secrets.token_hex(8),
                "create_time_ms": moment,
                "update_time_ms": moment,
                "session_id": f"{user_id}#{self.bot_id}",
                "message_type": 1,
                "message_state": 2,
                "item_list": [{"create_time_ms": moment, "update_time_ms": moment, "is_completed": True, **item}],
                "context_token": token,
            }
            self.next_seq += 1
            message.update(fields)
            talk.hear(now, message.get("context_token") or token or "")
            self.post(message)
        return message_id

    def post(self, message: Message) -> None:
        """Queue a message as it is, twice when the faults say so."""
        with self.hub.lock:
            self.mailbox.put(message)
            if self.faults.take_duplicate():
                self.mailbox.put(message)
            self.hub.tell("said", message)
            self.hub.notify()
