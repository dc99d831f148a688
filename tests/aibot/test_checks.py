"""What the platform would refuse is refused before sending."""

from __future__ import annotations

import base64
from typing import Any, Dict

import pytest

from wxsdk.aibot.bodies import ReplyMsgItem, as_wire, media_body, stream_body
from wxsdk.aibot.checks import check_chatid, check_push, check_reply, check_userids, check_welcome, check_window
from wxsdk.errors import ConfigError, LimitExceeded, Unsupported

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20
JPG = b"\xff\xd8\xff\xe0" + b"0" * 20


def markdown(content: Any) -> Dict[str, Any]:
    return {"msgtype": "markdown", "markdown": {"content": content}}


def test_twenty_thousand_four_hundred_and_eighty_bytes_fit() -> None:
    check_reply(stream_body("s", "你" * 6826 + "ab", False))
    check_reply(markdown("x" * 20_480))


@pytest.mark.parametrize("content", ["你" * 6827, "x" * 60_000])
def test_one_byte_more_does_not(content: str) -> None:
    size = len(content.encode())
    for body in (stream_body("s", content, False), markdown(content)):
        with pytest.raises(LimitExceeded, match="content") as caught:
            check_reply(body)
        assert (caught.value.limit, caught.value.actual) == (20_480, size)
        assert "messages" in caught.value.remedy


@pytest.mark.parametrize(
    "body",
    [
        stream_body("", "x", False),
        stream_body(None, "x", False),  # type: ignore[arg-type]
        stream_body("s", None, False),  # type: ignore[arg-type]
        stream_body("s", "x", 1),  # type: ignore[arg-type]
        stream_body("s", "\ud83d", False),
        stream_body("s", "x", False, [ReplyMsgItem.of(PNG)]),
        stream_body("s", "x", True, feedback={"id": ""}),
        stream_body("s", "x", True, feedback={}),
        {"msgtype": "stream"},
        {"msgtype": "stream", "stream": "x"},
        markdown(""),
        markdown(None),
        {"msgtype": "markdown"},
        {"msgtype": "text", "text": {"content": "x"}},
        {"msgtype": "hologram"},
        {"msgtype": ["stream"]},
        {},
        None,
        "x",
        media_body("image", ""),
        media_body("image", "m", {"title": "t"}),
        media_body("video", "m", {"title": 5}),
        {"msgtype": "file"},
        {"msgtype": "template_card"},
        {"msgtype": "stream_with_template_card", "stream": {"id": "s"}, "template_card": {"card_type": "x"}},
    ],
)
def test_content_that_cannot_be_right_is_refused(body: Any) -> None:
    with pytest.raises(ConfigError):
        check_reply(body)


def image(**changes: Any) -> Dict[str, Any]:
    item = as_wire(ReplyMsgItem.of(JPG))
    item["image"].update(changes)
    return {"msgtype": "stream", "stream": {"id": "s", "finish": True, "content": "x", "msg_item": [item]}}


def test_pictures_go_with_the_last_frame() -> None:
    check_reply(image())
    check_reply(stream_body("s", "", True, [ReplyMsgItem.of(PNG)] * 10))


def test_eleven_pictures_are_too_many() -> None:
    with pytest.raises(LimitExceeded) as caught:
        check_reply(stream_body("s", "x", True, [ReplyMsgItem.of(PNG)] * 11))
    assert (caught.value.limit, caught.value.actual) == (10, 11)


@pytest.mark.parametrize(
    "changes",
    [
        {"base64": "@@@"},
        {"base64": ""},
        {"base64": None},
        {"base64": base64.b64encode(b"GIF89a").decode()},
        {"md5": "0" * 32},
        {"md5": None},
    ],
)
def test_a_broken_picture_is_refused(changes: Dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"stream\.msg_item\[0\]\.image"):
        check_reply(image(**changes))


def test_a_picture_over_ten_megabytes_is_refused() -> None:
    with pytest.raises(LimitExceeded) as caught:
        check_reply(stream_body("s", "x", True, [ReplyMsgItem.of(PNG + b"0" * 10 * 2**20)]))
    assert caught.value.limit == 10 * 2**20


def test_feedback_ids_have_256_bytes() -> None:
    check_reply(stream_body("s", "x", False, feedback={"id": "f" * 256}))
    with pytest.raises(LimitExceeded):
        check_reply(stream_body("s", "x", False, feedback={"id": "f" * 257}))


def test_a_welcome_is_a_text_or_a_card() -> None:
    check_welcome({"msgtype": "text", "text": {"content": "hi"}})
    for bad in (markdown("x"), stream_body("s", "x", True), {"msgtype": "text", "text": {}}):
        with pytest.raises(ConfigError):
            check_welcome(bad)


@pytest.mark.parametrize("body", [{"msgtype": "text", "text": {"content": "x"}}, stream_body("s", "x", True)])
def test_texts_and_streams_cannot_be_pushed(body: Dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match="push"):
        check_push(body)


def test_markdown_and_media_can_be_pushed() -> None:
    check_push(markdown("x"))
    check_push({**media_body("voice", "m"), "chat_type": 2})
    with pytest.raises(ConfigError, match="chat_type"):
        check_push({**markdown("x"), "chat_type": 3})


@pytest.mark.parametrize("chatid", ["", None, 5])
def test_a_push_needs_a_chat(chatid: Any) -> None:
    with pytest.raises(ConfigError, match="chatid"):
        check_chatid(chatid)


@pytest.mark.parametrize("userids", ["zhang", ["a", ""], ["a", 5], ["a", "a"]])
def test_userids_are_a_list_of_names(userids: Any) -> None:
    with pytest.raises(ConfigError, match="userids"):
        check_userids(userids)


def test_windows_close() -> None:
    check_window(100.0, 105.0, 5.0)
    check_window(None, 1e9, 5.0)
    with pytest.raises(LimitExceeded) as caught:
        check_window(100.0, 105.5, 5.0)
    assert (caught.value.limit, caught.value.actual) == (5.0, 5.5)
