"""One process runs the bot, the others stand by."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any, Iterator, List

import pytest
import requests

from wxsdk import WeixinClient, WeixinConfig, WSClient, WSClientOptions
from wxsdk.ext.standby import Standby

TAKEOVER = 5.0  # seconds, promised
PATIENCE = 10.0  # seconds for four interpreters to start and one to be replaced where other programs run


def wecom(sim: Any) -> WSClient:
    return WSClient(WSClientOptions(sim.bot_id, sim.secret, ws_url=sim.ws_url))


def test_the_second_one_takes_over_when_the_first_one_stops(aibot_sim: Any) -> None:
    first, second = Standby(wecom(aibot_sim)), Standby(wecom(aibot_sim))
    first.start()
    aibot_sim.wait_subscribed()
    second.start()
    began = time.monotonic()
    assert first.stop()
    aibot_sim.wait_for(lambda: len(aibot_sim.subscribes) == 2)
    assert time.monotonic() - began < TAKEOVER
    assert second.is_owner
    assert second.stop()


def test_one_that_stands_by_stops_at_once(ilink_sim: Any) -> None:
    def make() -> WeixinClient:
        return WeixinClient(WeixinConfig(token=ilink_sim.token, base_url=ilink_sim.base_url), lambda ctx: None)

    owner, waiting = make(), Standby(make())
    with owner:
        waiting.start()
        assert waiting.stop()
        assert not waiting.is_owner


def test_start_and_stop_twice_are_once(aibot_sim: Any) -> None:
    standby = Standby(wecom(aibot_sim))
    standby.start()
    standby.start()
    aibot_sim.wait_subscribed()
    assert standby.stop()
    assert standby.stop()
    assert len(aibot_sim.subscribes) == 1


APP = """
import os
from flask import Flask
from wxsdk import WSClient, WSClientOptions
from wxsdk.ext.flask import WxBot

app = Flask(__name__)
client = WSClient(WSClientOptions(os.environ["BOT_ID"], os.environ["SECRET"], ws_url=os.environ["WS_URL"]))
bot = WxBot(client, health_url="/health")

@client.on_message_text
def answer(frame):
    with client.open_stream(frame) as stream:
        stream.write(str(os.getpid()))

bot.init_app(app)
"""


@pytest.fixture
def gunicorn(aibot_sim: Any, tmp_path: Path) -> Iterator[str]:
    """The address of four workers that all want to run the bot."""
    (tmp_path / "webapp.py").write_text(textwrap.dedent(APP))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    facts = {"BOT_ID": aibot_sim.bot_id, "SECRET": aibot_sim.secret, "WS_URL": aibot_sim.ws_url}
    command = [sys.executable, "-m", "gunicorn", "-w", "4", "-b", f"127.0.0.1:{port}", "--graceful-timeout", "2"]
    with subprocess.Popen(
        [*command, "webapp:app"],
        cwd=tmp_path,
        env={**os.environ, **facts, "XDG_STATE_HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        yield f"http://127.0.0.1:{port}"
        server.terminate()
        server.communicate(timeout=15)


@pytest.mark.xfail(strict=False, reason="known fault: about every second run gets no answer; not understood yet")
@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn needs POSIX")
def test_four_gunicorn_workers_make_one_connection_and_survive_its_death(aibot_sim: Any, gunicorn: str) -> None:
    bob = aibot_sim.user("bob")
    aibot_sim.wait_subscribed(timeout=30)
    bob.says("who are you?")
    owner = int(bob.expects(timeout=PATIENCE).text)
    states: List[str] = [json.loads(requests.get(gunicorn + "/health", timeout=10).text)["state"] for _ in range(8)]
    assert set(states) <= {"running", "standby"}
    assert len(aibot_sim.subscribes) == 1
    os.kill(owner, signal.SIGKILL)
    began = time.monotonic()
    aibot_sim.wait_for(lambda: len(aibot_sim.subscribes) >= 2, timeout=PATIENCE)
    assert time.monotonic() - began < TAKEOVER
    assert len(aibot_sim.subscribes) == 2
    bob.says("and you?")
    assert int(bob.expects(timeout=PATIENCE).text) != owner
