"""Defines the bodies of replies and pushes as dataclasses (docs/protocol/aibot, 4). Plain dicts do as well.

The dataclasses hold content only and check nothing; ``checks`` and ``cards`` judge the wire form before it is sent.
"""

from __future__ import annotations

import base64 as base64_codec
import hashlib
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from ..core.wiretype import WireType
from ..errors import ConfigError
from .field_checks import need_object
from .inbound import WireEnum


class WeComMediaType(WireEnum):
    """The kinds of media that can be uploaded and sent."""

    FILE = "file"
    IMAGE = "image"
    VOICE = "voice"
    VIDEO = "video"


@dataclass
class Feedback(WireType):
    """Asks for the user's opinion. id: comes back in feedback_event; at most 256 bytes of UTF-8."""

    id: str = ""


@dataclass
class ReplyImage(WireType):
    """A picture inside a stream's last frame. base64 of a JPG or PNG of at most 10 MB, md5 hex of the same bytes."""

    base64: str = field(default="", repr=False)
    md5: str = ""


@dataclass
class ReplyMsgItem(WireType):
    """One picture at the end of a stream."""

    image: ReplyImage = field(default_factory=ReplyImage)
    msgtype: str = "image"

    @classmethod
    def of(cls, data: bytes) -> ReplyMsgItem:
        """Return the item for the bytes of a JPG or PNG; ConfigError for anything but bytes."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise ConfigError(f"data must be the bytes of a picture, not {type(data).__name__}.")
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return cls(ReplyImage(base64_codec.b64encode(data).decode("ascii"), digest))


@dataclass
class VideoOptions(WireType):
    """Title (128 bytes) and description (512 bytes) of a video; the platform cuts what is longer."""

    title: Optional[str] = None
    description: Optional[str] = None


@dataclass
class StreamContent(WireType):
    """One snapshot of a stream: the whole text so far, not the new part of it."""

    id: str = ""
    finish: bool = False
    content: str = ""
    msg_item: Optional[List[ReplyMsgItem]] = None
    feedback: Optional[Feedback] = None


@dataclass
class TextContent(WireType):
    """The text of a welcome."""

    content: str = ""


@dataclass
class MarkdownContent(WireType):
    """A Markdown text."""

    content: str = ""
    feedback: Optional[Feedback] = None


@dataclass
class MediaContent(WireType):
    """An uploaded file; title and description of videos only."""

    media_id: str = ""
    title: Optional[str] = None
    description: Optional[str] = None


@dataclass
class TextBody(WireType):
    """A text; only a welcome takes it."""

    text: TextContent
    msgtype: str = "text"

    @classmethod
    def of(cls, content: str) -> TextBody:
        """Return the body that says *content*."""
        return cls(TextContent(content))


@dataclass
class MarkdownBody(WireType):
    """A Markdown message; a reply or a push."""

    markdown: MarkdownContent
    msgtype: str = "markdown"

    @classmethod
    def of(cls, content: str, feedback: Optional[Feedback] = None) -> MarkdownBody:
        """Return the body that says *content*."""
        return cls(MarkdownContent(content, feedback))


@dataclass
class StreamBody(WireType):
    """A snapshot of a stream; a reply to a message."""

    stream: StreamContent
    msgtype: str = "stream"


@dataclass
class TemplateCardBody(WireType):
    """A card (a TemplateCard or a dict); a reply, a welcome or a push."""

    template_card: Any
    msgtype: str = "template_card"


@dataclass
class StreamWithTemplateCardBody(WireType):
    """A snapshot of a stream with a card beside it; a message can have one card."""

    stream: StreamContent
    template_card: Any = None
    msgtype: str = "stream_with_template_card"


def as_wire(value: Any) -> Any:
    """Turn *value* into plain dicts and lists: dataclasses at any depth become their wire form.

    Raises ConfigError for what is nested too deep, or in itself.
    """
    try:
        return _as_wire(value)
    except RecursionError:
        raise ConfigError("The message is nested too deep.") from None


def _as_wire(value: Any) -> Any:
    if isinstance(value, WireType):
        return _as_wire(value.to_dict())
    if isinstance(value, dict):
        return {key: _as_wire(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_wire(part) for part in value]
    return value


def stream_body(
    stream_id: str, content: str, finish: bool, msg_item: Any = None, feedback: Any = None
) -> Dict[str, Any]:
    """Return the wire form of one snapshot; built without dataclasses, since streams send thousands of them."""
    stream: Dict[str, Any] = {"id": stream_id, "finish": finish, "content": content}
    if msg_item:
        stream["msg_item"] = as_wire(msg_item)
    if feedback is not None:
        stream["feedback"] = as_wire(feedback)
    return {"msgtype": "stream", "stream": stream}


def media_body(media_type: str, media_id: str, video_options: Any = None) -> Dict[str, Any]:
    """Return the wire form of a media message. *video_options*: VideoOptions or a dict (else ConfigError)."""
    kind = str(media_type)
    content: Dict[str, Any] = {"media_id": media_id}
    if video_options is not None:
        options = need_object(as_wire(video_options), "video_options")
        content.update({name: text for name, text in options.items() if text is not None})
    return {"msgtype": kind, kind: content}


def markdown_body(content: str) -> Dict[str, Any]:
    """Return the wire form of a Markdown message."""
    return {"msgtype": "markdown", "markdown": {"content": content}}
