"""A message that is not decoded says the same as one that is."""

from __future__ import annotations

from typing import Any, Dict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.ilink.inbound import is_for_handler, keys_of, message_id_of
from wxsdk.ilink.raw_message import RawMessage, raw_messages
from wxsdk.ilink.state import parsed
from wxsdk.ilink.wire import MAX_DEPTH, decode_message

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(["0", "7", " 7 ", "x"])
)
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.one_of(ODD, st.integers(0, 5)),
        "text_item": st.one_of(ODD, st.fixed_dictionaries({}, optional={"text": ODD, "novel": ODD})),
        "image_item": st.one_of(
            ODD, st.fixed_dictionaries({}, optional={"media": st.fixed_dictionaries({}, optional={"aes_key": ODD})})
        ),
        "msg_id": ODD,
    },
)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "message_id": ODD,
        "from_user_id": ODD,
        "message_type": st.one_of(ODD, st.sampled_from([0, 1, 2, "1", 1.0])),
        "message_state": st.one_of(ODD, st.sampled_from([0, 1, 2, "1"])),
        "delete_time_ms": ODD,
        "create_time_ms": st.one_of(ODD, st.integers(0, 2**41)),
        "item_list": st.one_of(ODD, st.lists(st.one_of(ITEMS, ODD), max_size=3)),
        "context_token": ODD,
        "novel": ODD,
    },
)


@given(MESSAGES)
def test_every_answer_is_that_of_the_decoded_message(raw: Dict[str, Any]) -> None:
    message, lazy = decode_message(raw), RawMessage(raw)
    assert lazy.user_id == (message.from_user_id or "")
    assert lazy.is_for_handler == is_for_handler(message)
    assert lazy.keys == keys_of(message)
    assert lazy.message_id == message_id_of(message)
    assert lazy.context_token == (message.context_token or "")
    again, quoted = parsed(lazy.row()), parsed(lazy.quote_row())
    assert repr(again) == repr(message)  # NaN is not equal to itself
    assert quoted is not None
    assert (repr(quoted.item_list), quoted.message_id) == (repr(message.item_list), message.message_id)
    assert quoted.context_token is None


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 500, 900])
def test_what_is_nested_too_deeply_is_cut_off_in_its_row(depth: int) -> None:
    nested: Any = "innermost"
    for _ in range(depth):
        nested = [nested]
    message = RawMessage({"message_type": 1, "from_user_id": "alice", "message_id": "7", "novel": nested})
    row = message.row()
    assert row.count("[") <= MAX_DEPTH + 1
    found = parsed(row)
    assert found is not None
    assert (found.message_id, found.from_user_id) == ("7", "alice")
    assert message.message.message_id == "7"


def test_a_decoded_message_is_taken_as_it_is() -> None:
    message = decode_message({"message_id": 7, "from_user_id": "alice"})
    taken = RawMessage.of(message)
    assert taken.message is message
    assert RawMessage.of(taken) is taken


@pytest.mark.parametrize("odd", [None, 5, "x", {}, {"a": 1}])
def test_odd_elements_are_left_out(odd: Any) -> None:
    assert list(raw_messages(odd)) == []
    assert [each.raw for each in raw_messages([odd, {"message_id": 1}]) if each.raw.get("message_id")] == [
        {"message_id": 1}
    ]
