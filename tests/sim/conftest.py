"""The simulated gateway and a bot of raw frames on it. The modules about iLink replace both by theirs."""

from __future__ import annotations

from typing import Iterator

import pytest

from tests.sim.raw_bot import RawBot
from wxsdk.sim.aibot import AiBotSim


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
