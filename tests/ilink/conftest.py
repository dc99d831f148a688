"""The simulator for these tests, and a state folder of their own for lock files."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from wxsdk.sim import ILinkSim


@pytest.fixture(autouse=True)
def _own_state_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp()))


@pytest.fixture
def sim() -> Iterator[ILinkSim]:
    with ILinkSim(hold=20, quota_limit=None) as sim:
        yield sim


@pytest.fixture
def payload(tmp_path: Path) -> Path:
    """A file that is no multiple of any block."""
    path = tmp_path / "report.bin"
    path.write_bytes(bytes(range(256)) * 4099 + b"end")
    return path
