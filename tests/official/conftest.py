"""Fixtures that run the vendors' clients. One Node process for each driver serves all tests of a session."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from tests.official.installed import official_clients
from tests.official.node import Node

NODE_OPTIONS = ("--no-warnings",)


@pytest.fixture(scope="session")
def clients_root() -> Path:
    """Where the vendors' clients are installed."""
    return official_clients()


@pytest.fixture(scope="session")
def aibot_node(clients_root: Path) -> Iterator[Node]:
    """A process with the vendor's SDK for WeCom AI bots in it."""
    node = Node("aibot.mjs", NODE_OPTIONS, {"WXSDK_OFFICIAL_ROOT": str(clients_root)}).start()
    yield node
    node.close()
