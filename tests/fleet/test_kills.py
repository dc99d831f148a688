"""Owners killed at random moments: nothing lost, nothing out of order, doubled only as redelivered."""

from __future__ import annotations

import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
from typing import Any, Dict, Iterator, List

import pytest

from wxsdk import Bot, Fleet, RedisStore, WeixinConfig
from wxsdk.sim import ILinkSim

from .servers import Redis

ROOT = pathlib.Path(__file__).resolve().parents[2]
TTL = 1.5
KILLS = 6
MESSAGES = 120

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def server() -> Iterator[Redis]:
    made = Redis()
    made.start()
    yield made
    made.remove()


def test_owners_killed_at_random_moments_lose_nothing_and_keep_the_order(server: Redis) -> None:
    store = RedisStore(server.url)
    fleet = Fleet(Bot(), store=store, lease_ttl=TTL)
    processes: List[subprocess.Popen[bytes]] = []
    quiet: Dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def start() -> None:
        command = [sys.executable, "-m", "tests.fleet.member", server.url, "10", str(TTL)]
        processes.append(subprocess.Popen(command, cwd=ROOT, **quiet))

    def owner() -> int:
        one = fleet.status().bots["shop"]
        return int(one.owner.split("/")[1]) if one.owner else 0

    chance = random.Random(7)
    try:
        with ILinkSim(hold=2.0, quota_limit=None) as sim:
            config = WeixinConfig(
                token=sim.token, base_url=sim.base_url, cdn_base_url=sim.cdn_base_url, sends_per_second=None
            )
            fleet.add("shop", config)
            start()
            start()
            alice = sim.user("alice")
            kills = 0
            for number in range(MESSAGES):
                alice.says(f"m{number}")
                threading.Event().wait(chance.uniform(0.05, 0.3))
                running = [process for process in processes if process.pid == owner() and process.poll() is None]
                if running and kills < KILLS and number * KILLS >= kills * MESSAGES:
                    running[0].send_signal(signal.SIGKILL)
                    kills += 1
                    start()
            texts: List[str] = []
            while not any(text.startswith(f"shop: m{MESSAGES - 1} ") for text in texts):
                texts.append(alice.expects(30).text)
            assert kills == KILLS
    finally:
        for process in processes:
            process.kill()
            process.wait(10)
        store.close()
    firsts: List[int] = []
    for text in texts:
        found = re.match(r"shop: m(\d+) by \d+(, handed over again)?$", text)
        assert found, text
        number = int(found[1])
        if number not in firsts:
            firsts.append(number)
        else:
            assert found[2], f"doubled without being marked as redelivered: {text}"
    assert firsts == list(range(MESSAGES))
