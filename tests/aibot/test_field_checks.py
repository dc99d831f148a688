"""Single values are judged, and the refusal names the field."""

from __future__ import annotations

import pytest

from wxsdk.aibot.field_checks import (
    need_distinct,
    need_feedback,
    need_flag,
    need_list,
    need_object,
    need_one_of,
    need_text,
)
from wxsdk.errors import ConfigError, LimitExceeded


def test_bytes_are_counted_not_characters() -> None:
    assert need_text("你" * 3, "x", 9) == "你你你"
    with pytest.raises(LimitExceeded, match="x is too long") as caught:
        need_text("你" * 3, "x", 8)
    assert (caught.value.limit, caught.value.actual) == (8, 9)


@pytest.mark.parametrize("value", [None, 5, b"x", "", ["x"]])
def test_a_text_must_be_one(value: object) -> None:
    with pytest.raises(ConfigError, match=r"a\.b"):
        need_text(value, "a.b")


def test_an_empty_text_may_be_allowed() -> None:
    assert need_text("", "x", empty=True) == ""


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ConfigError, match="half a character"):
        need_text("ok\udc00", "x")


def test_lists_have_bounds() -> None:
    assert need_list([1], "x", 1, 1) == [1]
    with pytest.raises(LimitExceeded) as caught:
        need_list([1, 2], "x", 1)
    assert (caught.value.limit, caught.value.actual) == (1, 2)
    for bad in ([], None, (1,), {}):
        with pytest.raises(ConfigError, match="x"):
            need_list(bad, "x", 3, 1)


@pytest.mark.parametrize("value", [True, "2", 4, None, [1]])
def test_one_of_a_few(value: object) -> None:
    with pytest.raises(ConfigError, match="x must be one of 1, 2"):
        need_one_of(value, "x", (1, 2))


def test_the_rest() -> None:
    need_flag(True, "x")
    need_distinct(["a", "b"], "x")
    need_feedback({"id": "f" * 256}, "x")
    with pytest.raises(ConfigError):
        need_flag(1, "x")
    with pytest.raises(ConfigError):
        need_distinct(["a", "a"], "x")
    with pytest.raises(ConfigError):
        need_object([], "x")
    with pytest.raises(LimitExceeded):
        need_feedback({"id": "你" * 86}, "x")
