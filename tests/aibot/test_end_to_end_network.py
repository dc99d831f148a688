"""Every trouble of a network, and what a bot makes of it: the promises of the comparison with other libraries."""

from __future__ import annotations

import random
import threading
from typing import Any, Callable, Dict, List

import pytest

from tests.aibot.conftest import MakeClient
from wxsdk.aibot.client import WSClient
from wxsdk.aibot.frames import WsFrame
from wxsdk.errors import (
    AckTimeout,
    ApiError,
    AuthFailed,
    ConnectionLost,
    Kicked,
    LimitExceeded,
    ReconnectExhausted,
    WxError,
)
from wxsdk.health import HealthState
from wxsdk.sim.aibot import wire
from wxsdk.sim.aibot.simulator import AiBotSim
from wxsdk.testing import FakeClock


class Record:
    """What a client told its callbacks, in order."""

    def __init__(self, client: WSClient) -> None:
        self.news: List[Any] = []
        self._changed = threading.Condition()
        client.on_connected(lambda: self.add("connected"))
        client.on_authenticated(lambda: self.add("authenticated"))
        client.on_disconnected(lambda reason: self.add("disconnected", reason))
        client.on_reconnecting(lambda attempt: self.add("reconnecting", attempt))
        client.on_error(lambda exc: self.add("error", exc))

    def add(self, *piece: Any) -> None:
        with self._changed:
            self.news.append(piece[0] if len(piece) == 1 else piece)
            self._changed.notify_all()

    def wait(self, done: Callable[[List[Any]], Any], timeout: float = 5.0) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: done(self.news), timeout), self.news

    @property
    def errors(self) -> List[Any]:
        return [piece[1] for piece in self.news if piece[0] == "error"]


def echo(client: WSClient) -> threading.Event:
    """Let *client* echo; the event is set when an echo was acknowledged."""
    acknowledged = threading.Event()

    @client.on_message_text
    def answer(frame: WsFrame) -> None:
        client.reply_stream(frame, "s", frame.body.text.content, finish=True)
        acknowledged.set()

    return acknowledged


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006, 1011, "RST"])
def test_every_unwanted_end_is_followed_by_a_new_subscribe(sim: AiBotSim, make_client: MakeClient, code: Any) -> None:
    client = make_client(reconnect_interval=0.05)
    record = Record(client)
    acknowledged = echo(client)
    with client.connect(wait=5):
        if code == "RST":
            sim.faults.reset()
        else:
            sim.faults.close(code)
        sim.wait_for(lambda: len(sim.subscribes) == 2, 0.05 * 1.2 + 1)
        sim.user("alice").says("still there?")
        assert sim.user("alice").expects().text == "still there?"
        assert acknowledged.wait(5)
    names = [piece if isinstance(piece, str) else piece[0] for piece in record.news]
    once = ["connected", "authenticated", "disconnected"]
    assert names == [*once, "reconnecting", *once]
    assert ("reconnecting", 1) in record.news


def test_a_half_open_connection_is_known_as_dead_within_three_heartbeats(
    sim: AiBotSim, make_client: MakeClient
) -> None:
    clock = FakeClock()
    client = make_client(heartbeat_interval=30.0, reconnect_interval=200.0, reconnect_max_delay=200.0, _clock=clock)
    record = Record(client)
    with client.connect(wait=5):
        sim.faults.half_open()
        end = clock.now() + 3 * 30
        while True:
            clock.wait_parked(name="aibot-tick")
            step = clock.next_deadline()
            if step is None or clock.now() + step > end:
                break
            clock.advance(step)
        record.wait(lambda news: ("disconnected", "The gateway did not answer two pings in a row.") in news)
        clock.wait_parked(name="-read-")
        clock.advance(240)
        sim.wait_for(lambda: len(sim.subscribes) == 2)


def test_refused_credentials_end_in_one_error_after_the_allowed_tries(sim: AiBotSim, make_client: MakeClient) -> None:
    sim.faults.refuse_auth(times=None)
    client = make_client(max_auth_failure_attempts=4, reconnect_interval=0.01)
    record = Record(client)
    client.connect()
    with pytest.raises(AuthFailed) as caught:
        client.wait(5)
    assert caught.value.attempts == len(sim.subscribes) == 4
    assert "853000" in str(caught.value)
    assert record.errors == [caught.value]  # at once: on_error has had it before wait() raises
    assert client.health().state is HealthState.FAILED


