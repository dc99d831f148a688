"""One owner per bot on one machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from tests.ilink.bots import Recorder, config_for, started
from wxsdk.errors import AlreadyRunning
from wxsdk.ilink.client import WeixinClient
from wxsdk.ilink.config import WeixinConfig
from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.sim import AiBotSim, ILinkSim

from .aibot_client import client_for
from .waiting import until

ROOT = Path(__file__).parents[2]
AT_ONCE = 0.5  # seconds, on a busy machine


def test_a_second_ilink_client_in_this_process_is_refused_at_once(ilink: ILinkSim) -> None:
    with started(ilink, Recorder()):
        began = time.monotonic()
        with pytest.raises(AlreadyRunning) as caught:
            WeixinClient(config_for(ilink), Recorder()).start()
        assert time.monotonic() - began < AT_ONCE
        assert caught.value.pid == os.getpid()
        assert ilink.most_polls_in_flight <= 1
    with WeixinClient(config_for(ilink), Recorder()):
        assert ilink.violations == []


def test_a_second_aibot_client_in_this_process_is_refused_at_once(aibot: AiBotSim) -> None:
    with client_for(aibot):
        aibot.wait_subscribed()
        with pytest.raises(AlreadyRunning) as caught:
            client_for(aibot).connect()
        assert caught.value.pid == os.getpid()
        assert len(aibot.connections) == 1
    second = client_for(aibot)
    second.connect(wait=5)
    assert second.disconnect()


def test_the_option_turns_it_off(ilink: ILinkSim, aibot: AiBotSim) -> None:
    with WeixinClient(config_for(ilink, single_instance=False), Recorder()):
        WeixinClient(config_for(ilink, single_instance=False), Recorder()).shutdown()
        other = WeixinClient(config_for(ilink, single_instance=False), Recorder())
        other.start()
        assert other.shutdown()
    with client_for(aibot, single_instance=False), client_for(aibot, single_instance=False):
        aibot.wait_for(lambda: len(aibot.connections) == 2)


def test_a_new_token_takes_the_lock_of_its_bot_and_frees_the_old_one(ilink: ILinkSim) -> None:
    config = config_for(ilink)
    with started(ilink, Recorder()) as client:
        other_token = ilink.mint_token()
        client.set_token(other_token)
        with pytest.raises(AlreadyRunning):
            WeixinClient(config_for(ilink, token=other_token), Recorder()).start()
        with WeixinClient(config, Recorder()):  # the old bot is free again
            with pytest.raises(AlreadyRunning):
                client.set_token(config.token)
            assert client.api.token == other_token
    with WeixinClient(config_for(ilink, token=other_token), Recorder()):
        assert ilink.violations == []


ILINK_OWNER = """
import sys, threading
from wxsdk.ilink.client import WeixinClient
from wxsdk.ilink.config import WeixinConfig
from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.ilink.config import WeixinConfig
WeixinClient(WeixinConfig(sys.argv[1], base_url=sys.argv[2]), lambda ctx: None).start()
print("owner", flush=True)
threading.Event().wait()
"""
AIBOT_OWNER = """
import sys, threading
from wxsdk.aibot.client import WSClient
from wxsdk.aibot.config import WSClientOptions
WSClient(WSClientOptions(sys.argv[1], sys.argv[2], ws_url=sys.argv[3])).connect()
print("owner", flush=True)
threading.Event().wait()
"""


@pytest.fixture
def owner() -> Iterator[Callable[..., Any]]:
    processes = []

    def start(program: str, *arguments: str) -> Any:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "owner\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_another_process_is_named_and_its_death_frees_both_bots(
    ilink: ILinkSim, aibot: AiBotSim, owner: Callable[..., Any]
) -> None:
    first = owner(ILINK_OWNER, ilink.token, ilink.base_url)
    second = owner(AIBOT_OWNER, aibot.bot_id, aibot.secret, aibot.ws_url)
    client, bot = WeixinClient(config_for(ilink), Recorder()), client_for(aibot)
    for process, start in ((first, client.start), (second, bot.connect)):
        began = time.monotonic()
        with pytest.raises(AlreadyRunning) as caught:
            start()
        assert time.monotonic() - began < AT_ONCE
        assert caught.value.pid == process.pid
        process.kill()  # SIGKILL
        process.wait()
        start()
    until(lambda: bot.is_connected)
    assert client.shutdown()
    assert bot.disconnect()


def test_two_bots_cannot_use_one_store_at_a_time(tmp_path: Path) -> None:
    with ILinkSim() as one, ILinkSim() as other:
        first, second = (
            WeixinClient(
                WeixinConfig(token=sim.token, base_url=sim.base_url),
                lambda ctx: None,
                store=SQLiteStore(tmp_path / "db"),
            )
            for sim in (one, other)
        )
        with first:
            with pytest.raises(AlreadyRunning, match="store of its own") as refused:
                second.start()
            assert refused.value.pid == os.getpid()
        with second:
            assert second.health().state.name != "STOPPED"
