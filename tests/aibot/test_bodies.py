"""Bodies as dataclasses and their wire form."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Dict

import pytest

from wxsdk.aibot.bodies import (
    Feedback,
    MarkdownBody,
    ReplyMsgItem,
    StreamBody,
    StreamContent,
    StreamWithTemplateCardBody,
    TemplateCardBody,
    TextBody,
    VideoOptions,
    WeComMediaType,
    as_wire,
    media_body,
    stream_body,
)
from wxsdk.aibot.cards import Button, TemplateCard
from wxsdk.errors import ConfigError

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


def test_dataclasses_and_dicts_have_one_wire_form() -> None:
    assert as_wire(MarkdownBody.of("**x**")) == {"msgtype": "markdown", "markdown": {"content": "**x**"}}
    assert as_wire(TextBody.of("hi")) == {"msgtype": "text", "text": {"content": "hi"}}
    assert as_wire({"msgtype": "text", "text": {"content": "hi"}}) == as_wire(TextBody.of("hi"))


def test_dataclasses_inside_dicts_are_found() -> None:
    mixed = {"msgtype": "stream", "stream": {"id": "s", "msg_item": (ReplyMsgItem.of(PNG),), "feedback": Feedback("f")}}
    wire = as_wire(mixed)
    assert wire["stream"]["feedback"] == {"id": "f"}
    assert wire["stream"]["msg_item"][0]["msgtype"] == "image"


def test_a_card_goes_into_a_body_as_dataclass_or_dict() -> None:
    card = TemplateCard.button_interaction("T", buttons=[Button("Y", "y")], task_id="t1")
    assert as_wire(TemplateCardBody(card)) == as_wire(TemplateCardBody(card.to_dict()))
    both = as_wire(StreamWithTemplateCardBody(StreamContent("s", True, "x"), card))
    assert both["msgtype"] == "stream_with_template_card"
    assert both["template_card"]["button_list"] == [{"text": "Y", "key": "y"}]


def test_a_snapshot_built_by_hand_equals_the_dataclass() -> None:
    item, feedback = ReplyMsgItem.of(PNG), Feedback("f")
    assert stream_body("s", "x", True, [item], feedback) == as_wire(
        StreamBody(StreamContent("s", True, "x", [item], feedback))
    )
    assert stream_body("s", "x", False) == {"msgtype": "stream", "stream": {"id": "s", "finish": False, "content": "x"}}


def test_a_picture_carries_base64_and_md5_and_does_not_print_itself() -> None:
    item = ReplyMsgItem.of(PNG)
    assert base64.b64decode(item.image.base64) == PNG
    assert item.image.md5 == hashlib.md5(PNG).hexdigest()
    assert item.image.base64 not in repr(item)


@pytest.mark.parametrize("data", ["text", None, 5])
def test_a_picture_is_bytes(data: Any) -> None:
    with pytest.raises(ConfigError, match="data must be"):
        ReplyMsgItem.of(data)


def test_a_body_that_holds_itself_is_refused() -> None:
    body: Dict[str, Any] = {"msgtype": "markdown"}
    body["markdown"] = body
    with pytest.raises(ConfigError, match="nested too deep"):
        as_wire(body)


@pytest.mark.parametrize("options", ["title", 5, ["title"], True, ""])
def test_video_options_are_an_object(options: Any) -> None:
    with pytest.raises(ConfigError, match="video_options must be an object"):
        media_body("video", "m", options)


def test_media_bodies_name_their_part_after_the_type() -> None:
    assert media_body(WeComMediaType.FILE, "m") == {"msgtype": "file", "file": {"media_id": "m"}}
    wanted = {"msgtype": "video", "video": {"media_id": "m", "title": "t"}}
    assert media_body("video", "m", VideoOptions(title="t")) == wanted
    assert media_body("video", "m", {"title": "t", "description": None}) == wanted
