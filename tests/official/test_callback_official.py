"""The vendor's plugin as the bot behind the simulator's callback side."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from tests.official.node import DRIVERS
from wxsdk.sim import AiBotSim
from wxsdk.sim.aibot.errors import SimError

TEXT_TIMESTAMP = "timestamp of an answer"  # the plugin echoes the query's text, where the documentation has a number


@pytest.fixture
def sim(clients_root: Path) -> Iterator[AiBotSim]:
    """A simulator that calls the vendor's plugin."""
    made = AiBotSim(callback_url="http://127.0.0.1:1/")
    command = ["node", "--no-warnings", str(DRIVERS / "webhook.mjs"), made.token, made.encoding_aes_key, made.bot_id]
    environment = {**os.environ, "WXSDK_OFFICIAL_ROOT": str(clients_root)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    assert process.stdout is not None
    try:
        made.callback_url = f"http://127.0.0.1:{int(process.stdout.readline())}/wecom/bot"
        with made:
            yield made
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def test_the_plugin_passes_the_verification_and_knows_a_foreign_one(sim: AiBotSim) -> None:
    sim.verify_callback()
    sim.webhook.seal.token = "another"
    with pytest.raises(SimError, match="403"):
        sim.verify_callback()


def test_the_plugin_decrypts_what_the_simulator_sends_and_the_other_way_round(sim: AiBotSim) -> None:
    alice = sim.user("alice")
    alice.enters_chat()
    assert alice.expects().text == "Welcome."
    alice.says("hello 微信")
    sim.wait_for(lambda: len([call for call in sim.callbacks if call.kind == "refresh" and call.answer]) >= 3)
    first = next(call for call in sim.callbacks if call.kind == "message")
    assert first.answer is not None
    assert first.answer["msgtype"] == "stream"
    assert first.answer["stream"]["finish"] is False
    refreshed = [call.answer["stream"]["id"] for call in sim.callbacks if call.kind == "refresh" and call.answer]
    assert set(refreshed) == {first.answer["stream"]["id"]}
    assert {violation.rule for violation in sim.violations} <= {TEXT_TIMESTAMP}
