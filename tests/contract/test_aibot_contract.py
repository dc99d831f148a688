"""The sentences of the API's contract about WeCom bots, against a gateway in plain sockets: frames as bytes, no sim."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import queue
import re
import struct
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Type

import pytest
from Crypto.Cipher import AES

import wxsdk
from tests.contract.raw_aibot import CLOSE, TEXT, Got, RawGateway, event, message, ok, refusal
from tests.contract.raw_ilink import RawILink
from wxsdk import (
    AckTimeout,
    ApiError,
    AuthFailed,
    ConfigError,
    ConnectionLost,
    DecryptError,
    HealthState,
    InvalidReqId,
    Kicked,
    LimitExceeded,
    NotSubscribed,
    RateLimited,
    ReconnectExhausted,
    ReplyQueueFull,
    StreamExpired,
    Unsupported,
    WSClient,
    WsFrame,
)

Make = Callable[..., WSClient]
CARD = {
    "card_type": "button_interaction",
    "main_title": {"title": "Lunch?"},
    "button_list": [{"text": "Yes", "key": "yes"}],
    "task_id": "task-1",
}
MARKDOWN = {"msgtype": "markdown", "markdown": {"content": "**hi**"}}


def frames_of(client: WSClient, register: str = "on_message") -> queue.Queue[WsFrame]:
    """What *client*'s callback gets."""
    frames: queue.Queue[WsFrame] = queue.Queue()
    getattr(client, register)(frames.put)
    return frames


def ready(make_bot: Make, register: str = "on_message", **settings: Any) -> Any:
    """A subscribed client, and what its callback gets."""
    client = make_bot(**settings)
    frames = frames_of(client, register)
    assert client.connect(wait=10) is client
    return client, frames


def given(frames: queue.Queue[WsFrame], gateway: RawGateway, frame: Dict[str, Any]) -> WsFrame:
    gateway.push(frame)
    return frames.get(timeout=10)


def in_thread(work: Callable[[], Any]) -> Callable[[], Any]:
    """Begin *work* on a thread; calling the result waits for it and gives what it returned, or the exception."""
    box: List[Any] = []

    def run() -> None:
        try:
            box.append(work())
        except Exception as exc:  # noqa: BLE001  the test looks at it
            box.append(exc)

    thread = threading.Thread(target=run)
    thread.start()

    def result() -> Any:
        thread.join(15)
        assert not thread.is_alive()
        return box[0]

    return result


def wait_in_line(client: WSClient, frame: WsFrame) -> None:
    """Until a second answer to *frame* waits behind the first, which nothing public tells."""
    lane, never = client._replies._ledger._lanes[frame.req_id], threading.Event()
    assert any(lane.waiting or never.wait(0.001) for _ in range(10_000))


# -- connection ----------------------------------------


def test_the_first_frame_subscribes(gateway: RawGateway, make_bot: Make) -> None:
    make_bot(scene=3, plug_version="1.2").connect(wait=10)
    got = gateway.got[0]
    assert (got.cmd, set(got.frame)) == ("aibot_subscribe", {"cmd", "headers", "body"})
    assert got.body == {"bot_id": "bot-1", "secret": "secret-canary", "scene": 3, "plug_version": "1.2"}
    assert re.fullmatch(r"aibot_subscribe_\d{13}_[0-9a-f]{8}", got.req_id)


def test_ready_means_subscribed(gateway: RawGateway, make_bot: Make) -> None:
    gateway.answers["aibot_subscribe"] = lambda _: None
    client = make_bot()
    assert client.is_connected is False
    client.connect()
    (got,) = gateway.wait_for("aibot_subscribe")
    assert client.is_connected is False
    assert client.health().state is HealthState.STARTING
    gateway.push(ok(got))
    assert client.connect(wait=10).is_connected is True
    assert client.health().state is HealthState.RUNNING
    assert client.disconnect() is True
    assert client.is_connected is False
    assert client.health().state is HealthState.STOPPED


def test_connect_with_a_wait_raises_when_the_time_is_over(gateway: RawGateway, make_bot: Make) -> None:
    gateway.answers["aibot_subscribe"] = lambda _: None
    client = make_bot()
    with pytest.raises(ConnectionLost) as caught:
        client.connect(wait=0.05)
    assert caught.value.may_have_been_sent is False
    assert client.wait(0) is True


def test_a_second_connect_changes_nothing_and_one_after_disconnect_starts_anew(
    gateway: RawGateway, make_bot: Make
) -> None:
    client = make_bot()
    client.connect(wait=10)
    assert client.connect() is client
    assert client.wait(0) is False
    assert len(gateway.lines) == 1
    assert [client.disconnect(), client.disconnect()] == [True, True]
    assert client.wait(0) is True
    assert client.connect(wait=10).is_connected
    assert len(gateway.of("aibot_subscribe")) == 2


def test_a_with_block_connects_and_disconnects(gateway: RawGateway, make_bot: Make) -> None:
    with make_bot() as client:
        gateway.wait_for("aibot_subscribe")
        assert client.health().state is not HealthState.STOPPED
    assert client.health().state is HealthState.STOPPED
    assert client.disconnect() is True


