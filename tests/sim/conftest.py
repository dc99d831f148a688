"""The simulated gateway and a bot of raw frames on it; a clock. The modules about iLink import a ``sim`` and a ``bot``
of their own from ``ilink_fixtures``.
"""

from __future__ import annotations

from typing import Iterator

import pytest

from tests.sim.aibot.raw_bot import RawBot
from wxsdk.sim.aibot.simulator import AiBotSim


class Now:
    """A wall clock that stands still unless a test changes its time."""

    def __init__(self) -> None:
        self.time = 1_000_000.0  # seconds

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def sim() -> Iterator[AiBotSim]:
    with AiBotSim() as running_sim:
        yield running_sim


@pytest.fixture
def bot(sim: AiBotSim) -> Iterator[RawBot]:
    """A subscribed bot."""
    made = RawBot(sim)
    yield made
    made.close()
