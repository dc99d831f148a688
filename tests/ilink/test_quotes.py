"""Quotes: by text, file, title, id and selected part."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.ilink.quotes import quotable, read_quote, select_part
from wxsdk.ilink.wire import PartialText, RefMessage, WeixinMessage

FILE = {"type": 4, "file_item": {"file_name": "f.txt", "media": {"full_url": "u", "aes_key": "k"}}}


def read(ref, remembered=None):
    asked = []

    def lookup(message_id):
        asked.append(message_id)
        return None if remembered is None else WeixinMessage.from_dict(remembered)

    return read_quote(RefMessage.from_dict(ref), lookup), asked


def test_a_quoted_text_needs_no_memory():
    item = {"type": 1, "msg_id": "5", "text_item": {"text": "old"}}
    info, asked = read({"title": " t ", "message_item": item})
    assert (info.title, info.body, info.message_id, info.media, asked) == ("t", "old", "5", None, [])


def test_svr_id_wins_over_msg_id():
    info, _ = read({"svr_id": 18446744073709551615, "message_item": {"msg_id": "5"}})
    assert info.message_id == "18446744073709551615"


def test_a_quoted_file_is_its_media():
    info, _ = read({"message_item": FILE})
    assert info.media is not None
    assert (info.media.kind, info.media.file_name, info.body) == ("file", "f.txt", None)


def test_a_quote_of_only_an_id_is_looked_up():
    info, asked = read({"svr_id": "9"}, {"item_list": [{"type": 1, "text_item": {"text": "old"}}, FILE]})
    assert asked == ["9"]
    assert info.body == "old"
    assert info.media is not None


def test_an_empty_quoted_item_is_looked_up_too():
    info, asked = read({"svr_id": "9", "message_item": {"type": 0}}, {"item_list": [FILE]})
    assert asked == ["9"]
    assert info.media is not None


def test_an_unknown_id_leaves_the_title():
    info, _ = read({"svr_id": "9", "title": "t"})
    assert (info.title, info.body, info.message_id) == ("t", None, "9")


@pytest.mark.parametrize("ref", [{}, {"svr_id": ""}, {"svr_id": "0"}, {"message_item": {}}])
def test_a_quote_of_nothing_is_nothing(ref):
    info, asked = read(ref)
    assert (info.title, info.body, info.message_id, info.media, asked) == (None, None, None, None, [])


def test_the_selected_part_of_a_remembered_text_is_told():
    ref = {"svr_id": "9", "partial_text": {"start": "b", "end": "d", "startindex": 0, "endindex": 0}}
    info, _ = read(ref, {"item_list": [{"type": 1, "text_item": {"text": "abcde"}}]})
    assert info.quote_text == "bcd"


def test_what_is_remembered_holds_no_context_token():
    message = WeixinMessage.from_dict({"message_id": 3, "context_token": "c", "item_list": [FILE]})
    assert quotable(message).to_dict() == {"message_id": "3", "item_list": [FILE]}


def part(start, end, startindex=0, endindex=0, selected=None):
    digest = None if selected is None else hashlib.md5(selected.encode()).hexdigest().upper()
    return PartialText(start, end, startindex, endindex, digest)


def test_ends_are_counted_over_the_whole_text():
    assert select_part("a1 b1 a2 b2", part("a", "b", 1, 1)) == "a2 b"


def test_ends_are_counted_from_the_start_when_the_whole_text_gives_none():
    assert select_part("xb ab", part("a", "b", 0, 0)) == "ab"


def test_the_digest_tells_which_count_was_meant():
    text = "a-b-b"
    assert select_part(text, part("-", "b", 0, 0, "-b")) == "-b"
    assert select_part(text, part("-", "b", 0, 1, "-b-b")) == "-b-b"
    assert select_part("b a b b", part("a", "b", 0, 1, "a b b")) == "a b b"


def test_a_wrong_digest_gives_nothing():
    assert select_part("abc", part("a", "c", 0, 0, "other")) is None


@pytest.mark.parametrize(
    "odd",
    [
        part("", "b"),
        part("a", ""),
        part(None, "b"),
        part("z", "b"),
        part("a", "z"),
        part("a", "b", 5),
        part("a", "b", -1),
    ],
)
def test_a_part_that_is_not_there_is_nothing(odd):
    assert select_part("a b", odd) is None


def test_absent_indexes_mean_the_first():
    assert select_part("a b", PartialText("a", "b")) == "a b"


def test_a_huge_index_ends_at_once():
    assert select_part("a" * 1000, part("a", "a", 10**300, 10**300)) is None


@given(st.text(max_size=30), st.text(max_size=3), st.text(max_size=3), st.integers(0, 4), st.integers(0, 4))
def test_a_selection_is_a_part_of_the_text(text, start, end, startindex, endindex):
    selected = select_part(text, part(start, end, startindex, endindex))
    assert selected is None or (selected in text and selected.startswith(start) and selected.endswith(end))