def test_pings_are_json_and_no_websocket_pings(gateway: RawGateway, make_bot: Make) -> None:
    make_bot(heartbeat_interval=0.05).connect(wait=10)
    got = gateway.wait_for("ping", 3)[0]
    assert set(got.frame) == {"cmd", "headers"}
    assert re.fullmatch(r"ping_\d{13}_[0-9a-f]{8}", got.req_id)
    assert set(gateway.line.opcodes) == {TEXT}


def test_two_unanswered_pings_end_the_connection(gateway: RawGateway, make_bot: Make) -> None:
    gateway.answers["ping"] = lambda _: None
    make_bot(heartbeat_interval=0.05).connect(wait=10)
    gateway.wait_for("aibot_subscribe", 2)
    assert len([got for got in gateway.of("ping") if got.line == 0]) == 2


@pytest.mark.parametrize("code", [1000, 1001, None, 1011, "RST"])
def test_every_unwanted_end_is_followed_by_a_new_subscribe(gateway: RawGateway, make_bot: Make, code: Any) -> None:
    client = make_bot()
    news: queue.Queue[Any] = queue.Queue()
    client.on_connected(lambda: news.put("connected"))
    client.on_authenticated(lambda: news.put("authenticated"))
    client.on_disconnected(lambda reason: news.put(("disconnected", type(reason))))
    client.on_reconnecting(lambda attempt: news.put(("reconnecting", attempt)))
    frames = frames_of(client)
    client.connect(wait=10)
    gateway.line.reset() if code == "RST" else gateway.line.end(code)
    gateway.wait_for("aibot_subscribe", 2)
    assert client.connect(wait=10).is_connected
    assert given(frames, gateway, message()).body.text.content == "hello"
    told = [news.get(timeout=10) for _ in range(6)]
    assert told == [
        "connected",
        "authenticated",
        ("disconnected", str),
        ("reconnecting", 1),
        "connected",
        "authenticated",
    ]


def test_refused_credentials_end_in_one_auth_failed(gateway: RawGateway, make_bot: Make) -> None:
    gateway.answers["aibot_subscribe"] = refusal(853000, "bad secret secret-canary")
    client = make_bot(max_auth_failure_attempts=3)
    errors: List[BaseException] = []
    client.on_error(errors.append)
    with pytest.raises(AuthFailed) as caught:
        client.run()
    assert errors == [caught.value]
    assert caught.value.attempts == len(gateway.of("aibot_subscribe")) == 3
    assert "canary" not in str(caught.value)
    assert caught.value.remedy


def test_wait_raises_what_ended_the_client_after_on_error_has_had_it(gateway: RawGateway, make_bot: Make) -> None:
    gateway.answers["aibot_subscribe"] = refusal(93019)
    client = make_bot(max_auth_failure_attempts=2)
    errors: List[BaseException] = []

    @client.on_error
    def note(exc: BaseException) -> None:
        threading.Event().wait(0.05)  # a slow one: wait() must not be first
        errors.append(exc)

    client.connect()
    for _ in range(2):
        with pytest.raises(AuthFailed) as caught:
            client.wait(10)
        assert errors == [caught.value]
    assert client.health().state is HealthState.FAILED
    gateway.answers.clear()
    assert client.connect(wait=10).is_connected


def test_a_gateway_that_is_gone_ends_in_reconnect_exhausted(make_bot: Make) -> None:
    client = make_bot(ws_url="ws://127.0.0.1:1", max_reconnect_attempts=2)
    with pytest.raises(ReconnectExhausted) as caught:
        client.connect(wait=10)
    assert caught.value.attempts == 2


def test_a_kick_is_reported_closes_and_is_not_undone(gateway: RawGateway, make_bot: Make) -> None:
    client, frames = ready(make_bot, "on_event_disconnected_event")
    errors: List[BaseException] = []
    client.on_error(errors.append)
    assert given(frames, gateway, event("disconnected_event")).body.event.eventtype == "disconnected_event"
    with pytest.raises(Kicked) as caught:
        client.wait(10)
    assert errors == [caught.value]
    assert client.health().state is HealthState.KICKED
    assert client.is_connected is False
    assert len(gateway.lines) == 1


def test_with_a_cooldown_a_kick_is_a_pause(gateway: RawGateway, make_bot: Make) -> None:
    client, _ = ready(make_bot, kick_cooldown=0.05)
    gateway.push(event("disconnected_event"))
    gateway.wait_for("aibot_subscribe", 2)
    assert client.wait(0) is False
    assert client.connect(wait=10).is_connected


@pytest.mark.parametrize("state", ["handshake", "subscribing", "ready", "waiting"])
def test_disconnect_takes_no_time_in_any_state(gateway: RawGateway, make_bot: Make, state: str) -> None:
    client = make_bot(reconnect_interval=30)
    waiting = threading.Event()
    client.on_reconnecting(lambda _: waiting.set())
    gateway.silent_handshake = state == "handshake"
    if state == "subscribing":
        gateway.answers["aibot_subscribe"] = lambda _: None
    client.connect()
    gateway.wait_lines(1)
    if state != "handshake":
        gateway.wait_for("aibot_subscribe")
    if state in ("ready", "waiting"):
        client.connect(wait=10)
    if state == "waiting":
        gateway.line.end(1000)
        assert waiting.wait(10)
    before = time.monotonic()
    assert client.disconnect() is True
    assert time.monotonic() - before < 0.5  # 0.2 s where nobody else needs the processor


