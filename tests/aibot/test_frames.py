"""Reading, sorting and writing frames."""

from __future__ import annotations

import copy
import json
import pickle
from types import SimpleNamespace
from typing import Any, Dict, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxsdk.aibot.frames import (
    FrameKind,
    Skipped,
    WsCmd,
    WsFrame,
    classify,
    encode_frame,
    is_kick,
    is_urgent,
    make_req_id,
    parse_frame,
    req_id_of,
)
from wxsdk.errors import ConfigError


def push(**body: Any) -> Dict[str, Any]:
    whole = {"msgid": "m1", "msgtype": "text", "from": {"userid": "zhang"}, "text": {"content": "hi"}, **body}
    return {"cmd": "aibot_msg_callback", "headers": {"req_id": "r1"}, "body": whole}


def frame(raw: Any, received_at: float = 7.0) -> WsFrame:
    parsed = parse_frame(json.dumps(raw), received_at)
    assert isinstance(parsed, WsFrame)
    return parsed


def test_a_pushed_text_is_read() -> None:
    read = frame(push())
    assert (read.cmd, read.headers.req_id, read.errcode, read.received_at) == ("aibot_msg_callback", "r1", None, 7.0)
    assert read.body.text.content == "hi"
    assert read.body.from_.userid == "zhang"
    assert read.raw == push()
    assert classify(read) is FrameKind.MESSAGE


ODD_FIELDS = {
    "a number of 20,000 digits": "9" * 20_000,
    "a negative one": "-" + "1" * 5000,
    "one inside a list": "[1, " + "2" * 4301 + "]",
    "a fraction without end": "0." + "3" * 20_000,
    "a nest of lists": "[" * 100_000 + "]" * 100_000,
    "a nest of objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "both, and brackets in a text": '{"t": "]]}}", "n": [' + "7" * 9000 + "," + "[" * 5000 + "]" * 5000 + "]}",
}


@pytest.mark.parametrize("odd", ODD_FIELDS.values(), ids=ODD_FIELDS)
@pytest.mark.parametrize("place", ["frame", "headers", "body", "text"])
def test_one_odd_field_does_not_cost_the_message(odd: str, place: str) -> None:
    raw: Dict[str, Any] = push()
    {"frame": raw, "headers": raw["headers"], "body": raw["body"], "text": raw["body"]["text"]}[place]["new"] = "@"
    read = parse_frame(json.dumps(raw).replace('"@"', odd))
    assert isinstance(read, WsFrame)
    assert classify(read) is FrameKind.MESSAGE
    assert (read.req_id, read.msgid, read.body.text.content) == ("r1", "m1", "hi")
    assert isinstance(repr(read), str)


@pytest.mark.parametrize("around", ["\ufeff{}", " {}", "{}\r\n", "\n\t{} "])
def test_what_stands_around_a_frame_does_not_cost_it(around: str) -> None:
    read = parse_frame(around.replace("{}", json.dumps(push())))
    assert isinstance(read, WsFrame)
    assert read.body.text.content == "hi"


@pytest.mark.parametrize("was_read", [False, True])
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
@pytest.mark.parametrize(
    ("raw", "content"),
    [
        (push(), lambda body: body.text.content == "hi"),
        ({"headers": {"req_id": "r1"}, "errcode": 0, "body": {"media_id": "M"}}, lambda body: body.media_id == "M"),
        ({"headers": {"req_id": "r1"}, "errcode": 0}, lambda body: body is None),
    ],
)
def test_a_copy_of_a_frame_has_its_body(raw: Any, content: Any, again: Any, was_read: bool) -> None:
    original = frame(raw)
    if was_read:
        assert content(original.body)
    copied = again(original)
    assert content(copied.body)
    assert (copied.raw, copied.received_at, copied.chat) == (original.raw, 7.0, original.chat)
    assert classify(copied) is classify(original)


def test_the_body_is_decoded_once() -> None:
    read = frame(push())
    assert read.body is read.body


@pytest.mark.parametrize("code", range(0x20))
def test_raw_control_characters_inside_strings_are_kept(code: int) -> None:
    text = json.dumps(push(text={"content": "a?b"})).replace("?", chr(code))
    for data in (text, text.encode()):
        read = parse_frame(data)
        assert isinstance(read, WsFrame)
        assert read.body.text.content == f"a{chr(code)}b"


