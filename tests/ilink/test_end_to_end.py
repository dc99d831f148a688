"""The client against the simulated platform: the main road."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import List

import pytest

from wxsdk.errors import ConfigError
from wxsdk.health import HealthState
from wxsdk.ilink.client import WeixinClient
from wxsdk.ilink.context import MessageContext
from wxsdk.runtime.store import MemoryStore
from wxsdk.sim import ILinkSim

from .bots import WAIT, Gate, Recorder, config_for, echo, started


def test_an_echo_bot_says_what_it_hears(sim: ILinkSim) -> None:
    with WeixinClient(config_for(sim), Recorder(echo)):
        alice = sim.user("alice")
        alice.says("hello")
        answer = alice.expects()
        assert (answer.text, answer.context_token) == ("hello", alice.context_token)
    assert sim.violations == []


def test_a_plain_function_is_a_handler(sim: ILinkSim) -> None:
    with WeixinClient(config_for(sim), echo):
        sim.user("alice").says("hello")
        assert sim.user("alice").expects().text == "hello"


def test_the_callbacks_come_in_the_order_of_a_life(sim: ILinkSim) -> None:
    bot = Recorder()
    client = started(sim, bot)
    sim.user("alice").says("one")
    bot.wait_for(lambda: bot.cursors)
    assert client.shutdown()
    assert bot.events == ["start", "message one", "cursor", "shutdown"]
    assert all(name.startswith("wxsdk-run-") for name in bot.threads)


def test_one_poll_at_a_time_and_a_notice_at_start_and_end(sim: ILinkSim) -> None:
    client = started(sim, Recorder())
    sim.wait_for(lambda: sim.polls_in_flight == 1)
    client.shutdown()
    assert sim.most_polls_in_flight == 1
    assert (sim.count("notifystart"), sim.count("notifystop")) == (1, 1)


def test_a_slow_handler_of_one_user_does_not_delay_another(sim: ILinkSim) -> None:
    gate = Gate()

    def answer(ctx: MessageContext) -> None:
        if ctx.from_user_id == "alice":
            gate.pass_through()
        echo(ctx)

    with WeixinClient(config_for(sim), answer):
        sim.user("alice").says("slow")
        gate.wait_entered()
        sim.user("bob").says("quick")
        assert sim.user("bob").expects().text == "quick"
        assert sim.user("alice").received == []
        gate.open()
        assert sim.user("alice").expects().text == "slow"


def test_messages_of_one_user_are_handled_one_at_a_time_in_order(sim: ILinkSim) -> None:
    running: List[str] = []
    overlaps: List[str] = []

    def answer(ctx: MessageContext) -> None:
        running.append(ctx.from_user_id)
        if running.count(ctx.from_user_id) > 1:
            overlaps.append(ctx.from_user_id)
        echo(ctx)
        running.remove(ctx.from_user_id)

    users = [f"user{n}" for n in range(5)]
    with WeixinClient(config_for(sim), answer):
        for n in range(20):
            for user in users:
                sim.user(user).says(str(n))
        for user in users:
            assert [sim.user(user).expects().text for _ in range(20)] == [str(n) for n in range(20)]
    assert overlaps == []


def test_fifty_threads_send_twenty_messages_each_without_loss_double_or_disorder() -> None:
    with ILinkSim(quota_limit=None) as sim:
        sim.faults.latency("sendmessage", 0.0, 0.004)
        client = WeixinClient(config_for(sim))
        users = [sim.user(f"user{n}") for n in range(10)]
        for user in users:
            user.says("hello")
        failures: List[BaseException] = []

        def send(sender: int) -> None:
            try:
                for n in range(20):
                    client.send_text(users[sender % 10].id, f"{sender} {n}")
            except Exception as exc:  # noqa: BLE001  shown by the assertion below
                failures.append(exc)

        threads = [threading.Thread(target=send, args=(sender,)) for sender in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert failures == []
        for number, user in enumerate(users):
            texts = [message.text for message in user.received]
            assert len(texts) == len(set(texts)) == 100
            for sender in range(number, 50, 10):
                assert [text for text in texts if text.startswith(f"{sender} ")] == [f"{sender} {n}" for n in range(20)]
            assert sim.most_sends_in_flight(user.id) == 1
        client.shutdown()
        assert sim.violations == []


def test_shutdown_is_quick_with_a_poll_held(sim: ILinkSim) -> None:
    client = started(sim, Recorder())
    sim.wait_for(lambda: sim.polls_in_flight == 1)
    began = time.monotonic()
    assert client.shutdown()
    assert time.monotonic() - began < 1.0  # 0.2 s is promised; a loaded machine may take longer
    assert client.health().state is HealthState.STOPPED


def test_shutdown_twice_and_without_start_is_fine(sim: ILinkSim) -> None:
    client = WeixinClient(config_for(sim), Recorder())
    assert client.shutdown()
    client.start()
    assert client.shutdown()
    assert client.shutdown()


def test_shutdown_waits_for_the_handler_that_runs(sim: ILinkSim) -> None:
    gate = Gate()

    def answer(ctx: MessageContext) -> None:
        gate.pass_through()
        echo(ctx)

    bot = Recorder(answer)
    client = started(sim, bot)
    sim.user("alice").says("last words")
    gate.wait_entered()
    stopper = threading.Thread(target=client.shutdown)
    stopper.start()
    sim.wait_for(lambda: sim.polls_in_flight == 0)
    gate.open()
    stopper.join(WAIT)
    assert sim.user("alice").expects().text == "last words"
    assert bot.events[-1] == "shutdown"


def test_a_handler_may_shut_the_client_down(sim: ILinkSim) -> None:
    results: List[bool] = []
    bot = Recorder(lambda ctx: results.append(client.shutdown()))
    client = started(sim, bot)
    sim.user("alice").says("stop")
    assert client.wait(WAIT)
    assert results == [True]
    assert bot.events[-1] == "shutdown"
    assert client.shutdown()


def test_a_handler_that_never_returns_makes_shutdown_say_no_and_name_the_thread(
    sim: ILinkSim, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    client = started(sim, Recorder(lambda ctx: gate.pass_through()))
    sim.user("alice").says("hang")
    gate.wait_entered()
    assert not client.shutdown(timeout=0.2)
    assert "wxsdk-run-" in caplog.text
    gate.open()
    assert client.wait(WAIT)


def test_a_client_can_be_started_again(sim: ILinkSim) -> None:
    bot = Recorder(echo)
    client = WeixinClient(config_for(sim), bot)
    for text in ("one", "two"):
        client.start()
        client.start()  # changes nothing
        sim.user("alice").says(text)
        assert sim.user("alice").expects().text == text
        assert client.shutdown()
    assert bot.events.count("start") == bot.events.count("shutdown") == 2
    assert sim.most_polls_in_flight == 1


def test_start_needs_a_handler_and_a_token(sim: ILinkSim) -> None:
    with pytest.raises(ConfigError, match="handler"):
        WeixinClient(config_for(sim)).start()
    with pytest.raises(ConfigError, match="token"):
        WeixinClient(config_for(sim, token=""), Recorder()).start()
    assert sim.requests == []


def test_run_returns_when_the_client_is_shut_down_elsewhere(sim: ILinkSim) -> None:
    client = WeixinClient(config_for(sim), Recorder())
    runner = threading.Thread(target=client.run)
    runner.start()
    sim.wait_for(lambda: sim.polls_in_flight == 1)
    assert client.shutdown()
    runner.join(WAIT)
    assert not runner.is_alive()


def test_the_cursor_is_told_only_after_its_messages_were_handled(sim: ILinkSim) -> None:
    gate = Gate()
    bot = Recorder(lambda ctx: gate.pass_through())
    with WeixinClient(config_for(sim), bot):
        sim.user("alice").says("one")
        gate.wait_entered()
        sim.user("bob").says("two")
        gate.wait_entered()
        assert bot.cursors == []
        gate.open()
        bot.wait_for(lambda: len(bot.cursors) == 2)


def test_start_with_a_cursor_goes_on_after_it(sim: ILinkSim) -> None:
    bot = Recorder()
    client = started(sim, bot)
    sim.user("alice").says("one")
    bot.wait_for(lambda: bot.cursors)
    client.shutdown()
    sim.user("alice").says("two")
    second = Recorder()
    other = WeixinClient(config_for(sim), second)
    other.start(bot.cursors[-1])
    second.wait_for(lambda: second.contexts)
    other.shutdown()
    assert second.bodies == ["two"]


def test_what_was_not_handled_comes_again_first_and_says_so(sim: ILinkSim) -> None:
    store = MemoryStore()
    gate = Gate()
    stuck = started(sim, Recorder(lambda ctx: gate.pass_through()), store=store, single_instance=False)
    for text in ("one", "two", "three"):
        sim.user("alice").says(text)
    gate.wait_entered()
    sim.wait_for(lambda: len(store.items("inbox")) == 3)
    # As if the process had been killed: another client on the same store.
    bot = Recorder()
    second = WeixinClient(config_for(sim, single_instance=False), bot, store=store)
    second.start()
    sim.user("alice").says("four")
    bot.wait_for(lambda: len(bot.contexts) == 4)
    assert bot.bodies == ["one", "two", "three", "four"]
    assert [ctx.redelivered for ctx in bot.contexts] == [True, True, True, False]
    second.shutdown()
    gate.open()
    stuck.shutdown()


@pytest.mark.parametrize("cursor", ["replays", "forgets"])
def test_nothing_is_lost_or_doubled_over_restarts(cursor: str) -> None:
    with ILinkSim(hold=20, cursor=cursor, quota_limit=None) as sim:
        store = MemoryStore()
        bot = Recorder()
        for n in range(5):
            sim.user("alice").says(str(n))
            client = started(sim, bot, store=store)
            bot.wait_for(lambda n=n: len(bot.contexts) == n + 1)  # type: ignore[misc]
            client.shutdown()
        assert bot.bodies == ["0", "1", "2", "3", "4"]
        assert store.items("inbox") == []


def test_a_handler_that_raises_is_reported_once_and_stops_nothing(
    sim: ILinkSim, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(ctx: MessageContext) -> None:
        if ctx.body == "bad":
            raise RuntimeError("broken handler")
        echo(ctx)

    bot = Recorder(answer)
    store = MemoryStore()
    with WeixinClient(config_for(sim), bot, store=store):
        sim.user("alice").says("bad")
        sim.user("alice").says("good")
        assert sim.user("alice").expects().text == "good"
    assert [str(error) for error in bot.errors] == ["broken handler"]
    assert bot.error_contexts[0] is bot.contexts[0]
    assert sum("RuntimeError" in record.getMessage() for record in caplog.records) == 1
    assert store.items("inbox") == []


def test_duplicates_are_dropped_and_their_token_is_the_newest(sim: ILinkSim) -> None:
    bot = Recorder()
    with WeixinClient(config_for(sim), bot) as client:
        message_id = sim.user("alice").says("once")
        bot.wait_for(lambda: bot.contexts)
        sim.user("alice").repeats(message_id, context_token="another token")
        sim.user("alice").says("twice")
        bot.wait_for(lambda: len(bot.contexts) == 2)
        assert bot.bodies == ["once", "twice"]
        assert client.context_tokens.get("alice") == sim.user("alice").context_token


def test_a_quote_by_id_finds_what_the_bot_sent(sim: ILinkSim) -> None:
    bot = Recorder()
    with WeixinClient(config_for(sim), bot) as client:
        alice = sim.user("alice")
        alice.says("hello")
        bot.wait_for(lambda: bot.contexts)
        client.send_text("alice", "an answer to quote")
        alice.quotes(alice.expects(), "what is this?", by_id=True)
        bot.wait_for(lambda: len(bot.contexts) == 2)
        info = bot.contexts[1].ref_message
        assert info is not None
        assert info.body == "an answer to quote"


def test_files_go_there_and_back_byte_identical(sim: ILinkSim, payload: Path, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()

    def answer(ctx: MessageContext) -> None:
        assert ctx.media is not None
        ctx.reply_media(ctx.download_media(ctx.media, folder), caption="here you are")

    bot = Recorder(answer)
    with WeixinClient(config_for(sim), bot):
        sim.user("alice").sends(payload)
        caption, file = sim.user("alice").expects(), sim.user("alice").expects()
        assert (caption.text, file.file_name) == ("here you are", "report.bin")
        assert file.data == payload.read_bytes()
    assert bot.errors == []
    assert sim.violations == []