def test_a_call_before_readiness_waits_request_timeout_and_was_not_sent(make_bot: Make) -> None:
    client = make_bot(request_timeout=0.05)
    with pytest.raises(ConnectionLost) as caught:
        client.send_message("alice", MARKDOWN)
    assert caught.value.may_have_been_sent is False


def test_a_call_before_readiness_goes_out_once_ready(gateway: RawGateway, make_bot: Make) -> None:
    client = make_bot()
    result = in_thread(lambda: client.send_message("alice", MARKDOWN))
    client.connect(wait=10)
    assert result().errcode == 0
    assert [got.cmd for got in gateway.got] == ["aibot_subscribe", "aibot_send_msg"]


def test_a_lost_connection_fails_the_waiting_calls_and_nothing_is_replayed(gateway: RawGateway, make_bot: Make) -> None:
    gateway.answers["aibot_respond_msg"] = lambda _: None
    client, frames = ready(make_bot)
    frame = given(frames, gateway, message())
    first = in_thread(lambda: client.reply_stream(frame, "s", "one"))
    gateway.wait_for("aibot_respond_msg")
    second = in_thread(lambda: client.reply_stream(frame, "s", "two"))
    wait_in_line(client, frame)
    gateway.line.end(1000)
    errors = [first(), second()]
    assert [type(error) for error in errors] == [ConnectionLost, ConnectionLost]
    assert [error.may_have_been_sent for error in errors] == [True, False]
    gateway.wait_for("aibot_subscribe", 2)
    client.connect(wait=10)
    client.send_message("alice", MARKDOWN)
    assert len(gateway.of("aibot_respond_msg")) == 1


def test_run_returns_after_a_disconnect_from_a_callback(gateway: RawGateway, make_bot: Make) -> None:
    client = make_bot()
    client.on_authenticated(lambda: client.disconnect())
    client.run()
    assert client.wait(0) is True


# -- what comes ----------------------------------------


def test_absent_parts_are_none(gateway: RawGateway, make_bot: Make) -> None:
    _, frames = ready(make_bot)
    raw = message(response_url="https://example.com/?key=canary")
    frame = given(frames, gateway, raw)
    body = frame.body
    assert (frame.cmd, frame.headers.req_id, frame.raw) == ("aibot_msg_callback", "push-1", raw)
    assert (frame.errcode, frame.errmsg) == (None, None)
    assert (body.msgid, body.msgtype, body.chattype, body.chatid) == ("m-push-1", "text", "single", None)
    assert (body.from_.userid, body.text.content) == ("alice", "hello")
    absent = (body.image, body.mixed, body.voice, body.file, body.video, body.quote, body.event, body.create_time)
    assert absent == (None,) * 8
    for shown in (repr(frame), repr(body), str(body)):
        assert "canary" not in shown


MEDIA = {"url": "https://example.com/f?sig=canary", "aeskey": "canary-key"}


@pytest.mark.parametrize(
    ("kind", "part", "read"),
    [
        ("image", MEDIA, lambda body: (body.image.url, body.image.aeskey)),
        ("file", MEDIA, lambda body: (body.file.url, body.file.aeskey)),
        ("video", MEDIA, lambda body: (body.video.url, body.video.aeskey)),
        ("voice", {"content": "spoken"}, lambda body: body.voice.content),
        (
            "mixed",
            {"msg_item": [{"msgtype": "text", "text": {"content": "a"}}, {"msgtype": "image", "image": MEDIA}]},
            lambda body: [
                (item.msgtype, item.text and item.text.content, item.image and item.image.url)
                for item in body.mixed.msg_item
            ],
        ),
    ],
)
def test_each_kind_of_message_reaches_its_callback(
    gateway: RawGateway, make_bot: Make, kind: str, part: Any, read: Callable[[Any], Any]
) -> None:
    client, frames = ready(make_bot, f"on_message_{kind}")
    everything = frames_of(client)
    frame = given(frames, gateway, message(kind, **{kind: part}, quote={"msgtype": "text", "text": {"content": "q"}}))
    wanted = {
        "voice": "spoken",
        "mixed": [("text", "a", None), ("image", None, MEDIA["url"])],
    }.get(kind, (MEDIA["url"], MEDIA["aeskey"]))
    assert read(frame.body) == wanted
    assert frame.body.quote.text.content == "q"
    assert "canary" not in repr(frame) + repr(frame.body)
    assert everything.get(timeout=10).req_id == frame.req_id


def test_each_event_reaches_its_callback_with_its_nested_payload(gateway: RawGateway, make_bot: Make) -> None:
    client, every = ready(make_bot, "on_event")
    cards, ratings, greets = (
        frames_of(client, f"on_event_{name}") for name in ("template_card_event", "feedback_event", "enter_chat")
    )
    chosen = {"selected_item": [{"question_key": "q", "option_ids": {"option_id": ["a", "b"]}}]}
    card = event(
        "template_card_event", "r1", card_type="vote_interaction", event_key="k", task_id="t", selected_items=chosen
    )
    click = given(cards, gateway, card).body.event
    assert (click.eventtype, click.template_card_event.task_id) == ("template_card_event", "t")
    assert click.template_card_event.event_key == "k"
    assert click.template_card_event.selected_items.selected_item[0].option_ids.option_id == ["a", "b"]
    assert click.feedback_event is None
    rating = event("feedback_event", "r2", id="f", type=2, content="meh", inaccurate_reason_list=[1, 4])
    rated = given(ratings, gateway, rating).body.event.feedback_event
    assert (rated.id, rated.type, rated.content, rated.inaccurate_reason_list) == ("f", 2, "meh", [1, 4])
    assert given(greets, gateway, event("enter_chat", "r3")).body.event.template_card_event is None
    strange = event("brand_new", "r4", x=1)
    gateway.push(strange)
    seen = {frame.req_id: frame for frame in (every.get(timeout=10) for _ in range(4))}
    assert set(seen) == {"r1", "r2", "r3", "r4"}
    assert (seen["r4"].body.event.eventtype, seen["r4"].raw) == ("brand_new", strange)


