"""The contract of a store, held against both of ours."""

from __future__ import annotations

import pathlib
from typing import Any, Callable, Iterator

import pytest

from wxsdk.errors import ConfigError
from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.runtime.store import MemoryStore, Put, Store, as_store
from wxsdk.testing import STORE_CHECKS, check_store


def _makers(folder: pathlib.Path) -> dict[str, Callable[[], Store]]:
    numbers = iter(range(1000))
    return {"memory": MemoryStore, "sqlite": lambda: SQLiteStore(folder / f"{next(numbers)}.db")}


@pytest.fixture(params=["memory", "sqlite"])
def make_store(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Callable[[], Store]:
    return _makers(tmp_path)[request.param]


@pytest.fixture
def store(make_store: Callable[[], Store]) -> Iterator[Store]:
    made = make_store()
    yield made
    made.close()


@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__.strip("_"))
def test_a_store_keeps_the_contract(store: Store, check: Callable[[Any], None]) -> None:
    check(store)


def test_the_whole_suite_runs_by_one_call(make_store: Callable[[], Store]) -> None:
    check_store(make_store)


def test_the_suite_notices_a_store_that_breaks_the_contract() -> None:
    class Forgetful(MemoryStore):
        def get(self, table: str, key: str) -> None:
            return None

    class Sorted(MemoryStore):
        def items(self, table: str) -> list[tuple[str, str]]:
            return sorted(super().items(table))

    for broken in (Forgetful, Sorted):
        with pytest.raises(AssertionError):
            check_store(broken)


def test_neither_store_shows_its_content_in_its_repr(store: Store) -> None:
    store.write([Put("tokens", "somebody", "top-secret-value", 1.0)])
    assert "top-secret-value" not in repr(store)
    assert "somebody" not in repr(store)


def test_only_the_file_is_durable(tmp_path: pathlib.Path) -> None:
    assert not MemoryStore().durable
    assert SQLiteStore.durable


@pytest.mark.parametrize("given", ["bot.db", pathlib.Path("bot.db"), {}, 0, object()])
def test_what_is_no_store_is_refused_at_once(given: Any) -> None:
    with pytest.raises(ConfigError, match="SQLiteStore"):
        as_store(given)


def test_no_store_means_a_memory_of_its_own() -> None:
    assert isinstance(as_store(None), MemoryStore)
    assert as_store(None) is not as_store(None)
