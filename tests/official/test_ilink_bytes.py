"""What wxsdk sends to the iLink API and its CDN is what the vendor's plugin sends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator, List

import pytest

from tests.official.compare import differences, ilink_record
from tests.official.conftest import ilink_driver
from tests.official.ilink_actions import ACTIONS, OfficialStage, OurStage
from tests.official.ilink_witness import Witness
from tests.official.node import Node
from tests.official.wanted_differences import ILINK, Ledger
from wxsdk.sim import ILinkSim


@pytest.fixture(scope="module")
def ledger() -> Iterator[Ledger]:
    one = Ledger(ILINK)
    yield one
    assert one.outdated(ACTIONS) == []


def official_record(node: Node, action: str, folder: Path) -> List[Any]:
    chosen = ACTIONS[action]
    with ILinkSim(**(chosen.options or {})) as sim:
        witness = Witness(node, sim)
        chosen.official(OfficialStage(sim, folder, witness))
        witness.stop()
        assert sim.violations == []
        return told_once(ilink_record(sim, *chosen.places))


def our_record(action: str, folder: Path, **settings: Any) -> List[Any]:
    chosen = ACTIONS[action]
    with ILinkSim(**(chosen.options or {})) as sim:
        stage = OurStage(sim, folder, **settings)
        try:
            chosen.ours(stage)
        finally:
            stage.act.shutdown()
        assert sim.violations == []
        return told_once(ilink_record(sim, *chosen.places))


def told_once(requests: List[Any]) -> List[Any]:
    """How often the state of a QR code is asked for depends on the machine."""
    return [
        one
        for number, one in enumerate(requests)
        if not one["path"].endswith("get_qrcode_status") or one not in requests[:number]
    ]


@pytest.mark.parametrize("action", ACTIONS)
def test_the_bytes_are_the_same_for(ilink_node: Node, ledger: Ledger, tmp_path: Path, action: str) -> None:
    official, ours = official_record(ilink_node, action, tmp_path), our_record(action, tmp_path)
    assert official
    assert ledger.unwanted(action, differences(official, ours)) == []


def test_a_route_tag_and_an_agent_string_stand_at_the_same_places(
    clients_root: Path, ledger: Ledger, tmp_path: Path
) -> None:
    agent = "witness/1.0 (a test) bad/ second/2"
    section = {"routeTag": 7, "botAgent": agent}
    (tmp_path / "openclaw.json").write_text(json.dumps({"channels": {"openclaw-weixin": section}}))
    node = ilink_driver(clients_root, tmp_path).start()
    try:
        official = official_record(node, "push a text", tmp_path)
    finally:
        node.close()
    ours = our_record("push a text", tmp_path, route_tag="7", bot_agent=agent)
    assert official[0]["headers"]["skroutetag"] == "7"
    assert official[0]["json"]["base_info"]["bot_agent"] == "witness/1.0 (a test) second/2"
    assert ledger.unwanted("push a text", differences(official, ours)) == []
