"""Long texts are cut where it hurts least, within the limit, and nothing gets lost."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.core.textsplit import closes, opening_fence, split_text
from wxsdk.errors import ConfigError


def bare(text):
    return "".join(text.split())


def test_a_text_that_fits_comes_back_as_it_is():
    assert split_text("  a\n\nb ", 8) == ["  a\n\nb "]
    assert split_text("", 8) == []


def test_a_blank_line_is_the_best_place():
    assert split_text("One. Two\nthree\n\nFour five", 18) == ["One. Two\nthree", "Four five"]


def test_then_a_line_end_then_a_sentence_then_a_space():
    assert split_text("One. Two\nthree four", 12) == ["One. Two", "three four"]
    assert split_text("One two. Three four", 12) == ["One two.", "Three four"]
    assert split_text("seven eight nine", 12) == ["seven eight", "nine"]
    assert split_text("第一句。第二句！第三", 27) == ["第一句。第二句！", "第三"]


def test_a_place_too_early_is_better_than_cutting_a_word():
    assert split_text("a bcdefghij", 10) == ["a", "bcdefghij"]


def test_a_word_that_does_not_fit_is_cut_between_characters():
    assert split_text("abcdef", 4) == ["abcd", "ef"]
    assert split_text("中文字", 4) == ["中", "文", "字"]
    assert split_text("中文字", 7) == ["中文", "字"]


def test_the_indentation_after_a_cut_stays():
    assert split_text("- item one\n  - item two", 14) == ["- item one", "  - item two"]


@pytest.mark.parametrize(
    "shown_as_one",
    ["e\u0301", "👨\u200d👩\u200d👧", "👍🏽", "🇨🇳", "❤\ufe0f", "\u1112\u1161\u11ab", "नि", "\r\n"],
)
def test_what_is_shown_as_one_character_is_not_cut(shown_as_one):
    size = len(shown_as_one.encode())
    for before in range(6):
        parts = split_text("x" * before + shown_as_one * 5, size + 5)
        assert not [part for part in parts if bare(part.replace(shown_as_one, "").replace("x", ""))]


def test_a_run_of_flags_is_cut_between_flags():
    assert set("".join(split_text("🇨🇳" * 50, 30)).split("🇨🇳")) == {""}
    assert [part.count("🇨🇳") for part in split_text("🇨🇳" * 7, 30)] == [3, 3, 1]


def test_a_code_block_is_closed_and_reopened_with_what_its_first_line_says():
    assert split_text("```py\nprint(1)\nprint(2)\nprint(3)\n```\nafter", 29) == [
        "```py\nprint(1)\nprint(2)\n```",
        "```py\nprint(3)\n```\nafter",
    ]


def test_a_code_block_that_fits_a_part_goes_whole():
    parts = split_text("Some words.\n```\na\nb\n```\nMore words.", 20)
    assert parts == ["Some words.", "```\na\nb\n```", "More words."]


def test_code_keeps_its_indentation_and_its_blank_lines():
    code = "".join(f"    line {number}\n\n" for number in range(20))
    parts = split_text(f"```\n{code}```", 100)
    inside = [part[len("```\n") : -len("```")] for part in parts]
    assert "".join(inside).replace("\n\n", "\n") == code.replace("\n\n", "\n")


def test_a_block_that_ends_at_the_cut_is_not_reopened_empty():
    for limit in range(20, 40):
        parts = split_text("```\n" + "x = 1\n" * 4 + "```\nafter that, words and words and words", limit)
        assert not [part for part in parts if "```\n```" in part], limit


def test_a_line_of_code_that_does_not_fit_is_cut_within_the_block():
    parts = split_text("~~~ sh\n" + "y" * 50 + "\n~~~", 30)
    assert len(parts) > 2
    assert all(part.startswith("~~~ sh\n") and part.endswith("\n~~~") for part in parts)
    assert "".join(part.replace("~~~ sh\n", "").replace("\n~~~", "") for part in parts) == "y" * 50


def test_an_unclosed_block_is_closed_where_it_is_cut_only():
    parts = split_text("```\n" + "a\n" * 30, 30)
    assert all(part.endswith("```") for part in parts[:-1])
    assert not parts[-1].endswith("```")


def test_a_fence_that_leaves_no_room_is_cut_like_text():
    parts = split_text("`" * 200 + "\n" + "a" * 50, 40)
    assert all(len(part) <= 40 for part in parts)
    assert bare("".join(parts)) == "`" * 200 + "a" * 50


@pytest.mark.parametrize("line", ["```", "~~~~ a", "   ```py", "```` a ~ b"])
def test_a_fence_opens_a_block(line):
    assert opening_fence(line) is not None


@pytest.mark.parametrize("line", ["", "``", "```a``` b", "x ```", "~~", "``` `"])
def test_other_lines_open_none(line):
    assert opening_fence(line) is None


def test_a_block_ends_with_the_same_marks_or_more_and_nothing_behind_them():
    fence = opening_fence("````py")
    assert fence is not None
    assert [closes(line, fence) for line in ("````", "  `````  ", "```", "~~~~", "```` x", "")] == [True, True] + [
        False
    ] * 4


@pytest.mark.parametrize(("text", "limit"), [("a", 0), ("a", -5), ("中文", 2), ("😀😀", 3), ("aé", 1)])
def test_a_limit_below_one_character_is_refused(text, limit):
    with pytest.raises(ConfigError):
        split_text(text, limit)


@pytest.mark.parametrize(("text", "limit"), [(None, 5), (b"x", 5), ("x", "5"), ("x", 5.0), ("x", True), ("a\ud800", 1)])
def test_what_is_no_text_or_no_limit_is_refused(text, limit):
    with pytest.raises(ConfigError):
        split_text(text, limit)


markdown = st.lists(
    st.sampled_from(
        [
            "```\n",
            "```py\n",
            "~~~\n",
            "````\n",
            "\n",
            "\n\n",
            " ",
            "a",
            "word ",
            "句子。",
            "end. ",
            "    x\n",
            "😀",
            "e\u0301",
            "`",
            "\t",
        ]
    ),
    max_size=60,
).map("".join)


@given(st.text(max_size=200) | markdown, st.integers(4, 60))
def test_every_part_fits_and_is_not_blank(text, limit):
    parts = split_text(text, limit)
    assert all(len(part.encode()) <= limit for part in parts)
    assert len(parts) <= 1 or all(part.strip() for part in parts)


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="`~"), max_size=200),
    st.integers(4, 60),
)
def test_nothing_but_white_space_is_lost(text, limit):
    assert bare("".join(split_text(text, limit))) == bare(text)


def prose_and_code(text):
    """The visible characters outside of code blocks, and those inside."""
    prose, code, fence = [], [], None
    for line in text.split("\n"):
        if fence is None:
            fence = opening_fence(line)
            if fence is None:
                prose.append(line)
        elif closes(line, fence):
            fence = None
        else:
            code.append(line)
    return bare("".join(prose)), bare("".join(code))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["prose ", "句子。", "a\n\n", "w "]), st.sampled_from(["x=1\n", "    if y:\n", "\n", "z"])
        ),
        max_size=20,
    ),
    st.sampled_from(["```\n", "```py\n", "  ~~~ a b\n"]),
    st.integers(40, 90),
)
def test_cut_blocks_hold_the_code_and_nothing_else(pieces, opener, limit):
    text, closer = "", opener.split("`p")[0].rstrip().rstrip(" ab") if "~" in opener else "```"
    for prose, code in pieces:
        text += f"{prose}\n{opener}{code * 3}\n{closer}\n"
    parts = split_text(text, limit)
    split = [prose_and_code(part) for part in parts]
    assert ("".join(prose for prose, _ in split), "".join(code for _, code in split)) == prose_and_code(text)


@given(st.text(alphabet="ab \n", max_size=300), st.integers(4, 40))
def test_no_part_begins_with_a_mark_that_belongs_to_the_character_before(text, limit):
    text = text.replace("b", "e\u0301\u0302")
    limit = max(limit, 6)
    assert not [part for part in split_text(text, limit) if unicodedata.combining(part[0])]


HOSTILE = {
    "words": "hello world, this is it. ",
    "one word": "a",
    "spaces": " ",
    "line ends": "\n",
    "dots": ".",
    "marks": "`",
    "blocks": "```\n",
    "code": "x = 1\n",
    "flags": "🇨🇳",
    "accents": "\u0301",
    "quotes": "。”",
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE.keys())
def test_the_time_is_linear_in_the_text(unit):
    text = "```\n" + unit * (1_000_000 // len(unit))
    began = time.perf_counter()
    parts = split_text(text, 16384)
    assert time.perf_counter() - began < 5.0  # takes about 0.1; a quadratic way takes minutes
    assert all(len(part.encode()) <= 16384 for part in parts)
