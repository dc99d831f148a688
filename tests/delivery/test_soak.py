"""The soak of tests/bench, for a few seconds."""

from __future__ import annotations

from pathlib import Path

from tests.bench.soak import soak

from .conftest import Figure

SECONDS = 5.0


def test_five_seconds_of_soak_lose_and_double_nothing(tmp_path: Path, figure: Figure) -> None:
    figures = soak(SECONDS, 7, tmp_path)
    figure("soak", figures)
    assert figures["handled"] == figures["sent"] > 100
    assert figures["lost"] == []
    assert figures["doubled"] == []
    assert figures["violations"] == []
    assert figures["polls at once"] == 1
    assert figures["ended"]