def test_odd_frames_are_skipped_and_good_ones_arrive_once(gateway: RawGateway, make_bot: Make) -> None:
    client, frames = ready(make_bot)
    gateway.push(b"[]", b'"x"', b"{", b"\xff\xfe", b'{"cmd":"aibot_msg_callback","headers":null,"body":{}}', b"null")
    gateway.line.write(2, b"binary")
    gateway.push({**message(req_id="old"), "cmd": "aibot_callback"})
    gateway.push(message(req_id="a"), message(req_id="a"))
    raw = b'{"cmd":"aibot_msg_callback","headers":{"req_id":"b"},"body":{"msgid":"9","msgtype":"text","text":'
    gateway.push(raw + b'{"content":"tab\there\nand\x01there"},"from":{"userid":"alice"}}}')
    assert [frames.get(timeout=10).req_id for _ in range(2)] == ["old", "a"]
    assert frames.get(timeout=10).body.text.content == "tab\there\nand\x01there"
    assert len(gateway.lines) == 1
    assert client.is_connected


def test_callbacks_run_in_order_all_of_them_though_one_raises(gateway: RawGateway, make_bot: Make) -> None:
    client = make_bot()
    ran: List[str] = []
    errors: queue.Queue[BaseException] = queue.Queue()
    done = threading.Event()

    @client.on_message
    def first(_: WsFrame) -> None:
        ran.append("first")
        raise ZeroDivisionError

    @client.on_message_text
    def second(_: WsFrame) -> None:
        ran.append("second")

    client.on_message_text(lambda _: done.set())
    client.on_error(errors.put)
    assert callable(first)
    assert callable(second)
    client.connect(wait=10)
    gateway.push(message())
    assert done.wait(10)
    assert ran == ["first", "second"]
    assert type(errors.get(timeout=10)) is ZeroDivisionError
    assert errors.empty()


# -- replies ----------------------------------------


def test_each_reply_is_these_bytes_and_returns_the_ack(gateway: RawGateway, make_bot: Make) -> None:
    client, frames = ready(make_bot)
    frame = given(frames, gateway, message(req_id="R"))
    feedback = {"id": "f1"}
    calls: List[Any] = [
        (client.reply(frame, MARKDOWN), MARKDOWN),
        (
            client.reply_stream(frame, "s1", "你好", False, None, feedback),
            {
                "msgtype": "stream",
                "stream": {"id": "s1", "finish": False, "content": "你好", "feedback": feedback},
            },
        ),
        (
            client.reply_stream(frame, "s1", "done", True),
            {"msgtype": "stream", "stream": {"id": "s1", "finish": True, "content": "done"}},
        ),
        (
            client.reply_stream_non_blocking(frame, "s2", "x", finish=True),
            {"msgtype": "stream", "stream": {"id": "s2", "finish": True, "content": "x"}},
        ),
        (
            client.reply_template_card(frame, CARD, feedback),
            {"msgtype": "template_card", "template_card": {**CARD, "feedback": feedback}},
        ),
        (
            client.reply_stream_with_card(
                frame, "s3", "y", True, stream_feedback=feedback, template_card=CARD, card_feedback={"id": "f2"}
            ),
            {
                "msgtype": "stream_with_template_card",
                "stream": {"id": "s3", "finish": True, "content": "y", "feedback": feedback},
                "template_card": {**CARD, "feedback": {"id": "f2"}},
            },
        ),
        (client.reply_media(frame, "image", "MID"), {"msgtype": "image", "image": {"media_id": "MID"}}),
        (
            client.reply_media(frame, "video", "MID", {"title": "t", "description": "d"}),
            {"msgtype": "video", "video": {"media_id": "MID", "title": "t", "description": "d"}},
        ),
    ]
    sent = gateway.of("aibot_respond_msg")
    assert [got.body for got in sent] == [body for _, body in calls]
    assert {got.req_id for got in sent} == {"R"}
    assert {frozenset(got.frame) for got in sent} == {frozenset({"cmd", "headers", "body"})}
    assert [(ack.errcode, ack.errmsg, ack.headers.req_id) for ack, _ in calls] == [(0, "ok", "R")] * len(calls)
    client.reply(frame, {"anything": 1}, "ww_ai_robot_enter_event")
    assert gateway.of("ww_ai_robot_enter_event")[0].body == {"anything": 1}