@pytest.mark.parametrize(
    "data",
    [
        "",
        "[]",
        '"x"',
        "1",
        "null",
        "{",
        "not json",
        b"\xff\xfe{}",
        b"",
        "[" * 200_000,
        '{"a":' * 200_000,
        '{"errcode": ' + "9" * 5000,
        '{"cmd": "aibot_msg_callback", "headers": null, "body": {"msgtype": "text"}}',
        '{"cmd": "aibot_msg_callback", "headers": [], "body": {"msgtype": "text"}}',
        '{"cmd": 5, "headers": {"req_id": "r"}}',
    ],
)
def test_what_is_no_frame_is_skipped_with_a_reason(data: Any) -> None:
    read = parse_frame(data)
    assert isinstance(read, Skipped)
    assert read.reason.startswith("it")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
odd_frames = st.fixed_dictionaries(
    {},
    optional={
        "cmd": st.sampled_from(["aibot_msg_callback", "aibot_event_callback", "aibot_callback", ""]) | json_values,
        "headers": st.fixed_dictionaries({}, optional={"req_id": json_values}) | json_values,
        "body": st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(
                ["msgid", "msgtype", "from", "text", "image", "mixed", "quote", "event", "chatid"], json_values
            ),
        )
        | json_values,
        "errcode": json_values,
        "errmsg": json_values,
    },
)


@settings(max_examples=300, deadline=None)
@given(odd_frames)
def test_no_frame_however_odd_makes_reading_fail(raw: Dict[str, Any]) -> None:
    read = parse_frame(json.dumps(raw))
    if isinstance(read, WsFrame):
        assert isinstance(classify(read), FrameKind)
        assert isinstance(repr(read), str)
        assert read.body is None or isinstance(read.body.extra, dict)
        assert isinstance(read.chat, str)
        assert is_kick(read) in (True, False)
        assert is_urgent(read) in (True, False)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_reading_fail(data: bytes) -> None:
    assert isinstance(parse_frame(data), (WsFrame, Skipped))


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (push(), FrameKind.MESSAGE),
        ({**push(), "cmd": "aibot_callback"}, FrameKind.MESSAGE),
        (push(msgtype="hologram"), FrameKind.MESSAGE),
        (push(msgtype=None), FrameKind.UNKNOWN),
        ({**push(), "body": None}, FrameKind.UNKNOWN),
        ({**push(), "headers": {}}, FrameKind.MESSAGE),
        (push(msgtype="event", event={"eventtype": "enter_chat"}), FrameKind.EVENT),
        ({**push(msgtype="event"), "cmd": "aibot_event_callback"}, FrameKind.EVENT),
        ({"headers": {"req_id": "aibot_subscribe_1_abcd"}, "errcode": 0}, FrameKind.SUBSCRIBE_ANSWER),
        ({"headers": {"req_id": "ping_1_abcd"}, "errcode": 0}, FrameKind.PONG),
        ({"headers": {"req_id": "pingpong"}, "errcode": 0}, FrameKind.ACK),
        ({"headers": {"req_id": "r1"}, "errcode": 0, "errmsg": "ok"}, FrameKind.ACK),
        ({"headers": {"req_id": "r1"}, "errcode": 40058}, FrameKind.ACK),
        ({"cmd": "aibot_respond_msg", "headers": {"req_id": "r1"}, "errcode": 0}, FrameKind.ACK),
        ({"cmd": "aibot_novelty", "headers": {"req_id": "r1"}}, FrameKind.UNKNOWN),
        ({"headers": {}, "errcode": 40058}, FrameKind.ORPHAN_ERROR),
        ({"headers": None, "errcode": 40058}, FrameKind.ORPHAN_ERROR),
        ({"errcode": 40058}, FrameKind.ORPHAN_ERROR),
        ({"errcode": 0}, FrameKind.UNKNOWN),
        ({"headers": {"req_id": 5}}, FrameKind.UNKNOWN),
        ({}, FrameKind.UNKNOWN),
    ],
)
def test_frames_are_sorted(raw: Dict[str, Any], kind: FrameKind) -> None:
    assert classify(frame(raw)) is kind


@pytest.mark.parametrize(
    ("raw", "code", "ok"),
    [
        ({"errcode": 0}, 0, True),
        ({"errcode": "0"}, 0, True),
        ({"errcode": "-1"}, -1, False),
        ({"errcode": 846609}, 846609, False),
        ({"errcode": "x"}, None, False),
        ({"errcode": "--5"}, None, False),
        ({"errcode": "-"}, None, False),
        ({"errcode": "5-"}, None, False),
        ({"errcode": False}, None, False),
        ({"errcode": "9" * 40}, None, False),
        ({}, None, False),
    ],
)
def test_error_codes_are_numbers(raw: Dict[str, Any], code: Any, ok: bool) -> None:
    read = frame(raw)
    assert (read.errcode, read.ok) == (code, ok)


