"""disconnect() from every state, from everywhere, and what remains: nothing."""

from __future__ import annotations

import contextlib
import os
import queue
import random
import signal
import ssl
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, List, Optional

import pytest

from tests.aibot.conftest import MakeClient
from tests.delivery.waiting import until
from tests.runtime.servers import Peer, RawServer
from wxsdk.aibot.client import WSClient
from wxsdk.aibot.config import WSClientOptions
from wxsdk.aibot.frames import WsFrame
from wxsdk.aibot.logger import DefaultLogger
from wxsdk.aibot.stream import ReplyStream
from wxsdk.errors import AlreadyRunning, ConfigError, ConnectionLost, Kicked, ReconnectExhausted, TransportError
from wxsdk.health import HealthState
from wxsdk.runtime.store import MemoryStore
from wxsdk.sim.aibot.simulator import AiBotSim

PROMISE = 0.2  # seconds that disconnect() may take from any state
TRIES = 3  # the best one counts, since the machine may be busy


def seconds_to_stop(client: WSClient, **settings: float) -> float:
    began = time.perf_counter()
    assert client.disconnect(**settings)
    return time.perf_counter() - began


def idle(sim: AiBotSim, client: WSClient) -> None:
    client.connect(wait=5)


def subscribing(sim: AiBotSim, client: WSClient) -> None:
    sim.faults.ack("aibot_subscribe", lost=True)
    before = len(sim.subscribes)
    client.connect()
    sim.wait_for(lambda: len(sim.subscribes) > before)


def pausing(sim: AiBotSim, client: WSClient) -> None:
    paused = threading.Event()
    client.on_reconnecting(lambda attempt: paused.set())
    sim.faults.refuse_connections()
    client.connect()
    assert paused.wait(5)


def kicked(sim: AiBotSim, client: WSClient) -> None:
    client.connect(wait=5)
    sim.faults.kick()
    with pytest.raises(Kicked):
        client.wait(5)


def half_open(sim: AiBotSim, client: WSClient) -> None:
    client.connect(wait=5)
    sim.faults.half_open()


@pytest.mark.parametrize("state", [idle, subscribing, pausing, kicked, half_open])
def test_disconnect_is_quick_from_every_state(
    sim: AiBotSim, make_client: MakeClient, state: Callable[[AiBotSim, WSClient], None]
) -> None:
    took = []
    for _ in range(TRIES):
        client = make_client(reconnect_interval=30.0)
        state(sim, client)
        took.append(seconds_to_stop(client))
        sim.faults.clear()
    assert min(took) <= PROMISE


def _stream_of(sim: AiBotSim, client: WSClient) -> ReplyStream:
    """A stream that answers a message and is begun."""
    frames: queue.Queue[WsFrame] = queue.Queue()
    client.on_message(frames.put)
    client.connect(wait=5)
    sim.user("alice").says("hi")
    stream = client.open_stream(frames.get(timeout=5))
    stream.write("begun")
    sim.wait_for(sim.thinking)
    return stream


