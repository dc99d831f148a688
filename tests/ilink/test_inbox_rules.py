from __future__ import annotations

from wxsdk.ilink.inbox_rules import CursorProgress


def test_a_batch_without_messages_is_reached_at_once() -> None:
    progress = CursorProgress()
    progress.begin(0, "c1")
    assert progress.reached() == ["c1"]
    assert progress.reached() == []


def test_a_cursor_waits_for_all_its_messages() -> None:
    progress = CursorProgress()
    batch = progress.begin(2, "c1")
    progress.handled(batch)
    assert progress.reached() == []
    progress.handled(batch)
    assert progress.reached() == ["c1"]


def test_a_later_batch_waits_for_the_earlier_ones() -> None:
    progress = CursorProgress()
    first, second = progress.begin(1, "c1"), progress.begin(1, "c2")
    progress.handled(second)
    assert progress.reached() == []
    progress.handled(first)
    assert progress.reached() == ["c1", "c2"]


def test_a_batch_without_a_cursor_only_holds_the_line() -> None:
    progress = CursorProgress()
    first = progress.begin(1, None)
    progress.begin(0, "c2")
    assert progress.reached() == []
    progress.handled(first)
    assert progress.reached() == ["c2"]
