"""The ledger: what is published of a change, and what stays."""

from __future__ import annotations

import threading
from typing import Any, List, Tuple

import pytest

from wxsdk.sim.page import ledger as module
from wxsdk.sim.page.ledger import Ledger


def ledger() -> Tuple[Ledger, List[Any]]:
    said: List[Any] = []
    return Ledger(lambda kind, data: said.append((kind, data)), threading.RLock()), said


ENTRY = {"side": "ilink", "chat": "alice", "who": "bot"}


def test_of_a_growing_text_only_the_growth_is_published() -> None:
    made, said = ledger()
    made.put("1", **ENTRY, text="Hel")
    made.put("1", text="Hello", finished=True)
    made.put("1", text="Hello")
    made.put("1", text="Bye")
    assert said[1:] == [
        ("patch", {"id": "1", "finished": True, "more": "lo"}),
        ("patch", {"id": "1", "text": "Bye"}),
    ]


def test_what_was_exported_is_loaded_again() -> None:
    made, _ = ledger()
    made.add_user("alice")
    made.set_group("g", "Team", ["alice", "bob"])
    made.put("1", **ENTRY)
    other, _ = ledger()
    other.load(made.export())
    assert other.export() == made.export()
    assert other.people()["users"] == ["alice", "bob"]


@pytest.mark.parametrize("saved", [{}, {"users": 1}, {"users": [], "groups": [], "entries": [{"id": 1, "side": "x"}]}])
def test_a_foreign_history_is_refused(saved: Any) -> None:
    with pytest.raises(ValueError, match="not the history of a playground"):
        ledger()[0].load(saved)


def test_the_oldest_entries_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 2)
    made, _ = ledger()
    for number in range(4):
        made.put(str(number), **ENTRY)
    assert [entry["id"] for entry in made.entries()] == ["2", "3"]


def test_clearing_a_chat_leaves_the_others() -> None:
    made, said = ledger()
    made.put("1", **ENTRY)
    made.put("2", **{**ENTRY, "chat": "bob"})
    made.clear("ilink", "alice")
    assert [entry["id"] for entry in made.entries()] == ["2"]
    assert said[-1] == ("cleared", {"side": "ilink", "chat": "alice"})