def test_a_kick_and_urgent_events_are_told() -> None:
    kick = {**push(msgtype="event", event={"eventtype": "disconnected_event"}), "cmd": "aibot_event_callback"}
    assert is_kick(frame(kick))
    assert not is_kick(frame(push()))
    for name in ("enter_chat", "template_card_event"):
        assert is_urgent(frame(push(msgtype="event", event={"eventtype": name})))
    assert not is_urgent(frame(kick))


def test_the_chat_is_the_group_else_the_user() -> None:
    assert frame(push(chatid="wr1")).chat == "wr1"
    assert frame(push()).chat == "zhang"
    assert frame({}).chat == ""


def test_an_upload_answer_has_its_body() -> None:
    read = frame({"headers": {"req_id": "r"}, "errcode": 0, "body": {"upload_id": "u", "created_at": 1380000000}})
    body: Any = read.body
    assert (body.upload_id, body.created_at) == ("u", 1380000000)
    assert frame({"errcode": 0}).body is None


def test_the_repr_hides_content_keys_and_urls() -> None:
    secret_parts = {
        "image": {"url": "https://cos/secret-path?sign=abc", "aeskey": "KEYKEYKEY"},
        "response_url": "https://r/u",
    }
    read = frame(push(**secret_parts))
    shown = repr(read) + repr(read.body) + str(read) + repr(read.headers)
    for secret in ("secret-path", "KEYKEYKEY", "https://r/u"):
        assert secret not in shown
    assert "m1" in repr(read)
    assert "m1" in repr(read.body)
    assert read.body.image.aeskey == "KEYKEYKEY"


def test_the_repr_of_an_error_hides_echoed_secrets() -> None:
    assert "hunter22" not in repr(frame({"errcode": 1, "errmsg": 'bad {"secret": "hunter22"}'}))


def test_outgoing_frames_are_compact_and_keep_chinese() -> None:
    text = encode_frame(WsCmd.RESPONSE, "r1", {"msgtype": "markdown", "markdown": {"content": "你好\n\u2028\x7f"}})
    assert text == (
        '{"cmd":"aibot_respond_msg","headers":{"req_id":"r1"},'
        '"body":{"msgtype":"markdown","markdown":{"content":"你好\\n\u2028\x7f"}}}'
    )
    assert encode_frame("ping", "p") == '{"cmd":"ping","headers":{"req_id":"p"}}'


def looped() -> Dict[str, Any]:
    body: Dict[str, Any] = {}
    body["self"] = body
    return body


@pytest.mark.parametrize("body", [{"a": float("nan")}, {"a": object()}, {"a": b"x"}, {"a": "\ud800"}, looped()])
def test_what_json_cannot_carry_is_refused_before_sending(body: Dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        encode_frame("aibot_send_msg", "r", body)


def test_req_ids_have_the_habitual_shape() -> None:
    assert make_req_id("ping", 1700000000123, "0a1b2c3d") == "ping_1700000000123_0a1b2c3d"


@pytest.mark.parametrize(
    "answered",
    [
        frame({"headers": {"req_id": "r9"}}),
        {"headers": {"req_id": "r9"}},
        SimpleNamespace(headers={"req_id": "r9"}),
        SimpleNamespace(headers=SimpleNamespace(req_id="r9")),
    ],
)
def test_anything_with_a_req_id_can_be_answered(answered: Any) -> None:
    assert req_id_of(answered) == "r9"


@pytest.mark.parametrize(
    "answered", [None, {}, {"headers": None}, {"headers": {"req_id": ""}}, "r9", frame({}), {"headers": {"req_id": 5}}]
)
def test_a_frame_without_req_id_cannot_be_answered(answered: Any) -> None:
    with pytest.raises(ConfigError, match="req_id"):
        req_id_of(answered)


def test_commands_print_as_themselves() -> None:
    assert f"{WsCmd.SEND_MSG}" == str(WsCmd.SEND_MSG) == "aibot_send_msg"


@pytest.mark.parametrize(
    ("msgid", "known_as"),
    [("m1", "m1"), (12, "12"), (0, "0"), (2**64, str(2**64)), (True, None), ("", None), (None, None), (1.5, None)],
)
def test_a_message_is_known_by_the_text_of_its_id(msgid: Any, known_as: Optional[str]) -> None:
    assert WsFrame({"cmd": "aibot_msg_callback", "headers": {}, "body": {"msgid": msgid}}).msgid == known_as


def test_a_number_too_long_to_be_an_id_is_none() -> None:
    assert WsFrame({"cmd": "aibot_msg_callback", "headers": {}, "body": {"msgid": 10**5000}}).msgid is None