def test_pictures_go_with_the_last_frame_only(gateway: RawGateway, make_bot: Make) -> None:
    client, frames = ready(make_bot)
    frame = given(frames, gateway, message())
    data = b"\x89PNG\r\n\x1a\n" + bytes(50)
    image = {"base64": base64.b64encode(data).decode(), "md5": hashlib.md5(data).hexdigest()}
    item = {"msgtype": "image", "image": image}
    for given_item in (item, wxsdk.ReplyMsgItem.of(data)):
        client.reply_stream(frame, "s", "see", True, [given_item])
        assert gateway.of("aibot_respond_msg")[-1].body["stream"]["msg_item"] == [item]
    with pytest.raises(ConfigError):
        client.reply_stream(frame, "s", "see", False, [item])
    with pytest.raises(LimitExceeded):
        client.reply_stream(frame, "s", "see", True, [item] * 11)
    assert len(gateway.of("aibot_respond_msg")) == 2


def test_a_welcome_and_an_update_answer_their_events(gateway: RawGateway, make_bot: Make) -> None:
    client, events = ready(make_bot, "on_event")
    entered = given(events, gateway, event("enter_chat", "E"))
    assert client.reply_welcome(entered, {"msgtype": "text", "text": {"content": "hello"}}).errcode == 0
    clicked = given(events, gateway, event("template_card_event", "C", task_id="task-1", event_key="yes"))
    client.update_template_card(clicked, CARD, ["alice"])
    welcome, update = gateway.got[-2:]
    assert (welcome.cmd, welcome.req_id) == ("aibot_respond_welcome_msg", "E")
    assert welcome.body == {"msgtype": "text", "text": {"content": "hello"}}
    assert (update.cmd, update.req_id) == ("aibot_respond_update_msg", "C")
    assert update.body == {"response_type": "update_template_card", "userids": ["alice"], "template_card": CARD}
    before = len(gateway.got)
    for refused in (
        lambda: client.reply_stream(entered, "s", "x", True),
        lambda: client.open_stream(clicked),
        lambda: client.reply_welcome(clicked, {"msgtype": "text", "text": {"content": "hello"}}),
        lambda: client.send_message("alice", {"msgtype": "text", "text": {"content": "x"}}),
    ):
        with pytest.raises(Unsupported):
            refused()
    with pytest.raises(ConfigError):
        client.update_template_card(clicked, {**CARD, "task_id": "another"})
    assert len(gateway.got) == before


def test_pushes_name_their_chat(gateway: RawGateway, make_bot: Make) -> None:
    client, _ = ready(make_bot)
    client.send_message("alice", MARKDOWN)
    client.send_message("Group-1", {"msgtype": "template_card", "template_card": CARD, "chat_type": 2})
    client.send_media_message("alice", wxsdk.WeComMediaType.FILE, "MID")
    sent = gateway.of("aibot_send_msg")
    assert [got.body for got in sent] == [
        {"chatid": "alice", **MARKDOWN},
        {"chatid": "Group-1", "msgtype": "template_card", "template_card": CARD, "chat_type": 2},
        {"chatid": "alice", "msgtype": "file", "file": {"media_id": "MID"}},
    ]
    assert len({got.req_id for got in sent}) == 3
    assert all(re.fullmatch(r"aibot_send_msg_\d{13}_[0-9a-f]{8}", got.req_id) for got in sent)


@pytest.mark.parametrize(
    ("errcode", "kind"),
    [
        (846608, StreamExpired),
        (846604, StreamExpired),
        (846605, InvalidReqId),
        (45009, RateLimited),
        (45033, RateLimited),
        (40008, ApiError),
        (6000, ApiError),
        (123456, ApiError),
    ],
)
def test_a_refusal_is_a_typed_error_with_its_facts(
    gateway: RawGateway, make_bot: Make, errcode: int, kind: Type[ApiError]
) -> None:
    gateway.answers["aibot_respond_msg"] = refusal(errcode, "no, secret-canary")
    client, frames = ready(make_bot)
    frame = given(frames, gateway, message(req_id="R"))
    with pytest.raises(kind) as caught:
        client.reply_stream(frame, "s", "x")
    error: Any = caught.value
    assert type(error) is kind
    assert (error.errcode, error.cmd, error.req_id, error.endpoint) == (errcode, "aibot_respond_msg", "R", None)
    assert error.errmsg.startswith("no, ")
    assert "canary" not in error.errmsg + str(error)
    assert bool(error.remedy) is (errcode != 123456)


def test_an_error_without_req_id_belongs_to_the_only_call(gateway: RawGateway, make_bot: Make) -> None:
    gateway.answers["aibot_send_msg"] = lambda _: {"headers": {}, "errcode": 40058, "errmsg": "bad parameter"}
    client, _ = ready(make_bot)
    with pytest.raises(ApiError) as caught:
        client.send_message("alice", MARKDOWN)
    (got,) = gateway.of("aibot_send_msg")
    assert (caught.value.errcode, caught.value.req_id) == (40058, got.req_id)


def test_a_lost_subscription_is_repaired_and_the_send_repeated_once(gateway: RawGateway, make_bot: Make) -> None:
    gateway.answers["aibot_send_msg"] = lambda got: ok(got) if got.line else refusal(846609)(got)
    client, _ = ready(make_bot)
    assert client.send_message("alice", MARKDOWN).errcode == 0
    assert [got.line for got in gateway.of("aibot_send_msg")] == [0, 1]
    gateway.answers["aibot_send_msg"] = refusal(846609)
    with pytest.raises(NotSubscribed):
        client.send_message("alice", MARKDOWN)


