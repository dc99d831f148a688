"""Ids for our own requests."""

from __future__ import annotations

import re

from wxsdk.aibot.frames import WsCmd
from wxsdk.aibot.ids import generate_req_id


def test_a_req_id_has_prefix_milliseconds_and_chance() -> None:
    assert re.fullmatch(r"ping_[0-9]{13}_[0-9a-f]{8}", generate_req_id(WsCmd.HEARTBEAT))


def test_req_ids_differ() -> None:
    assert len({generate_req_id("x") for _ in range(1000)}) == 1000
