from __future__ import annotations

from typing import Any, Callable, Iterator, List

import pytest

from tests.contract.raw_aibot import RawGateway
from tests.contract.raw_ilink import RawILink
from wxsdk import WeixinClient, WeixinConfig, WSClient, WSClientOptions


@pytest.fixture(autouse=True)
def _own_state_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp()))


@pytest.fixture
def server() -> Iterator[RawILink]:
    with RawILink() as server:
        yield server


@pytest.fixture
def gateway() -> Iterator[RawGateway]:
    with RawGateway() as gateway:
        yield gateway


@pytest.fixture
def make_client(server: RawILink) -> Iterator[Callable[..., WeixinClient]]:
    """Makes clients of the server with short waits; every one is shut down when the test ends."""
    made: List[WeixinClient] = []

    def make(handler: Any = None, *, store: Any = None, **settings: Any) -> WeixinClient:
        known = {
            "token": "bot-token-canary",
            "base_url": server.url,
            "cdn_base_url": f"{server.url}/c2c",
            "sends_per_second": None,
            "send_retry_delay": 0.01,
            "poll_retry_delay": 0.02,
            "poll_backoff_delay": 0.04,
        }
        client = WeixinClient(WeixinConfig(**{**known, **settings}), handler, store=store)
        made.append(client)
        return client

    yield make
    assert [client.shutdown() for client in made] == [True] * len(made)


@pytest.fixture
def make_bot(gateway: RawGateway) -> Iterator[Callable[..., WSClient]]:
    """Makes clients of the gateway; every one is disconnected when the test ends."""
    made: List[WSClient] = []

    def make(**settings: Any) -> WSClient:
        known = {"bot_id": "bot-1", "secret": "secret-canary", "ws_url": gateway.url, "reconnect_interval": 0.02}
        client = WSClient(WSClientOptions(**{**known, **settings}))
        made.append(client)
        return client

    yield make
    assert [client.disconnect() for client in made] == [True] * len(made)
