from __future__ import annotations

from wxsdk.ilink.client import WeixinClient
from wxsdk.runtime.store import MemoryStore
from wxsdk.sim import ILinkSim

from .bots import config_for


def test_a_bot_that_only_sends_keeps_no_more_than_max_quotes(sim: ILinkSim) -> None:
    sim.user("alice").says("hello")
    store = MemoryStore()
    client = WeixinClient(config_for(sim, max_quotes=4), store=store)
    for number in range(9):
        client.send_text("alice", str(number))
    client.shutdown()
    assert len(store.items("quote")) == 4