def test_one_frame_is_in_flight_per_req_id_and_a_late_ack_answers_its_own_frame(
    gateway: RawGateway, make_bot: Make
) -> None:
    gateway.answers["aibot_respond_msg"] = lambda _: None
    client, frames = ready(make_bot, ack_timeout=0.3, max_reply_queue_size=1)
    frame = given(frames, gateway, message())
    first = in_thread(lambda: client.reply_stream(frame, "s", "one"))
    (got,) = gateway.wait_for("aibot_respond_msg")
    assert client.has_pending_reply_ack(frame) is True
    assert client.reply_stream_non_blocking(frame, "s", "skipped") is None
    second = in_thread(lambda: client.reply_stream(frame, "s", "two"))
    wait_in_line(client, frame)
    with pytest.raises(ReplyQueueFull):
        client.reply_stream(frame, "s", "three")
    assert isinstance(first(), AckTimeout)
    gateway.wait_for("aibot_respond_msg", 2)
    gateway.push(refusal(6000)(got), ok(got))  # the late verdict on the first, then the second's own
    assert second().errcode == 0
    assert [got.body["stream"]["content"] for got in gateway.of("aibot_respond_msg")] == ["one", "two"]
    assert client.has_pending_reply_ack(frame) is False


def test_what_the_platform_would_refuse_is_refused_before_the_wire(gateway: RawGateway, make_bot: Make) -> None:
    client, frames = ready(make_bot)
    frame = given(frames, gateway, message())
    with pytest.raises(LimitExceeded) as caught:
        client.reply_stream(frame, "s", "字" * 6827)
    assert (caught.value.limit, caught.value.actual) == (20480, 20481)
    with pytest.raises(LimitExceeded):
        client.reply_stream(frame, "s", "x", feedback={"id": "f" * 257})
    with pytest.raises(ConfigError):
        client.reply_template_card(frame, {key: value for key, value in CARD.items() if key != "task_id"})
    with pytest.raises(ConfigError):
        client.reply(frame, {"msgtype": "nonsense"})
    assert gateway.of("aibot_respond_msg") == []


# -- streams ----------------------------------------


def streams_of(gateway: RawGateway) -> List[Dict[str, Any]]:
    return [got.body["stream"] for got in gateway.of("aibot_respond_msg")]


def test_a_stream_ends_with_the_whole_text_and_asks_for_feedback_once(gateway: RawGateway, make_bot: Make) -> None:
    client, frames = ready(make_bot, stream_interval=0.01)
    frame = given(frames, gateway, message(req_id="R"))
    with client.open_stream(frame, feedback={"id": "f"}) as stream:
        assert stream.outcome is None
        stream.thinking()
        gateway.wait_for("aibot_respond_msg")
        for token in ["one", "two", "three", "four"]:
            stream.write(token + " ")
        gateway.wait_for("aibot_respond_msg", 2)
    sent = streams_of(gateway)
    assert stream.outcome == wxsdk.StreamOutcome("delivered", False, len(sent), None)
    assert sent[0]["content"] == "<think></think>"
    assert [part["finish"] for part in sent] == [False] * (len(sent) - 1) + [True]
    assert sent[-1]["content"] == "one two three four "
    assert [part.get("feedback") for part in sent] == [{"id": "f"}] + [None] * (len(sent) - 1)
    assert len({part["id"] for part in sent}) == 1
    assert stream.finish() is stream.outcome


def test_replace_and_finish_have_the_last_word(gateway: RawGateway, make_bot: Make) -> None:
    client, frames = ready(make_bot)
    stream = client.open_stream(given(frames, gateway, message()))
    stream.write("draft")
    stream.replace("better")
    assert stream.finish("final").state == "delivered"
    assert streams_of(gateway)[-1]["content"] == "final"
    with pytest.raises(ConfigError):
        stream.write("more")


def test_a_block_that_raises_leaves_no_chat_thinking(gateway: RawGateway, make_bot: Make) -> None:
    client, frames = ready(make_bot)
    frame = given(frames, gateway, message())

    def work() -> None:
        with client.open_stream(frame) as stream:
            stream.thinking()
            gateway.wait_for("aibot_respond_msg")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    last = streams_of(gateway)[-1]
    assert last["finish"] is True
    assert re.sub(r"<think>.*?</think>", "", last["content"]).strip()


def test_what_exceeds_a_message_goes_on_in_the_next(gateway: RawGateway, make_bot: Make) -> None:
    client, frames = ready(make_bot, stream_interval=0.01)
    frame = given(frames, gateway, message())
    text = "\n\n".join(f"段落 {n} " + "字" * 300 for n in range(50))
    with client.open_stream(frame) as stream:
        stream.write(text)
    sent = streams_of(gateway)
    finals = [part for part in sent if part["finish"]]
    assert len(finals) >= 3
    assert len({part["id"] for part in finals}) == len(finals)
    assert all(len(part["content"].encode()) <= 20480 for part in sent)
    assert "".join("".join(part["content"] for part in finals).split()) == "".join(text.split())
    assert stream.outcome is not None
    assert stream.outcome.state == "delivered"


