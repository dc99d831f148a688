"""Duplicates are told by their id."""

from __future__ import annotations

from wxsdk.aibot.seen import SeenIds


def test_an_id_is_new_once() -> None:
    seen = SeenIds(10)
    assert [seen.is_new(msgid) for msgid in ("a", "b", "a", "b", "c")] == [True, True, False, False, True]


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    seen = SeenIds(3)
    for number in range(1000):
        assert seen.is_new(str(number))
    assert len(seen) == 3
    assert not seen.is_new("999")
    assert seen.is_new("0")
