"""What a chat shows, the sentence about it, and when a stream adds words of its own."""

from __future__ import annotations

from typing import Any

import pytest

from wxsdk.aibot.stream_notices import MAX_NOTICE_BYTES, Shown, StreamNotices, closing_notice, sentence, worth
from wxsdk.errors import ConfigError

NOTICES = StreamNotices()


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


@pytest.mark.parametrize(
    ("text", "shown", "begun", "failed", "pictures", "wanted"),
    [
        ("answer", Shown.PART, True, False, False, ""),
        ("", Shown.NOTHING, False, False, False, ""),
        (" ", Shown.NOTHING, True, False, False, ""),
        ("", Shown.THINKING, True, False, False, NOTICES.empty),
        ("", Shown.PERHAPS, True, False, False, NOTICES.empty),
        ("", Shown.PART, False, False, False, ""),
        ("<think>well</think>", Shown.NOTHING, False, False, False, NOTICES.empty),
        ("", Shown.NOTHING, False, False, True, NOTICES.pictures),
        ("answer", Shown.NOTHING, False, True, False, NOTICES.broken),
        ("", Shown.PART, False, True, False, NOTICES.broken),
        ("", Shown.THINKING, True, True, False, NOTICES.broken),
        ("", Shown.NOTHING, True, True, False, ""),
    ],
)
def test_a_notice_ends_the_animation_or_tells_of_a_break_and_never_stands_alone(
    text: str, shown: Shown, begun: bool, failed: bool, pictures: bool, wanted: str
) -> None:
    assert closing_notice(NOTICES, text, shown, begun, failed=failed, pictures=pictures) == wanted


def test_the_words_are_those_of_the_settings() -> None:
    own = StreamNotices(broken="Sorry.", pictures="See the pictures.")
    assert closing_notice(own, "so far", Shown.PART, True, failed=True, pictures=False) == "Sorry."
    assert closing_notice(own, "", Shown.NOTHING, False, failed=False, pictures=True) == "See the pictures."
    assert own.empty == NOTICES.empty


@pytest.mark.parametrize(
    "odd", ["", " ", "\u200b", None, b"x", "字" * (MAX_NOTICE_BYTES // 3 + 1), "<think>hm</think>"]
)
def test_a_notice_that_nobody_could_read_is_refused(odd: Any) -> None:
    with pytest.raises(ConfigError, match="later"):
        StreamNotices(later=odd)