@pytest.mark.parametrize("errcode", [846608, 846604])
def test_an_expired_stream_is_rescued_by_one_push(gateway: RawGateway, make_bot: Make, errcode: int) -> None:
    gateway.answers["aibot_respond_msg"] = refusal(errcode)
    client, frames = ready(make_bot)
    frame = given(frames, gateway, message(chatid="Group-1", chattype="group"))
    with client.open_stream(frame) as stream:
        stream.write("the answer")
    (push,) = gateway.of("aibot_send_msg")
    assert push.body == {
        "chatid": "Group-1",
        "msgtype": "markdown",
        "markdown": {"content": "the answer"},
    }
    assert stream.outcome is not None
    assert (stream.outcome.state, stream.outcome.rescued, stream.outcome.error) == ("delivered", True, None)


def test_leaving_the_block_does_not_raise_for_a_failed_delivery(gateway: RawGateway, make_bot: Make) -> None:
    gateway.answers["aibot_respond_msg"] = refusal(40201, "spam")
    client, frames = ready(make_bot)
    with client.open_stream(given(frames, gateway, message())) as stream:
        stream.write("buy")
    assert stream.outcome is not None
    assert stream.outcome.state == "failed"
    assert isinstance(stream.outcome.error, ApiError)


# -- media ----------------------------------------


class Uploads:
    """The gateway's side of uploads, chunk indexes and bytes kept."""

    def __init__(self, gateway: RawGateway) -> None:
        self.chunks: Dict[int, bytes] = {}
        self.failing = [1]
        gateway.answers["aibot_upload_media_init"] = lambda got: ok(got, upload_id="U")
        gateway.answers["aibot_upload_media_chunk"] = self.chunk
        gateway.answers["aibot_upload_media_finish"] = lambda got: ok(
            got, type="file", media_id="MID", created_at=1380000000
        )

    def chunk(self, got: Got) -> Any:
        assert set(got.body) == {"upload_id", "chunk_index", "base64_data"}
        assert got.body["upload_id"] == "U"
        self.chunks[got.body["chunk_index"]] = base64.b64decode(got.body["base64_data"])
        return ok(got)


@pytest.mark.parametrize("form", ["bytes", "path", "file"])
def test_an_upload_goes_by_init_chunks_and_finish(
    gateway: RawGateway, make_bot: Make, tmp_path: Path, form: str
) -> None:
    uploads = Uploads(gateway)
    client, _ = ready(make_bot)
    data = os.urandom(524288 * 2 + 7)
    path = tmp_path / "报告.pdf"
    path.write_bytes(data)
    progress: List[Any] = []
    with path.open("rb") as file:
        given_file: Any = {"bytes": data, "path": path, "file": file}[form]
        name: Optional[str] = "报告.pdf" if form == "bytes" else None
        result = client.upload_media(
            given_file, type="file", filename=name, progress=lambda *counts: progress.append(counts)
        )
    assert result == wxsdk.UploadMediaResult("file", "MID", 1380000000, downgraded=False)
    (init,) = gateway.of("aibot_upload_media_init")
    assert init.body == {
        "type": "file",
        "filename": "报告.pdf",
        "total_size": len(data),
        "total_chunks": 3,
        "md5": hashlib.md5(data).hexdigest(),
    }
    assert b"".join(uploads.chunks[index] for index in range(3)) == data
    assert gateway.of("aibot_upload_media_finish")[0].body == {"upload_id": "U"}
    assert progress[-1] == (len(data), len(data))
    assert progress == sorted(progress)


def test_an_upload_over_its_types_limit_is_downgraded_and_odd_ones_are_refused(
    gateway: RawGateway, make_bot: Make, tmp_path: Path
) -> None:
    Uploads(gateway)
    client, _ = ready(make_bot)
    assert client.upload_media(b"RIFF not amr", type="voice").downgraded is True
    assert client.upload_media(b"#!AMR\n", type="voice").downgraded is False
    assert [got.body["type"] for got in gateway.of("aibot_upload_media_init")] == ["file", "voice"]
    with pytest.raises(LimitExceeded) as caught:
        client.upload_media(bytes(20 * 2**20 + 1), type="file")
    assert (caught.value.limit, caught.value.actual) == (20 * 2**20, 20 * 2**20 + 1)
    for odd in (b"", tmp_path / "missing"):
        with pytest.raises((ConfigError, wxsdk.MediaError)):
            client.upload_media(odd, type="file")
    assert len(gateway.of("aibot_upload_media_init")) == 2


AES_KEY = bytes(range(32))
AESKEY = base64.b64encode(AES_KEY).decode().rstrip("=")


def sealed(plain: bytes, key: bytes = AES_KEY) -> bytes:
    pad = 32 - len(plain) % 32
    return AES.new(key, AES.MODE_CBC, key[:16]).encrypt(plain + bytes([pad]) * pad)


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("attachment; filename=\"old.txt\"; filename*=UTF-8''%E6%8A%A5%E5%91%8A.txt", "报告.txt"),
        ("attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
        ('attachment; filename="a b.txt"', "a b.txt"),
        ("attachment; filename=50%.txt", "50%.txt"),
        ('attachment; filename="..\\\\..\\\\x.txt"', "x.txt"),
    ],
)
def test_a_download_is_decrypted_and_named_harmlessly(
    server: RawILink, make_bot: Make, tmp_path: Path, disposition: str, name: str
) -> None:
    client = make_bot()
    plain = b"the bytes of a file" * 50
    server.answers["file"] = (200, {"Content-Disposition": disposition}, sealed(plain))
    assert client.download_file(f"{server.url}/file?sig=1", AESKEY) == (plain, name)
    saved = client.save_file(f"{server.url}/file?sig=1", AESKEY, tmp_path / "inbox")
    assert (saved, saved.read_bytes()) == (tmp_path / "inbox" / name, plain)


