"""The whole surface of WSClient, against the simulator."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

from tests.aibot.conftest import MakeClient
from tests.delivery.waiting import until
from wxsdk import (
    Button,
    ConfigError,
    DownloadFailed,
    LimitExceeded,
    RateLimited,
    ReplyMsgItem,
    TemplateCard,
    Unsupported,
    VideoOptions,
    WSClient,
    WsFrame,
    WxError,
)
from wxsdk.ext.standby import Standby
from wxsdk.health import HealthState
from wxsdk.sim.aibot.simulator import AiBotSim
from wxsdk.testing import FakeClock

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


class Talk:
    """Lets a user do something and returns what the handler's *answer* gave."""

    def __init__(self, sim: AiBotSim, client: WSClient) -> None:
        self.sim, self.client = sim, client

    def __call__(self, act: Callable[[], Any], answer: Callable[[WsFrame], Any]) -> Any:
        results: List[Any] = []
        done = threading.Event()

        def handle(frame: WsFrame) -> None:
            try:
                results.append(answer(frame))
            except WxError as exc:
                results.append(exc)
            finally:
                done.set()

        self.client._handlers.clear()
        self.client.on_message(handle)
        self.client.on_event(handle)
        act()
        assert done.wait(10)
        return results[0]


@pytest.fixture
def talk(sim: AiBotSim, client: WSClient) -> Talk:
    client.connect(wait=5)
    return Talk(sim, client)


def test_every_kind_of_message_arrives_with_its_parts(sim: AiBotSim, talk: Talk) -> None:
    alice = sim.user("alice")
    got = talk(lambda: alice.says("hi", quote="before"), lambda frame: frame.body)
    assert (got.text.content, got.chattype, got.from_.userid, got.quote.text.content) == (
        "hi",
        "single",
        "alice",
        "before",
    )
    got = talk(lambda: alice.says("all", chat="room"), lambda frame: frame)
    assert (got.body.chattype, got.body.chatid, got.chat) == ("group", "room", "room")
    assert talk(lambda: alice.speaks("spoken"), lambda frame: frame.body.voice.content) == "spoken"
    for kind in ("image", "file", "video"):
        part = talk(lambda kind=kind: alice.sends(PNG, kind=kind), lambda frame: getattr(frame.body, frame.msgtype))
        assert talk.client.download_file(part.url, part.aeskey)[0] == PNG
    mixed = talk(lambda: alice.mixed(["look", PNG]), lambda frame: frame.body.mixed.msg_item)
    assert [item.msgtype for item in mixed] == ["text", "image"]


def test_every_way_to_answer_a_message(sim: AiBotSim, talk: Talk) -> None:
    alice, client = sim.user("alice"), talk.client
    card = TemplateCard.text_notice("T", card_action="https://example.com")

    def say() -> Any:
        return alice.says("x")

    talk(say, lambda frame: client.reply(frame, {"msgtype": "markdown", "markdown": {"content": "# md"}}))
    assert (alice.expects().kind, alice.sees[-1].text) == ("markdown", "# md")
    talk(say, lambda frame: client.reply_stream(frame, "s", "a", True, [ReplyMsgItem.of(PNG)], {"id": "f1"}))
    shown = alice.expects()
    assert (shown.text, shown.images, shown.feedback_id) == ("a", [PNG], "f1")
    talk(say, lambda frame: client.reply_template_card(frame, card, {"id": "f2"}))
    assert alice.expects().feedback_id == "f2"
    talk(say, lambda frame: client.reply_stream_with_card(frame, "s", "text", True, template_card=card))
    shown = alice.expects()
    assert (shown.text, shown.card["main_title"]["title"]) == ("text", "T")
    media = client.upload_media(b"bytes", type="video", filename="v.mp4")
    talk(say, lambda frame: client.reply_media(frame, "video", media.media_id, VideoOptions("title", "words")))
    shown = alice.expects()
    assert (shown.kind, shown.title, shown.description) == ("video", "title", "words")
    assert not sim.violations


def test_a_greeting_with_buttons_and_the_update_of_the_very_card(sim: AiBotSim, talk: Talk) -> None:
    alice, client = sim.user("alice"), talk.client
    card = TemplateCard.button_interaction("Tea?", buttons=[Button("yes", "y"), Button("no", "n")])
    body = {"msgtype": "template_card", "template_card": card}
    talk(alice.enters_chat, lambda frame: client.reply_welcome(frame, body))
    shown = alice.expects()

    def update(frame: WsFrame) -> Any:
        click = frame.body.event.template_card_event
        same = client.sent_card(click.task_id)
        assert same is not None
        assert same.main_title is not None
        same.main_title.title = f"You said {click.event_key}"
        return client.update_template_card(frame, same)

    assert talk(lambda: alice.clicks(shown, "y"), update).ok
    assert shown.card["main_title"]["title"] == "You said y"
    assert client.sent_card("never sent") is None
    assert not sim.violations


