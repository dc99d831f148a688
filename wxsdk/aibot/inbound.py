"""What the platform tells the bot: message and event bodies as typed objects (docs/protocol/aibot, 3).

Absent parts are None; a part of an odd type is None too and stays in ``extra``, with what this version does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Dict, List, Optional

from ..core.redact import Secret
from ..core.wiretype import WireType, extra_field, renamed


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

    userid: Optional[str] = None
    corpid: Optional[str] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class TextPart(WireType):
    """Plain text; of a voice message its transcript."""

    content: Optional[str] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class MediaPart(WireType):
    """An encrypted file to fetch within 5 minutes. Both fields are hidden in the repr."""

    url: Optional[Secret] = None
    aeskey: Optional[Secret] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class MixedItem(WireType):
    """One piece of a mixed message."""

    msgtype: Optional[str] = None
    text: Optional[TextPart] = None
    image: Optional[MediaPart] = None
    file: Optional[MediaPart] = None
    video: Optional[MediaPart] = None
    voice: Optional[TextPart] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class MixedPart(WireType):
    """Text and pictures in the order they were written."""

    msg_item: List[MixedItem] = field(default_factory=list)
    extra: Dict[str, Any] = extra_field()


@dataclass
class Quote(WireType):
    """The message that was quoted."""

    msgtype: Optional[str] = None
    text: Optional[TextPart] = None
    image: Optional[MediaPart] = None
    mixed: Optional[MixedPart] = None
    voice: Optional[TextPart] = None
    file: Optional[MediaPart] = None
    video: Optional[MediaPart] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class OptionIds(WireType):
    """The ids chosen for one question."""

    option_id: List[str] = field(default_factory=list)
    extra: Dict[str, Any] = extra_field()


@dataclass
class SelectedItem(WireType):
    """One question of a card and what was chosen."""

    question_key: Optional[str] = None
    option_ids: Optional[OptionIds] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class SelectedItems(WireType):
    """Every question of a submitted card."""

    selected_item: List[SelectedItem] = field(default_factory=list)
    extra: Dict[str, Any] = extra_field()


@dataclass
class TemplateCardEvent(WireType):
    """A click on a card. event_key: the button's key; task_id: the card's."""

    card_type: Optional[str] = None
    event_key: Optional[str] = None
    task_id: Optional[str] = None
    selected_items: Optional[SelectedItems] = None
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

    id: Optional[str] = None
    type: Optional[int] = None
    content: Optional[str] = None
    inaccurate_reason_list: Optional[List[int]] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class AuthChangeEvent(WireType):
    """The bot's permissions changed."""

    auth_list: Optional[List[Any]] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class Event(WireType):
    """What happened. The payload is nested under the event's own name, as on the wire."""

    eventtype: Optional[str] = None
    template_card_event: Optional[TemplateCardEvent] = None
    feedback_event: Optional[FeedbackEvent] = None
    auth_change_event: Optional[AuthChangeEvent] = None
    enter_chat: Optional[Dict[str, Any]] = None
    disconnected_event: Optional[Dict[str, Any]] = None
    enter_check_update: Optional[Dict[str, Any]] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class InboundBody(WireType):
    """The body of a message or an event.

    chattype: "single" or "group"; chatid: of groups only. create_time: Unix seconds. event: of events only.
    """

    msgid: Optional[str] = None
    aibotid: Optional[str] = None
    chatid: Optional[str] = None
    chattype: Optional[str] = None
    from_: Optional[Sender] = renamed("from")
    create_time: Optional[int] = None
    response_url: Optional[Secret] = None
    msgtype: Optional[str] = None
    text: Optional[TextPart] = None
    image: Optional[MediaPart] = None
    mixed: Optional[MixedPart] = None
    voice: Optional[TextPart] = None
    file: Optional[MediaPart] = None
    video: Optional[MediaPart] = None
    quote: Optional[Quote] = None
    event: Optional[Event] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class AnswerBody(WireType):
    """The body of an answer: what an upload's steps return (docs/protocol/aibot, 6)."""

    upload_id: Optional[str] = None
    type: Optional[str] = None
    media_id: Optional[str] = None
    created_at: Any = None  # Unix seconds: a number or a string, as it came
    extra: Dict[str, Any] = extra_field()
