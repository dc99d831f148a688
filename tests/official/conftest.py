"""Fixtures that run the vendors' clients. One Node process for each driver serves all tests of a session."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from tests.official.installed import official_clients
from tests.official.node import DRIVERS, Node

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


@pytest.fixture(scope="session")
def ilink_node(clients_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A process with the vendor's iLink plugin in it."""
    node = ilink_driver(clients_root, tmp_path_factory.mktemp("official-ilink")).start()
    yield node
    node.close()


def ilink_driver(clients_root: Path, state: Path) -> Node:
    """The plugin's driver with its state in the folder *state*; to be started and closed."""
    host = (DRIVERS / "register-host.mjs").as_uri()
    environment = {
        "WXSDK_OFFICIAL_ROOT": str(clients_root),
        "OPENCLAW_STATE_DIR": str(state),
        "HOME": str(state),
    }
    return Node("ilink.mjs", (*NODE_OPTIONS, "--import", host), environment)
