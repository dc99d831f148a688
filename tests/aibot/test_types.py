"""What a type checker says about handlers and frames; .ci/run asks pyright, too."""

from __future__ import annotations

import pathlib
import sys

import pytest

from tests.types.check import complaints


def test_mypy_knows_what_a_frame_holds_and_refuses_handlers_of_another_shape(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}"]
    assert complaints(command) == []