def test_a_download_without_a_key_is_as_it_is_and_a_broken_one_a_typed_error(server: RawILink, make_bot: Make) -> None:
    client = make_bot(max_download_bytes=4096)
    server.answers["file"] = (200, {}, b"as it is")
    assert client.download_file(f"{server.url}/file")[0] == b"as it is"
    for body in (sealed(b"x")[:-1], b"", AES.new(AES_KEY, AES.MODE_CBC, AES_KEY[:16]).encrypt(bytes(32))):
        server.answers["file"] = (200, {}, body)
        with pytest.raises(DecryptError):
            client.download_file(f"{server.url}/file", AESKEY)
    with pytest.raises(DecryptError):
        client.download_file(f"{server.url}/file", "c2hvcnQ=")
    server.answers["file"] = (200, {}, bytes(8192))
    with pytest.raises(LimitExceeded):
        client.download_file(f"{server.url}/file")
    server.answers["file"] = (404, {}, b"")
    with pytest.raises(wxsdk.DownloadFailed):
        client.download_file(f"{server.url}/file")


# -- callback mode, logging ----------------------------------------


ENCODING_AES_KEY = base64.b64encode(AES_KEY).decode().rstrip("=")


def test_callback_crypto_speaks_with_the_algorithm_written_here() -> None:
    crypto = wxsdk.WecomCrypto("token", ENCODING_AES_KEY, "corp")
    assert len(ENCODING_AES_KEY) == 43
    made = crypto.encrypt("你好", "1700000000", "nonce")
    plain = AES.new(AES_KEY, AES.MODE_CBC, AES_KEY[:16]).decrypt(base64.b64decode(made.encrypt))
    assert plain[-1] <= 32
    assert plain[-plain[-1] :] == bytes([plain[-1]]) * plain[-1]
    (size,) = struct.unpack("!I", plain[16:20])
    assert plain[20 : 20 + size].decode() == "你好"
    assert plain[20 + size : -plain[-1]] == b"corp"
    signature = hashlib.sha1("".join(sorted(["token", "1700000000", "nonce", made.encrypt])).encode()).hexdigest()
    assert made.signature == crypto.compute_signature("1700000000", "nonce", made.encrypt) == signature
    assert crypto.verify_signature(signature, "1700000000", "nonce", made.encrypt) is True
    assert crypto.verify_signature(signature, "1700000001", "nonce", made.encrypt) is False
    words = b"from elsewhere"
    other = sealed(os.urandom(16) + struct.pack("!I", len(words)) + words + b"corp")
    assert crypto.decrypt(base64.b64encode(other).decode()) == "from elsewhere"
    stranger = sealed(os.urandom(16) + struct.pack("!I", len(words)) + words + b"other")
    for broken in (base64.b64encode(stranger).decode(), base64.b64encode(other[:-32]).decode(), "%%%", ""):
        with pytest.raises(DecryptError):
            crypto.decrypt(broken)
    assert wxsdk.WecomCrypto("token", ENCODING_AES_KEY).decrypt(base64.b64encode(stranger).decode()) == "from elsewhere"


class OldLogger:
    """Has warn, as the loggers of the Node SDK."""

    def __init__(self) -> None:
        self.lines: List[str] = []

    def debug(self, text: str) -> None:
        self.lines.append(text)

    info = warn = error = debug


def test_a_logger_may_be_any_object_and_hears_no_secret(gateway: RawGateway, make_bot: Make) -> None:
    logger = OldLogger()
    gateway.answers["aibot_subscribe"] = refusal(853000, "secret-canary is wrong")
    with pytest.raises(AuthFailed):
        make_bot(logger=logger, max_auth_failure_attempts=1).connect(wait=10)
    assert logger.lines
    assert "canary" not in "".join(logger.lines)
    with pytest.raises(ConfigError):
        make_bot(logger=object())


def test_the_default_logger_is_the_standard_one(caplog: pytest.LogCaptureFixture) -> None:
    logger = wxsdk.DefaultLogger()
    with caplog.at_level(logging.DEBUG, "wxsdk"):
        for say in (logger.debug, logger.info, logger.warning, logger.error):
            say("a line")
    assert [record.levelname for record in caplog.records] == ["DEBUG", "INFO", "WARNING", "ERROR"]


def test_a_req_id_has_its_prefix_and_is_new_each_time() -> None:
    made = [wxsdk.generate_req_id("stream") for _ in range(100)]
    assert all(re.fullmatch(r"stream_\d{13}_[0-9a-f]{8}", one) for one in made)
    assert len(set(made)) == 100


def test_a_disconnect_says_good_bye(gateway: RawGateway, make_bot: Make) -> None:
    client, _ = ready(make_bot)
    line = gateway.line
    assert client.disconnect() is True
    assert line.over.wait(10)
    assert line.opcodes[-1] == CLOSE
    assert line.close_code == 1000