def test_a_text_welcome_and_an_event_of_any_command(sim: AiBotSim, talk: Talk) -> None:
    alice, client = sim.user("alice"), talk.client
    talk(
        alice.enters_chat,
        lambda frame: client.reply_welcome(frame, {"msgtype": "text", "text": {"content": "welcome"}}),
    )
    assert alice.expects().text == "welcome"
    answer = talk(
        lambda: alice.event("enter_check_update", {}),
        lambda frame: client.reply(frame, {"version": "1"}, cmd="ww_ai_robot_enter_event"),
    )
    assert answer.ok


def test_feedback_comes_with_its_payload(sim: AiBotSim, talk: Talk) -> None:
    alice, client = sim.user("alice"), talk.client
    talk(lambda: alice.says("x"), lambda frame: client.reply_stream(frame, "s", "a", True, feedback={"id": "f"}))
    got = talk(
        lambda: alice.feedback(alice.expects(), "bad", "wrong", [1, 3]), lambda frame: frame.body.event.feedback_event
    )
    assert (got.id, got.type, got.content, got.inaccurate_reason_list) == ("f", 2, "wrong", [1, 3])


def test_pushes_reach_users_and_groups(sim: AiBotSim, talk: Talk) -> None:
    client, alice = talk.client, sim.user("alice")
    sim.group("room", ["alice"])
    client.send_message("alice", {"msgtype": "markdown", "markdown": {"content": "to you"}})
    client.send_message("room", {"msgtype": "markdown", "markdown": {"content": "to all"}, "chat_type": 2})
    media = client.upload_media(b"bytes", type="file", filename="f.txt")
    client.send_media_message("room", "file", media.media_id)
    assert [alice.expects().text for _ in range(2)] == ["to you", "to all"]
    assert alice.expects().data == b"bytes"
    with pytest.raises(Unsupported):
        client.send_message("alice", {"msgtype": "text", "text": {"content": "x"}})


def test_a_snapshot_is_skipped_while_one_is_in_flight_but_never_the_last(sim: AiBotSim, talk: Talk) -> None:
    client = talk.client
    held = sim.faults.hold_acks("aibot_respond_msg")

    def answer(frame: WsFrame) -> Any:
        first = threading.Thread(target=lambda: client.reply_stream_non_blocking(frame, "s", "one"))
        first.start()
        held.wait_held()
        assert client.has_pending_reply_ack(frame)
        skipped = client.reply_stream_non_blocking(frame, "s", "two")
        last: List[Any] = []
        final = threading.Thread(
            target=lambda: last.append(client.reply_stream_non_blocking(frame, "s", "three", finish=True))
        )
        final.start()
        sim.faults.release_acks()
        first.join(5)
        final.join(5)
        assert not client.has_pending_reply_ack(frame)
        return skipped, last[0].ok

    assert talk(lambda: sim.user("alice").says("x"), answer) == (None, True)
    assert sim.user("alice").expects().snapshots == ["one", "three"]


def test_the_low_level_call_sends_anything(sim: AiBotSim, talk: Talk) -> None:
    sim.user("alice")
    body = {"chatid": "alice", "msgtype": "markdown", "markdown": {"content": "raw"}}
    answer = talk.client.api.call("aibot_send_msg", body=body)
    assert answer.ok
    assert answer.req_id.startswith("aibot_send_msg_")
    with pytest.raises(WxError, match="40058"):
        talk.client.api.call("no_such_command", "my-req-id", {}, timeout=2.0)
    with pytest.raises(ConfigError):
        talk.client.api.call("aibot_send_msg", body={"odd": object()})


def test_a_refusal_has_its_own_error_and_a_remedy(sim: AiBotSim, talk: Talk) -> None:
    sim.user("alice")
    sim.faults.ack("aibot_send_msg", errcode=45009)
    with pytest.raises(RateLimited) as caught:
        talk.client.send_message("alice", {"msgtype": "markdown", "markdown": {"content": "x"}})
    assert (caught.value.cmd, bool(caught.value.remedy), caught.value.errcode) == ("aibot_send_msg", True, 45009)


def test_windows_are_counted_from_the_arrival(sim: AiBotSim, make_client: MakeClient) -> None:
    clock = FakeClock()
    client = make_client(_clock=clock, heartbeat_interval=1e6)
    frames: Dict[str, WsFrame] = {}
    client.on_message(lambda frame: frames.update(message=frame))
    client.on_event(lambda frame: frames.update(event=frame))
    client.connect(wait=5)
    sim.user("alice").says("x")
    sim.user("alice").enters_chat()
    while len(frames) < 2:
        assert client.is_connected
    clock.advance(5.1)
    with pytest.raises(LimitExceeded):
        client.reply_welcome(frames["event"], {"msgtype": "text", "text": {"content": "late"}})
    assert client.reply_stream(frames["message"], "s", "in time").ok
    clock.advance(86_400)
    with pytest.raises(LimitExceeded):
        client.reply_stream(frames["message"], "s", "late")
    with pytest.raises(LimitExceeded):
        client.open_stream(frames["message"])


