"""The fixtures of the modules about ILinkSim, which import them in place of the gateway's in ``conftest``."""

from __future__ import annotations

from typing import Iterator

import pytest

from wxsdk.sim import ILinkSim

from ..conftest import Now
from .speaker import Speaker


def _quick(now: Now) -> ILinkSim:
    """It holds no poll, neither for messages nor for a QR code."""
    sim = ILinkSim(hold=0, clock=now)
    sim.settings.qr_hold = 0
    return sim


@pytest.fixture
def sim(now: Now) -> Iterator[ILinkSim]:
    with _quick(now) as running:
        yield running


@pytest.fixture
def sim_with_alice(now: Now) -> Iterator[ILinkSim]:
    """Alice has said hello, so that the bot may write to her."""
    with _quick(now) as running:
        running.user("alice").says("hello")
        yield running


@pytest.fixture
def bot(sim: ILinkSim) -> Iterator[Speaker]:
    with Speaker(sim) as speaker:
        yield speaker
