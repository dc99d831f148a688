"""What goes out is exactly what docs/protocol/ilink, 4 and 5 say, and bad arguments never get that far."""

from __future__ import annotations

import base64
import json

import pytest

from wxsdk.core.redact import Secret
from wxsdk.errors import ConfigError, Unsupported
from wxsdk.ilink import frames_out as outbound
from wxsdk.ilink.wire import SendReply

KEY = bytes(range(16))
UPLOADED = outbound.Uploaded("r.pdf", 100, 112, Secret("param"), KEY)
MEDIA = {"encrypt_query_param": "param", "aes_key": base64.b64encode(KEY.hex().encode()).decode(), "encrypt_type": 1}


def test_a_text_message_has_one_item_and_no_field_more():
    msg = outbound.message("u", outbound.text_item("hi"), client_id="c", context_token="t", run_id="r")
    assert msg == {
        "from_user_id": "",
        "to_user_id": "u",
        "client_id": "c",
        "message_type": 2,
        "message_state": 2,
        "item_list": [{"type": 1, "text_item": {"text": "hi"}}],
        "context_token": "t",
        "run_id": "r",
    }


def test_absent_token_and_run_are_left_out():
    msg = outbound.message("u", outbound.text_item("hi"), client_id="c")
    assert set(msg) == {"from_user_id", "to_user_id", "client_id", "message_type", "message_state", "item_list"}


def test_media_items_carry_the_hex_key_in_base64_and_the_right_size():
    assert outbound.media_item("image", UPLOADED) == {"type": 2, "image_item": {"media": MEDIA, "mid_size": 112}}
    assert outbound.media_item("video", UPLOADED) == {"type": 5, "video_item": {"media": MEDIA, "video_size": 112}}
    file = {"type": 4, "file_item": {"media": MEDIA, "file_name": "r.pdf", "len": "100"}}
    assert outbound.media_item("file", UPLOADED) == file
    assert outbound.media_item("voice", UPLOADED) == file


def test_tool_calls_say_when_and_whether_they_are_done():
    assert outbound.tool_start_item("search", "id1", 7) == {
        "type": 11,
        "create_time_ms": 7,
        "is_completed": False,
        "tool_call_start_item": {"tool_name": "search", "tool_call_id": "id1"},
    }
    assert outbound.tool_result_item("search", None, "failed", 8) == {
        "type": 12,
        "create_time_ms": 8,
        "is_completed": True,
        "tool_call_result_item": {"tool_name": "search", "status": "failed"},
    }


def test_an_upload_is_announced_in_full():
    body = outbound.upload_request("video", to="u", filekey=bytes(16), key=KEY, size=100, md5_hex="m", cipher_size=112)
    assert body == {
        "filekey": "00" * 16,
        "media_type": 2,
        "to_user_id": "u",
        "rawsize": 100,
        "rawfilemd5": "m",
        "filesize": 112,
        "no_need_thumb": True,
        "aeskey": KEY.hex(),
    }


def test_everything_built_is_plain_json_and_hides_its_secrets():
    msg = outbound.message("u", outbound.media_item("image", UPLOADED), client_id="c", context_token=Secret("canary"))
    assert json.loads(json.dumps(msg)) == msg
    assert "canary" not in repr(msg)
    assert "param" not in repr(UPLOADED)
    assert KEY.hex() not in repr(UPLOADED)


@pytest.mark.parametrize("text", ["", " \n\t", None, 5, b"x", "a\ud800b"])
def test_a_text_that_cannot_be_sent_is_refused(text):
    with pytest.raises(ConfigError):
        outbound.check_text(text)


@pytest.mark.parametrize("to", ["", None, 5, "a b", "a\nb", "\ud800", "x" * 1000])
def test_what_is_no_user_is_refused(to):
    with pytest.raises(ConfigError):
        outbound.check_recipient(to)


def test_a_group_is_unsupported():
    with pytest.raises(Unsupported):
        outbound.check_recipient("123@chatroom")


@pytest.mark.parametrize("token", [5, b"x", "", "a\nb", "\ud800", ["x"]])
def test_a_bad_context_token_is_refused_without_being_shown(token):
    with pytest.raises(ConfigError):
        outbound.check_context_token(token)


def test_good_arguments_come_back():
    assert outbound.check_text("x") == "x"
    assert outbound.check_recipient("abc@im.wechat") == "abc@im.wechat"
    assert outbound.check_context_token(None) is None
    assert repr(outbound.check_context_token("tok")) == "'***'"


@pytest.mark.parametrize(
    "arguments", [("",), (None,), ("x", ""), ("x", 5), ("x" * 600,), ("x", "y", "done"), ("x", None, [])]
)
def test_a_bad_tool_call_is_refused(arguments):
    with pytest.raises(ConfigError):
        outbound.check_tool_call(*arguments)


def test_a_text_without_an_id_is_accepted_but_unconfirmed():
    result = outbound.send_result(SendReply(), outbound.text_item("x"), "c")
    assert (result.client_id, result.message_id, result.confirmed, result.parts) == ("c", None, False, ())


def test_a_message_with_an_id_and_a_tool_call_without_are_confirmed():
    assert outbound.send_result(SendReply(message_id="9"), outbound.text_item("x"), "c").confirmed
    assert outbound.send_result(SendReply(), outbound.tool_start_item("t", None, 1), "c").confirmed
    assert outbound.send_result(SendReply(message_id="0"), outbound.text_item("x"), "c").message_id is None
