"""Defines the bodies of messages and events as typed objects (docs/protocol/aibot, 3).

Absent parts are None; a part of an odd type is None too and stays in ``extra``, with what this version does not know.
Which parts are there follows from msgtype and eventtype, so the annotations say what a part is where it is there:
``frame.body.text.content`` is a str to a type checker, in the handler of a text. Where a part may be missing (quote,
chatid, response_url, all parts in a handler of every message), look before reading.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Dict, List, Optional

from ..core.redact import Secret
from ..core.wiretype import WireType, extra_field, renamed

ABSENT: Any = None  # the default of a part that not every body has, whatever its annotation says


class WireEnum(str, Enum):
    """A str that is one of the protocol's words; prints and encodes as that word on every Python."""

    __str__ = str.__str__
    __format__ = str.__format__  # type: ignore[assignment]


class MessageType(WireEnum):
    """msgtype of a message."""

    TEXT = "text"
    IMAGE = "image"
    MIXED = "mixed"
    VOICE = "voice"
    FILE = "file"
    VIDEO = "video"


class EventType(WireEnum):
    """eventtype of an event."""

    ENTER_CHAT = "enter_chat"
    TEMPLATE_CARD_EVENT = "template_card_event"
    FEEDBACK_EVENT = "feedback_event"
    DISCONNECTED_EVENT = "disconnected_event"
    AUTH_CHANGE_EVENT = "auth_change_event"
    ENTER_CHECK_UPDATE = "enter_check_update"


class FeedbackType(int, Enum):
    """What a user's feedback says; ``feedback_event.type`` equals one of these."""

    GOOD = 1
    BAD = 2
    CANCELLED = 3


@dataclass
class Sender(WireType):
    """Who wrote or clicked. corpid: only of a third-party bot."""

    userid: str = ABSENT
    corpid: str = ABSENT
    extra: Dict[str, Any] = extra_field()


@dataclass
class TextPart(WireType):
    """Plain text; of a voice message its transcript."""

    content: str = ABSENT
    extra: Dict[str, Any] = extra_field()


@dataclass
class MediaPart(WireType):
    """An encrypted file to fetch within 5 minutes. Both fields are hidden in the repr."""

    url: Secret = ABSENT
    aeskey: Secret = ABSENT
    extra: Dict[str, Any] = extra_field()


@dataclass
class MixedItem(WireType):
    """One piece of a mixed message."""

    msgtype: str = ABSENT
    text: TextPart = ABSENT
    image: MediaPart = ABSENT
    file: MediaPart = ABSENT
    video: MediaPart = ABSENT
    voice: TextPart = ABSENT
    extra: Dict[str, Any] = extra_field()


@dataclass
class MixedPart(WireType):
    """Text and pictures in the order they were written."""

    msg_item: List[MixedItem] = field(default_factory=list)
    extra: Dict[str, Any] = extra_field()


@dataclass
class Quote(WireType):
    """The message that was quoted."""

    msgtype: str = ABSENT
    text: TextPart = ABSENT
    image: MediaPart = ABSENT
    mixed: MixedPart = ABSENT
    voice: TextPart = ABSENT
    file: MediaPart = ABSENT
    video: MediaPart = ABSENT
    extra: Dict[str, Any] = extra_field()


@dataclass
class OptionIds(WireType):
    """The ids chosen for one question."""

    option_id: List[str] = field(default_factory=list)
    extra: Dict[str, Any] = extra_field()


@dataclass
class SelectedItem(WireType):
    """One question of a card and what was chosen."""

    question_key: str = ABSENT
    option_ids: OptionIds = ABSENT
    extra: Dict[str, Any] = extra_field()


@dataclass
class SelectedItems(WireType):
    """Every question of a submitted card."""

    selected_item: List[SelectedItem] = field(default_factory=list)
    extra: Dict[str, Any] = extra_field()


@dataclass
class TemplateCardEvent(WireType):
    """A click on a card. event_key: the button's key; task_id: the card's."""

    card_type: str = ABSENT
    event_key: str = ABSENT
    task_id: str = ABSENT
    selected_items: SelectedItems = ABSENT
    extra: Dict[str, Any] = extra_field()

    @property
    def answers(self) -> Dict[str, List[str]]:
        """The chosen option ids by question_key; empty for a plain button."""
        items = self.selected_items.selected_item if self.selected_items else []
        return {
            item.question_key: list(item.option_ids.option_id) if item.option_ids else []
            for item in items
            if item.question_key is not None
        }


@dataclass
class FeedbackEvent(WireType):
    """What a user thinks of an answer. id: that of the answer's feedback; type: a FeedbackType.

    inaccurate_reason_list: numbers 1 to 4.
    """

    id: str = ABSENT
    type: int = ABSENT
    content: str = ABSENT
    inaccurate_reason_list: List[int] = ABSENT
    extra: Dict[str, Any] = extra_field()


@dataclass
class AuthChangeEvent(WireType):
    """The bot's permissions changed."""

    auth_list: List[Any] = ABSENT
    extra: Dict[str, Any] = extra_field()


@dataclass
class Event(WireType):
    """What happened. The payload is nested under the event's own name, as on the wire."""

    eventtype: str = ABSENT
    template_card_event: TemplateCardEvent = ABSENT
    feedback_event: FeedbackEvent = ABSENT
    auth_change_event: AuthChangeEvent = ABSENT
    enter_chat: Dict[str, Any] = ABSENT
    disconnected_event: Dict[str, Any] = ABSENT
    enter_check_update: Dict[str, Any] = ABSENT
    extra: Dict[str, Any] = extra_field()


@dataclass
class InboundBody(WireType):
    """The body of a message or an event.

    chattype: "single" or "group"; chatid: of groups only. create_time: Unix seconds. event: of events only.
    """

    msgid: str = ABSENT
    aibotid: str = ABSENT
    chatid: str = ABSENT
    chattype: str = ABSENT
    from_: Sender = renamed("from")
    create_time: int = ABSENT
    response_url: Secret = ABSENT
    msgtype: str = ABSENT
    text: TextPart = ABSENT
    image: MediaPart = ABSENT
    mixed: MixedPart = ABSENT
    voice: TextPart = ABSENT
    file: MediaPart = ABSENT
    video: MediaPart = ABSENT
    quote: Quote = ABSENT
    event: Event = ABSENT
    extra: Dict[str, Any] = extra_field()


@dataclass
class AnswerBody(WireType):
    """The body of an answer: what an upload's steps return (docs/protocol/aibot, 6)."""

    upload_id: Optional[str] = None
    type: Optional[str] = None
    media_id: Optional[str] = None
    created_at: Any = None  # Unix seconds: a number or a string, as it came
    extra: Dict[str, Any] = extra_field()
