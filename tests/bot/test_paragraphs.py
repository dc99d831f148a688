from __future__ import annotations

from typing import List

from hypothesis import given
from hypothesis import strategies as st

from wxsdk.bot.paragraphs import Paragraphs

ANSWER = "# Title\n\nFirst.\n\n```python\na = 1\n\nb = 2\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nLast"
PARTS = ["# Title", "First.", "```python\na = 1\n\nb = 2\n```", "| a | b |\n|---|---|\n| 1 | 2 |", "Last"]


def cut(pieces: List[str]) -> List[str]:
    text, parts = Paragraphs(), []
    for piece in pieces:
        text.write(piece)
        parts.append(text.take_complete())
    return [part for part in [*parts, text.take_rest()] if part]


def test_paragraphs_go_out_as_they_are_complete_and_fences_and_tables_stay_whole() -> None:
    assert cut(list(ANSWER)) == PARTS


def test_what_is_complete_at_once_goes_out_as_one() -> None:
    text = Paragraphs()
    text.write("one\n\ntwo\n\nthree")
    assert text.take_complete() == "one\n\ntwo"
    assert text.take_complete() == ""
    assert text.take_rest() == "three"


def test_a_fence_that_is_not_closed_is_left_for_the_end() -> None:
    assert cut(["~~~\n\ncode\n\n```\n\nstill code"]) == ["~~~\n\ncode\n\n```\n\nstill code"]


def test_a_replaced_answer_goes_on_behind_what_was_sent() -> None:
    text = Paragraphs()
    text.write("one\n\ntwo")
    assert text.take_complete() == "one"
    text.replace("one\n\nanother end")
    assert text.take_rest() == "another end"
    text.replace("all anew")
    assert text.take_rest() == "all anew"


@given(st.lists(st.sampled_from(["a", "\n", "\n\n", "```", "```\n", "| x |\n", " ", "word\n\n"]), max_size=30))
def test_nothing_is_lost_and_no_fence_is_cut(pieces: List[str]) -> None:
    parts = cut(pieces)
    assert "".join("".join(parts).split()) == "".join("".join(pieces).split())
    assert not any(ends_in_fence(part) for part in parts[:-1])


def ends_in_fence(text: str) -> bool:
    """Whether a fence of backquotes is open at the end; as many of them close it as open it, and nothing else."""
    opened = 0
    for each in text.splitlines():
        indent = len(each) - len(each.lstrip(" "))
        line = each[indent:] if indent <= 3 else ""
        marks = len(line) - len(line.lstrip("`"))
        if marks < 3:
            continue
        if not opened:
            opened = marks
        elif marks >= opened and not line[marks:].strip():
            opened = 0
    return opened > 0
