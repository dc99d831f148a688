from __future__ import annotations

import json
from pathlib import Path
from typing import Any, List, Tuple

import pytest

from wxsdk.errors import ConfigError
from wxsdk.ilink.tokens import ContextTokenStore
from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.runtime.store import MemoryStore
from wxsdk.testing import FakeClock


@pytest.fixture
def tokens() -> ContextTokenStore:
    return ContextTokenStore(MemoryStore(), FakeClock())


def test_the_newest_token_of_a_user_counts(tokens: ContextTokenStore) -> None:
    assert tokens.get("alice") is None
    tokens.set("alice", "one")
    tokens.set("alice", "two")
    assert tokens.get("alice") == "two"


def test_what_is_exported_can_be_stored_and_imported(tokens: ContextTokenStore) -> None:
    tokens.import_all({"alice": "a-token", "bob": "b-token"})
    other = ContextTokenStore(MemoryStore(), FakeClock())
    other.import_all(json.loads(json.dumps(tokens.export_all())))
    assert other.export_all() == {"alice": "a-token", "bob": "b-token"}


def test_no_repr_shows_a_token(tokens: ContextTokenStore) -> None:
    tokens.set("alice", "very-secret")
    assert "very-secret" not in f"{tokens!r} {tokens.get('alice')!r} {tokens.export_all()!r}"


@pytest.mark.parametrize(
    "mapping", [{"alice": ""}, {"": "x"}, {"alice": None}, {"ok": "x", 5: "x"}, [("a", "b")], None]
)
def test_an_odd_import_changes_nothing(mapping: object, tokens: ContextTokenStore) -> None:
    with pytest.raises(ConfigError):
        tokens.import_all(mapping)  # type: ignore[arg-type]
    assert tokens.export_all() == {}


def test_a_repr_reads_no_store() -> None:
    class Unreadable(MemoryStore):
        def items(self, table: str) -> List[Tuple[str, str]]:
            raise OSError

    assert repr(ContextTokenStore(Unreadable(), FakeClock())) == "<ContextTokenStore>"


@pytest.mark.parametrize("mapping", [{"ok": "x", "alice": "canary\ud800"}, {"alice\udfff": "canary"}])
def test_half_a_character_is_refused_without_showing_the_token(mapping: Any, tokens: ContextTokenStore) -> None:
    with pytest.raises(ConfigError, match="context token has half of a character") as caught:
        tokens.import_all(mapping)
    assert caught.value.__context__ is None
    assert "canary" not in repr(caught.value)
    assert tokens.export_all() == {}


@pytest.mark.parametrize("user_id", [5, None, b"alice"])
@pytest.mark.parametrize("make_store", [MemoryStore, SQLiteStore])
def test_a_user_who_is_no_text_is_refused_by_every_store(user_id: Any, make_store: Any, tmp_path: Path) -> None:
    store = make_store(tmp_path / "bot.db") if make_store is SQLiteStore else make_store()
    with pytest.raises(ConfigError, match="user_id"):
        ContextTokenStore(store, FakeClock()).get(user_id)
