"""Any JSON whatever decodes; secrets do not show; what is unknown survives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.ilink.jsontext import dump_json, load_json
from wxsdk.ilink.wire import (
    MAX_DEPTH,
    ConfigReply,
    MessageItem,
    UploadUrlReply,
    WeixinMessage,
    decode_message,
    decode_updates,
)

CANARY = "canary-7f3a9c"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def test_a_whole_message_survives_the_round_trip():
    raw = {
        "seq": 3,
        "message_id": "18446744073709551615",
        "from_user_id": "u",
        "item_list": [
            {
                "type": 1,
                "text_item": {"text": "hi"},
                "ref_msg": {
                    "svr_id": "9",
                    "title": "t",
                    "partial_text": {"start": "a", "end": "b", "startindex": 0, "endindex": 1, "quotemd5": "x"},
                    "message_item": {"type": 4, "file_item": {"file_name": "f", "len": "3", "media": {"aes_key": "k"}}},
                },
            }
        ],
        "context_token": "c",
        "new_field": [1, {"deep": True}],
    }
    assert decode_message(raw).to_dict() == raw


def test_a_message_id_is_text_whether_it_came_as_number_or_as_text():
    assert decode_message({"message_id": 18446744073709551615}).message_id == "18446744073709551615"
    assert decode_message({"message_id": "7"}).message_id == "7"


def test_no_repr_shows_a_secret():
    media = {"encrypt_query_param": CANARY, "aes_key": CANARY, "full_url": f"https://cdn/?{CANARY}"}
    item = {"image_item": {"aeskey": CANARY, "url": CANARY, "media": media}}
    shown = [
        repr(decode_message({"context_token": CANARY, "item_list": [item]})),
        repr(UploadUrlReply.from_dict({"upload_param": CANARY, "upload_full_url": CANARY, "errmsg": CANARY})),
        repr(ConfigReply.from_dict({"typing_ticket": CANARY, "unknown": CANARY})),
    ]
    assert not [text for text in shown if CANARY in text]


def test_one_odd_element_does_not_cost_the_others():
    reply = decode_updates({"msgs": [None, 7, "x", [], {"message_id": 1}, {"item_list": 3, "message_id": 2}]})
    assert reply.msgs is not None
    assert [message.message_id for message in reply.msgs] == ["1", "2"]


def test_an_odd_item_does_not_cost_the_others():
    message = decode_message({"item_list": [None, {"type": "1", "text_item": None}, 3, {"type": 2}]})
    assert message.item_list == [MessageItem(type=1), MessageItem(type=2)]


@pytest.mark.parametrize("msgs", [None, {}, "x", 3, True])
def test_msgs_of_a_wrong_type_is_no_messages(msgs):
    assert not decode_updates({"ret": 0, "msgs": msgs}).msgs


@pytest.mark.parametrize("cursor", [5, None, [], {"a": 1}, True])
def test_a_cursor_of_a_wrong_type_is_no_cursor(cursor):
    assert decode_updates({"get_updates_buf": cursor}).get_updates_buf is None


def test_a_message_nested_too_deeply_keeps_its_text():
    nest: dict = {"a": 1}
    for _ in range(900):
        nest = {"message_item": {"ref_msg": nest}}
    raw = {"message_id": 5, "item_list": [{"type": 1, "text_item": {"text": "hi"}, "ref_msg": nest}], "odd": nest}
    message = decode_message(raw)
    assert message.item_list is not None
    assert message.item_list[0].text_item is not None
    assert message.item_list[0].text_item.text == "hi"
    assert len(dump_json(message.to_dict())) < 100 * MAX_DEPTH


def test_an_endless_number_costs_nothing_else():
    body = b'{"msgs": [{"message_id": ' + b"9" * 5000 + b'}, {"message_id": 2, "create_time_ms": ' + b"1" * 200 + b"}]}"
    reply = decode_updates(load_json(body))
    assert reply.msgs is not None
    assert [len(message.message_id or "") for message in reply.msgs] == [5000, 1]


@given(json_values)
def test_anything_decodes_and_encodes_again(value):
    for raw in (value, {"item_list": [value, {"ref_msg": value, "text_item": value}], "context_token": value}):
        message = decode_message(raw)
        assert isinstance(repr(message), str)
        assert decode_message(message.to_dict()).to_dict() == message.to_dict() or "nan" in str(raw).lower()


def test_a_message_of_ours_encodes_without_empty_fields():
    assert WeixinMessage(from_user_id="", to_user_id="u").to_dict() == {"from_user_id": "", "to_user_id": "u"}
