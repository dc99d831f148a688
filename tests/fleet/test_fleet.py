"""Fleets of real processes, with real signals, against the simulated gateway."""

from __future__ import annotations

import contextlib
import pathlib
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Dict, Iterator, List

import pytest

from wxsdk import Bot, Fleet, FleetStatus, WSClientOptions
from wxsdk.errors import ConfigError
from wxsdk.sim import AiBotSim

from .member import open_store
from .servers import Postgres, Redis

ROOT = pathlib.Path(__file__).resolve().parents[2]
TTL = 3.0

pytestmark = pytest.mark.timeout(120)


class Members:
    """Processes of one fleet."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.fleet = Fleet(Bot(), store=open_store(where), lease_ttl=TTL)
        self.processes: List[subprocess.Popen[bytes]] = []

    def start(self, count: int, capacity: int = 100) -> List[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "tests.fleet.member", self.where, str(capacity), str(TTL)]
        new = [
            subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE) for _ in range(count)
        ]
        for process in new:
            assert process.stdout is not None
            assert process.stdout.readline() == b"running\n"
            process.stdout.close()
        self.processes += new
        return new

    def owned(self, status: FleetStatus) -> Dict[str, int]:
        """How many bots each living process has, by pid."""
        counts: Dict[str, int] = {name.split("/")[1]: 0 for name in status.members}
        for one in status.bots.values():
            if one.owner is not None:
                counts[one.owner.split("/")[1]] += 1
        return counts

    def until(self, wanted: Callable[[FleetStatus], bool], timeout: float) -> float:
        """Seconds until the status is as *wanted*; fails after *timeout*."""
        began = time.monotonic()
        while True:
            status = self.fleet.status()
            if wanted(status):
                return time.monotonic() - began
            assert time.monotonic() - began < timeout, f"after {timeout} s: {status}"
            threading.Event().wait(0.1)

    def until_spread(self, *sizes: int, timeout: float = 20.0) -> float:
        return self.until(lambda status: sorted(self.owned(status).values()) == sorted(sizes), timeout)

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(10)


@pytest.fixture(params=["sqlite", "redis", "postgres"])
def members(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[Members]:
    with contextlib.ExitStack() as stack:
        where = str(tmp_path / "fleet.db")
        if request.param != "sqlite":
            server: Any = Redis() if request.param == "redis" else Postgres()
            stack.callback(server.remove)
            server.start()
            where = server.url if request.param == "redis" else server.dsn
        made = Members(where)
        stack.callback(made.fleet._store.close)
        stack.callback(made.close)
        yield made


@pytest.fixture
def sim() -> Iterator[AiBotSim]:
    with AiBotSim() as made:
        yield made


def add_bots(members: Members, sim: AiBotSim, count: int) -> List[str]:
    names = [f"shop-{number}" for number in range(count)]
    for name in names:
        sim.add_bot(name, f"secret-{name}")
        members.fleet.add(name, WSClientOptions(name, f"secret-{name}", ws_url=sim.ws_url))
    return names


def test_bots_are_spread_and_answer_and_a_killed_process_is_replaced(members: Members, sim: AiBotSim) -> None:
    names = add_bots(members, sim, 6)
    processes = members.start(3)
    members.until_spread(2, 2, 2)
    alice = sim.user("alice")
    for name in names:
        alice.says("hello", bot=name, wait=10)
        assert alice.expects(10).text.startswith(f"{name}: hello by ")
    processes[0].kill()
    took = members.until_spread(3, 3)
    assert took <= TTL + 2.0 + 1.0, f"taken over after {took:.1f} s"  # and a second for the last look
    for name in names:
        alice.says("again", bot=name, wait=10)
        texts = [alice.expects(10).text]
        while texts[-1].endswith("handed over again"):  # it was killed between an answer and its mark
            texts.append(alice.expects(10).text)
        assert texts[-1].startswith(f"{name}: again by ")
        assert len(texts) <= 2


def test_a_paused_process_loses_its_bots_and_does_nothing_when_it_wakes(members: Members, sim: AiBotSim) -> None:
    names = add_bots(members, sim, 2)
    first = members.start(1)[0]
    members.until_spread(2)
    first.send_signal(signal.SIGSTOP)
    second = members.start(1)[0]
    members.until(lambda status: members.owned(status) == {str(second.pid): 2}, 20.0)
    threading.Event().wait(TTL * 2)
    first.send_signal(signal.SIGCONT)
    members.until_spread(1, 1)  # it joins again as a new member would
    alice = sim.user("alice")
    for name in names:
        alice.says("hello", bot=name, wait=10)
        assert alice.expects(10).text.startswith(f"{name}: hello by ")
    assert not alice.unread


def test_a_process_that_joins_gets_its_share_and_one_that_ends_drains(members: Members, sim: AiBotSim) -> None:
    add_bots(members, sim, 4)
    first = members.start(1)[0]
    members.until_spread(4)
    alice = sim.user("alice")
    alice.says("/count", bot="shop-0", wait=10)
    assert alice.expects(10).text.startswith("count 1 by ")
    members.start(1)
    members.until_spread(2, 2)
    sent = {name: alice.says("/slow", bot=name, wait=10) for name in ("shop-0", "shop-1", "shop-2", "shop-3")}
    first.send_signal(signal.SIGTERM)
    texts = [alice.expects(15).text for _ in sent]
    assert all(text.startswith("slow by ") for text in texts)
    assert first.wait(20) == 0
    members.until_spread(4)
    alice.says("/count", bot="shop-0", wait=10)
    assert alice.expects(10).text.startswith("count 2 by ")  # its state is where the next process finds it
    assert not alice.unread


def test_adding_and_removing_take_effect_while_it_runs(members: Members, sim: AiBotSim) -> None:
    members.start(2)
    add_bots(members, sim, 2)
    assert members.until_spread(1, 1) <= 5.0
    members.fleet.remove("shop-0")
    assert members.until(lambda status: list(status.bots) == ["shop-1"], 5.0) <= 5.0
    sim.wait_for(lambda: sim._desk.subscriber("shop-0") is None, 6.0, "the removed bot is still subscribed")


def test_a_process_takes_no_more_than_its_capacity(members: Members, sim: AiBotSim) -> None:
    add_bots(members, sim, 3)
    members.start(1, capacity=2)
    members.until_spread(2)
    assert [one.state for one in members.fleet.status().bots.values()].count("unowned") == 1
    members.start(1, capacity=2)
    members.until(lambda status: all(one.owner for one in status.bots.values()), 20.0)


def test_two_accounts_of_one_bot_are_refused_by_name(members: Members) -> None:
    config = WSClientOptions("bot", "secret")
    members.fleet.add("shop", config)
    members.fleet.add("shop", WSClientOptions("bot", "another secret"))  # new settings for the same one
    with pytest.raises(ConfigError, match="'shop'"):
        members.fleet.add("store", config)
    members.fleet.remove("shop")
    members.fleet.add("store", config)
    assert list(members.fleet.status().bots) == ["store"]
    with pytest.raises(ConfigError, match="no bot"):
        members.fleet.remove("shop")


def test_what_no_store_can_hold_is_refused(members: Members) -> None:
    import ssl

    with pytest.raises(ConfigError, match="ssl_context"):
        members.fleet.add("shop", WSClientOptions("bot", "s", ssl_context=ssl.create_default_context()))
    with pytest.raises(ConfigError, match="not a config"):
        members.fleet.add("shop", object())
    assert members.fleet.status().bots == {}
