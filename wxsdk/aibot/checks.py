"""Refuses, before sending, what the platform would refuse (docs/protocol/aibot, 4).

All work on the wire form. They raise LimitExceeded for a length, count or window, ConfigError for content that cannot
be right, Unsupported for what the platform does not do at all; they return nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any, Callable, Dict, Optional

from ..errors import ConfigError, LimitExceeded, Unsupported
from .bodies import WeComMediaType
from .card_rules import check_card
from .field_checks import need_distinct, need_feedback, need_flag, need_list, need_object, need_one_of, need_text

MAX_CONTENT_BYTES = 20_480  # UTF-8, of a stream's snapshot or a Markdown text; docs/protocol/aibot, 4
MAX_IMAGES = 10  # msg_item of one stream; docs/protocol/aibot, 4
MAX_IMAGE_BYTES = 10 * 2**20  # before base64; docs/protocol/aibot, 4
REPLY_WINDOW = 86_400.0  # seconds after the message; docs/protocol/aibot, 4
EVENT_WINDOW = 5.0  # seconds after enter_chat or a card click; docs/protocol/aibot, 1
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")

Body = Dict[str, Any]


def check_window(received_at: Optional[float], now: float, window: float) -> None:
    """Check that *now* is at most *window* seconds after *received_at* (None: unknown, so not checked)."""
    if received_at is not None and now - received_at > window:
        raise LimitExceeded(
            "The time to answer this is over (in seconds).",
            limit=window,
            actual=round(now - received_at, 3),
            remedy="Push with send_message instead.",
        )


def check_reply(body: Body) -> None:
    """Check a body for aibot_respond_msg."""
    _check(body, _REPLIES, "answer a message")


def check_welcome(body: Body) -> None:
    """Check a body for aibot_respond_welcome_msg."""
    _check(body, _WELCOMES, "welcome a user")


def check_push(body: Body) -> None:
    """Check a body for aibot_send_msg (its chatid is checked by ``check_chatid``)."""
    if body.get("msgtype") in ("text", "stream", "stream_with_template_card"):
        raise Unsupported(
            f"The platform takes no {body['msgtype']} as a push (40008).",
            remedy='Push {"msgtype": "markdown", "markdown": {"content": …}}, a card or media.',
        )
    _check(body, _PUSHES, "be pushed")
    if body.get("chat_type") is not None:
        need_one_of(body["chat_type"], "chat_type", (0, 1, 2))


def check_chatid(chatid: Any) -> None:
    """Check a chatid or userid to push to."""
    need_text(chatid, "chatid")


def _check(body: Body, judges: Dict[str, Callable[[Body], None]], purpose: str) -> None:
    kind = need_object(body, "body").get("msgtype")
    judge = judges.get(kind) if isinstance(kind, str) else None
    if judge is None:
        raise ConfigError(f"body.msgtype must be one of {', '.join(judges)} to {purpose}.")
    judge(body)


def check_stream(body: Body) -> None:
    """Check the stream part of a body."""
    stream = need_object(body.get("stream"), "stream")
    need_text(stream.get("id"), "stream.id")
    finish = stream.get("finish", False)
    need_flag(finish, "stream.finish")
    need_text(
        stream.get("content", ""),
        "stream.content",
        MAX_CONTENT_BYTES,
        empty=True,
        remedy="Answer with open_stream(): it goes on in further messages.",
    )
    if stream.get("msg_item") is not None:
        _check_images(stream["msg_item"], finish)
    if stream.get("feedback") is not None:
        need_feedback(stream["feedback"], "stream.feedback")


def _check_images(items: Any, finish: bool) -> None:
    if not finish:
        raise ConfigError("stream.msg_item goes with the last frame only (finish=True).")
    for place, item in enumerate(need_list(items, "stream.msg_item", MAX_IMAGES)):
        path = f"stream.msg_item[{place}]"
        need_one_of(need_object(item, path).get("msgtype"), f"{path}.msgtype", ("image",))
        _check_image(need_object(item.get("image"), f"{path}.image"), f"{path}.image")


def _check_image(image: Body, path: str) -> None:
    text = need_text(image.get("base64"), f"{path}.base64")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(f"{path}.base64 is not base64.") from None
    if len(data) > MAX_IMAGE_BYTES:
        raise LimitExceeded(f"{path} is too large in bytes.", limit=MAX_IMAGE_BYTES, actual=len(data))
    if not data.startswith(_PICTURES):
        raise ConfigError(f"{path} must be a JPG or a PNG.")
    if image.get("md5") != hashlib.md5(data, usedforsecurity=False).hexdigest():
        raise ConfigError(f"{path}.md5 is not the MD5 (in hex) of the picture's bytes.")


def _check_markdown(body: Body) -> None:
    markdown = need_object(body.get("markdown"), "markdown")
    need_text(
        markdown.get("content"),
        "markdown.content",
        MAX_CONTENT_BYTES,
        remedy="Send several messages: wxsdk.split_text() cuts a text at good places.",
    )
    if markdown.get("feedback") is not None:
        need_feedback(markdown["feedback"], "markdown.feedback")


def _check_text(body: Body) -> None:
    need_text(need_object(body.get("text"), "text").get("content"), "text.content")


def _check_card(body: Body) -> None:
    check_card(body.get("template_card"))


def _check_stream_with_card(body: Body) -> None:
    check_stream(body)
    if body.get("template_card") is not None:
        check_card(body["template_card"])


def _check_media(body: Body) -> None:
    kind = body["msgtype"]
    media = need_object(body.get(kind), str(kind))
    need_text(media.get("media_id"), f"{kind}.media_id")
    for name in ("title", "description"):
        if media.get(name) is not None:
            if kind != WeComMediaType.VIDEO.value:
                raise ConfigError(f"{kind}.{name}: only a video has one.")
            need_text(media[name], f"{kind}.{name}", empty=True)


def check_userids(userids: Any) -> None:
    """Check the users whose view of a card changes."""
    names = need_list(userids, "userids", most=2**31)
    for place, name in enumerate(names):
        need_text(name, f"userids[{place}]")
    need_distinct(names, "userids")


_MEDIA = {kind.value: _check_media for kind in WeComMediaType}
_REPLIES: Dict[str, Callable[[Body], None]] = {
    "stream": check_stream,
    "markdown": _check_markdown,
    "template_card": _check_card,
    "stream_with_template_card": _check_stream_with_card,
    **_MEDIA,
}
_WELCOMES: Dict[str, Callable[[Body], None]] = {"text": _check_text, "template_card": _check_card}
_PUSHES: Dict[str, Callable[[Body], None]] = {"markdown": _check_markdown, "template_card": _check_card, **_MEDIA}
