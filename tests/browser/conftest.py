"""The browser's tests run where WXSDK_BROWSER is set; they need Chromium, and fail without it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

import pytest

from tests.browser.bots import Bots, running
from tests.browser.chromium import Chromium, found
from wxsdk.sim.page import Playground

if not os.environ.get("WXSDK_BROWSER"):
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    path = found()
    assert path, "WXSDK_BROWSER is set, and there is no Chromium; install it or unset the variable"
    with Chromium(path) as browser:
        yield browser


@pytest.fixture
def playground() -> Iterator[Playground]:
    with Playground() as made:
        yield made


@pytest.fixture
def bots(playground: Playground) -> Iterator[Bots]:
    with running(playground) as made:
        yield made


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where screenshots go: the folder that WXSDK_PICTURES names, else one that is thrown away."""
    folder = Path(os.environ.get("WXSDK_PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
