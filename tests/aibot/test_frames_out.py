"""From a call to the frame it sends."""

from __future__ import annotations

import json
from typing import Any, Dict, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.aibot import frames_out as outgoing
from wxsdk.aibot.bodies import Feedback, MarkdownBody, TextBody, stream_body
from wxsdk.aibot.cards import Button, TemplateCard
from wxsdk.aibot.config import WSClientOptions
from wxsdk.aibot.frames import WsCmd, WsFrame
from wxsdk.errors import ConfigError, LimitExceeded, Unsupported

NOW = 1000.0
CARD = TemplateCard.button_interaction("T", buttons=[Button("t", "k")], task_id="t1")


def message(received_at: Optional[float] = NOW) -> WsFrame:
    body = {"msgid": "m", "msgtype": "text", "from": {"userid": "u"}, "text": {"content": "x"}}
    return WsFrame({"cmd": "aibot_msg_callback", "headers": {"req_id": "r"}, "body": body}, received_at)


def event(kind: str, received_at: float = NOW, **payload: Any) -> WsFrame:
    body = {"msgid": "m", "msgtype": "event", "from": {"userid": "u"}, "event": {"eventtype": kind, kind: payload}}
    return WsFrame({"cmd": "aibot_event_callback", "headers": {"req_id": "r"}, "body": body}, received_at)


def test_a_subscribe_carries_the_credentials_and_what_is_set() -> None:
    assert outgoing.subscribe("q", WSClientOptions("b", "s")).body == {"bot_id": "b", "secret": "s"}
    full = outgoing.subscribe("q", WSClientOptions("b", "s", scene=0, plug_version="1.0", device_id="d"))
    assert full.body == {"bot_id": "b", "secret": "s", "scene": 0, "plug_version": "1.0", "device_id": "d"}
    assert "'s'" not in repr(full)
    assert json.loads(full.encoded())["body"]["secret"] == "s"
    assert outgoing.ping("p").encoded() == '{"cmd":"ping","headers":{"req_id":"p"}}'


def test_a_reply_carries_the_req_id_of_the_message() -> None:
    sent = outgoing.reply(message(), MarkdownBody.of("hi"), None, NOW)
    assert json.loads(sent.encoded()) == {
        "cmd": "aibot_respond_msg",
        "headers": {"req_id": "r"},
        "body": {"msgtype": "markdown", "markdown": {"content": "hi"}},
    }


def test_a_plain_dict_can_be_answered() -> None:
    assert outgoing.reply({"headers": {"req_id": "r9"}}, MarkdownBody.of("hi"), None, NOW).req_id == "r9"


def test_a_reply_with_an_unknown_command_goes_as_it_is() -> None:
    sent = outgoing.reply(event("enter_check_update"), {"version": "1"}, WsCmd.ENTER_EVENT, NOW)
    assert (sent.cmd, sent.body) == ("ww_ai_robot_enter_event", {"version": "1"})


def test_a_reply_with_a_known_command_is_checked_like_its_own_call() -> None:
    body: Dict[str, Any] = {"response_type": "update_template_card", "template_card": CARD}
    click = event("template_card_event", task_id="t1")
    assert outgoing.reply(click, body, "aibot_respond_update_msg", NOW) == outgoing.update_card(click, CARD, None, NOW)
    assert outgoing.reply(event("enter_chat"), TextBody.of("hi"), WsCmd.RESPONSE_WELCOME, NOW).cmd == (
        "aibot_respond_welcome_msg"
    )
    with pytest.raises(ConfigError):
        outgoing.reply(click, "x", WsCmd.RESPONSE_UPDATE, NOW)


def test_a_stream_to_an_event_is_unsupported() -> None:
    for kind in ("enter_chat", "feedback_event"):
        with pytest.raises(Unsupported, match="846605"):
            outgoing.reply_stream(event(kind), "s", "x", False, None, None, NOW)


def test_a_reply_after_a_day_is_too_late() -> None:
    outgoing.reply_stream(message(0.0), "s", "x", True, None, None, 86_400.0)
    with pytest.raises(LimitExceeded):
        outgoing.reply_stream(message(0.0), "s", "x", True, None, None, 86_401.0)
    outgoing.reply_stream(message(None), "s", "x", True, None, None, 86_401.0)


def test_a_stream_with_a_card() -> None:
    stream = stream_body("s", "x", False)
    sent = outgoing.reply_stream_with_card(message(), stream, CARD, Feedback("f"), NOW)
    assert sent.body == {
        "msgtype": "stream_with_template_card",
        "stream": stream["stream"],
        "template_card": {**CARD.to_dict(), "feedback": {"id": "f"}},
    }
    bare = outgoing.reply_stream_with_card(message(), stream, None, None, NOW)
    assert bare.body == {"msgtype": "stream_with_template_card", "stream": stream["stream"]}


