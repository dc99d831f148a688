from __future__ import annotations

from typing import Any, Callable, Iterator, List

import pytest

from tests.runtime.conftest import certificate, server_tls
from wxsdk.aibot.client import WSClient
from wxsdk.aibot.config import WSClientOptions
from wxsdk.sim.aibot.simulator import AiBotSim
from wxsdk.testing import no_leaks

__all__ = ["certificate", "server_tls"]  # fixtures of the runtime's tests

MakeClient = Callable[..., WSClient]


@pytest.fixture
def sim() -> Iterator[AiBotSim]:
    with no_leaks(), AiBotSim() as running:
        yield running


@pytest.fixture
def make_client(sim: AiBotSim) -> Iterator[MakeClient]:
    """Makes clients of the simulator; every one is disconnected when the test ends."""
    made: List[WSClient] = []

    def make(**settings: Any) -> WSClient:
        clock = settings.pop("_clock", None)
        known = {"bot_id": sim.bot_id, "secret": sim.secret, "ws_url": sim.ws_url, "reconnect_interval": 0.05}
        client = WSClient(WSClientOptions(**{**known, **settings}), _clock=clock)
        made.append(client)
        return client

    yield make
    assert [client.disconnect() for client in made] == [True] * len(made)


@pytest.fixture
def client(make_client: MakeClient) -> WSClient:
    """A client that is not connected yet."""
    return make_client()
