"""The three shared stores, each on its real server; skipped where a server is missing unless WXSDK_FLEET=require."""

from __future__ import annotations

import itertools
import os
from typing import Any, Callable, Iterator

import pytest

from wxsdk import SQLiteStore
from wxsdk.runtime.postgres_store import PostgresStore
from wxsdk.runtime.redis_store import RedisStore

from .servers import Postgres, Redis, installed

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="  # base64 of 32 bytes
_numbers = itertools.count(1)

MakeStore = Callable[[], Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if installed():
        return
    assert os.environ.get("WXSDK_FLEET") != "require", "redis-server, postgresql, redis and psycopg must be installed"
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.skip(reason="needs redis-server and postgresql"))


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    server = Redis()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    server = Postgres()
    server.start()
    yield server
    server.remove()


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WXSDK_STORE_KEY", KEY)


@pytest.fixture(params=["sqlite", "redis", "postgres"])
def make_store(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[MakeStore]:
    """Makes stores on the same rows, as several processes would."""
    made = []
    number = next(_numbers)

    def make() -> Any:
        if request.param == "sqlite":
            store: Any = SQLiteStore(tmp_path / "bot.db")
        elif request.param == "redis":
            store = RedisStore(request.getfixturevalue("redis_server").url, prefix=f"test{number}")
        else:
            store = PostgresStore(request.getfixturevalue("postgres_server").dsn, prefix=f"test{number}")
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()
