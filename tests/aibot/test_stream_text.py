"""The text of a stream over its messages: where it may be shown up to, and where it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxsdk.aibot.stream_text import (
    INVISIBLE,
    MAX_THOUGHT,
    StreamText,
    first_part,
    fits,
    held_back,
    is_visible,
    noted,
    open_fence,
    reach,
    told_apart,
    utf8_len,
    with_closed_fence,
    without_halves,
)
from wxsdk.core.textsplit import split_text

ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
SYLLABLE = "\u1112\u1161\u11ab"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("a", ""),
        ("ab", "a"),
        ("hello \n\n", "hell"),
        ("one two", "one tw"),
        ("x y", "x"),
        ("e\u0301", ""),
        ("ae\u0301", "a"),
        ("a" + FAMILY, "a"),
        ("a\U0001f44d\U0001f3fd", "a"),
        ("你好", "你"),
        (ENGLAND, ""),
        ("a" + ENGLAND, "a"),
        ("a" + SYLLABLE, "a"),
        ("🇨🇳🇨🇳", "🇨🇳"),
        ("a\u0301" * 50, "a\u0301" * 49),
    ],
)
def test_the_last_visible_character_is_held_back(text: str, shown: str) -> None:
    assert held_back(text) == shown


def test_reach_counts_bytes_and_keeps_characters_whole() -> None:
    assert reach("你好吗", 7) == 2
    assert reach("abc", 10) == 3
    assert reach("ab" + FAMILY, 12) == 2
    assert reach("", 5) == 0
    assert fits("你好", 6)
    assert not fits("你好", 5)
    assert utf8_len("\ud800") == 3


@pytest.mark.parametrize(
    ("text", "part", "rest"),
    [
        ("aaaa bbbb\n\ncccc dddd", "aaaa bbbb", "cccc dddd"),
        ("aaaa bbbb\ncccc dddd", "aaaa bbbb", "cccc dddd"),
        ("第一句话。第二句话。", "第一句话。", "第二句话。"),
        ("aaaa bbbb cccc dddd", "aaaa bbbb cccc", "dddd"),
        ("a" * 20, "a" * 16, "a" * 4),
    ],
)
def test_the_best_place_within_reach_is_taken(text: str, part: str, rest: str) -> None:
    cut = first_part(text, 16, 0)
    assert (cut.part, text[cut.after :], cut.opener) == (part, rest, "")


@pytest.mark.parametrize("unit", [ENGLAND, SYLLABLE, FAMILY, "🇨🇳", "e\u0301", "क्ष"])
def test_a_message_ends_between_two_characters_where_split_text_would(unit: str) -> None:
    for before in range(8):
        text = "x" * before + unit * 100
        cut = first_part(text, 1000, 0)
        assert not cut.part.replace(unit, "").strip("x")
        assert [cut.part] == split_text(text, 1000)[:1]
        assert held_back(cut.part) == cut.part[: -len(unit)]


def test_no_cut_lies_before_what_was_shown() -> None:
    text = "aaaaaaaa\n\nbbbb cc dddddddd"
    assert first_part(text, 20, 0).part == "aaaaaaaa\n\nbbbb cc" or first_part(text, 20, 0).part == "aaaaaaaa"
    assert len(first_part(text, 20, 18).part) >= 17


def test_a_cut_code_block_is_closed_and_reopened() -> None:
    code = "".join(f"line {number}\n" for number in range(200))
    text = f"Look:\n```python\n{code}```\nDone."
    cut = first_part(text, 1000, 0)
    assert utf8_len(cut.part) <= 1000
    assert cut.part.endswith("\n```")
    assert cut.opener == "```python\n"
    assert cut.part[: -len("```")] + text[cut.after :] == text


def test_open_fences_are_found() -> None:
    assert open_fence("plain") is None
    assert open_fence("```py\nx\n```") is None
    assert open_fence("```py\nx") is not None
    assert open_fence("```" + "x" * 300 + "\ny") is None
    assert with_closed_fence("```py\nx", open_fence("```py\nx")) == "```py\nx\n```"
    assert with_closed_fence("plain", None) == "plain"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("x", True),
        ("", False),
        (" \n\u200b", False),
        ("<think></think>", False),
        ("<think>hm", False),
        ("<think>hm</think> yes", True),
    ],
)
def test_only_some_text_is_visible(text: str, seen: bool) -> None:
    assert is_visible(text) is seen


def test_halves_are_joined_or_replaced() -> None:
    assert without_halves("\ud83d\ude00") == "\U0001f600"
    assert without_halves("a\ud800b") == "a\ufffdb"


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab 。\n`~你\U0001f600\u0301", min_size=60, max_size=400), st.integers(0, 40))
def test_parts_fit_lose_only_white_space_and_keep_what_was_shown(text: str, least: int) -> None:
    limit = 600
    text = text * 5
    if fits(text, limit):
        return
    cut = first_part(text, limit, least)
    assert utf8_len(cut.part) <= limit
    assert cut.after > least // 2
    if not cut.opener:
        assert text[: cut.after].rstrip() == cut.part or text[: cut.after].strip() == cut.part.strip()
        assert len(cut.part) >= len(text[:least].rstrip())
    else:
        assert cut.part.startswith(text[: cut.after])


def written(text: str, max_bytes: int = 100) -> StreamText:
    made = StreamText(max_bytes)
    made.write(text)
    return made


def test_pieces_add_up() -> None:
    text = written("你")
    text.write("好")
    assert text.current() == "你好"


def test_a_pair_of_halves_may_come_in_two_pieces() -> None:
    text = written("a\ud83d")
    assert text.current() == "a"
    text.write("\ude00b")
    assert text.current() == "a\U0001f600b"


def test_a_half_that_stays_alone_is_replaced_at_the_end() -> None:
    text = written("a\ud83d")
    assert text.current(last=True) == "a\ufffd"


def test_the_next_message_begins_behind_the_sealed_one() -> None:
    text = written("word " * 30)
    assert text.is_too_long()
    sealed = text.seal("word word")
    text.go_on_behind(sealed)
    assert not text.is_too_long()
    assert sealed.part + " " + text.current() == "word " * 30


def test_a_code_block_goes_on_in_the_next_message() -> None:
    text = written("```py\n" + "x = 1\n" * 200, max_bytes=600)
    sealed = text.seal("")
    text.go_on_behind(sealed)
    assert text.current().startswith("```py\nx = 1\n")
    again = text.seal("")
    text.go_on_behind(again)
    assert sealed.part.count("x = 1") + again.part.count("x = 1") + text.current().count("x = 1") == 200


def test_text_replaced_by_a_longer_form_of_itself_goes_on() -> None:
    text = written("word " * 30)
    text.go_on_behind(text.seal(""))
    text.replace("word " * 30 + "more")
    assert text.current().endswith("more")
    assert len(text.current()) < 100


def test_text_replaced_by_another_begins_anew() -> None:
    text = written("word " * 30)
    sealed = text.seal("")
    text.replace("another")
    text.go_on_behind(sealed)
    assert text.current() == "another"
    text = written("word " * 30)
    text.go_on_behind(text.seal(""))
    text.replace("another")
    assert text.current() == "another"


def test_long_thoughts_are_folded_and_nothing_else() -> None:
    text = written("<think>" + "hm " * 2000 + "</think>answer")
    assert text.fold_thoughts()
    assert not text.fold_thoughts()
    assert text.current().endswith("</think>answer")
    assert len(text.current()) == MAX_THOUGHT + len("<think></think>answer")


def test_notices_stand_outside_of_code_and_thoughts() -> None:
    assert noted("", "n") == "n"
    assert noted("text", "n") == "text\n\nn"
    assert noted("```\ncode", "n") == "```\ncode\n```\n\nn"
    assert noted("<think>hm", "n") == "<think>hm</think>\n\nn"


@pytest.mark.parametrize(
    ("text", "apart"),
    [
        ("4711", f"4711{INVISIBLE}"),
        ("**b**", f"**b**{INVISIBLE}"),
        ("see https://x.y/1", f"see {INVISIBLE}https://x.y/1"),
        ("https://x.y/1", f"{INVISIBLE}https://x.y/1"),
        ("字\u3000[a](https://x.y/1)", f"字\u3000{INVISIBLE}[a](https://x.y/1)"),
        ("https://x.y/1 is it", f"https://x.y/1 is it{INVISIBLE}"),
        ("```\ncode\n```", f"```\ncode\n```\n{INVISIBLE}"),
        ("~~~\nhttps://x.y", f"~~~\nhttps://x.y\n{INVISIBLE}"),
    ],
)
def test_a_text_is_told_apart_where_it_does_no_harm(text: str, apart: str) -> None:
    assert told_apart(text) == apart
    assert utf8_len(apart) - utf8_len(text) <= 4