def test_an_open_stream_keeps_disconnect_for_its_farewell_at_most(
    sim: AiBotSim, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wxsdk.aibot.client.STREAM_FAREWELL", 0.1)
    took = []
    for _ in range(TRIES):
        client = make_client()
        stream = _stream_of(sim, client)
        sim.faults.half_open()
        took.append(seconds_to_stop(client, drain=0))
        assert stream.outcome is not None
    assert min(took) <= 0.1 + PROMISE


def test_a_finished_stream_does_not_keep_disconnect(
    sim: AiBotSim, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wxsdk.aibot.client.STREAM_FAREWELL", 5.0)
    took = []
    for _ in range(TRIES):
        client = make_client()
        assert _stream_of(sim, client).finish().state == "delivered"
        sim.faults.half_open()
        took.append(seconds_to_stop(client))
    assert min(took) <= PROMISE


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_disconnect_is_quick_while_a_server_is_silent_in_the_handshake(make_client: MakeClient, scheme: str) -> None:
    accepted = threading.Event()

    def silent(peer: Peer) -> None:
        accepted.set()
        peer.hold()

    with RawServer(silent) as server:
        took = []
        for _ in range(TRIES):
            accepted.clear()
            client = make_client(ws_url=f"{scheme}://127.0.0.1:{server.port}")
            client.connect()
            assert accepted.wait(5)
            took.append(seconds_to_stop(client))
    assert min(took) <= PROMISE


def test_disconnect_says_good_bye(sim: AiBotSim, client: WSClient) -> None:
    client.connect(wait=5)
    client.disconnect()
    sim.wait_for(lambda: not sim.connections[0].open)
    assert sim.connections[0].close_received == 1000


def test_every_waiting_call_fails_when_the_client_stops(sim: AiBotSim, make_client: MakeClient) -> None:
    sim.user("alice")
    held = sim.faults.hold_acks()
    client = make_client().connect(wait=5)
    errors: List[ConnectionLost] = []

    def push(number: int) -> None:
        with pytest.raises(ConnectionLost) as caught:
            client.send_message("alice", {"msgtype": "markdown", "markdown": {"content": str(number)}})
        errors.append(caught.value)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    held.wait_held(20)
    assert client.disconnect()
    for thread in threads:
        thread.join(5)
    assert [error.may_have_been_sent for error in errors] == [True] * 20


def test_a_call_after_the_end_fails_at_once_and_was_not_sent(sim: AiBotSim, client: WSClient) -> None:
    client.connect(wait=5)
    client.disconnect()
    with pytest.raises(ConnectionLost, match="connect") as caught:
        client.send_message("alice", {"msgtype": "markdown", "markdown": {"content": "x"}})
    assert not caught.value.may_have_been_sent


def test_a_call_before_readiness_waits_at_most_the_request_timeout(sim: AiBotSim, make_client: MakeClient) -> None:
    sim.faults.refuse_connections()
    client = make_client(request_timeout=0.05, max_reconnect_attempts=-1).connect()
    with pytest.raises(ConnectionLost) as caught:
        client.send_message("alice", {"msgtype": "markdown", "markdown": {"content": "x"}})
    assert not caught.value.may_have_been_sent


def test_a_call_before_readiness_goes_out_when_ready(sim: AiBotSim, client: WSClient) -> None:
    sim.user("alice")
    client.connect()
    assert client.send_message("alice", {"msgtype": "markdown", "markdown": {"content": "early"}}).ok
    assert sim.user("alice").expects().text == "early"


def test_disconnect_from_a_handler_ends_everything_but_the_handler(sim: AiBotSim, client: WSClient) -> None:
    results: List[bool] = []
    left = threading.Event()

    @client.on_message_text
    def stop(frame: WsFrame) -> None:
        results.append(client.disconnect())
        left.set()

    client.connect(wait=5)
    sim.user("alice").says("stop")
    assert left.wait(5)
    assert results == [True]
    assert client.wait(5)
    assert client.health().state is HealthState.STOPPED


def test_disconnect_from_an_error_callback_works_too(sim: AiBotSim, client: WSClient) -> None:
    results: List[bool] = []
    told = threading.Event()

    @client.on_error
    def stop(exc: BaseException) -> None:
        results.append(client.disconnect())
        told.set()

    client.connect(wait=5)
    sim.faults.kick()
    assert told.wait(5)
    assert results == [True]


class _Stopping(DefaultLogger):
    """A logger that stops its client at the first warning."""

    client: WSClient

    def __init__(self) -> None:
        super().__init__()
        self.results: List[bool] = []

    def warning(self, message: str, *args: object) -> None:
        self.results.append(self.client.disconnect(timeout=60))

    warn = warning


def test_disconnect_from_a_logger_does_not_wait_for_the_thread_it_is_called_on(
    sim: AiBotSim, make_client: MakeClient
) -> None:
    logger, handled = _Stopping(), threading.Event()
    client = logger.client = make_client(logger=logger)
    client.on_message_text(lambda frame: handled.set())
    client.connect(wait=5)
    sim.user("alice").says("x")
    sim.faults.hostile("[]")
    assert client.wait(5)
    assert client.disconnect()
    assert handled.is_set()
    assert logger.results == [False]
    assert client.health().state is HealthState.STOPPED


def test_disconnect_from_the_tick_thread_waits_for_nothing(sim: AiBotSim, client: WSClient) -> None:
    results: List[bool] = []
    client.connect(wait=5)
    assert client._run is not None
    client._run.connection.ticker.at(0.0, lambda: results.append(client.disconnect(timeout=60)))
    assert client.wait(5)
    assert client.disconnect()
    assert len(results) == 1


def test_a_disconnect_that_waits_is_not_held_up_by_a_logger_that_disconnects_too(
    sim: AiBotSim, make_client: MakeClient
) -> None:
    class Late(DefaultLogger):
        def info(self, message: str, *args: object) -> None:
            if "ended" in message:  # said by the reader, which the main thread waits for by then
                results.append(client.disconnect(timeout=60))

    results: List[bool] = []
    client = make_client(logger=Late())
    client.connect(wait=5)
    assert client.disconnect()
    assert results == [False]


def test_what_was_received_before_the_stop_is_still_handled(sim: AiBotSim, make_client: MakeClient) -> None:
    client = make_client(max_workers=1)
    begun, release = threading.Event(), threading.Event()
    handled: List[str] = []

    @client.on_message_text
    def slow(frame: WsFrame) -> None:
        begun.set()
        assert release.wait(5)
        handled.append(frame.body.text.content)

    client.connect(wait=5)
    for number in range(3):
        sim.user(f"user{number}").says(str(number))
    assert begun.wait(5)
    while client.health().queued < 2:
        assert client.is_connected
    client.on_disconnected(lambda reason: release.set())
    assert client.disconnect(drain=0)
    assert sorted(handled) == ["0", "1", "2"]


class SlowBot:
    """Answers every text in two halves; the second one is written when *go_on* is set."""

    def __init__(self, client: WSClient) -> None:
        self.begun, self.go_on = threading.Semaphore(0), threading.Event()
        self.errors: List[BaseException] = []
        self.client = client
        client.on_error(self.errors.append)
        client.on_message_text(self.answer)

    def answer(self, frame: WsFrame) -> None:
        with self.client.open_stream(frame) as stream:
            stream.write("one half ")
            self.begun.release()
            self.go_on.wait(10)
            stream.write("and the other")


@pytest.mark.parametrize("workers", [1, 4])
def test_answers_that_run_or_wait_end_whole_before_the_connection_goes(
    sim: AiBotSim, make_client: MakeClient, workers: int
) -> None:
    bot = SlowBot(make_client(max_workers=workers))
    bot.client.connect(wait=5)
    for number in range(3):
        sim.user(f"user{number}").says("go")
    assert bot.begun.acquire(timeout=5)
    open_at_the_end: List[int] = []
    bot.client.on_disconnected(lambda reason: open_at_the_end.append(len(sim.thinking())))
    stopping = threading.Thread(target=bot.client.disconnect)
    stopping.start()
    until(lambda: bot.client._run is not None and bot.client._run.stopping)
    bot.go_on.set()
    stopping.join(5)
    assert not stopping.is_alive()
    assert [sim.user(f"user{number}").expects().text for number in range(3)] == ["one half and the other"] * 3
    assert (bot.errors, open_at_the_end) == ([], [0])


@pytest.mark.parametrize(("timeout", "drain"), [(5.0, 0.1), (0.1, 5.0), (5.0, 0.0)])
def test_a_drain_that_is_over_ends_the_answer_with_a_notice(
    sim: AiBotSim, make_client: MakeClient, timeout: float, drain: float
) -> None:
    bot = SlowBot(make_client())
    bot.client.connect(wait=5)
    sim.user("alice").says("go")
    assert bot.begun.acquire(timeout=5)
    sim.wait_for(sim.thinking)
    began = time.monotonic()
    stopping = threading.Thread(target=bot.client.disconnect, args=(timeout,), kwargs={"drain": drain})
    stopping.start()
    assert sim.user("alice").expects().text.startswith("one half \n\n（")
    assert time.monotonic() - began < 2.0
    bot.go_on.set()
    stopping.join(5)
    assert not stopping.is_alive()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM cannot be caught there")
def test_run_lets_a_running_answer_end_after_sigterm(sim: AiBotSim, make_client: MakeClient) -> None:
    client = make_client()

    @client.on_message_text
    def answer(frame: WsFrame) -> None:
        with client.open_stream(frame) as stream:
            stream.write("one half ")
            os.kill(os.getpid(), signal.SIGTERM)
            until(lambda: client._run is not None and client._run.stopping)
            stream.write("and the other")

    client.on_authenticated(lambda: sim.user("alice").says("go"))
    client.run(drain=5)
    assert sim.user("alice").expects().text == "one half and the other"


@pytest.mark.parametrize("odd", ["5", None, float("nan"), 1e12])
def test_an_odd_drain_is_refused_before_anything_starts(client: WSClient, odd: Any) -> None:
    with pytest.raises(ConfigError, match="drain"):
        client.run(drain=odd)
    with pytest.raises(ConfigError, match="drain"):
        client.disconnect(drain=odd)
    assert client.health().state is HealthState.STOPPED


def test_a_handler_that_never_returns_is_named_and_not_waited_for(
    sim: AiBotSim, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client()
    begun, release = threading.Event(), threading.Event()
    client.on_message_text(lambda frame: (begun.set(), release.wait(20)))
    client.connect(wait=5)
    sim.user("alice").says("x")
    assert begun.wait(5)
    assert client.disconnect(timeout=0.1) is False
    assert "wxsdk-run-" in caplog.text
    release.set()


def test_as_long_as_a_handler_is_stuck_no_disconnect_says_that_all_has_ended(
    sim: AiBotSim, make_client: MakeClient
) -> None:
    client = make_client()
    begun, release = threading.Event(), threading.Event()
    client.on_message_text(lambda frame: (begun.set(), release.wait(20)))
    client.connect(wait=5)
    sim.user("alice").says("x")
    assert begun.wait(5)
    assert [client.disconnect(timeout=0.05) for _ in range(3)] == [False] * 3
    client.connect(wait=5)
    assert [client.disconnect(timeout=0.05) for _ in range(2)] == [False] * 2
    release.set()
    assert client.disconnect()


def test_two_stuck_callbacks_that_disconnect_again_do_not_wait_for_each_other(
    sim: AiBotSim, make_client: MakeClient
) -> None:
    client = make_client()
    both, stopped = threading.Barrier(3), threading.Event()
    results: List[bool] = []

    @client.on_message_text
    def stop_again(frame: WsFrame) -> None:
        both.wait(5)
        assert stopped.wait(5)
        results.append(client.disconnect(timeout=60))
        both.wait(5)

    client.connect(wait=5)
    sim.user("alice").says("x")
    sim.user("bob").says("x")
    both.wait(5)
    assert client.disconnect(timeout=0.05) is False
    stopped.set()
    both.wait(5)
    assert results == [False, False]


def test_twice_is_once(sim: AiBotSim, client: WSClient) -> None:
    assert client.disconnect()
    client.connect(wait=5)
    client.connect(wait=5)
    assert len(sim.subscribes) == 1
    assert client.disconnect()
    assert client.disconnect()


def test_a_second_connect_that_waits_in_vain_leaves_the_client_running(sim: AiBotSim, make_client: MakeClient) -> None:
    client = make_client(max_reconnect_attempts=-1)
    lost, found = threading.Event(), threading.Event()
    client.on_reconnecting(lambda attempt: lost.set())
    client.on_authenticated(lambda: lost.is_set() and found.set())
    client.connect(wait=5)
    sim.faults.refuse_connections()
    sim.faults.reset()
    assert lost.wait(5)
    with pytest.raises(ConnectionLost) as caught:
        client.connect(wait=0.01)
    assert caught.value.kind == "timeout"
    assert client.wait(0) is False
    sim.faults.restore()
    assert found.wait(5)
    assert client.connect(wait=5).is_connected


def test_many_threads_may_stop_at_once(sim: AiBotSim, client: WSClient) -> None:
    client.connect(wait=5)
    results: List[bool] = []
    threads = [threading.Thread(target=lambda: results.append(client.disconnect())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert results == [True] * 8


def test_a_client_starts_anew_after_a_stop_and_after_an_end(sim: AiBotSim, client: WSClient) -> None:
    for _ in range(3):
        with client.connect(wait=5):
            assert client.is_connected
        assert not client.is_connected
    client.connect(wait=5)
    sim.faults.kick()
    with pytest.raises(Kicked):
        client.wait(5)
    assert client.connect(wait=5).is_connected
    assert len(sim.subscribes) == 5


class _ClosingStore(MemoryStore):
    """Does something while the client closes it, the last step of disconnect()."""

    def __init__(self) -> None:
        super().__init__()
        self.on_close: Optional[Callable[[], object]] = None

    def close(self) -> None:
        action, self.on_close = self.on_close, None
        if action is not None:
            action()


def test_a_kicked_client_does_not_start_anew_in_the_middle_of_its_end(sim: AiBotSim) -> None:
    store, ready = _ClosingStore(), threading.Event()
    client = WSClient(WSClientOptions(sim.bot_id, sim.secret, ws_url=sim.ws_url), store=store)
    client.connect(wait=5)
    sim.faults.kick()
    with pytest.raises(Kicked):
        client.wait(5)
    second = threading.Thread(target=lambda: (client.connect(wait=5), ready.set()))
    early: List[bool] = []

    def start_anew() -> None:
        second.start()
        early.append(ready.wait(0.2))

    store.on_close = start_anew
    assert client.disconnect()
    second.join(5)
    assert early == [False]
    assert client.is_connected
    assert client.disconnect()


def test_an_interrupted_disconnect_ends_the_client_all_the_same(sim: AiBotSim) -> None:
    store = _ClosingStore()
    client = WSClient(WSClientOptions(sim.bot_id, sim.secret, ws_url=sim.ws_url), store=store).connect(wait=5)

    def interrupt() -> None:
        raise KeyboardInterrupt

    store.on_close = interrupt
    with pytest.raises(KeyboardInterrupt):
        client.disconnect()
    assert client.connect(wait=5).is_connected
    assert client.disconnect()


def test_a_disconnect_without_patience_does_not_harm_the_next_connection(sim: AiBotSim, client: WSClient) -> None:
    sim.user("alice")
    for number in range(20):
        client.connect(wait=5)
        client.disconnect(timeout=0)
        client.connect()
        assert client.send_message("alice", {"msgtype": "markdown", "markdown": {"content": str(number)}}).ok
        client.disconnect(timeout=0)


def test_a_connect_that_waits_says_that_the_client_was_disconnected(sim: AiBotSim, client: WSClient) -> None:
    waiting = threading.Event()
    client.on_connected(waiting.set)
    sim.faults.ack("aibot_subscribe", lost=True)
    errors: List[ConnectionLost] = []

    def connect() -> None:
        with pytest.raises(ConnectionLost) as caught:
            client.connect(wait=30)
        errors.append(caught.value)

    thread = threading.Thread(target=connect)
    thread.start()
    assert waiting.wait(5)
    client.disconnect()
    thread.join(5)
    assert "was disconnected" in str(errors[0])


def test_threads_that_connect_and_disconnect_at_will_leave_a_client_that_works(sim: AiBotSim, client: WSClient) -> None:
    alice = sim.user("alice")
    client.on_message_text(lambda frame: client.reply_stream(frame, "s", "heard", True))
    finished: List[int] = []
    actions: List[Callable[[], object]] = [
        client.connect,
        lambda: client.connect(wait=5),
        lambda: client.disconnect(timeout=0),
        client.disconnect,
        sim.faults.kick,
        sim.faults.reset,
        lambda: alice.says("hi", wait=0),
    ]

    def act(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(50):
            with contextlib.suppress(ConnectionLost, Kicked):  # another thread was faster
                chance.choice(actions)()
        finished.append(seed)

    threads = [threading.Thread(target=act, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(finished) == [0, 1, 2, 3]
    client.disconnect()
    client.connect(wait=5)
    before = len(alice.sees)
    alice.says("still there?")
    sim.wait_for(lambda: len(alice.sees) > before)


def test_making_a_client_starts_nothing(sim: AiBotSim, client: WSClient) -> None:
    assert client.health().state is HealthState.STOPPED
    assert client.wait(0)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("wxsdk-aibot-")]
    assert sim.connections == []


def test_run_returns_when_the_client_is_stopped_elsewhere(sim: AiBotSim, client: WSClient) -> None:
    client.on_message_text(lambda frame: client.disconnect())
    running = threading.Thread(target=client.run)
    running.start()
    sim.user("alice").says("stop")
    running.join(5)
    assert not running.is_alive()


def test_run_raises_what_ended_the_client(sim: AiBotSim, client: WSClient) -> None:
    raised: List[Optional[BaseException]] = []

    def run() -> None:
        try:
            client.run()
        except Kicked as exc:
            raised.append(exc)

    running = threading.Thread(target=run)
    running.start()
    sim.wait_subscribed()
    sim.faults.kick()
    running.join(5)
    assert len(raised) == 1


def test_connect_that_waits_in_vain_says_why_and_leaves_nothing(sim: AiBotSim, make_client: MakeClient) -> None:
    sim.faults.refuse_connections()
    client = make_client(reconnect_interval=30.0)
    with pytest.raises(ConnectionLost) as caught:
        client.connect(wait=0.1)
    assert isinstance(caught.value.__cause__, TransportError)
    assert client.health().state is HealthState.STOPPED


def test_a_second_client_of_one_bot_on_this_machine_is_refused(sim: AiBotSim, make_client: MakeClient) -> None:
    first, second = make_client(), make_client()
    with first.connect(wait=5):
        with pytest.raises(AlreadyRunning):
            second.connect()
        with make_client(single_instance=False).connect(wait=5) as third:
            assert third.is_connected
    with second.connect(wait=5):
        assert second.is_connected


def test_two_bots_live_in_one_process(sim: AiBotSim, make_client: MakeClient) -> None:
    sim.add_bot("other", "other secret")
    one, two = make_client(), make_client(bot_id="other", secret="other secret")
    for name, client in (("one", one), ("two", two)):

        @client.on_message_text
        def answer(frame: WsFrame, name: str = name, client: WSClient = client) -> None:
            client.reply_stream(frame, "s", name, finish=True)

    with one.connect(wait=5), two.connect(wait=5):
        sim.user("alice").says("x")
        sim.user("bob").says("x", bot="other")
        assert sim.user("alice").expects().text == "one"
        assert sim.user("bob").expects().text == "two"


def test_a_private_certificate_authority_is_an_option(certificate: Path, server_tls: ssl.SSLContext) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    with AiBotSim(ssl_context=server_tls) as sim:
        options = WSClientOptions(sim.bot_id, sim.secret, ws_url=sim.ws_url, ssl_context=trusting)
        with WSClient(options).connect(wait=5) as client:
            assert client.is_connected


def test_a_certificate_that_nobody_vouches_for_is_never_accepted(certificate: Path, server_tls: ssl.SSLContext) -> None:
    with AiBotSim(ssl_context=server_tls) as sim:
        options = WSClientOptions(sim.bot_id, sim.secret, ws_url=sim.ws_url, max_reconnect_attempts=1)
        with pytest.raises(ReconnectExhausted) as caught:
            WSClient(options).connect(wait=5)
    assert getattr(caught.value.last, "kind", None) == "tls"
    assert sim.subscribes == []


def test_a_proxy_is_asked_for_a_tunnel() -> None:
    asked: List[str] = []

    def proxy(peer: Peer) -> None:
        asked.append(peer.read_head().decode().split("\r\n")[0].rsplit(" ", 1)[0])
        peer.send(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    with RawServer(proxy) as server:
        options = WSClientOptions(
            "b",
            "s",
            ws_url="ws://bot.example:8080/",
            proxy=server.url,
            max_reconnect_attempts=1,
            single_instance=False,  # a second run of the tests, beside this one, has the same address
        )
        with pytest.raises(ReconnectExhausted):
            WSClient(options).connect(wait=5)
    assert asked == ["CONNECT bot.example:8080"]
