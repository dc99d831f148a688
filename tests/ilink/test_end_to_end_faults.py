"""The client against a platform in trouble."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from pathlib import Path
from typing import Any, Callable, List, Sequence

import pytest

from wxsdk.errors import (
    ApiError,
    ConfigError,
    ConnectionLost,
    LimitExceeded,
    MediaError,
    SendRejected,
    TokenStale,
    TransportError,
    Unsupported,
    WxError,
)
from wxsdk.health import HealthState
from wxsdk.ilink import poll
from wxsdk.ilink.client import WeixinClient
from wxsdk.ilink.context import MessageContext
from wxsdk.runtime.store import Change, MemoryStore, Put
from wxsdk.sim import ILinkSim

from .bots import WAIT, Gate, Recorder, config_for, echo, started

Trouble = Callable[[ILinkSim], Any]

TROUBLES = {
    "502": lambda sim: sim.faults.next("getupdates", status=502, times=3),
    "404": lambda sim: sim.faults.next("getupdates", status=404, times=2),
    "html with 200": lambda sim: sim.faults.next("getupdates", body=b"<html>hello</html>", times=2),
    "bad json": lambda sim: sim.faults.next("getupdates", body=b'{"ret": 0, "msgs": [', times=2),
    "a list": lambda sim: sim.faults.next("getupdates", body=b"[1, 2]", times=2),
    "nothing": lambda sim: sim.faults.next("getupdates", body=b"", times=2),
    "ret": lambda sim: sim.faults.ret("getupdates", -99, times=2),
    "errcode": lambda sim: sim.faults.errcode("getupdates", 5, times=2),
    "reset before the answer": lambda sim: sim.faults.cut("getupdates", at="after_reading", times=2),
    "reset in the headers": lambda sim: (
        sim.faults.cut("getupdates", at="mid_headers"),
        sim.user("bob").says("this makes the server answer"),
    ),
    "raw garbage": lambda sim: sim.faults.raw("getupdates", b"\x00\xff\x00garbage\r\n\r\n", times=2),
    "a gateway's 524": lambda sim: sim.faults.next("getupdates", status=524, times=2),
}


@pytest.mark.parametrize("trouble", sorted(TROUBLES))
def test_the_loop_outlives(trouble: str, sim: ILinkSim) -> None:
    TROUBLES[trouble](sim)
    bot = Recorder(echo)
    with WeixinClient(config_for(sim), bot) as client:
        sim.wait_for(lambda: not sim.faults.pending, WAIT)
        sim.user("alice").says("still there?")
        assert sim.user("alice").expects(WAIT).text == "still there?"
        sim.wait_for(lambda: sim.polls_in_flight == 1)
        assert client.health().state is HealthState.RUNNING
        assert client.health().last_error is None
    assert len(bot.errors) <= 1  # told once for a row of failures
    assert all(isinstance(error, WxError) for error in bot.errors)


def test_an_outage_is_told_once_and_ends_by_itself(sim: ILinkSim) -> None:
    bot = Recorder(echo)
    with WeixinClient(config_for(sim), bot) as client:
        sim.wait_for(lambda: sim.polls_in_flight == 1)
        sim.faults.refuse_connections()
        bot.wait_for(lambda: bot.errors)
        health = client.health()
        assert (health.state, health.retries >= 1) == (HealthState.RETRYING, True)
        assert health.last_error
        sim.faults.restore()
        sim.user("alice").says("back")
        assert sim.user("alice").expects(WAIT).text == "back"
    assert len(bot.errors) == 1
    assert isinstance(bot.errors[0], TransportError)


def test_an_outage_makes_few_requests(sim: ILinkSim) -> None:
    sim.faults.next("getupdates", status=502, forever=True)
    bot = Recorder()
    client = started(sim, bot, poll_retry_delay=2.0, poll_backoff_delay=30.0)
    bot.wait_for(lambda: bot.errors)
    began = time.monotonic()
    assert client.shutdown()  # ends the wait between two tries
    assert time.monotonic() - began < 1.0
    assert sim.count("getupdates") == 1


def test_a_stale_token_is_told_once_pauses_polling_and_ends_with_a_new_one(sim: ILinkSim) -> None:
    bot = Recorder(echo)
    with WeixinClient(config_for(sim), bot) as client:
        sim.user("alice").says("one")
        bot.wait_for(lambda: bot.cursors)
        sim.revoke_token(may_send=True)
        bot.wait_for(lambda: bot.stale)
        assert client.health().state is HealthState.TOKEN_STALE
        assert client.health().remedy
        assert (bot.stale[0].errcode, bot.stale[0].pause) == (-14, 3600.0)
        polls = sim.count("getupdates")
        client.send_text("alice", "sends go on")
        assert [sim.user("alice").expects().text for _ in range(2)] == ["one", "sends go on"]
        assert sim.count("getupdates") == polls
        assert client.context_tokens.get("alice")
        notices = sim.count("notifystart")
        client.set_token(sim.mint_token())
        assert client.health().state is not HealthState.TOKEN_STALE
        sim.wait_for(lambda: sim.count("notifystart") == notices + 1)
        assert client.context_tokens.get("alice") is None
        sim.user("alice").says("two")
        assert sim.user("alice").expects(WAIT).text == "two"
        assert client.health().state is HealthState.RUNNING
    assert len(bot.stale) == 1
    assert bot.errors == []
    assert sim.violations == []


def test_after_the_pause_one_notice_and_one_try(sim: ILinkSim) -> None:
    sim.revoke_token()
    bot = Recorder()
    client = started(sim, bot, stale_token_pause=0.05)
    sim.wait_for(lambda: sim.count("getupdates") >= 3)
    client.shutdown()
    places = [request.place for request in sim.requests]
    assert places[:5] == ["notifystart", "getupdates", "notifystart", "getupdates", "notifystart"]
    assert "notifystop" not in places
    assert len(bot.stale) == 1


def test_the_same_token_set_again_is_tried_at_once(sim: ILinkSim) -> None:
    bot = Recorder()
    sim.faults.ret("getupdates", -14)
    with WeixinClient(config_for(sim), bot) as client:
        bot.wait_for(lambda: bot.stale)
        assert client.health().state is HealthState.TOKEN_STALE
        client.set_token(str(client.api.token))
        sim.user("alice").says("hi")
        bot.wait_for(lambda: bot.contexts)
        assert client.health().state is HealthState.RUNNING


def test_a_new_token_ends_the_poll_of_the_old_one(sim: ILinkSim) -> None:
    bot = Recorder(echo)
    with WeixinClient(config_for(sim), bot) as client:
        sim.wait_for(lambda: sim.polls_in_flight == 1)
        token = sim.mint_token()
        client.set_token(token)
        sim.wait_for(lambda: sim.count("getupdates") == 2)
        assert sim.requests[-1].headers["Authorization"] == f"Bearer {token}"
    assert bot.errors == []


def test_a_stale_token_in_a_send_raises_and_blocks_nothing(sim: ILinkSim) -> None:
    client = WeixinClient(config_for(sim))
    sim.user("alice").says("hi")
    sim.faults.ret("sendmessage", -14)
    with pytest.raises(TokenStale) as caught:
        client.send_text("alice", "one")
    assert caught.value.client_id
    assert caught.value.remedy
    client.send_text("alice", "two")
    assert sim.user("alice").expects().text == "two"
    client.shutdown()


class FullDisk(MemoryStore):
    """Fails every write of a message while ``full``."""

    full = True

    def __init__(self) -> None:
        super().__init__()
        self.refused = threading.Semaphore(0)

    def write(self, changes: Sequence[Change]) -> None:
        if self.full and any(isinstance(change, Put) and change.table == "inbox" for change in changes):
            self.refused.release()
            raise OSError(28, "No space left on device")
        super().write(changes)


def test_a_full_disk_keeps_the_cursor_and_costs_no_message(sim: ILinkSim) -> None:
    store = FullDisk()
    bot = Recorder(echo)
    with WeixinClient(config_for(sim), bot, store=store) as client:
        sim.user("alice").says("keep me")
        for _ in range(3):
            assert store.refused.acquire(timeout=WAIT)
        assert bot.contexts == []
        assert client.health().state is HealthState.RETRYING
        store.full = False
        assert sim.user("alice").expects(WAIT).text == "keep me"
    assert len(bot.errors) == 1  # told once
    assert "store" in str(bot.errors[0])
    assert bot.bodies == ["keep me"]


def test_a_send_is_tried_again_under_the_same_client_id_and_arrives_once(sim: ILinkSim) -> None:
    client = WeixinClient(config_for(sim))
    sim.user("alice").says("hi")
    sim.faults.cut("sendmessage", at="after_handling")  # delivered, but the answer is lost
    result = client.send_text("alice", "once")
    assert [message.text for message in sim.user("alice").received] == ["once"]
    assert [message.client_id for message in sim.duplicates] == [result.client_id]
    client.shutdown()
    assert sim.violations == []


def test_a_send_gives_up_after_bounded_tries_and_says_whether_it_may_have_gone_out(sim: ILinkSim) -> None:
    client = WeixinClient(config_for(sim))
    sim.faults.next("sendmessage", status=502, forever=True)
    with pytest.raises(TransportError) as caught:
        client.send_text("alice", "never")
    assert sim.count("sendmessage") == 3
    assert caught.value.kind == "http"
    assert caught.value.may_have_been_sent
    assert caught.value.client_id
    client.shutdown()


def test_a_rejected_send_is_not_repeated(sim: ILinkSim) -> None:
    client = WeixinClient(config_for(sim))
    sim.faults.ret("sendmessage", -2, "prepare failed")
    with pytest.raises(SendRejected) as caught:
        client.send_text("alice", "no")
    assert (caught.value.errcode, sim.count("sendmessage")) == (-2, 1)
    client.shutdown()


def test_a_send_without_a_message_id_is_unconfirmed(sim: ILinkSim) -> None:
    sim.settings.confirms = False
    sim.user("alice").says("hi")
    client = WeixinClient(config_for(sim))
    result = client.send_text("alice", "maybe")
    assert (result.message_id, result.confirmed) == (None, False)
    client.shutdown()


def test_shutdown_ends_the_wait_of_a_handler_for_its_turn_and_keeps_the_message(sim: ILinkSim) -> None:
    store = MemoryStore()
    gate = Gate()

    def answer(ctx: MessageContext) -> None:
        ctx.reply_text("first")
        gate.pass_through()
        with pytest.raises(ConnectionLost) as caught:
            ctx.reply_text("an hour later")
        assert not caught.value.may_have_been_sent
        raise caught.value

    bot = Recorder(answer)
    client = started(sim, bot, store=store, sends_per_second=1 / 3600, send_burst=1)
    sim.user("alice").says("hi")
    gate.wait_entered()
    gate.open()
    assert client.shutdown(timeout=1.0)
    assert bot.errors == []
    assert len(store.items("inbox")) == 1  # comes again at the next start
    assert [message.text for message in sim.user("alice").received] == ["first"]


def test_drain_is_the_time_that_handlers_get_at_the_end(sim: ILinkSim) -> None:
    store, bot = MemoryStore(), Recorder(echo)
    with sim.faults.hold("sendmessage"):
        client = started(sim, bot, store=store)
        sim.user("alice").says("hi")
        sim.wait_for(lambda: sim.count("sendmessage") == 1)
        began = time.monotonic()
        client.shutdown(timeout=2 * WAIT, drain=0.05)
        assert time.monotonic() - began < WAIT
    assert len(store.items("inbox")) == 1  # not handled, so it comes again at the next start


def test_shutdown_ends_a_start_that_hangs(sim: ILinkSim) -> None:
    with sim.faults.hold("notifystart") as hold:
        client = WeixinClient(config_for(sim), Recorder())
        client.start()
        hold.wait_entered()
        began = time.monotonic()
        assert client.shutdown()
        assert time.monotonic() - began < 1.0


def test_a_notice_of_the_start_that_hangs_does_not_keep_messages_away(
    sim: ILinkSim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poll, "NOTIFY_START_DEADLINE", 0.05)
    bot = Recorder()
    with sim.faults.hold("notifystart"), WeixinClient(config_for(sim), bot):
        sim.user("alice").says("hi")
        bot.wait_for(lambda: bot.contexts)


def test_a_notice_of_the_end_that_hangs_does_not_hold_shutdown_up(sim: ILinkSim) -> None:
    client = started(sim, Recorder())
    with sim.faults.hold("notifystop"):
        began = time.monotonic()
        assert client.shutdown()
        assert time.monotonic() - began < 1.0


BAD_CALLS = {
    "an empty text": lambda client, path: client.send_text("alice", " \n"),
    "no text": lambda client, path: client.send_text("alice", None),
    "half a character": lambda client, path: client.send_text("alice", "\ud83d"),
    "nobody": lambda client, path: client.send_text("", "hi"),
    "a number as user": lambda client, path: client.send_text(5, "hi"),
    "a bad token": lambda client, path: client.send_text("alice", "hi", 5),
    "a missing file": lambda client, path: client.send_media("alice", path / "missing"),
    "a folder": lambda client, path: client.send_media("alice", path),
    "no path": lambda client, path: client.send_media("alice", None),
    "a blank caption": lambda client, path: client.send_media("alice", __file__, caption=" "),
    "a group": lambda client, path: client.send_text("123@chatroom", "hi"),
    "a bad run id": lambda client, path: client.outbound_run("alice", run_id=""),
    "a tool without a name": lambda client, path: client.outbound_run("alice").tool_call_start(""),
    "an odd tool status": lambda client, path: client.outbound_run("alice").tool_call_result("x", status="odd"),
    "typing to nobody": lambda client, path: client.send_typing(""),
    "an empty bot token": lambda client, path: client.set_token(""),
    "a token with a line end": lambda client, path: client.set_token("a\nb"),
    "only Markdown": lambda client, path: client.send_text("alice", "![]()"),
}


@pytest.mark.parametrize("call", sorted(BAD_CALLS))
def test_bad_input_is_refused_before_any_request(call: str, sim: ILinkSim, tmp_path: Path) -> None:
    client = WeixinClient(config_for(sim))
    with pytest.raises((ConfigError, LimitExceeded, MediaError, Unsupported)):
        BAD_CALLS[call](client, tmp_path)
    assert sim.requests == []
    client.shutdown()


def test_the_quota_refuses_by_policy_before_any_request(sim: ILinkSim) -> None:
    bot = Recorder()
    client = started(sim, bot, quota_policy="refuse", quota_limit=1)
    sim.user("alice").says("hi")
    bot.wait_for(lambda: bot.contexts)
    client.send_text("alice", "one")
    with pytest.raises(LimitExceeded):
        client.send_text("alice", "two")
    assert sim.count("sendmessage") == 1
    assert (client.quota("alice").sent, client.quota("alice").remaining) == (1, 0)
    client.shutdown()


def test_the_quota_warns_by_default_once_per_message_of_the_user(
    sim: ILinkSim, caplog: pytest.LogCaptureFixture
) -> None:
    bot = Recorder()
    client = started(sim, bot, quota_limit=1)
    sim.user("alice").says("hi")
    bot.wait_for(lambda: bot.contexts)
    for text in ("one", "two", "three"):
        client.send_text("alice", text)
    client.shutdown()
    assert caplog.text.count("The limit is 1") == 1


def test_the_pace_is_kept_by_all_threads_together(sim: ILinkSim) -> None:
    client = WeixinClient(config_for(sim, sends_per_second=20.0, send_burst=2))
    for user in ("alice", "bob", "carol"):
        sim.user(user).says("hi")
    threads = [
        threading.Thread(target=lambda to=to: [client.send_text(to, str(n)) for n in range(2)])
        for to in ("alice", "bob", "carol")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    times = [request.at for request in sim.requests if request.place == "sendmessage"]
    assert len(times) == 6
    assert min(later - earlier for earlier, later in zip(times, times[2:])) > 0.08  # of 0.1 s for two
    client.shutdown()


CANARY = "canary-5ecret-Va1ue"


def test_a_canary_token_shows_nowhere(
    sim: ILinkSim, caplog: pytest.LogCaptureFixture, payload: Path, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    seen: List[str] = []
    sim.settings.strict = False
    echoing = {"ret": -99, "errmsg": f"token {CANARY}-2 Bearer {CANARY} {{'context_token': '{CANARY}-ctx'}}"}
    bot = Recorder(lambda ctx: seen.append(f"{ctx!r} {ctx.message!r} {ctx.context_token!r} {ctx.media!r}"))
    config = config_for(sim, token=CANARY)
    client = WeixinClient(config, bot)
    client.start()
    bot.wait_for(lambda: bot.stale)  # the simulator does not know that token
    client.set_token(f"{CANARY}-2")
    bot.wait_for(lambda: len(bot.stale) == 2)
    client.context_tokens.set("alice", f"{CANARY}-ctx")
    for fault in ("sendmessage", "getuploadurl", "getconfig"):
        sim.faults.next(fault, json=echoing)
    calls: List[Callable[[], Any]] = [
        lambda: client.send_text("alice", "hi"),
        lambda: client.send_media("alice", payload),
        lambda: client.send_typing("alice"),
        lambda: client.send_text("alice", "hi", f"{CANARY}-ctx"),
    ]
    for call in calls:
        with pytest.raises(ApiError) as caught:
            call()
        seen += ["".join(traceback.format_exception(caught.type, caught.value, caught.tb)), repr(caught.value)]
    seen += [repr(thing) for thing in (config, client, client.api, client.context_tokens, client.health(), bot.stale)]
    seen.append(repr(client.context_tokens.export_all()))
    client.shutdown()
    assert CANARY not in "\n".join([*seen, caplog.text])


def test_addresses_of_files_show_nowhere_at_debug(
    sim: ILinkSim, caplog: pytest.LogCaptureFixture, payload: Path, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    bot = Recorder(lambda ctx: ctx.reply_media(ctx.download_media(ctx.media, tmp_path / "copy.bin")))  # type: ignore[arg-type]
    with WeixinClient(config_for(sim), bot):
        sim.user("alice").sends(payload)
        answer = sim.user("alice").expects(WAIT)
    assert bot.errors == []
    media = answer.content["media"]
    params = [request.query["encrypted_query_param"] for request in sim.requests if request.query]
    assert len(params) == 2
    for secret in (*params, media["encrypt_query_param"], media["aes_key"], sim.token):
        assert secret[:20] not in caplog.text
