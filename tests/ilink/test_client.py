from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import List, Tuple

import pytest

from wxsdk.errors import AlreadyRunning
from wxsdk.health import HealthState
from wxsdk.ilink.client import WeixinClient
from wxsdk.ilink.poll import PollLoop
from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.runtime.store import MemoryStore
from wxsdk.sim import ILinkSim

from .bots import WAIT, Recorder, config_for, echo, started


def test_a_constructor_starts_and_opens_nothing(sim: ILinkSim, tmp_path: Path) -> None:
    client = WeixinClient(config_for(sim), Recorder(), store=SQLiteStore(tmp_path / "new.db"))
    assert sim.requests == []
    assert client.health().state is HealthState.STOPPED
    assert client.wait(0)


def test_a_second_client_of_the_same_bot_is_refused_unless_that_is_turned_off(sim: ILinkSim) -> None:
    with WeixinClient(config_for(sim), Recorder()) as first:
        second = WeixinClient(config_for(sim), Recorder())
        with pytest.raises(AlreadyRunning) as caught:
            second.start()
        assert caught.value.pid == os.getpid()
        with WeixinClient(config_for(sim, single_instance=False), Recorder()):
            pass
        first.shutdown()
        with second:
            sim.wait_for(lambda: sim.polls_in_flight == 1)


def test_without_a_handler_a_with_block_is_for_sending(sim: ILinkSim) -> None:
    sim.user("alice").says("hi")
    with WeixinClient(config_for(sim)) as client:
        client.send_text("alice", "hello")
    assert sim.user("alice").expects().text == "hello"
    assert sim.count("getupdates") == 0


def test_sends_work_after_shutdown(sim: ILinkSim) -> None:
    sim.user("alice").says("hi")
    client = started(sim, Recorder())
    client.shutdown()
    client.send_text("alice", "afterwards")
    assert sim.user("alice").expects().text == "afterwards"
    client.shutdown()


def test_health_tells_of_the_last_messages(sim: ILinkSim) -> None:
    with WeixinClient(config_for(sim), echo) as client:
        assert client.health().state in (HealthState.STARTING, HealthState.RUNNING)
        sim.user("alice").says("hi")
        sim.user("alice").expects()
        health = client.health()
        assert health.last_inbound is not None
        assert health.workers == 16
    assert client.health().last_outbound is not None
    assert client.health().state is HealthState.STOPPED


def test_a_long_text_is_filtered_and_split_and_every_part_is_listed(sim: ILinkSim) -> None:
    sim.user("alice").says("hi")
    with WeixinClient(config_for(sim, max_text_bytes=100)) as client:
        result = client.send_text("alice", "##### Title\n" + "words and words. " * 20)
    texts = [sim.user("alice").expects().text for _ in result.parts]
    assert len(texts) > 3
    assert texts[0].startswith("Title")
    assert all(len(text.encode()) <= 100 for text in texts)
    assert "".join("".join(texts).split()) == "".join(("Title" + "words and words. " * 20).split())
    assert result.message_id == result.parts[-1].message_id


def test_the_newest_context_token_is_used_unless_one_is_given(sim: ILinkSim, caplog: pytest.LogCaptureFixture) -> None:
    alice = sim.user("alice")
    alice.says("hi")
    with WeixinClient(config_for(sim)) as client:
        for _ in range(2):
            client.send_text("alice", "without")
        client.context_tokens.set("alice", str(alice.context_token))
        client.send_text("alice", "newest")
    assert [message.context_token for message in alice.received] == [None, None, alice.context_token]
    assert sum("context token" in record.getMessage() for record in caplog.records) == 1  # said once


def test_a_crash_of_the_loop_reaches_run_wait_and_on_error(sim: ILinkSim, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(self: PollLoop) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(PollLoop, "_once", crash)
    bot = Recorder()
    client = WeixinClient(config_for(sim), bot)
    with pytest.raises(ZeroDivisionError):
        client.run()
    with pytest.raises(ZeroDivisionError):
        client.wait(0)
    bot.wait_for(lambda: bot.errors)
    assert len(bot.errors) == 1
    assert client.health().state is HealthState.FAILED


def test_the_whole_state_survives_in_sqlite(sim: ILinkSim, tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "bot.db")
    bot = Recorder(echo)
    client = started(sim, bot, store=store)
    sim.user("alice").says("one")
    bot.wait_for(lambda: bot.cursors)
    client.shutdown()
    sim.user("alice").says("two")
    second = Recorder()
    client = started(sim, second, store=SQLiteStore(tmp_path / "bot.db"))
    second.wait_for(lambda: second.contexts)
    assert second.bodies == ["two"]
    assert client.quota("alice").sent == 0
    assert client.context_tokens.get("alice") == sim.user("alice").context_token
    client.shutdown()


class Unreadable(MemoryStore):
    def items(self, table: str) -> List[Tuple[str, str]]:
        raise OSError(5, "Input/output error")


def test_a_store_that_cannot_be_read_stops_the_start_and_gives_the_bot_free(sim: ILinkSim) -> None:
    client = WeixinClient(config_for(sim), Recorder(), store=Unreadable())
    with pytest.raises(OSError, match="Input"):
        client.start()
    assert sim.requests == []
    with WeixinClient(config_for(sim), Recorder()):
        pass


def test_a_thousand_stops_would_leave_nothing_so_fifty_do(sim: ILinkSim) -> None:
    slowest = 0.0
    for _ in range(50):
        client = WeixinClient(config_for(sim), Recorder())
        client.start()
        held = sim.count("getupdates")
        sim.wait_for(lambda held=held: sim.polls_in_flight == 1 or sim.count("getupdates") > held)  # type: ignore[misc]
        began = time.monotonic()
        assert client.shutdown()
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 1.0  # 0.2 s is promised on an idle machine


SCRIPT = """
    import sys
    from wxsdk import WeixinClient, WeixinConfig
    config = WeixinConfig(token=sys.argv[1], base_url=sys.argv[2], cdn_base_url=sys.argv[2])
    WeixinClient(config, lambda ctx: ctx.reply_text(ctx.body)).run()
    print("stopped cleanly")
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows has no signals between processes")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_ends_at_once_on_a_signal(number: signal.Signals, sim: ILinkSim) -> None:
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), sim.token, sim.base_url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        sim.wait_for(lambda: sim.polls_in_flight == 1, WAIT)
        process.send_signal(number)
        began = time.monotonic()
        output, _ = process.communicate(timeout=WAIT)
        assert time.monotonic() - began < 2.0  # the interpreter's own end included
        assert (process.returncode, output.strip()) == (0, "stopped cleanly")
    finally:
        process.kill()
