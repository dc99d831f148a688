"""One process runs the bot, the others stand by."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any, Iterator, List

import pytest
import requests

from wxsdk import WeixinClient, WeixinConfig, WSClient, WSClientOptions
from wxsdk.ext.standby import Standby

TAKEOVER = 5.0  # seconds, promised
PATIENCE = 30.0  # seconds for four interpreters to start where other programs run
WORKERS = 4


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


def test_as_long_as_its_thread_is_stuck_no_stop_says_that_all_has_ended(
    aibot_sim: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    standby = Standby(wecom(aibot_sim))
    begun, release = threading.Event(), threading.Event()
    monkeypatch.setattr(standby.client, "connect", lambda: (begun.set(), release.wait(PATIENCE)))
    standby.start()
    assert begun.wait(PATIENCE)
    assert [standby.stop(timeout=0.05) for _ in range(3)] == [False] * 3
    standby.start()
    assert standby.stop(timeout=0.05) is False
    release.set()
    assert standby.stop()


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
os.write(1, b"up\\n")
"""


class Gunicorn:
    """A web server whose workers all want to run the bot."""

    def __init__(self, sim: Any, folder: Path) -> None:
        (folder / "webapp.py").write_text(textwrap.dedent(APP))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._folder = folder
        self._log = folder / "gunicorn.log"
        self.health_url = f"http://127.0.0.1:{port}/health"
        # Not the working folder itself: a folder named wxsdk there hides an editable install from a later worker.
        state = folder / "state"
        facts = {"BOT_ID": sim.bot_id, "SECRET": sim.secret, "WS_URL": sim.ws_url, "XDG_STATE_HOME": str(state)}
        command = [sys.executable, "-m", "gunicorn", "-w", str(WORKERS), "-b", f"127.0.0.1:{port}"]
        with self._log.open("w") as log:
            self._server = subprocess.Popen(
                [*command, "--graceful-timeout", "2", "webapp:app"],
                cwd=folder,
                env={**os.environ, **facts},
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def wait_until_up(self) -> None:
        """Wait until every worker has asked for the bot."""
        assert self._server.stdout is not None
        for _ in range(WORKERS):
            assert self._server.stdout.readline() == b"up\n"

    def stop(self) -> None:
        self._server.terminate()
        self._server.communicate(timeout=15)  # it reads what later workers wrote, and closes the pipe
        print(self._log.read_text())  # pytest shows it when the test failed


@pytest.fixture
def gunicorn(aibot_sim: Any, tmp_path: Path) -> Iterator[Gunicorn]:
    server = Gunicorn(aibot_sim, tmp_path)
    yield server
    server.stop()


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn needs POSIX")
def test_four_gunicorn_workers_make_one_connection_and_survive_its_death(aibot_sim: Any, gunicorn: Gunicorn) -> None:
    bob = aibot_sim.user("bob")
    first = aibot_sim.wait_subscribed(timeout=PATIENCE)
    bob.says("who are you?")
    owner = int(bob.expects(timeout=PATIENCE).text)
    gunicorn.wait_until_up()
    states: List[str] = [json.loads(requests.get(gunicorn.health_url, timeout=10).text)["state"] for _ in range(8)]
    assert set(states) <= {"running", "standby"}
    assert len(aibot_sim.subscribes) == 1
    os.kill(owner, signal.SIGKILL)
    began = time.monotonic()
    # Its own connection has to be gone: what is said to a dead one is lost, on the platform as well.
    aibot_sim.wait_for(lambda: not first.open and len(aibot_sim.subscribes) > 1, timeout=PATIENCE)
    assert time.monotonic() - began < TAKEOVER
    assert len(aibot_sim.subscribes) == 2
    bob.says("and you?")
    assert int(bob.expects(timeout=PATIENCE).text) != owner
