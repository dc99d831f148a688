"""From the reader to the callbacks."""

from __future__ import annotations

import threading
from typing import Any, Iterator, List, Optional

import pytest

from wxsdk.aibot.acks import Replies
from wxsdk.aibot.callbacks import Callbacks
from wxsdk.aibot.config import WSClientOptions
from wxsdk.aibot.delivery import UNHEARD_LOGGED, Delivery
from wxsdk.aibot.frames import WsFrame
from wxsdk.aibot.logger import BotLog
from wxsdk.aibot.parts import Parts
from wxsdk.aibot.seen import SeenIds
from wxsdk.errors import Overloaded
from wxsdk.runtime.clock import Clock
from wxsdk.runtime.wsock import WsDoor
from wxsdk.testing import FakeClock


class Desk:
    """A delivery with two workers of each kind and room for five messages."""

    def __init__(self, clock: Optional[Clock] = None, **settings: Any) -> None:
        options = WSClientOptions(
            "bot", "secret", **{"max_workers": 2, "priority_workers": 2, "max_queued_messages": 5, **settings}
        )
        self.clock = clock or Clock()
        self.callbacks = Callbacks()
        self.errors: List[BaseException] = []
        self.callbacks.on_error(self.errors.append)
        log, replies = BotLog(None, ()), Replies(options, self.clock)
        self.delivery = Delivery(Parts(options, self.clock, log, self.callbacks, SeenIds(100), WsDoor(), replies), 1)

    def drain(self) -> None:
        assert self.delivery.drain(self.clock.now() + 10)

    def close(self) -> None:
        self.drain()
        assert self.delivery.close(self.clock.now() + 10) == []


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


def message(msgid: str, chat: str = "alice", msgtype: str = "text") -> WsFrame:
    body = {"msgid": msgid, "msgtype": msgtype, "from": {"userid": chat}, "text": {"content": msgid}}
    return WsFrame({"cmd": "aibot_msg_callback", "headers": {"req_id": msgid}, "body": body})


def event(msgid: str, eventtype: str, chat: str = "alice", received_at: Optional[float] = None) -> WsFrame:
    body = {"msgid": msgid, "msgtype": "event", "from": {"userid": chat}, "event": {"eventtype": eventtype}}
    return WsFrame({"cmd": "aibot_event_callback", "headers": {"req_id": msgid}, "body": body}, received_at)


def test_the_general_callbacks_come_before_those_of_the_type(desk: Desk) -> None:
    ran: List[str] = []
    for name in ("message_text", "message", "event_enter_chat", "event", "message_image"):
        getattr(desk.callbacks, f"on_{name}")(lambda frame, name=name: ran.append(name))
    desk.delivery.pushed([message("1")])
    desk.drain()
    desk.delivery.pushed([event("2", "enter_chat")])
    desk.drain()
    assert ran == ["message", "message_text", "event", "event_enter_chat"]


def test_unknown_types_reach_the_general_callback(desk: Desk) -> None:
    got: List[WsFrame] = []
    desk.callbacks.on_message(got.append)
    desk.callbacks.on_event(got.append)
    desk.delivery.pushed([message("1", msgtype="hologram"), event("2", "from_the_future")])
    desk.drain()
    assert sorted(frame.msgid or "" for frame in got) == ["1", "2"]


