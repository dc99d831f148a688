"""The pytest plugin of wxsdk: fixtures ``ilink_sim`` and ``aibot_sim``, each a running simulator."""

from __future__ import annotations

from typing import Any, Iterator

import pytest


@pytest.fixture
def ilink_sim() -> Iterator[Any]:
    """A running ``wxsdk.sim.ILinkSim``."""
    from wxsdk.sim import ILinkSim

    with ILinkSim() as sim:
        yield sim


@pytest.fixture
def aibot_sim() -> Iterator[Any]:
    """A running ``wxsdk.sim.AiBotSim``."""
    from wxsdk.sim import AiBotSim

    with AiBotSim() as sim:
        yield sim
