"""What wxsdk writes to the WeCom gateway is what the vendor's client writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from tests.official.aibot_actions import ACTIONS, OfficialStage, OurStage, Stage
from tests.official.aibot_witness import Witness
from tests.official.compare import aibot_record, differences, handshake
from tests.official.node import Node
from tests.official.wanted_differences import AIBOT, Ledger
from wxsdk import WSClient, WSClientOptions
from wxsdk.sim.aibot.simulator import AiBotSim

SECRET = "a secret for both"
OPTIONS = {"scene": "scene", "plug_version": "plug_version", "heartbeatInterval": "heartbeat_interval"}


@pytest.fixture(scope="module")
def ledger() -> Iterator[Ledger]:
    one = Ledger(AIBOT)
    yield one
    assert one.outdated(ACTIONS) == []


def official_record(node: Node, action: str, folder: Path) -> Any:
    with AiBotSim(secret=SECRET) as sim:
        witness = Witness(node, sim, **(ACTIONS[action].options or {}))
        witness.event("authenticated")
        stage = OfficialStage(sim, folder, witness)
        ACTIONS[action].official(stage)
        witness.close()
        assert not sim.violations
        return recorded(stage)


def our_record(action: str, folder: Path) -> Any:
    given: Dict[str, Any] = dict(ACTIONS[action].options or {})
    if "heartbeatInterval" in given:
        given["heartbeatInterval"] /= 1000
    options = {OPTIONS[name]: value for name, value in given.items()}
    with AiBotSim(secret=SECRET) as sim:
        client = WSClient(WSClientOptions(bot_id=sim.bot_id, secret=SECRET, ws_url=sim.ws_url, **options))
        stage = OurStage(sim, folder, client)
        client.connect(wait=10)
        try:
            ACTIONS[action].ours(stage)
        finally:
            client.disconnect()
        assert not sim.violations
        return recorded(stage)


def recorded(stage: Stage) -> Any:
    sim = stage.sim
    downloads = [{**headers, "host": "<host>"} for media in stage.media for headers in media.headers]
    frames = first_pings_only(aibot_record(sim, stage.requests))
    return {"handshake": handshake(sim), "frames": frames, "downloads": downloads}


def first_pings_only(frames: List[Any]) -> List[Any]:
    """How many pings there are depends on the machine."""
    return [frame for number, frame in enumerate(frames) if frame["cmd"] != "ping" or frames[number - 1] != frame]


@pytest.mark.parametrize("action", ACTIONS)
def test_the_bytes_are_the_same_for(aibot_node: Node, ledger: Ledger, tmp_path: Path, action: str) -> None:
    official, ours = official_record(aibot_node, action, tmp_path), our_record(action, tmp_path)
    assert official["downloads" if action == "download" else "frames"]
    assert ledger.unwanted(action, differences(official, ours)) == []
