"""docs/fidelity.rst says what is so."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from tests.official import aibot_actions, ilink_actions

TEXT = (Path(__file__).parents[2] / "docs" / "fidelity.rst").read_text("utf-8")
NAMES = sorted(set(re.findall(r"``(wxsdk(?:\.\w+)+)``", TEXT)))
FILES = sorted(set(re.findall(r"``((?:tests/\S+|test_\w+)\.py)", TEXT)))


def found(name: str) -> Any:
    """What *name* leads to: a module, or something in one."""
    parts = name.split(".")
    for depth in range(len(parts), 0, -1):
        try:
            thing: Any = importlib.import_module(".".join(parts[:depth]))
        except ModuleNotFoundError:
            continue
        for part in parts[depth:]:
            thing = getattr(thing, part)
        return thing
    raise AssertionError(f"there is no {name}")


@pytest.mark.parametrize("name", NAMES)
def test_what_it_points_to_is_there(name: str) -> None:
    assert found(name) is not None


@pytest.mark.parametrize("file", FILES)
def test_the_files_it_names_are_there(file: str) -> None:
    root = Path(__file__).parents[2] if "/" in file else Path(__file__).parent
    assert (root / file).is_file()


def test_every_fact_has_a_grade_and_a_place_in_the_code() -> None:
    table = TEXT.partition("Facts that only users report")[2].partition("Raising the level")[0]
    rows = re.split(r"^   \* - ", table, flags=re.MULTILINE)[2:]
    assert len(rows) >= 14
    for row in rows:
        fact, grade, _, where = re.split(r"^     - ", row, flags=re.MULTILINE)
        assert grade.strip() in ("R", "D"), fact
        assert "``wxsdk." in where, fact


def test_every_compared_action_is_listed() -> None:
    listed = " ".join(TEXT.split())
    for action in (*aibot_actions.ACTIONS, *ilink_actions.ACTIONS):
        assert action in listed, action
