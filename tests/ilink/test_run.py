"""One life of a client: its own news beside its messages, and its end from within."""

from __future__ import annotations

import threading
from typing import List, Optional, Type

import pytest

from tests.ctrl_c import everywhere
from wxsdk.errors import TransportError
from wxsdk.health import HealthState
from wxsdk.ilink import run as running
from wxsdk.ilink.client import WeixinClient
from wxsdk.ilink.context import MessageContext
from wxsdk.ilink.handler import TokenStaleInfo
from wxsdk.ilink.jsontext import dump_json
from wxsdk.runtime.store import MemoryStore, Put
from wxsdk.sim import ILinkSim

from .bots import WAIT, Gate, Recorder, config_for, echo, started


def test_blocked_handlers_delay_no_news(sim: ILinkSim) -> None:
    gate = Gate()
    bot = Recorder(lambda ctx: gate.pass_through() if ctx.body == "block" else None)
    with WeixinClient(config_for(sim, max_workers=2), bot) as client:
        sim.user("alice").says("pass")
        bot.wait_for(lambda: bot.cursors)
        for user in ("bob", "carol"):
            sim.user(user).says("block")
            gate.wait_entered()
        assert (client.health().workers_busy, client.health().workers) == (2, 2)
        sim.faults.next("getupdates", status=502)
        sim.user("alice").says("this makes the poll under way end")
        bot.wait_for(lambda: bot.errors)
        sim.revoke_token()
        bot.wait_for(lambda: bot.stale)
        assert bot.events[-2:] == ["error", "stale"]
        gate.open()


def test_news_is_heard_one_at_a_time_and_blocks_no_message(sim: ILinkSim) -> None:
    gate = Gate()

    class Slow(Recorder):
        def on_error(self, exc: BaseException, ctx: Optional[MessageContext]) -> None:
            gate.pass_through()
            super().on_error(exc, ctx)

    bot = Slow()
    sim.faults.next("getupdates", status=502)
    with WeixinClient(config_for(sim), bot):
        gate.wait_entered()
        sim.user("alice").says("one")
        bot.wait_for(lambda: bot.contexts and bot.cursors)
        sim.revoke_token()
        sim.user("alice").says("two")
        gate.open()
        bot.wait_for(lambda: bot.stale)
    assert [event for event in bot.events if event in ("error", "stale")] == ["error", "stale"]


@pytest.mark.parametrize("where", ["on_start", "on_token_stale"])
def test_a_callback_about_its_life_may_shut_the_client_down(sim: ILinkSim, where: str) -> None:
    results: List[bool] = []

    class Ending(Recorder):
        def on_start(self) -> None:
            super().on_start()
            if where == "on_start":
                results.append(client.shutdown())

        def on_token_stale(self, info: TokenStaleInfo) -> None:
            super().on_token_stale(info)
            results.append(client.shutdown())

    bot = Ending()
    client = WeixinClient(config_for(sim), bot)
    sim.revoke_token()
    client.start()
    assert client.wait(WAIT)
    assert results == [True]
    assert bot.events[-1] == "shutdown"
    assert client.shutdown()


def test_a_handler_and_a_callback_about_its_life_may_both_shut_the_client_down(sim: ILinkSim) -> None:
    both = threading.Barrier(2)

    class Ending(Recorder):
        def on_token_stale(self, info: TokenStaleInfo) -> None:
            super().on_token_stale(info)
            both.wait(WAIT)
            results.append(client.shutdown(timeout=WAIT))

    def answer(_: MessageContext) -> None:
        both.wait(WAIT)
        results.append(client.shutdown(timeout=WAIT))

    results: List[bool] = []
    bot = Ending(answer)
    client = started(sim, bot)
    sim.user("alice").says("stop")
    bot.wait_for(lambda: bot.contexts)
    sim.revoke_token()
    assert client.wait(WAIT)
    assert sorted(results) == [False, True]
    assert bot.events[-1] == "shutdown"
    assert client.shutdown()


