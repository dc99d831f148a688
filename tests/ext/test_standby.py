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
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
import requests

from tests.delivery.waiting import until
from wxsdk import Kicked, WeixinClient, WeixinConfig, WSClient, WSClientOptions
from wxsdk.ext import standby as standby_module
from wxsdk.ext.standby import TRY_EVERY, Standby
from wxsdk.runtime.instance_lock import InstanceLock
from wxsdk.runtime.standby_group import StandbyGroup

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
    until(lambda: len(aibot_sim.subscribes) == 2)
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
    monkeypatch.setattr(standby.client, "connect", lambda **_: (begun.set(), release.wait(PATIENCE)))
    standby.start()
    assert begun.wait(PATIENCE)
    assert [standby.stop(timeout=0.05) for _ in range(3)] == [False] * 3
    standby.start()
    assert standby.stop(timeout=0.05) is False
    release.set()
    assert standby.stop()


# -- after a kick ----------------------------------------


def group(sim: Any, folder: Path, size: int = 4, **settings: Any) -> List[Standby]:
    """Standbys that share a lock in *folder*, as the processes of one machine do."""
    folder.mkdir(exist_ok=True)
    made = []
    for _ in range(size):
        client = WSClient(WSClientOptions(sim.bot_id, sim.secret, ws_url=sim.ws_url, **settings))
        client._instance = InstanceLock("aibot", sim.bot_id, folder)
        client._standby_group = StandbyGroup(client._instance)
        made.append(Standby(client))
    return made


def states(members: List[Standby]) -> Dict[str, int]:
    return dict(Counter(each.client.health().state.value for each in members))


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standby_module, "TRY_EVERY", 0.01)


def away(members: List[Standby]) -> int:
    return sum(isinstance(each.error, Kicked) for each in members)


@pytest.mark.usefixtures("fast")
def test_after_a_kick_the_whole_group_stays_away_and_the_other_one_takes_over_among_itself(
    aibot_sim: Any, tmp_path: Path
) -> None:
    ours, theirs = group(aibot_sim, tmp_path / "a"), group(aibot_sim, tmp_path / "b")
    for each in ours:
        each.start()
    aibot_sim.wait_subscribed()
    for each in theirs:
        each.start()
    until(lambda: away(ours) == 3)
    assert len(aibot_sim.subscribes) == 2
    assert states(ours) == {"kicked": 1, "stopped": 3}
    for taken in (3, 4, 5):  # each time the owner ends, exactly one follows
        (owner,) = [each for each in theirs if each.is_owner]
        assert owner.stop()
        theirs.remove(owner)
        until(lambda count=taken: len(aibot_sim.subscribes) == count)
        until(lambda: states(theirs).get("running") == 1)
    assert away(ours) == 3
    assert not away(theirs)
    assert all(each.stop() for each in ours + theirs)
    assert len(aibot_sim.subscribes) == 5


@pytest.mark.usefixtures("fast")
def test_one_that_joins_a_kicked_group_stays_away_and_a_new_group_does_not(aibot_sim: Any, tmp_path: Path) -> None:
    first, second, late = group(aibot_sim, tmp_path / "a", 3)
    first.start()
    aibot_sim.wait_subscribed()
    second.start()
    until(lambda: second.stands_by)
    assert aibot_sim.faults.kick()
    until(lambda: second.error is not None)
    assert not second.stands_by
    assert first.stop()  # a web server replaces its worker
    late.start()
    until(lambda: late.error is not None)
    assert len(aibot_sim.subscribes) == 1
    assert second.stop()
    assert late.stop()
    (fresh,) = group(aibot_sim, tmp_path / "a", 1)  # all of them were restarted
    fresh.start()
    until(lambda: len(aibot_sim.subscribes) == 2)
    assert fresh.stop()


@pytest.mark.usefixtures("fast")
def test_a_group_whose_kicked_member_is_connected_by_hand_takes_over_again(aibot_sim: Any, tmp_path: Path) -> None:
    first, second = group(aibot_sim, tmp_path / "a", 2)
    first.start()
    aibot_sim.wait_subscribed()
    second.start()
    until(lambda: second.stands_by)
    assert aibot_sim.faults.kick()
    until(lambda: second.error is not None)
    first.client.connect(wait=5)  # its user wants it back
    until(lambda: second.stands_by)
    assert first.stop()
    until(lambda: second.is_owner)
    assert second.stop()


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("end", ["auth", "exhausted", "disconnect"])
def test_after_any_other_end_exactly_one_takes_over(aibot_sim: Any, tmp_path: Path, end: str) -> None:
    members = group(
        aibot_sim, tmp_path / "a", 3, reconnect_interval=0.01, max_auth_failure_attempts=1, max_reconnect_attempts=1
    )
    members[0].start()
    aibot_sim.wait_subscribed()
    for each in members[1:]:
        each.start()
    until(lambda: all(each.stands_by for each in members[1:]))
    if end == "disconnect":
        assert members[0].client.disconnect()
    else:
        trouble = aibot_sim.faults.refuse_auth if end == "auth" else aibot_sim.faults.http_status
        trouble(times=1)
        aibot_sim.faults.reset()
    until(lambda: sum(each.client.health().state.value == "running" for each in members[1:]) == 1)
    assert [each.stands_by for each in members[1:]].count(True) == 1
    assert len(aibot_sim.subscribes) == (3 if end == "auth" else 2)
    assert all(each.stop() for each in members)


MEMBER = """
import os, sys
from wxsdk import WSClient, WSClientOptions
from wxsdk.ext.standby import Standby

standby = Standby(WSClient(WSClientOptions(os.environ["BOT_ID"], "simulated-secret", ws_url=os.environ["WS_URL"])))
standby.start()
os.write(1, b"up\\n")
sys.stdin.read()
"""


def test_a_killed_owner_is_followed_by_one_process_and_a_kicked_one_by_none(aibot_sim: Any, tmp_path: Path) -> None:
    processes: Dict[str, List[Any]] = {"a": [], "b": []}
    facts = {"BOT_ID": aibot_sim.bot_id, "WS_URL": aibot_sim.ws_url}
    try:
        for name, members in processes.items():
            for _ in range(2):
                member = subprocess.Popen(
                    [sys.executable, "-c", MEMBER.replace("simulated-secret", aibot_sim.secret)],
                    env={**os.environ, **facts, "WXSDK_LOCK_FOLDER": str(tmp_path / name)},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
                members.append(member)
                assert member.stdout.readline() == b"up\n"
                until(lambda: len(aibot_sim.subscribes) >= len(processes["b"][:1]) + 1, timeout=PATIENCE)
        members = processes["b"]
        members[0].kill()
        until(lambda: len(aibot_sim.subscribes) == 3, timeout=PATIENCE)
        members[1].kill()
        members[1].wait()
        threading.Event().wait(3 * TRY_EVERY)  # nobody follows: the others were kicked
        assert len(aibot_sim.subscribes) == 3
    finally:
        for member in processes["a"] + processes["b"]:
            member.kill()
            member.communicate()


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
    until(lambda: not first.open and len(aibot_sim.subscribes) > 1, timeout=PATIENCE)
    assert time.monotonic() - began < TAKEOVER
    assert len(aibot_sim.subscribes) == 2
    bob.says("and you?")
    assert int(bob.expects(timeout=PATIENCE).text) != owner