def test_a_platform_that_cannot_be_reached_ends_in_reconnect_exhausted(sim: AiBotSim, make_client: MakeClient) -> None:
    sim.faults.refuse_connections()
    client = make_client(max_reconnect_attempts=3, reconnect_interval=0.01)
    record = Record(client)
    with pytest.raises(ReconnectExhausted) as caught:
        client.connect(wait=5)
    assert caught.value.attempts == 3
    assert record.errors == [caught.value]


def test_an_outage_ends_as_soon_as_the_platform_is_back(sim: AiBotSim, make_client: MakeClient) -> None:
    client = make_client(reconnect_interval=0.02, max_reconnect_attempts=-1)
    record = Record(client)
    with client.connect(wait=5):
        sim.faults.refuse_connections()
        sim.faults.reset()
        record.wait(lambda news: ("reconnecting", 3) in news)
        assert client.health().state is HealthState.RETRYING
        sim.faults.restore()
        record.wait(lambda news: news.count("authenticated") == 2)
        assert client.health().last_error is None


def test_a_bad_gateway_page_is_one_more_failed_try(sim: AiBotSim, make_client: MakeClient) -> None:
    sim.faults.http_status(502, times=2)
    with make_client(reconnect_interval=0.01).connect(wait=5) as client:
        assert client.is_connected
    assert len(sim.subscribes) == 1


def test_a_silent_subscribe_is_given_up_after_the_request_timeout(sim: AiBotSim, make_client: MakeClient) -> None:
    sim.faults.ack("aibot_subscribe", lost=True)
    with make_client(request_timeout=0.1).connect(wait=5) as client:
        assert client.is_connected
    assert len(sim.subscribes) == 2


def test_ten_thousand_hostile_frames_cost_no_message(sim: AiBotSim, client: WSClient) -> None:
    chance = random.Random(7)
    samples = list(sim.faults.samples().values())
    got: List[str] = []
    done = threading.Event()

    @client.on_message_text
    def count(frame: WsFrame) -> None:
        got.append(frame.body.text.content)
        if len(got) == 100:
            done.set()

    record = Record(client)
    with client.connect(wait=5):
        for number in range(100):
            sim.faults.hostile(*(fuzzed(chance, samples) for _ in range(100)))
            sim.user("alice").says(str(number))
        assert done.wait(30)
    assert got == [str(number) for number in range(100)]
    assert len(sim.subscribes) == 1
    assert record.errors == []


