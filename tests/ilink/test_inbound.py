"""Which messages reach the handler, and with what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ilink.test_wire import json_values
from wxsdk.ilink.inbound import CONTENT_WINDOW, SeenMessages, is_for_handler, keys_of, to_inbound
from wxsdk.ilink.wire import decode_message

MEDIA = {"full_url": "u", "aes_key": "k"}
IMAGE = {"type": 2, "image_item": {"media": MEDIA}}


def text(words, **ref):
    item = {"type": 1, "text_item": {"text": words}}
    return {**item, "ref_msg": ref} if ref else item


def inbound(*items, lookup=lambda _: None, **fields):
    return to_inbound(decode_message({"message_type": 1, "item_list": list(items), **fields}), lookup)


@pytest.mark.parametrize(
    ("fields", "handed"),
    [
        ({"message_type": 1}, True),
        ({"message_type": "1", "delete_time_ms": 0, "message_state": 2}, True),
        ({"message_type": 1, "message_state": 0}, True),
        ({"message_type": 1, "message_state": 1}, False),
        ({"message_type": 1, "delete_time_ms": 5}, False),
        ({"message_type": 2}, False),
        ({"message_type": 0}, False),
        ({"message_type": True}, False),
        ({}, False),
    ],
)
def test_only_finished_messages_of_users_are_handed_over(fields, handed):
    assert is_for_handler(decode_message(fields)) is handed


def test_the_first_text_is_the_body():
    assert inbound(IMAGE, text("one"), text("two")).body == "one"


def test_a_transcript_is_a_body_when_there_is_no_text():
    voice = {"type": 3, "voice_item": {"media": MEDIA, "text": "spoken"}}
    assert inbound(voice).body == "spoken"
    assert inbound(voice).media is None
    assert inbound(voice, text("typed")).body == "typed"


def test_a_file_alone_has_no_body():
    made = inbound(IMAGE)
    assert made.body is None
    assert made.media is not None


@pytest.mark.parametrize(
    "item",
    [{"type": 99, "text_item": {"text": "x"}}, {"type": 11}, {"type": 1}, {"type": 1, "text_item": {"text": ""}}],
)
def test_other_items_give_no_body(item):
    assert inbound(item).body is None


def test_a_quoted_text_goes_before_the_body():
    made = inbound(text("new", title="T", message_item=text("old")))
    assert made.body == "[引用: T | old]\nnew"
    assert made.ref_message is not None
    assert (made.ref_message.title, made.ref_message.body) == ("T", "old")


def test_a_quote_by_title_or_by_text_alone_names_that():
    assert inbound(text("new", title="T")).body == "[引用: T]\nnew"
    assert inbound(text("new", message_item=text("old"))).body == "[引用: old]\nnew"


def test_a_quoted_file_leaves_the_text_alone_and_is_the_media():
    made = inbound(text("new", title="T", message_item=IMAGE))
    assert made.body == "new"
    assert made.media is not None
    assert made.media.kind == "image"


def test_a_file_of_its_own_wins_over_a_quoted_one():
    file = {"type": 4, "file_item": {"media": MEDIA, "file_name": "own"}}
    made = inbound(file, text("new", message_item=IMAGE))
    assert made.media is not None
    assert made.media.file_name == "own"


def test_a_quote_by_id_is_completed_from_memory():
    remembered = decode_message({"item_list": [text("old")]})
    made = inbound(text("new", svr_id="9"), lookup={"9": remembered}.get)
    assert made.body == "[引用: old]\nnew"
    assert made.ref_message is not None
    assert made.ref_message.message_id == "9"


def test_an_unknown_id_leaves_the_text_alone():
    assert inbound(text("new", svr_id="9")).body == "new"


def test_a_quote_on_a_file_is_told_too():
    made = inbound({**IMAGE, "ref_msg": {"title": "T"}})
    assert made.ref_message is not None
    assert made.ref_message.title == "T"


def test_absent_fields_have_plain_values():
    made = to_inbound(decode_message({}))
    assert (made.message_id, made.from_user_id, made.to_user_id, made.session_id) == ("", "", "", "")
    assert (made.create_time_ms, made.context_token, made.body, made.media, made.ref_message) == (
        0,
        None,
        None,
        None,
        None,
    )


def test_an_item_id_stands_in_for_a_missing_message_id():
    assert inbound({**text("x"), "msg_id": 7}).message_id == "7"
    assert inbound({**text("x"), "msg_id": 7}, message_id="3").message_id == "3"


def test_a_time_that_is_none_is_zero():
    assert inbound(create_time_ms=10**40).create_time_ms == 0
    assert inbound(create_time_ms=-5).create_time_ms == 0


def test_no_repr_shows_the_context_token():
    assert "canary" not in repr(inbound(text("x"), context_token="canary"))


@given(json_values, json_values)
def test_any_message_converts(first, second):
    for raw in (
        first,
        {
            "item_list": [
                first,
                {"type": first, "text_item": second, "ref_msg": {"message_item": first, "title": second}},
            ]
        },
        {"item_list": [{"type": 1, "text_item": {"text": "a"}, "ref_msg": {"svr_id": "1", "partial_text": first}}]},
        {"item_list": [{"type": 3, "voice_item": first}, {"type": 4, "file_item": {"media": second, "len": first}}]},
        {"message_type": first, "create_time_ms": second, "message_id": first, "from_user_id": second},
    ):
        message = decode_message(raw)
        made = to_inbound(message, lambda _: decode_message(second))
        assert isinstance(is_for_handler(message), bool)
        assert isinstance(repr(made), str)
        assert SeenMessages(1.0, 1).is_new(message, 0.0)


def message(message_id=1, words="hi", at=5, **fields):
    raw = {"from_user_id": "u", "create_time_ms": at, "item_list": [text(words)], **fields}
    return decode_message({**raw, "message_id": message_id} if message_id is not None else raw)


def test_the_same_id_is_a_duplicate_whatever_else_differs():
    seen = SeenMessages(window=100.0, max_ids=10)
    assert seen.is_new(message(1, "a", context_token="x"), 0.0)
    assert not seen.is_new(message("1", "b", context_token="y"), 11.0)


def test_a_duplicate_may_come_without_an_id_and_before_the_one_with():
    for first, second in ((1, ""), ("", 1), ("", ""), (1, "0"), (1, None)):
        seen = SeenMessages(window=100.0, max_ids=10)
        assert seen.is_new(message(first), 0.0)
        assert not seen.is_new(message(second), 11.0), (first, second)


def test_two_ids_are_two_messages_whatever_they_say():
    seen = SeenMessages(window=100.0, max_ids=10)
    assert seen.is_new(message(1), 0.0)
    assert seen.is_new(message(2), 0.0)


def test_another_time_user_or_text_is_another_message():
    seen = SeenMessages(window=100.0, max_ids=10)
    others = [message(None), message(None, at=6), message(None, words="ho"), message(None, from_user_id="v")]
    assert all(seen.is_new(one, 0.0) for one in others)


def test_without_id_and_time_nothing_is_taken_for_a_duplicate():
    seen = SeenMessages(window=100.0, max_ids=10)
    assert seen.is_new(message(None, at=0), 0.0)
    assert seen.is_new(message(None, at=0), 1.0)


def test_a_duplicate_of_a_file_is_known_although_its_address_is_signed_anew():
    def file(url):
        item = {"type": 4, "file_item": {"file_name": "f", "media": {"full_url": url, "aes_key": "k"}}}
        return decode_message({"from_user_id": "u", "create_time_ms": 5, "item_list": [item]})

    assert keys_of(file("https://x/?sig=1")) == keys_of(file("https://x/?sig=2"))


def test_what_was_seen_is_forgotten_by_age():
    seen = SeenMessages(window=100.0, max_ids=10)
    seen.is_new(message(1), 0.0)
    assert seen.knows(keys_of(message(1)), 100.0)
    assert not seen.knows(keys_of(message(1)), 100.1)
    seen.is_new(message(None), 0.0)
    assert not seen.knows(keys_of(message(None)), CONTENT_WINDOW + 1)


def test_what_was_seen_is_bounded_in_number():
    seen = SeenMessages(window=1000.0, max_ids=3)
    for number in range(1, 101):
        seen.is_new(message(number, at=number), float(number))
    assert len(seen) == 3
    assert not seen.is_new(message(100, at=100), 101.0)
    assert seen.is_new(message(1, at=1), 101.0)


@given(st.lists(st.tuples(st.integers(1, 6), st.floats(0, 50)), max_size=40))
def test_each_id_is_new_once_within_the_window(arrivals):
    seen = SeenMessages(window=1000.0, max_ids=100)
    now, new = 0.0, []
    for message_id, gap in arrivals:
        now += gap / 40
        if seen.is_new(message(message_id), now):
            new.append(message_id)
    assert sorted(new) == sorted({message_id for message_id, _ in arrivals})
