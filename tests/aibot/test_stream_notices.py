"""When a stream adds words of its own."""

from __future__ import annotations

import pytest

from wxsdk.aibot.stream_notices import NOTICE_BROKEN, NOTICE_EMPTY, NOTICE_PICTURES, closing_notice
from wxsdk.aibot.stream_shown import Shown


@pytest.mark.parametrize(
    ("text", "shown", "begun", "failed", "pictures", "wanted"),
    [
        ("answer", Shown.PART, True, False, False, ""),
        ("", Shown.NOTHING, False, False, False, ""),
        (" ", Shown.NOTHING, True, False, False, ""),
        ("", Shown.THINKING, True, False, False, NOTICE_EMPTY),
        ("", Shown.PERHAPS, True, False, False, NOTICE_EMPTY),
        ("", Shown.PART, False, False, False, ""),
        ("<think>well</think>", Shown.NOTHING, False, False, False, NOTICE_EMPTY),
        ("", Shown.NOTHING, False, False, True, NOTICE_PICTURES),
        ("answer", Shown.NOTHING, False, True, False, NOTICE_BROKEN),
        ("", Shown.PART, False, True, False, NOTICE_BROKEN),
        ("", Shown.THINKING, True, True, False, NOTICE_BROKEN),
        ("", Shown.NOTHING, True, True, False, ""),
    ],
)
def test_a_notice_ends_the_animation_or_tells_of_a_break_and_never_stands_alone(
    text: str, shown: Shown, begun: bool, failed: bool, pictures: bool, wanted: str
) -> None:
    assert closing_notice(text, shown, begun, failed=failed, pictures=pictures) == wanted
