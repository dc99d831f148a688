"""What a kicked client tells those that stand by."""

from __future__ import annotations

import pytest

from wxsdk.aibot.kick_note import binds, kicked_before, note_of
from wxsdk.errors import AuthFailed, ConnectionLost, Kicked


def test_only_a_kick_leaves_a_note() -> None:
    for error in (None, ConnectionLost("gone"), AuthFailed("no", attempts=5)):
        assert note_of(error, None, 5.0) == ""
    assert binds(note_of(Kicked("out"), None, 5.0), 1e9)


def test_a_cooldown_bounds_the_note() -> None:
    note = note_of(Kicked("out"), 60.0, 1000.0)
    assert [binds(note, now) for now in (1000.0, 1059.0, 1060.0)] == [True, True, False]


@pytest.mark.parametrize(
    "note", ["", "something else", "kicked until", "kicked until never", "unkicked", "kicked until -"]
)
def test_no_other_note_binds(note: str) -> None:
    assert not binds(note, 0.0)


def test_the_error_says_how_to_come_back() -> None:
    assert "connect()" in kicked_before().remedy