def test_a_message_that_nobody_handles_is_logged_once_per_type(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.callbacks.on_message_text(lambda frame: None)
    desk.delivery.pushed([message("1"), message("2", msgtype="image"), message("3", msgtype="image")])
    desk.delivery.pushed([event("4", "enter_chat")])
    desk.delivery.pushed([message(f"f{number}", msgtype=f"{number}" + "x" * 1000) for number in range(100)])
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert sum("no callback for 'image'" in text for text in warnings) == 1
    assert len(warnings) == UNHEARD_LOGGED
    assert max(map(len, warnings)) < 250


def test_one_chat_is_served_in_order_and_another_beside_it(desk: Desk) -> None:
    ran: List[str] = []
    release, bob_was_here = threading.Event(), threading.Event()

    @desk.callbacks.on_message
    def handle(frame: WsFrame) -> None:
        if frame.chat == "bob":
            bob_was_here.set()
        elif frame.msgid == "1":
            assert release.wait(5)
        ran.append(frame.msgid or "")

    desk.delivery.pushed([message("1"), message("2"), message("b", "bob"), message("3")])
    assert bob_was_here.wait(5)
    release.set()
    desk.drain()
    assert [msgid for msgid in ran if msgid != "b"] == ["1", "2", "3"]


def test_urgent_events_do_not_wait_for_busy_handlers(desk: Desk) -> None:
    release, greeted, clicked = threading.Event(), threading.Event(), threading.Event()
    desk.callbacks.on_message(lambda frame: release.wait(5))
    desk.callbacks.on_event_enter_chat(lambda frame: greeted.set())
    desk.callbacks.on_event_template_card_event(lambda frame: clicked.set())
    desk.delivery.pushed([message("1", "a"), message("2", "b"), message("3", "c")])
    desk.delivery.pushed([event("4", "enter_chat", "a"), event("5", "template_card_event", "b")])
    assert greeted.wait(5)
    assert clicked.wait(5)
    release.set()


def test_a_msgid_is_delivered_once(desk: Desk) -> None:
    got: List[str] = []
    desk.callbacks.on_message(lambda frame: got.append(frame.msgid))
    desk.delivery.pushed([message("1"), message("1")])
    desk.delivery.pushed([message("1"), message("2")])
    desk.drain()
    assert got == ["1", "2"]


def test_every_callback_runs_although_one_exits(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    ran: List[str] = []

    @desk.callbacks.on_message
    def leave(frame: WsFrame) -> None:
        raise SystemExit(1)

    desk.callbacks.on_message(lambda frame: ran.append("second"))
    desk.delivery.pushed([message("1")])
    desk.drain()
    assert ran == ["second"]
    assert [type(error) for error in desk.errors] == [SystemExit]
    assert caplog.text.count("the callback") == 1


def test_an_error_callback_that_raises_is_logged_and_not_told_to_itself(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    @desk.callbacks.on_error
    def broken(exc: BaseException) -> None:
        raise ValueError("in the error callback")

    desk.delivery.report("error", RuntimeError("first"))
    desk.drain()
    assert [str(error) for error in desk.errors] == ["first"]
    assert "in the error callback" in caplog.text


def test_past_the_limit_messages_are_dropped_and_told(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    begun, release = threading.Event(), threading.Event()
    handled: List[str] = []

    @desk.callbacks.on_message
    def slow(frame: WsFrame) -> None:
        begun.set()
        assert release.wait(5)
        handled.append(frame.msgid or "")

    desk.delivery.pushed([message("0")])
    assert begun.wait(5)
    desk.delivery.pushed([message(str(number)) for number in range(1, 9)])
    desk.delivery.pushed([message("late")])
    assert desk.delivery._main.queued == 5
    release.set()
    desk.drain()
    assert handled == ["0", "1", "2", "3", "4", "5"]
    assert [type(error) for error in desk.errors] == [Overloaded] * 4
    assert caplog.text.count("wait for a worker") == 1


class Blocked:
    """A handler of enter_chat that lets nothing through until it is released; with the events it was given."""

    def __init__(self, desk: Desk) -> None:
        self.handled: List[str] = []
        self.begun, self.release = threading.Event(), threading.Event()
        desk.callbacks.on_event_enter_chat(self._handle)

    def _handle(self, frame: WsFrame) -> None:
        self.begun.set()
        assert self.release.wait(5)
        self.handled.append(frame.msgid or "")


def test_past_the_limit_urgent_events_are_dropped_and_told(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    handler = Blocked(desk)
    desk.delivery.pushed([event("0", "enter_chat")])
    assert handler.begun.wait(5)
    desk.delivery.pushed([event(str(number), "enter_chat") for number in range(1, 9)])
    desk.delivery.pushed([event("late", "enter_chat")])
    assert desk.delivery.load()["priority_queued"] == 5
    handler.release.set()
    desk.drain()
    assert handler.handled == ["0", "1", "2", "3", "4", "5"]
    assert [type(error) for error in desk.errors] == [Overloaded] * 4
    assert "priority_workers" in str(desk.errors[0])
    assert caplog.text.count("worker of theirs") == 1


def test_messages_and_urgent_events_take_no_room_from_each_other(desk: Desk) -> None:
    handler, got = Blocked(desk), []
    desk.callbacks.on_message(lambda frame: (handler.release.wait(5), got.append(frame.msgid)))
    desk.delivery.pushed([event(f"e{number}", "enter_chat") for number in range(5)])
    desk.delivery.pushed([message(f"m{number}") for number in range(5)])
    handler.release.set()
    desk.drain()
    assert (len(handler.handled), len(got), desk.errors) == (5, 5, [])


def test_without_room_events_that_are_too_late_to_be_answered_go_first() -> None:
    clock = FakeClock()
    desk = Desk(clock)
    handler = Blocked(desk)

    def push(*names: str) -> None:
        desk.delivery.pushed([event(name, "enter_chat", name[0], received_at=clock.now()) for name in names])

    push("a0")
    assert handler.begun.wait(5)
    push("a1", "a2", "a3")
    clock.advance(4)
    push("a4", "a5", "a6")  # the last one finds no room, and nothing is too late yet
    assert desk.delivery.load()["priority_queued"] == 5
    clock.advance(2)
    push("a7")
    assert desk.delivery.load()["priority_queued"] == 3
    handler.release.set()
    desk.close()
    assert handler.handled == ["a0", "a4", "a5", "a7"]
    assert [type(error) for error in desk.errors] == [Overloaded] * 4


def test_a_late_event_is_delivered_all_the_same_while_there_is_room() -> None:
    clock = FakeClock()
    desk = Desk(clock)
    handler = Blocked(desk)
    desk.delivery.pushed([event(name, "enter_chat", received_at=clock.now()) for name in ("1", "2")])
    assert handler.begun.wait(5)
    clock.advance(60)
    handler.release.set()
    desk.close()
    assert handler.handled == ["1", "2"]
    assert desk.errors == []


def test_news_come_in_order_even_when_a_callback_is_slow(desk: Desk) -> None:
    told: List[Any] = []
    release = threading.Event()
    desk.callbacks.on_connected(lambda: (release.wait(5), told.append("connected")))
    desk.callbacks.on_authenticated(lambda: told.append("authenticated"))
    desk.callbacks.on_disconnected(told.append)
    desk.delivery.report("connected")
    desk.delivery.report("authenticated")
    desk.delivery.report("disconnected", "why")
    release.set()
    desk.drain()
    assert told == ["connected", "authenticated", "why"]


def test_no_callback_of_messages_or_events_holds_up_the_news(desk: Desk) -> None:
    release, heard, last = threading.Event(), threading.Event(), threading.Event()
    desk.callbacks.on_message(lambda frame: release.wait(5))
    desk.callbacks.on_event_enter_chat(lambda frame: release.wait(5))
    desk.callbacks.on_disconnected(lambda reason: heard.set())
    desk.delivery.pushed([message(str(number), f"chat {number}") for number in range(2)])
    desk.delivery.pushed([event(f"e{number}", "enter_chat", f"chat {number}") for number in range(2)])
    desk.delivery.report("disconnected", "why")
    desk.delivery.after_news(last.set)
    assert heard.wait(5)
    assert last.wait(5)
    assert desk.delivery.load()["workers"] == desk.delivery.load()["priority_workers"] == 2
    release.set()


def test_the_last_word_needs_no_thread_when_there_was_no_news(desk: Desk) -> None:
    before, said = threading.active_count(), threading.Event()
    desk.delivery.after_news(said.set)
    assert said.is_set()
    assert threading.active_count() == before


def test_errors_of_callbacks_do_not_pile_up_without_end_behind_a_blocked_on_error(desk: Desk) -> None:
    begun, release = threading.Event(), threading.Event()
    desk.callbacks.on_error(lambda exc: (begun.set(), release.wait(5)))

    @desk.callbacks.on_message
    def raises(frame: WsFrame) -> None:
        raise ValueError(frame.msgid)

    desk.delivery.pushed([message("0")])
    assert begun.wait(5)
    for number in range(1, 20):
        desk.delivery.pushed([message(str(number))])
        assert desk.delivery._main.drain(5)
    release.set()
    desk.drain()
    assert [str(error) for error in desk.errors] == ["0", "1", "2", "3", "4", "5"]


def test_a_callback_knows_that_it_is_inside(desk: Desk) -> None:
    seen: List[bool] = []
    desk.callbacks.on_message(lambda frame: seen.append(desk.delivery.is_inside))
    desk.delivery.pushed([message("1")])
    desk.drain()
    assert seen == [True]
    assert not desk.delivery.is_inside


def test_without_callbacks_nothing_is_started() -> None:
    desk = Desk()
    before = threading.active_count()
    desk.delivery.pushed([message("1")])
    desk.delivery.report("connected")
    assert threading.active_count() == before
    assert desk.delivery.last_inbound is not None
