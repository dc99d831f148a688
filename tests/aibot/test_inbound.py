"""Bodies of messages and events, typed."""

from __future__ import annotations

import pytest

from wxsdk.aibot.inbound import EventType, FeedbackType, InboundBody, MessageType


def test_a_mixed_message_keeps_its_order() -> None:
    body = InboundBody.from_dict(
        {
            "msgtype": "mixed",
            "mixed": {
                "msg_item": [
                    {"msgtype": "text", "text": {"content": "看"}},
                    {"msgtype": "image", "image": {"url": "https://u/1", "aeskey": "k1"}},
                    {"msgtype": "file", "file": {"url": "https://u/2", "aeskey": "k2"}},
                    "odd",
                ]
            },
        }
    )
    assert [item.msgtype for item in body.mixed.msg_item] == ["text", "image", "file"]
    assert body.mixed.msg_item[1].image.url == "https://u/1"
    assert body.mixed.msg_item[2].file.aeskey == "k2"


@pytest.mark.parametrize("kind", ["image", "file", "video"])
def test_media_carry_url_and_key(kind: str) -> None:
    body = InboundBody.from_dict({"msgtype": kind, kind: {"url": "https://u/1", "aeskey": "k"}})
    assert getattr(body, kind).url == "https://u/1"
    assert "https://u/1" not in repr(body)


def test_a_voice_message_is_its_transcript() -> None:
    assert InboundBody.from_dict({"msgtype": "voice", "voice": {"content": "你好"}}).voice.content == "你好"


@pytest.mark.parametrize("kind", ["text", "voice"])
def test_a_quoted_text_is_read(kind: str) -> None:
    body = InboundBody.from_dict({"quote": {"msgtype": kind, kind: {"content": "before"}}})
    assert getattr(body.quote, kind).content == "before"


def test_absent_parts_are_none() -> None:
    body = InboundBody.from_dict({"msgtype": "text"})
    assert (body.text, body.quote, body.event, body.from_, body.chatid, body.response_url) == (None,) * 6


def test_a_card_click_is_nested_under_its_own_name() -> None:
    body = InboundBody.from_dict(
        {
            "msgtype": "event",
            "event": {
                "eventtype": "template_card_event",
                "template_card_event": {
                    "card_type": "vote_interaction",
                    "event_key": "submit",
                    "task_id": "t1",
                    "selected_items": {
                        "selected_item": [
                            {"question_key": "q1", "option_ids": {"option_id": ["a", "b"]}},
                            {"question_key": "q2"},
                            {"option_ids": {"option_id": ["lost"]}},
                        ]
                    },
                },
            },
        }
    )
    click = body.event.template_card_event
    assert (click.card_type, click.event_key, click.task_id) == ("vote_interaction", "submit", "t1")
    assert click.answers == {"q1": ["a", "b"], "q2": []}


def test_a_plain_button_has_no_answers() -> None:
    event = {"eventtype": "template_card_event", "template_card_event": {"task_id": "t"}}
    body = InboundBody.from_dict({"event": event})
    assert body.event.template_card_event.answers == {}


def test_feedback_is_read() -> None:
    payload = {"id": "f1", "type": 2, "content": "wrong", "inaccurate_reason_list": [1, 4]}
    event = InboundBody.from_dict({"event": {"eventtype": "feedback_event", "feedback_event": payload}}).event
    assert event.feedback_event.type == FeedbackType.BAD
    assert event.feedback_event.inaccurate_reason_list == [1, 4]


def test_a_permission_change_is_read() -> None:
    event = InboundBody.from_dict(
        {"event": {"eventtype": "auth_change_event", "auth_change_event": {"auth_list": [1, 2]}}}
    ).event
    assert event.auth_change_event.auth_list == [1, 2]


def test_an_unknown_event_keeps_its_name_and_payload() -> None:
    event = InboundBody.from_dict({"event": {"eventtype": "new_event", "new_event": {"x": 1}}}).event
    assert event.eventtype == "new_event"
    assert event.extra == {"new_event": {"x": 1}}


def test_an_unknown_message_type_keeps_its_payload() -> None:
    body = InboundBody.from_dict({"msgtype": "hologram", "hologram": {"depth": 3}})
    assert (body.msgtype, body.extra) == ("hologram", {"hologram": {"depth": 3}})


def test_a_part_of_an_odd_type_does_not_cost_the_message() -> None:
    body = InboundBody.from_dict({"msgid": 5, "text": "plain", "from": ["x"], "image": {"aeskey": 7}})
    assert (body.msgid, body.text, body.from_) == ("5", None, None)
    assert body.image.aeskey is None
    assert body.extra == {"text": "plain", "from": ["x"]}


def test_the_words_of_the_protocol_compare_with_plain_strings() -> None:
    assert MessageType.TEXT == "text"
    assert f"{EventType.ENTER_CHAT}" == "enter_chat"
