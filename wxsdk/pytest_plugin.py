"""The pytest plugin of wxsdk: fixtures ``ilink_sim`` and ``aibot_sim``, each a running simulator, and ``chat``."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Iterator

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


@pytest.fixture(params=["ilink", "aibot"])
def chat(request: pytest.FixtureRequest) -> Iterator[Callable[[Any], Any]]:
    """``chat(bot)``: a user who talks with that bot (``wxsdk.testing.chat``); the test runs once on each platform."""
    from wxsdk.testing import chat as make_chat

    with contextlib.ExitStack() as stack:
        yield lambda bot: stack.enter_context(make_chat(bot, request.param))
