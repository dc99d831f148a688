"""The troubles of other iLink libraries, one test each: the promise of ours, and the figure.

Thin where another test goes deeper: 10,000 odd messages are in test_fuzz, all faults in test_fault_matrix_ilink,
hundreds of kills and full sizes in tests/bench.
"""

from __future__ import annotations

import logging
import os
import random
import stat
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any, List

import pytest

from tests.bench.killing import kill_series, nursery_process
from tests.ilink.bots import Gate, Recorder, config_for, echo, started
from tests.ilink.test_login import HurriedClock
from wxsdk.errors import SendRejected
from wxsdk.health import HealthState
from wxsdk.ilink.client import WeixinClient
from wxsdk.ilink.context import MessageContext
from wxsdk.ilink.login import StandaloneQrLogin
from wxsdk.ilink.login_rules import LoginState
from wxsdk.ilink.markdown import StreamingMarkdownFilter, filter_markdown
from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.sim import ILinkSim
from wxsdk.testing import no_leaks

from .conftest import Figure
from .memory_use import MIB, OVER_IDLE, measured, needs_proc
from .test_fairness import PROMISED, p99
from .test_fault_matrix_ilink import Bot
from .test_fuzz import _odd_message
from .troubles import FIRST, MOST
from .waiting import WAIT, until


def test_ret_minus_2_is_a_send_rejected_with_a_remedy(ilink: ILinkSim, figure: Figure) -> None:
    client = WeixinClient(config_for(ilink))
    ilink.faults.ret("sendmessage", -2, "prepare failed", times=20)
    for _ in range(20):
        with pytest.raises(SendRejected) as caught:
            client.send_text("alice", "no")
        assert caught.value.remedy
    assert client.shutdown()
    figure("-2 reported as success", "0 of 20")


def test_one_odd_message_does_not_stop_the_loop_or_lose_its_batch(ilink: ILinkSim, figure: Figure) -> None:
    dice, bot = random.Random(1), Recorder()
    client = started(ilink, bot)
    for number in range(100):
        message = _odd_message(dice, number)
        if "\\ud8" not in repr(message):  # the simulator cannot carry half a character
            ilink.user("eve").raw(message)
        ilink.user("alice").says(str(number))
    until(lambda: sum(ctx.from_user_id == "alice" for ctx in bot.contexts) == 100)
    assert client.shutdown()
    assert bot.errors == []
    figure("good messages among odd ones", "100 of 100")


def test_502_html_and_bad_json_leave_the_loop_alive_within_the_backoff(ilink: ILinkSim, figure: Figure) -> None:
    bot, backoff = Recorder(echo), 0.2
    ilink.settings.hold = 0.05
    client = started(ilink, bot, poll_retry_delay=backoff)
    slowest = 0.0
    for fault in ({"status": 502}, {"body": b"<html>"}, {"body": b'{"ret":'}):
        ilink.faults.next("getupdates", **fault)  # type: ignore[arg-type]
        until(lambda: not ilink.faults.pending)
        began = time.monotonic()
        ilink.user("alice").says("hi")
        assert ilink.user("alice").expects(WAIT).text == "hi"
        slowest = max(slowest, time.monotonic() - began)
    assert client.shutdown()
    figure("alive again after", f"{slowest:.2f} s with a backoff of {backoff} s")
    assert slowest < backoff * 1.2 + 1.0


def test_an_outage_makes_at_most_four_requests_in_its_first_five_seconds(ilink: ILinkSim, figure: Figure) -> None:
    bot = Bot(ilink)
    ilink.faults.next("getupdates", status=502, forever=True)
    bot.client.start()
    bot.pass_time(FIRST)
    bot.clock.wait_parked(name="poll")
    assert bot.client.shutdown()
    figure("requests in the first 5 s", bot.polls)
    assert bot.polls <= MOST


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the bots are forked")
def test_kill_9_loses_nothing_and_redelivers_at_most_once_per_kill(tmp_path: Path, figure: Figure) -> None:
    with nursery_process(tmp_path) as process:
        tally = kill_series(process, "replays", 5, tmp_path, seed=5)
    figure("kill -9", tally)
    assert (tally.lost_from_store, tally.lost_on_the_way, tally.too_often) == ([], 0, [])


