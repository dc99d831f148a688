"""kill -9 at random points of a life that fills and empties its outbox."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from wxsdk import SQLiteStore
from wxsdk.sim import AiBotSim, ILinkSim

from .outbox_bots import USERS

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the bots are forked")

KILLS = 20
LATEST_KILL = 0.12  # seconds after the fork; the first message goes out after about 0.03


@contextlib.contextmanager
def forking(folder: Path) -> Iterator[Any]:
    """The process that forks the bots; their locks are in *folder*."""
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "XDG_STATE_HOME": str(folder), "NO_PROXY": "*"}
    command = [sys.executable, "-m", "tests.delivery.outbox_bots"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=root
    )
    with process:
        yield process


def kill_at_random(protocol: str, settings: Dict[str, Any], folder: Path, seed: int) -> Tuple[List[List[str]], int]:
    """KILLS lives that end by SIGKILL and one that sends what is left; the lines of the log, and its exit code."""
    dice = random.Random(seed)
    order = {
        "protocol": protocol,
        "settings": settings,
        "store": str(folder / "bot.db"),
        "log": str(folder / "log"),
    }
    with forking(folder) as process:
        for run in range(KILLS + 1):
            lives = dice.uniform(0.0, LATEST_KILL) if run < KILLS else None
            process.stdin.write(json.dumps({**order, "run": run, "lives": lives}) + "\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
    return [line.split() for line in (folder / "log").read_text().splitlines()], answer["code"]


def in_order(texts: List[str]) -> bool:
    numbers = [tuple(map(int, text.split("-"))) for text in texts]
    return numbers == sorted(numbers)


def test_ilink_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    with ILinkSim(hold=20, quota_limit=None, window=None) as sim:
        settings = {"token": sim.token, "base_url": sim.base_url}
        lines, code = kill_at_random("ilink", settings, tmp_path, seed=1)
        got = {user: [message.text for message in sim.user(user).received] for user in USERS}
        assert sim.violations == []  # a repeated client_id with other content would be one
        repeated = len(sim.duplicates)
    put = [text for kind, _, *rest in lines if kind == "P" for text in rest[1:]]
    delivered = [text for texts in got.values() for text in texts]
    assert code == 0
    assert len(put) > 50
    assert set(put) <= set(delivered)
    assert [text for text, count in Counter(delivered).items() if count > 1] == []
    assert [user for user, texts in got.items() if not in_order(texts)] == []
    assert [line for line in lines if line[0] == "G"] == []
    assert repeated <= KILLS * len(USERS)
    assert SQLiteStore(tmp_path / "bot.db").items("outbox") == []


def test_wecom_tells_of_everything_that_may_be_lost_and_doubles_nothing(tmp_path: Path) -> None:
    with AiBotSim() as sim:
        for user in USERS:
            sim.user(user)
        settings = {"bot_id": sim.bot_id, "secret": sim.secret, "ws_url": sim.ws_url, "reconnect_interval": 0.02}
        lines, code = kill_at_random("aibot", settings, tmp_path, seed=2)
        got = {user: [message.text for message in sim.user(user).sees] for user in USERS}
    texts = {id: rest[1] for kind, id, *rest in lines if kind == "P"}
    told: Dict[str, List[str]] = defaultdict(list)
    for kind, id, *rest in lines:
        if kind == "G":
            told[id].append(rest[0])
    delivered = [text for each in got.values() for text in each]
    assert code == 0
    assert len(texts) > 50
    assert [text for text, count in Counter(delivered).items() if count > 1] == []
    assert [user for user, each in got.items() if not in_order(each)] == []
    assert [text for id, text in texts.items() if text not in delivered and id not in told] == []
    assert {flag for flags in told.values() for flag in flags} <= {"True"}
    assert len(told) <= KILLS  # one was being sent at each kill, at most
    assert SQLiteStore(tmp_path / "bot.db").items(f"aibot_outbox {sim.bot_id}") == []