def test_a_callback_about_its_life_that_never_returns_is_named(sim: ILinkSim, caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()

    class Hanging(Recorder):
        def on_token_stale(self, info: TokenStaleInfo) -> None:
            gate.pass_through()

    client = WeixinClient(config_for(sim), Hanging())
    sim.revoke_token()
    client.start()
    gate.wait_entered()
    assert not client.shutdown(timeout=0.2)
    assert "-life_" in caplog.text
    gate.open()
    assert client.wait(WAIT)


@pytest.mark.parametrize("raised", [ValueError, SystemExit])
def test_an_on_error_that_raises_keeps_no_message_from_being_done_with(
    sim: ILinkSim, raised: Type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Recorder):
        def on_error(self, exc: BaseException, ctx: Optional[MessageContext]) -> None:
            super().on_error(exc, ctx)
            raise raised

    def answer(_: MessageContext) -> None:
        raise KeyError("mine")

    bot = Failing(answer)
    store = MemoryStore()
    with WeixinClient(config_for(sim), bot, store=store):
        sim.user("alice").says("one")
        bot.wait_for(lambda: bot.cursors)
    assert [type(error) for error in bot.errors] == [KeyError]
    assert store.items("inbox") == []
    assert "on_error raised itself" in caplog.text


@pytest.mark.parametrize("listening", [True, False])
def test_no_thread_is_woken_for_a_cursor_that_nobody_wants(sim: ILinkSim, listening: bool) -> None:
    lanes: List[object] = []
    client = started(sim, Recorder(echo) if listening else echo)
    running = client._running
    assert running is not None
    submit = running._life.submit
    running._life.submit = lambda lane, task: (lanes.append(lane), submit(lane, task))[1]  # type: ignore
    sim.user("alice").says("hi")
    assert sim.user("alice").expects(WAIT).text == "hi"
    assert client.shutdown()
    assert ("cursor" in lanes) is listening


def test_once_the_polls_have_ended_health_says_stopped_whatever_a_handler_still_does(sim: ILinkSim) -> None:
    gate = Gate()
    client = started(sim, Recorder(lambda ctx: gate.pass_through()))
    sim.user("alice").says("hang")
    gate.wait_entered()
    assert not client.shutdown(timeout=0.05)
    sim.wait_for(lambda: sim.count("notifystop") == 1)
    assert (client.health().state, client.health().workers_busy) == (HealthState.STOPPED, 1)
    client.start()
    sim.wait_for(lambda: client.health().state is HealthState.RUNNING)
    earlier = client._earlier._runs[0]
    gate.open()
    assert earlier.alive(client._clock.now() + WAIT) == []
    assert client.health().state is HealthState.RUNNING
    assert client.shutdown()
    assert client.health().state is HealthState.STOPPED


def test_a_given_cursor_counts_from_the_start_on_whatever_the_store_said(sim: ILinkSim) -> None:
    store = MemoryStore()
    bot = Recorder()
    with started(sim, bot, store=store):
        for text in ("one", "two"):
            sim.user("alice").says(text)
        bot.wait_for(lambda: len(bot.contexts) == 2 and bot.cursors)
    given, newest = "a cursor of the user's own", bot.cursors[-1]
    left_over = dump_json(bot.contexts[0].message.to_dict()).decode()
    store.write([Put("inbox", "left over", left_over, 0.0), Put("state", "cursor", "an older one", 0.0)])
    again = Recorder()
    client = WeixinClient(config_for(sim), again, store=store)
    sim.faults.next("getupdates", json={"ret": 0, "msgs": []}, times=None)  # which brings no newer one
    client.start(given)
    again.wait_for(lambda: again.cursors)
    assert client.shutdown()
    assert (again.bodies, again.cursors) == (["one"], [given])
    sim.faults.clear()
    for begin, wanted in ((None, given), (newest, newest)):
        before = sim.count("getupdates")
        client.start(begin)
        sim.wait_for(lambda: sim.count("getupdates") > before)  # noqa: B023
        assert client.shutdown()
        assert polled_after(sim)[before] == wanted


def polled_after(sim: ILinkSim) -> List[str]:
    return [each.json["get_updates_buf"] for each in sim.requests if each.path.endswith("getupdates")]


def test_a_ctrl_c_wherever_it_strikes_a_shutdown_does_not_keep_the_client_from_ending(sim: ILinkSim) -> None:
    bot = Recorder()
    clients = [started(sim, bot)]
    sim.user("alice").says("hi")
    bot.wait_for(lambda: bot.cursors)

    def ends() -> None:
        client = clients[-1]
        assert client._running is not None
        if not client._running.stopping:
            client.shutdown()  # it struck before anything was done
        assert client.wait(WAIT)
        assert client.health().state is HealthState.STOPPED
        assert client.shutdown()
        client.send_text("alice", "sends are allowed again")
        assert client.shutdown()
        clients.append(WeixinClient(config_for(sim), bot))
        clients[-1].start()

    assert everywhere(lambda: clients[-1].shutdown(), ends, running) > 20
    assert clients[-1].shutdown()


def test_a_stop_whose_waiting_a_ctrl_c_ends_is_completed_once_the_handler_returns(sim: ILinkSim) -> None:
    gate = Gate()
    bot = Recorder(lambda ctx: gate.pass_through())
    client = started(sim, bot)
    sim.user("alice").says("hang")
    gate.wait_entered()
    life = client._running
    assert life is not None
    drain = life.dispatcher.drain

    def struck(timeout: float) -> bool:
        life.dispatcher.drain = drain  # type: ignore[method-assign]
        raise KeyboardInterrupt

    life.dispatcher.drain = struck  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        client.shutdown(timeout=WAIT)
    gate.open()
    assert client.wait(WAIT)
    assert bot.events[-1] == "shutdown"
    with WeixinClient(config_for(sim), bot):  # the bot is free again
        assert client.shutdown()


class _Lingering:
    """A handler that stays at the first message of alice, and then raises *raised* where there is one."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.events: List[str] = []
        self.raised: Optional[BaseException] = None

    def __call__(self, ctx: MessageContext) -> None:
        if ctx.from_user_id != "alice":
            return
        first = not self.events
        self.events.append(f"{ctx.body} begins{' again' if ctx.redelivered else ''}")
        if first:
            self.gate.pass_through()
            if self.raised is not None:
                raise self.raised
        self.events.append(f"{ctx.body} ends")


def test_what_a_handler_of_an_earlier_run_still_has_is_neither_handed_out_again_nor_overtaken(sim: ILinkSim) -> None:
    handler, store = _Lingering(), MemoryStore()
    bot = Recorder(handler)
    client = started(sim, bot, store=store)
    for text in ("one", "two"):
        sim.user("alice").says(text)
    handler.gate.wait_entered()
    for text in ("three", "four"):
        sim.wait_for(lambda: sim.polls_in_flight == 1)
        assert not client.shutdown(timeout=0.05)
        client.start()
        sim.user("alice").says(text)
        sim.user("bob").says(text)  # who waits for nobody
        bot.wait_for(lambda: bot.contexts[-1].from_user_id == "bob" and bot.bodies[-1] == text)  # noqa: B023
    assert handler.events == ["one begins"]
    assert bot.cursors == []
    handler.gate.open()
    bot.wait_for(lambda: bot.cursors and bot.cursors[-1] == client._book.cursor())
    assert client.shutdown()
    assert [event.replace(" again", "") for event in handler.events] == [
        f"{text} {what}" for text in ("one", "two", "three", "four") for what in ("begins", "ends")
    ]
    assert store.items("inbox") == []


def test_a_handler_that_the_stop_ended_gets_its_message_again_before_the_later_ones(sim: ILinkSim) -> None:
    handler, store = _Lingering(), MemoryStore()
    handler.raised = TransportError("the stop ended this send")
    bot = Recorder(handler)
    client = started(sim, bot, store=store)
    sim.user("alice").says("one")
    handler.gate.wait_entered()
    assert not client.shutdown(timeout=0.05)
    client.start()
    sim.user("alice").says("two")
    sim.wait_for(lambda: len(store.items("inbox")) == 2)
    handler.gate.open()
    bot.wait_for(lambda: len(bot.contexts) == 3)
    assert client.shutdown()
    assert handler.events == ["one begins", "one begins again", "one ends", "two begins", "two ends"]


def test_a_handler_may_stop_the_client_and_start_it_again_and_keeps_its_turn(sim: ILinkSim) -> None:
    results: List[bool] = []

    def answer(ctx: MessageContext) -> None:
        if ctx.body == "restart":
            for _ in range(2):
                results.append(client.shutdown(timeout=WAIT))
                client.start()
        ctx.reply_text(f"{ctx.body} done")

    bot = Recorder(answer)
    client = started(sim, bot)
    for text in ("restart", "next"):
        sim.user("alice").says(text)
    assert [sim.user("alice").expects(WAIT).text for _ in range(2)] == ["restart done", "next done"]
    assert client.shutdown()
    assert results == [True, True]
    assert bot.bodies == ["restart", "next"]