def test_user_b_is_served_while_the_handler_of_a_sleeps(ilink: ILinkSim, figure: Figure) -> None:
    gate, handled = Gate(), threading.Semaphore(0)

    def on_message(ctx: MessageContext) -> None:
        if ctx.from_user_id == "a":
            gate.pass_through()
        handled.release()

    waits: List[float] = []
    with WeixinClient(config_for(ilink), on_message):
        ilink.user("a").says("sleep")
        gate.wait_entered()
        for number in range(50):
            began = time.monotonic()
            ilink.user("b").says(str(number))
            assert handled.acquire(timeout=WAIT)
            waits.append(time.monotonic() - began)
        gate.open()
    figure("p99 of b's wait", f"{p99(waits) * 1000:.1f} ms")
    assert median(waits) < PROMISED


def test_stop_with_a_poll_held_is_quick_and_leaks_nothing(ilink: ILinkSim, figure: Figure) -> None:
    client, cycles = WeixinClient(config_for(ilink), Recorder()), 100
    times = []
    with no_leaks():
        for _ in range(cycles):
            client.start()
            until(lambda: ilink.polls_in_flight == 1)
            began = time.monotonic()
            assert client.shutdown()
            times.append(time.monotonic() - began)
            until(lambda: ilink.polls_in_flight == 0)
    figure(
        f"stop with a poll held, {cycles} cycles", f"p99 {p99(times) * 1000:.1f} ms, worst {max(times) * 1000:.1f} ms"
    )
    assert median(times) <= 0.2


def test_a_stale_token_is_told_once_without_storm_and_a_new_one_recovers(ilink: ILinkSim, figure: Figure) -> None:
    bot = Recorder(echo)
    with started(ilink, bot) as client:
        ilink.revoke_token(may_send=True)
        bot.wait_for(lambda: bot.stale)
        polls = ilink.count("getupdates")
        assert client.send_text("alice", "sends go on").confirmed
        storm = ilink.count("getupdates") - polls
        client.set_token(ilink.mint_token())
        ilink.user("alice").says("hi")
        until(lambda: client.health().state is HealthState.RUNNING)
        bot.wait_for(lambda: bot.contexts)
    figure("polls with a token known to be stale", storm)
    assert storm == 0
    assert len(bot.stale) == 1
    assert ilink.count("get_bot_qrcode") == 0


@needs_proc
def test_an_upload_takes_constant_memory(ilink: ILinkSim, tmp_path: Path, figure: Figure) -> None:
    path, size = tmp_path / "large.bin", 32 * MIB
    with path.open("wb") as file:
        file.truncate(size)
    ilink.user("alice").says("hi")
    facts = {"token": ilink.token, "base_url": ilink.base_url, "cdn_base_url": ilink.cdn_base_url}
    extra = measured("upload", path=str(path), context_token=ilink.user("alice").context_token, **facts)
    received = ilink.user("alice").received[-1]
    figure(f"memory over idle, upload of {size // MIB} MiB", f"{extra / MIB:.1f} MiB")
    assert received.size == size
    assert extra <= OVER_IDLE


@pytest.mark.parametrize("urls", ["both", "param", "full_url"])
@pytest.mark.parametrize("key", ["hex", "raw"])
def test_files_come_and_go_byte_identical_in_every_combination(
    urls: str, key: str, ilink: ILinkSim, tmp_path: Path
) -> None:
    ilink.settings.upload_urls = urls
    data = bytes(range(256)) * 40 + b"end"
    bot = Recorder(lambda ctx: ctx.reply_media(ctx.download_media(ctx.media, tmp_path)))  # type: ignore[arg-type]
    with started(ilink, bot):
        for kind, name in (("file", "a.bin"), ("video", "b.mp4"), ("image", "c.png")):
            for address in ("both", "full_url", "param"):
                ilink.user("alice").sends(data, kind=kind, name=name, key=key, address=address)
                assert ilink.user("alice").expects(WAIT).data == data
    assert bot.errors == []
    assert ilink.violations == []