@pytest.mark.parametrize("kind", ["message", "event"])
def test_health_shows_which_workers_are_all_busy(sim: AiBotSim, make_client: MakeClient, kind: str) -> None:
    client = make_client(max_workers=2, priority_workers=3)
    release, begun = threading.Event(), threading.Semaphore(0)

    def block(frame: WsFrame) -> None:
        begun.release()
        release.wait(5)

    client.on_message(block)
    client.on_event_enter_chat(block)
    with client.connect(wait=5):
        for number in range(4):
            user = sim.user(f"user {number}")
            user.says("hello") if kind == "message" else user.enters_chat()
        for _ in range(2 if kind == "message" else 3):
            assert begun.acquire(timeout=5)
        waiting = 2 if kind == "message" else 1
        until(lambda: client.health().queued + client.health().priority_queued == waiting)
        health = client.health()
        release.set()
    seen = (health.queued, health.workers_busy, health.workers)
    priority = (health.priority_queued, health.priority_workers_busy, health.priority_workers)
    assert (seen, priority) == (((2, 2, 2), (0, 0, 3)) if kind == "message" else ((0, 0, 2), (1, 3, 3)))


def test_health_says_what_there_is(sim: AiBotSim, client: WSClient) -> None:
    assert client.health().state is HealthState.STOPPED
    release = threading.Event()
    begun = threading.Event()
    client.on_message_text(lambda frame: (begun.set(), release.wait(5)))
    with client.connect(wait=5):
        sim.user("alice").says("1")
        sim.user("alice").says("2")
        assert begun.wait(5)
        client.send_message("alice", {"msgtype": "markdown", "markdown": {"content": "x"}})
        health = client.health()
        release.set()
    assert health.state is HealthState.RUNNING
    assert health.last_inbound is not None
    assert health.last_outbound is not None
    assert health.last_inbound.tzinfo is not None
    assert (health.workers_busy, health.workers, health.retries) == (1, 16, 0)
    assert health.last_error is None
    stopped = client.health()
    assert stopped.state is HealthState.STOPPED
    assert repr(client) == f"WSClient({sim.bot_id!r}, stopped)"


def test_no_secret_is_in_any_log_repr_or_error(
    sim: AiBotSim, make_client: MakeClient, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    seen: List[str] = []
    client = make_client(max_auth_failure_attempts=-1, reconnect_interval=0.01)
    sim.faults.ack("aibot_subscribe", errcode=853000, errmsg=f"bad secret {sim.secret}")
    failed = threading.Event()

    @client.on_message
    def handle(frame: WsFrame) -> None:
        seen.extend((repr(frame), repr(frame.body), str(frame.body)))
        part = frame.body.file
        sim.faults.media(status=403)
        try:
            client.save_file(part.url, part.aeskey, tmp_path)
        except DownloadFailed as exc:
            seen.append(repr(exc) + str(exc))
        raise ValueError(f"a bug with {part.url} and {part.aeskey!r} and {sim.secret}")

    client.on_error(lambda exc: failed.set())
    with client.connect(wait=5):
        sent = sim.user("alice").sends(b"x", kind="file", name="f")
        assert failed.wait(5)
        seen.append(repr(client) + repr(client.options) + repr(client.health()))
    media = sent.media[0]
    everything = caplog.text + "".join(seen)
    canaries = [sim.secret, media.aeskey or "", media.url.split("?")[-1], sent.frame["body"]["response_url"]]
    assert [canary for canary in canaries if canary in everything] == []


SECONDS: Dict[str, Callable[[WSClient, Any], Any]] = {
    "connect": lambda client, odd: client.connect(wait=odd),
    "wait": lambda client, odd: client.wait(odd),
    "disconnect": lambda client, odd: client.disconnect(odd),
    "flush": lambda client, odd: client.outbox.flush(odd),
    "call": lambda client, odd: client.api.call("ping", timeout=odd),
    "standby": lambda client, odd: Standby(client).stop(odd),
}


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), "x", True], ids=repr)
@pytest.mark.parametrize("call", SECONDS.values(), ids=SECONDS)
def test_odd_seconds_are_refused_before_anything_is_done(
    sim: AiBotSim, make_client: MakeClient, call: Callable[[WSClient, Any], Any], odd: Any
) -> None:
    client = make_client(outbox=True)
    with pytest.raises(ConfigError) as caught:
        call(client, odd)
    assert str(caught.value).startswith(("timeout is ", "wait is "))
    assert repr(odd) in str(caught.value)
    assert client.health().state is HealthState.STOPPED
    assert sim.connections == []


def test_odd_seconds_leave_a_running_client_running(client: WSClient) -> None:
    with client.connect(wait=5):
        for call in (client.disconnect, client.wait):
            with pytest.raises(ConfigError):
                call("soon")  # type: ignore[operator]
        assert client.is_connected


@pytest.mark.parametrize("given", [None, {"bot_id": "b", "secret": "s"}, "secret"])
def test_options_of_another_kind_are_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match="WSClientOptions"):
        WSClient(given)


def test_making_a_client_imports_nothing_that_only_a_connection_or_a_file_needs() -> None:
    script = (
        "import sys, wxsdk; wxsdk.WSClient(wxsdk.WSClientOptions('bot', 'secret'));"
        "print([name for name in ('requests', 'urllib3', 'websocket', 'Crypto', 'sqlite3') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=True)
    assert ran.stdout.strip() == "[]"
