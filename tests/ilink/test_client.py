from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest

from wxsdk.errors import AlreadyRunning, ConfigError, LimitExceeded, SendRejected, TransportError
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


def test_no_spelling_of_the_server_lets_a_second_client_pass(sim: ILinkSim) -> None:
    plain = sim.base_url
    with started(sim, Recorder()) as client:
        for spelling in (plain + "/", plain + "//", plain.replace("http", "HTTP")):
            with pytest.raises(AlreadyRunning):
                WeixinClient(config_for(sim, base_url=spelling), Recorder()).start()
            client.set_token(sim.token, base_url=spelling)  # the server that it uses
            client.api.set_token(sim.token, base_url=spelling)
            assert client.api.base_url == plain


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


def test_as_long_as_a_handler_is_stuck_no_shutdown_says_that_all_has_ended(sim: ILinkSim) -> None:
    begun, release = threading.Event(), threading.Event()

    def stuck(ctx: Any) -> None:
        if not release.is_set():
            begun.set()
            release.wait(WAIT)

    client = WeixinClient(config_for(sim), stuck)
    client.start()
    sim.user("alice").says("hi")
    assert begun.wait(WAIT)
    assert [client.shutdown(timeout=0.05) for _ in range(3)] == [False] * 3
    client.start()
    assert [client.shutdown(timeout=0.05) for _ in range(2)] == [False] * 2
    release.set()
    assert client.shutdown(timeout=WAIT)


