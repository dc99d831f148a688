from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wxsdk.errors import ConfigError
from wxsdk.ilink.client import WeixinClient
from wxsdk.sim import ILinkSim

from .bots import Recorder, config_for, started


def test_everything_of_a_run_has_its_run_id_and_arrives_in_order(sim: ILinkSim, payload: Path) -> None:
    alice = sim.user("alice")
    alice.says("hi")
    client = WeixinClient(config_for(sim))
    run = client.outbound_run("alice", alice.context_token, "run-1")
    run.tool_call_start("search", "call-1")
    result = run.tool_call_result("search", "call-1", status="failed")
    run.send_text("done")
    run.send_media(payload, caption="the report")
    client.shutdown()
    got = [alice.expects() for _ in range(5)]
    assert [message.kind for message in got] == ["tool_call_start", "tool_call_result", "text", "text", "file"]
    assert {message.run_id for message in got} == {"run-1"}
    assert {message.context_token for message in got} == {alice.context_token}
    assert got[1].content == {"tool_name": "search", "tool_call_id": "call-1", "status": "failed"}
    assert (result.confirmed, result.message_id) == (True, None)  # an empty answer is success here
    assert sim.violations == []


def test_a_run_without_an_id_gets_one_of_its_own(sim: ILinkSim) -> None:
    bot = Recorder()
    client = started(sim, bot)
    sim.user("alice").says("hi")
    bot.wait_for(lambda: bot.contexts)
    first, second = bot.contexts[0].run(), client.outbound_run("alice")
    assert first.run_id != second.run_id
    first.tool_call_start("search")
    message = sim.user("alice").expects()
    assert (message.run_id, message.context_token) == (first.run_id, sim.user("alice").context_token)
    client.shutdown()


@pytest.mark.parametrize("run_id", ["", " ", 5, "run-\ud800"])
def test_an_odd_run_id_is_refused_at_once(run_id: Any, sim: ILinkSim) -> None:
    client = WeixinClient(config_for(sim))
    with pytest.raises(ConfigError, match="run_id"):
        client.outbound_run("alice", run_id=run_id)
    client.shutdown()
