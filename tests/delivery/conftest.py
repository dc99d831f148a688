"""The simulators for these tests, a state folder of their own for lock files, and the tables that they print."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest

from wxsdk.sim import AiBotSim, ILinkSim

Row = Tuple[str, ...]
Figure = Callable[[str, Any], None]


@pytest.fixture(autouse=True)
def _own_state_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp()))


@pytest.fixture
def ilink() -> Iterator[ILinkSim]:
    with ILinkSim(hold=20, quota_limit=None, window=None) as sim:
        yield sim


@pytest.fixture
def aibot() -> Iterator[AiBotSim]:
    with AiBotSim() as sim:
        yield sim


@pytest.fixture
def figure(record_property: Figure) -> Figure:
    """Notes a measured figure: in the report of the run, and on paper for ``pytest -s``."""

    def note(name: str, value: Any) -> None:
        record_property(name, str(value))
        print(f"{name}: {value}")

    return note


@pytest.fixture(scope="module")
def table() -> Iterator[List[Row]]:
    """Rows that are printed, aligned, when the module is done (``pytest -s`` shows them)."""
    rows: List[Row] = []
    yield rows
    widths: Dict[int, int] = {}
    for row in rows:
        for column, cell in enumerate(row):
            widths[column] = max(widths.get(column, 0), len(cell))
    for row in rows:
        print("  ".join(cell.ljust(widths[column]) for column, cell in enumerate(row)))