def test_a_card_and_media_as_answers() -> None:
    sent = outgoing.reply_card(message(), CARD, {"id": "f"}, NOW)
    assert sent.body is not None
    assert sent.body["template_card"]["feedback"] == {"id": "f"}
    assert CARD.feedback is None
    assert outgoing.reply_media(message(), "video", "m", {"title": "t"}, NOW).body == {
        "msgtype": "video",
        "video": {"media_id": "m", "title": "t"},
    }
    with pytest.raises(ConfigError, match="media_type"):
        outgoing.reply_media(message(), "gif", "m", None, NOW)


def test_a_welcome_must_come_within_five_seconds() -> None:
    assert outgoing.welcome(event("enter_chat"), TextBody.of("hi"), NOW + 5).cmd == "aibot_respond_welcome_msg"
    with pytest.raises(LimitExceeded):
        outgoing.welcome(event("enter_chat"), TextBody.of("hi"), NOW + 5.1)
    with pytest.raises(Unsupported):
        outgoing.welcome(message(), TextBody.of("hi"), NOW)


def test_an_update_keeps_the_task_id_of_the_click() -> None:
    click = event("template_card_event", task_id="t1")
    sent = outgoing.update_card(click, CARD, ["u1", "u2"], NOW)
    assert sent.body == {
        "response_type": "update_template_card",
        "template_card": CARD.to_dict(),
        "userids": ["u1", "u2"],
    }
    with pytest.raises(ConfigError, match="task_id"):
        outgoing.update_card(event("template_card_event", task_id="other"), CARD, None, NOW)
    with pytest.raises(LimitExceeded):
        outgoing.update_card(click, CARD, None, NOW + 6)
    with pytest.raises(Unsupported):
        outgoing.update_card(event("enter_chat"), CARD, None, NOW)


def test_an_update_without_task_id_gets_that_of_the_click() -> None:
    click = event("template_card_event", task_id="t1")
    made_up = TemplateCard.button_interaction("T", buttons=[Button("t", "k")])
    bare = {name: part for name, part in CARD.to_dict().items() if name != "task_id"}
    for card in (made_up, bare):
        body = outgoing.update_card(click, card, None, NOW).body
        assert body is not None
        assert body["template_card"] == CARD.to_dict()
    assert "task_id" not in bare


def test_a_push_goes_to_its_chat() -> None:
    sent = outgoing.push("q", "wr1", MarkdownBody.of("hi"))
    assert (sent.cmd, sent.req_id) == ("aibot_send_msg", "q")
    assert sent.body == {"msgtype": "markdown", "markdown": {"content": "hi"}, "chatid": "wr1"}
    assert outgoing.push_media("q", "u", "file", "m", None).body == {
        "msgtype": "file",
        "file": {"media_id": "m"},
        "chatid": "u",
    }
    for chatid, body in (("", MarkdownBody.of("x")), ("c", None), ("c", "x")):
        with pytest.raises(ConfigError):
            outgoing.push("q", chatid, body)
    with pytest.raises(Unsupported):
        outgoing.push("q", "c", TextBody.of("x"))


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8")), st.booleans())
def test_the_short_way_of_a_snapshot_says_what_the_long_way_says(stream_id: str, content: str, finish: bool) -> None:
    frame = message()
    req_id, text = outgoing.reply_stream_text(frame, stream_id, content, finish, None, None, NOW)
    long_way = outgoing.reply_stream(frame, stream_id, content, finish, None, None, NOW)
    assert (req_id, json.loads(text)) == (long_way.req_id, json.loads(long_way.encoded()))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("s", "x" * 20_481, False), LimitExceeded),
        (("s", "\ud800", False), ConfigError),
        (("\ud800", "x", False), ConfigError),
        (("", "x", False), ConfigError),
        (("s", 5, False), ConfigError),
        (("s", "x", 1), ConfigError),
    ],
)
def test_the_short_way_refuses_what_the_long_way_refuses(arguments: Any, error: type) -> None:
    for way in (outgoing.reply_stream_text, outgoing.reply_stream):
        with pytest.raises(error):
            way(message(), *arguments, None, None, NOW)
    with pytest.raises(Unsupported):
        outgoing.reply_stream_text(event("enter_chat"), "s", "x", False, None, None, NOW)
    with pytest.raises(LimitExceeded):
        outgoing.reply_stream_text(message(), "s", "x", False, None, None, NOW + 86_401)


@pytest.mark.parametrize("req_id", ["a\ud800", "\U0001f600"])
def test_an_odd_req_id_is_sent_as_it_is_or_refused(req_id: str) -> None:
    frame = message()
    frame.req_id = req_id
    if req_id.startswith("a"):
        with pytest.raises(ConfigError):
            outgoing.reply_stream_text(frame, "s", "x", False, None, None, NOW)
    else:
        _, text = outgoing.reply_stream_text(frame, "s", "x", False, None, None, NOW)
        assert json.loads(text)["headers"] == {"req_id": req_id}


def test_a_snapshot_with_pictures_or_feedback_takes_the_long_way() -> None:
    _, text = outgoing.reply_stream_text(message(), "s", "x", False, None, Feedback("f"), NOW)
    assert json.loads(text)["body"]["stream"]["feedback"] == {"id": "f"}
