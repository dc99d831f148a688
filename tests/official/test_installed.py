"""The vendors' clients are installed once, outside the tree, and their absence is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from _pytest.outcomes import Failed, Skipped

from tests.official import installed

FAKE_NPM = (sys.executable, "-c", "import os; assert os.path.isfile('package-lock.json'); os.mkdir('node_modules')")
BROKEN_NPM = (sys.executable, "-c", "import sys; sys.exit('no way to the registry')")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(installed.REQUIRE, raising=False)
    monkeypatch.setattr(installed, "NPM_CI", FAKE_NPM)
    return tmp_path


def install() -> Path:
    return installed.official_clients.__wrapped__()


def test_they_are_installed_once(clients_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = install()
    assert root.parent.name == "wxsdk-official"
    assert (root / "node_modules").is_dir()
    monkeypatch.setattr(installed, "NPM_CI", BROKEN_NPM)
    assert install() == root
    assert [entry.name for entry in root.parent.iterdir()] == [root.name]


def test_of_two_installations_at_once_one_wins_and_both_go_on(clients_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "clients"
    (root / "node_modules").mkdir(parents=True)  # another run was quicker
    installed._install(root)
    assert [entry.name for entry in tmp_path.iterdir()] == ["clients"]


def test_without_node_they_are_skipped_or_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Skipped, match="node is not installed"):
        install()
    monkeypatch.setenv(installed.REQUIRE, "require")
    with pytest.raises(Failed, match="node is not installed"):
        install()


def test_a_failed_installation_leaves_nothing(clients_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "NPM_CI", BROKEN_NPM)
    with pytest.raises(Skipped, match="no way to the registry"):
        install()
    assert list((installed._cache()).iterdir()) == []