def test_first_concurrent_sends_of_50_threads_neither_hang_nor_mix(ilink: ILinkSim, figure: Figure) -> None:
    ilink.faults.latency("sendmessage", 0.0, 0.003)
    client, barrier = WeixinClient(config_for(ilink)), threading.Barrier(50)

    def send(number: int) -> None:
        barrier.wait(WAIT)
        for turn in range(4):
            client.send_text(f"u{number % 10}", f"{number} {turn}")

    threads = [threading.Thread(target=send, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert client.shutdown()
    texts = {number: [one.text for one in ilink.user(f"u{number}").received] for number in range(10)}
    figure("sent by 50 threads", sum(map(len, texts.values())))
    for number in range(50):
        mine = [text for text in texts[number % 10] if text.startswith(f"{number} ")]
        assert mine == [f"{number} {turn}" for turn in range(4)]
    assert ilink.violations == []


@pytest.mark.parametrize("fault", ["none", "502", "html", "reset"])
@pytest.mark.parametrize("road", ["verify code", "already bound"])
def test_the_qr_login_gets_through_its_states_and_faults(road: str, fault: str, ilink: ILinkSim) -> None:
    def strike() -> None:
        place = "get_qrcode_status"
        if fault == "502":
            ilink.faults.next(place, status=502)
        elif fault == "html":
            ilink.faults.next(place, body=b"<html>")
        elif fault == "reset":
            ilink.faults.cut(place, at="after_reading")

    helpers: List[threading.Thread] = []

    def on_status(status: Any) -> None:
        if status.state is LoginState.SCANNED and not helpers:  # it is told again when the number was right
            strike()
            ilink.bind_already() if road == "already bound" else ilink.demand_verify_code("42")

    ilink.settings.qr_hold = 0.02
    login = StandaloneQrLogin(config_for(ilink, token=""), _clock=HurriedClock())

    def ask(was_wrong: bool) -> str:
        helper = threading.Thread(target=_confirm_when_verified, args=(ilink,))
        helpers.append(helper)
        helper.start()
        return "42"

    def on_qrcode(_: Any) -> None:
        strike()
        ilink.scan()

    done = login.login(on_qrcode=on_qrcode, on_status=on_status, ask_verify_code=ask)
    wanted = LoginState.ALREADY_BOUND if road == "already bound" else LoginState.CONFIRMED
    assert done.state is wanted
    login.close()
    for helper in helpers:
        helper.join(WAIT)


def _confirm_when_verified(sim: ILinkSim) -> None:
    asked = "need_verifycode"
    sim.wait_for(lambda: sim.logins[-1].state != asked, WAIT)
    sim.confirm()


def test_no_token_in_repr_errors_logs_and_no_open_file(
    ilink: ILinkSim, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    canary, path = "canary-5ecret-Va1ue", tmp_path / "bot.db"
    client = WeixinClient(config_for(ilink, token=canary), Recorder(), store=SQLiteStore(path))
    bot = client._handler
    assert isinstance(bot, Recorder)
    client.start()
    bot.wait_for(lambda: bot.stale)  # the simulator does not know that token
    shown = [repr(one) for one in (client, client.config, client.api, client.health(), bot.stale)]
    assert client.shutdown()
    assert canary not in "\n".join([*shown, caplog.text])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert canary.encode() not in path.read_bytes()


def test_underscores_in_urls_and_names_pass_the_markdown_filter() -> None:
    plain = "see https://example.com/a_b_c/x_y?q=a_b and snake_case_names, 2*3*4 = 24, C:\\a_b\\c_d"
    assert filter_markdown(plain) == plain
    streaming = StreamingMarkdownFilter()
    assert "".join([streaming.feed(letter) for letter in plain]) + streaming.flush() == plain