def fuzzed(chance: random.Random, samples: List[Any]) -> Any:
    """A sample, or good frames with some bytes changed, cut off or put in."""
    if chance.random() < 0.4:
        return chance.choice(samples)
    body = {"msgid": "f", "msgtype": "voice", "from": {"userid": "u"}, "voice": {"content": "x"}}
    data = bytearray(wire.dumps({"cmd": "aibot_msg_callback", "headers": {"req_id": "r"}, "body": body}))
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(data) + 1)
        data[place : place + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    if chance.random() < 0.3:
        del data[chance.randrange(len(data) + 1) :]
    return bytes(data)


def test_a_frame_that_is_too_long_is_skipped(sim: AiBotSim, make_client: MakeClient) -> None:
    client = make_client(max_frame_bytes=10_000)
    echo(client)
    with client.connect(wait=5):
        sim.faults.huge(3 * 2**20)
        sim.user("alice").says("small")
        assert sim.user("alice").expects().text == "small"
    assert len(sim.subscribes) == 1


def test_all_control_characters_are_delivered(sim: AiBotSim, client: WSClient) -> None:
    got: List[str] = []
    client.on_message_text(lambda frame: got.append(frame.body.text.content))
    with client.connect(wait=5):
        for code in range(32):
            sim.user("alice").says(f"<{chr(code)}>", raw_controls=True)
    assert got == [f"<{chr(code)}>" for code in range(32)]


def test_a_late_ack_does_not_answer_the_next_frame(sim: AiBotSim, make_client: MakeClient) -> None:
    first = sim.faults.ack(lambda sent: b"one" in wire.dumps(sent.body), late=True)
    second = sim.faults.ack(lambda sent: b"two" in wire.dumps(sent.body), late=True, errcode=40201)
    client = make_client(ack_timeout=0.5)
    verdicts: List[Any] = []
    done = threading.Event()

    @client.on_message_text
    def answer(frame: WsFrame) -> None:
        for text in ("one", "two"):
            try:
                verdicts.append(client.reply_stream(frame, text, text, finish=True).errcode)
            except WxError as exc:
                verdicts.append(exc)
        done.set()

    with client.connect(wait=5):
        sim.user("alice").says("go")
        second.wait_held()
        first.release()
        second.release()
        assert done.wait(5)
    assert isinstance(verdicts[0], AckTimeout)
    assert verdicts[0].may_have_been_sent
    assert isinstance(verdicts[1], ApiError)
    assert verdicts[1].errcode == 40201


def test_being_kicked_eight_times_is_one_error_and_no_kick_war(sim: AiBotSim, client: WSClient) -> None:
    record = Record(client)
    events: List[WsFrame] = []
    client.on_event_disconnected_event(events.append)
    client.connect(wait=5)
    sim.faults.kick(keep_open=True, times=8)
    with pytest.raises(Kicked):
        client.wait(5)
    assert client.health().state is HealthState.KICKED
    assert not client.is_connected
    assert client.disconnect()
    assert len(sim.subscribes) == 1
    assert [type(error) for error in record.errors] == [Kicked]
    assert len(events) >= 1


def test_blocked_event_callbacks_do_not_keep_on_error_from_hearing_of_a_kick(
    sim: AiBotSim, make_client: MakeClient
) -> None:
    client = make_client(priority_workers=2)
    record, release, both = Record(client), threading.Event(), threading.Barrier(3)
    client.on_event_enter_chat(lambda frame: (both.wait(5), release.wait(5)))
    client.connect(wait=5)
    for name in ("alice", "bob"):
        sim.user(name).enters_chat()
    both.wait(5)
    sim.faults.kick()
    with pytest.raises(Kicked) as caught:
        client.wait(5)
    assert record.errors == [caught.value]
    assert [piece[0] for piece in record.news if type(piece) is tuple] == ["disconnected", "error"]
    release.set()


def test_with_a_cooldown_a_kick_is_only_a_pause(sim: AiBotSim, make_client: MakeClient) -> None:
    client = make_client(kick_cooldown=0.05)
    record = Record(client)
    with client.connect(wait=5):
        sim.faults.kick()
        record.wait(lambda news: news.count("authenticated") == 2)
    assert record.errors == []


def test_blocked_handlers_do_not_keep_the_heart_from_beating(sim: AiBotSim, make_client: MakeClient) -> None:
    client = make_client(heartbeat_interval=0.05, max_workers=2)
    release = threading.Event()
    client.on_message_text(lambda frame: release.wait(10))
    with client.connect(wait=5):
        for name in ("alice", "bob", "carol"):
            sim.user(name).says("block")
        before = len(sim.pings)
        sim.wait_for(lambda: len(sim.pings) >= before + 5)
        assert client.is_connected
        release.set()


def test_one_handler_that_raises_stops_no_other(sim: AiBotSim, client: WSClient) -> None:
    ran: List[str] = []
    failure = RuntimeError("a bug in the bot")
    record = Record(client)
    client.on_message(lambda frame: ran.append("general"))

    @client.on_message_text
    def broken(frame: WsFrame) -> None:
        raise failure

    client.on_message_text(lambda frame: ran.append("second"))
    with client.connect(wait=5):
        sim.user("alice").says("x")
        record.wait(lambda news: ("error", failure) in news)
    assert ran == ["general", "second"]
    assert record.errors == [failure]


def test_a_stream_of_60000_bytes_is_refused_before_the_wire(sim: AiBotSim, client: WSClient) -> None:
    record = Record(client)
    client.on_message_text(lambda frame: client.reply_stream(frame, "s", "x" * 60_000))
    with client.connect(wait=5):
        sim.user("alice").says("x")
        record.wait(lambda news: record.errors)
    (error,) = record.errors
    assert isinstance(error, LimitExceeded)
    assert (error.limit, error.actual) == (20_480, 60_000)
    assert {frame.cmd for frame in sim.frames} == {"aibot_subscribe"}


def test_a_lost_subscription_is_repaired_and_the_reply_sent_once_more(sim: AiBotSim, client: WSClient) -> None:
    echo(client)
    record = Record(client)
    with client.connect(wait=5):
        sim.user("alice").says("x")
        assert sim.user("alice").expects().text == "x"
        sim.faults.lose_subscription()
        pushed = client.send_message("alice", {"msgtype": "markdown", "markdown": {"content": "after the loss"}})
        assert pushed.ok
        assert sim.user("alice").expects().text == "after the loss"
        assert len(sim.subscribes) == 2
    assert record.errors == []


def test_a_lost_subscription_shows_in_the_answer_to_a_ping_too(sim: AiBotSim, make_client: MakeClient) -> None:
    with make_client(heartbeat_interval=0.05).connect(wait=5):
        sim.faults.lose_subscription()
        sim.wait_for(lambda: len(sim.subscribes) == 2)


def test_a_loss_tells_each_waiting_call_whether_its_frame_was_written(sim: AiBotSim, client: WSClient) -> None:
    outcomes: Dict[str, WxError] = {}
    frames: List[WsFrame] = []
    arrived = threading.Event()
    client.on_message_text(lambda frame: (frames.append(frame), arrived.set()))

    def send(text: str) -> None:
        try:
            client.reply_stream(frames[0], "s", text)
        except ConnectionLost as exc:
            outcomes[text] = exc

    with client.connect(wait=5):
        sim.user("alice").says("x")
        assert arrived.wait(5)
        held = sim.faults.hold_acks()
        first = threading.Thread(target=send, args=("in flight",))
        first.start()
        held.wait_held()
        behind = threading.Thread(target=send, args=("in line",))
        behind.start()
        while not client._replies._ledger._lanes[frames[0].req_id].waiting:
            assert behind.is_alive()
        sim.faults.reset()
        first.join(5)
        behind.join(5)
    assert (outcomes["in flight"].may_have_been_sent, outcomes["in line"].may_have_been_sent) == (True, False)  # type: ignore[attr-defined]
    assert [frame.body["stream"]["content"] for frame in sim.frames if frame.cmd == "aibot_respond_msg"] == [
        "in flight"
    ]


def test_an_error_without_req_id_belongs_to_the_only_call_in_flight(sim: AiBotSim, client: WSClient) -> None:
    sim.user("alice")
    sim.faults.ack("aibot_send_msg", errcode=40058, no_req_id=True)
    with client.connect(wait=5), pytest.raises(ApiError) as caught:
        client.send_message("alice", {"msgtype": "markdown", "markdown": {"content": "x"}})
    assert caught.value.errcode == 40058
    assert caught.value.req_id


def test_a_refused_subscribe_may_lack_its_req_id(sim: AiBotSim, make_client: MakeClient) -> None:
    sim.faults.ack("aibot_subscribe", errcode=853000, no_req_id=True, times=None)
    client = make_client(max_auth_failure_attempts=2, reconnect_interval=0.01)
    with pytest.raises(AuthFailed):
        client.connect(wait=5)


def test_a_doubled_ack_answers_nobody_else(sim: AiBotSim, client: WSClient) -> None:
    sim.user("alice")
    sim.faults.ack("aibot_send_msg", doubled=True, times=None)
    with client.connect(wait=5):
        for number in range(5):
            assert client.send_message("alice", {"msgtype": "markdown", "markdown": {"content": str(number)}}).ok
    assert [message.text for message in sim.user("alice").sees] == ["0", "1", "2", "3", "4"]


def test_a_message_that_comes_twice_is_handled_once(sim: AiBotSim, client: WSClient) -> None:
    got: List[str] = []
    client.on_message_text(lambda frame: got.append(frame.body.text.content))
    with client.connect(wait=5):
        sent = sim.user("alice").says("once")
        sent.again()
        sim.faults.reset()
        sim.wait_for(lambda: len(sim.subscribes) == 2 and sim.connections[-1].subscribed)
        sent.again()
        sim.user("alice").says("last")
    assert got == ["once", "last"]