class _StuckStore(MemoryStore):
    """Its writes do not return until they may."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.release = threading.Event(), threading.Event()

    def write(self, changes: Any) -> None:
        if any(getattr(change, "table", "").endswith("inbox") for change in changes):
            self.begun.set()
            self.release.wait(WAIT)
        super().write(changes)


def test_as_long_as_the_poll_is_stuck_in_the_store_no_shutdown_says_that_all_has_ended(sim: ILinkSim) -> None:
    store = _StuckStore()
    client = WeixinClient(config_for(sim), Recorder(), store=store)
    client.start()
    sim.user("alice").says("hi")
    assert store.begun.wait(WAIT)
    assert [client.shutdown(timeout=0.05) for _ in range(3)] == [False] * 3
    store.release.set()
    assert client.shutdown(timeout=WAIT)


SECONDS: Dict[str, Callable[[WeixinClient, Any], Any]] = {
    "wait": lambda client, odd: client.wait(odd),
    "shutdown": lambda client, odd: client.shutdown(odd),
    "flush": lambda client, odd: client.outbox.flush(odd),
    "get_updates": lambda client, odd: client.api.get_updates(timeout=odd),
    "notify_start": lambda client, odd: client.api.notify_start(timeout=odd),
    "notify_stop": lambda client, odd: client.api.notify_stop(timeout=odd),
    "get_qr_status": lambda client, odd: client.api.get_qr_status("qr", timeout=odd),
    "login": lambda client, odd: client.qr_login().login(on_qrcode=print, timeout=odd),
}


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), "x", True], ids=repr)
@pytest.mark.parametrize("call", SECONDS.values(), ids=SECONDS)
def test_odd_seconds_are_refused_before_anything_is_done(
    sim: ILinkSim, call: Callable[[WeixinClient, Any], Any], odd: Any
) -> None:
    with pytest.raises(ConfigError) as caught:
        call(WeixinClient(config_for(sim, outbox=True)), odd)
    assert str(caught.value).startswith(f"timeout is {odd!r}.")
    assert sim.requests == []


def test_odd_seconds_leave_a_running_client_running(sim: ILinkSim) -> None:
    client = started(sim, Recorder())
    for call in (client.shutdown, client.wait):
        with pytest.raises(ConfigError):
            call("soon")  # type: ignore[operator]
    assert not client.wait(0)
    assert client.shutdown()


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


LONG = "words and words. " * 20  # several messages of 100 bytes


@pytest.mark.parametrize("trouble", ["refused", "lost"])
def test_a_long_text_that_fails_on_the_way_says_what_went_out(sim: ILinkSim, trouble: str) -> None:
    alice = sim.user("alice")
    alice.says("hi")
    with WeixinClient(config_for(sim, max_text_bytes=100, send_retries=0)) as client:
        sim.faults.next("sendmessage", json={"ret": 0}, times=2)
        if trouble == "refused":
            sim.faults.ret("sendmessage", -2)
        else:
            sim.faults.next("sendmessage", status=502)
        with pytest.raises(SendRejected if trouble == "refused" else TransportError) as caught:
            client.send_text("alice", LONG)
        asked = [request.json["msg"]["client_id"] for request in sim.requests if request.place == "sendmessage"]
        assert [part.client_id for part in caught.value.parts] == asked[:2]
        assert caught.value.client_id == asked[2]  # type: ignore[attr-defined]
        assert "2 message(s)" in str(caught.value)
        sim.faults.next("sendmessage", status=502)
        with pytest.raises(TransportError) as alone:
            client.send_text("alice", "short")
    assert alone.value.parts == ()


def test_a_media_that_fails_behind_its_caption_says_that_the_caption_went_out(sim: ILinkSim, payload: Path) -> None:
    sim.user("alice").says("hi")
    with WeixinClient(config_for(sim, send_retries=0)) as client:
        sim.faults.next("sendmessage", json={"ret": 0})
        sim.faults.ret("sendmessage", -2)
        with pytest.raises(SendRejected) as caught:
            client.send_media("alice", payload, caption="look")
    assert len(caught.value.parts) == 1


def test_an_empty_caption_is_none(sim: ILinkSim, payload: Path) -> None:
    sim.user("alice").says("hi")
    with WeixinClient(config_for(sim)) as client:
        assert len(client.send_media("alice", payload, caption="").parts) == 1
    assert [message.kind for message in sim.user("alice").received] == ["file"]


def test_a_quota_that_refuses_does_so_before_the_first_of_several_messages(sim: ILinkSim, payload: Path) -> None:
    bot = Recorder()
    with WeixinClient(config_for(sim, max_text_bytes=100, quota_policy="refuse", quota_limit=1), bot) as client:
        sim.user("alice").says("hi")
        bot.wait_for(lambda: bot.contexts)
        with pytest.raises(LimitExceeded):
            client.send_text("alice", LONG)
        with pytest.raises(LimitExceeded):
            client.send_media("alice", payload, caption="look")
        assert (sim.count("sendmessage"), sim.count("getuploadurl")) == (0, 0)
        client.send_text("alice", "short")


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

    monkeypatch.setattr(PollLoop, "_enter", crash)
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


def test_a_new_token_may_move_a_running_client_to_another_server(sim: ILinkSim) -> None:
    bot = Recorder(echo)
    with ILinkSim(hold=20, quota_limit=None) as other, started(sim, bot) as client:
        with pytest.raises(ConfigError):
            client.set_token(other.token, base_url="nowhere")
        client.set_token(other.token, base_url=other.base_url)
        other.user("bob").says("hi")
        assert other.user("bob").expects(WAIT).text == "hi"
        assert other.base_url in repr(client)
        with pytest.raises(AlreadyRunning):
            WeixinClient(config_for(other), bot).start()
        sim.wait_for(lambda: sim.polls_in_flight == 0)
        with WeixinClient(config_for(sim), bot):  # the old bot is free again
            assert [sim.violations, other.violations] == [[], []]


def test_another_server_for_the_same_token_keeps_what_is_known(sim: ILinkSim) -> None:
    client = WeixinClient(config_for(sim, base_url="http://127.0.0.1:1"))
    client.context_tokens.set("alice", "kept")
    client.set_token(sim.token, base_url=sim.base_url)
    assert client.context_tokens.get("alice") == "kept"
    client.shutdown()


def test_a_send_amid_set_token_does_not_drop_the_state_of_the_new_token(sim: ILinkSim) -> None:
    client = WeixinClient(config_for(sim))
    epoch = client._book.epoch
    senders = [threading.Thread(target=lambda: client.context_tokens) for _ in range(2)]
    use = client.api.set_token

    def slow(token: str, **more: Any) -> None:
        for sender in senders:
            sender.start()
        senders[0].join(0.2)  # one that does not wait would be through by then
        use(token, **more)

    client.api.set_token = slow  # type: ignore[method-assign]
    client.set_token(sim.mint_token())
    for sender in senders:
        sender.join(WAIT)
    assert client._book.epoch == epoch + 1
    client.shutdown()


@pytest.mark.parametrize("last", ["a refused connection", "a shutdown"])
def test_a_try_that_may_have_gone_out_counts_though_the_next_one_did_not(sim: ILinkSim, last: str) -> None:
    client = WeixinClient(config_for(sim))
    unclear = TransportError("no answer", kind="timeout", may_have_been_sent=True, client_id="c")
    tries = [unclear, *(TransportError("refused", kind="tcp") for _ in range(2))]

    def send(_: Any, **options: Any) -> Any:
        if last == "a shutdown" and len(tries) == 3:
            client._allowance._pacer.next_slot = lambda now: client._allowance.interrupt() or 0.0  # type: ignore
        raise tries.pop(0)

    client.api.send_message = send  # type: ignore[method-assign]
    with pytest.raises(TransportError) as caught:
        client.send_text("alice", "hi")
    assert caught.value is not unclear
    assert caught.value.may_have_been_sent
    assert "It may have been delivered." in str(caught.value)
    client.shutdown()


def test_the_quota_of_another_token_in_the_store_does_not_count(sim: ILinkSim) -> None:
    store = MemoryStore()
    sim.user("alice").says("hello")
    before = WeixinClient(config_for(sim), store=store)
    before.send_text("alice", "hi")
    assert before.quota("alice").sent == 1
    before.shutdown()
    assert WeixinClient(config_for(sim, token=sim.mint_token()), store=store).quota("alice").sent == 0


def test_a_client_that_takes_over_handles_nothing_again_and_loses_nothing(sim: ILinkSim) -> None:
    handled: List[Optional[str]] = []
    with ILinkSim(cursor="replays", hold=20, quota_limit=None) as replaying:
        alice = replaying.user("alice")
        earlier: Optional[WeixinClient] = None
        for number in range(3):  # a cell of a notebook, run again and again
            bot = Recorder()
            client = WeixinClient(config_for(replaying), bot)
            if earlier is not None:
                assert client.take_over(earlier)
            client.start()
            alice.says(str(number))
            bot.wait_for(lambda bot=bot: bot.contexts)  # type: ignore[misc]
            assert client.shutdown()
            handled += bot.bodies
            earlier = client
    assert handled == ["0", "1", "2"]
    assert earlier is not None
    assert not WeixinClient(config_for(sim), store=earlier._store.inner).take_over(earlier)
    assert not WeixinClient(config_for(sim, token="another")).take_over(earlier)
