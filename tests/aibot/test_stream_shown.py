"""What a chat shows, and the sentence about it."""

from __future__ import annotations

import pytest

from wxsdk.aibot.stream_shown import Shown, sentence, worth


def test_what_arrives_is_the_sign_a_notice_or_a_part() -> None:
    assert worth("<think></think>", Shown.NOTHING, False) is Shown.THINKING
    assert worth("sorry", Shown.THINKING, True) is Shown.NOTICE
    assert worth("word", Shown.PERHAPS, False) is Shown.PART
    assert worth("<think></think>", Shown.PART, False) is Shown.PART


@pytest.mark.parametrize("shown", list(Shown))
def test_a_known_failure_tells_what_is_shown_and_nothing_of_nothing(shown: Shown) -> None:
    assert bool(sentence(shown)) is (shown is not Shown.NOTHING)
    assert " was " not in sentence(shown)


@pytest.mark.parametrize("shown", list(Shown))
def test_where_the_fate_is_unknown_only_the_past_is_told(shown: Shown) -> None:
    told = sentence(shown, unknown=True)
    assert bool(told) is (shown > Shown.PERHAPS)
    assert " is " not in told
