"""The reading thread, on a clock and sockets of the test's own."""

from __future__ import annotations

import gc
import threading
from typing import Any, Callable, Iterator, List, Optional

import pytest

from tests.aibot.stubs import StubDoor, StubWs
from wxsdk.aibot import connection as connection_module
from wxsdk.aibot.acks import Replies
from wxsdk.aibot.callbacks import Callbacks
from wxsdk.aibot.config import WSClientOptions
from wxsdk.aibot.connection import SKIPS_LOGGED, Connection, RunListener
from wxsdk.aibot.connection_rules import State
from wxsdk.aibot.frames import FrameKind, WsFrame, classify
from wxsdk.aibot.logger import BotLog
from wxsdk.aibot.parts import Parts
from wxsdk.aibot.seen import SeenIds
from wxsdk.errors import ReconnectExhausted, TransportError, WxError
from wxsdk.testing import FakeClock

REFUSED = TransportError("The connection failed or was cut (Connection refused).", kind="tcp")


class News(RunListener):
    """What the connection told, in order."""

    def __init__(self) -> None:
        self.told: List[Any] = []
        self._changed = threading.Condition()

    def _add(self, piece: Any) -> None:
        with self._changed:
            self.told.append(piece)
            self._changed.notify_all()

    def wait(self, piece: Any, times: int = 1) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.told.count(piece) >= times, 10), self.told

    def connected(self) -> None:
        self._add("connected")

    def authenticated(self) -> None:
        self._add("authenticated")

    def disconnected(self, reason: str) -> None:
        self._add(("disconnected", reason))

    def reconnecting(self, attempt: int) -> None:
        self._add(("reconnecting", attempt))

    def failed(self, error: WxError) -> None:
        self._add(error)

    def pushed(self, frames: List[WsFrame]) -> None:
        self._add([frame.msgid for frame in frames])

    def over(self) -> None:
        self._add("over")


class Lines:
    """A logger of the user's."""

    def __init__(self) -> None:
        self.lines: List[str] = []

    def debug(self, message: str) -> None:
        """Too much to keep."""

    def info(self, message: str) -> None:
        self.lines.append(message)

    warn = error = info


Make = Callable[..., Connection]


class Stage:
    """Makes one connection from stubs."""

    def __init__(self) -> None:
        self.clock, self.news, self.log = FakeClock(), News(), Lines()
        self.connection: Optional[Connection] = None

    def start(self, *outcomes: Any, door: Any = StubDoor, **settings: Any) -> Connection:
        options = WSClientOptions("bot", "the-secret", **settings)
        self.replies = Replies(options, self.clock)
        self.door = door(*outcomes)
        log = BotLog(self.log, ("the-secret",))
        parts = Parts(options, self.clock, log, Callbacks(), SeenIds(9), self.door, self.replies)
        self.connection = Connection(parts, self.news, number=1, unit=lambda: 0.5)
        self.connection.start()
        return self.connection


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    if made.connection is not None:
        made.connection.stop()
        for worker in made.connection.workers:
            assert worker.join(5)


def text_message(msgid: str) -> Any:
    body = {"msgid": msgid, "msgtype": "text", "from": {"userid": "u"}, "text": {"content": "x"}}
    return {"cmd": "aibot_msg_callback", "headers": {"req_id": msgid}, "body": body}


def event(eventtype: str) -> Any:
    body = {"msgid": "e", "msgtype": "event", "from": {"userid": "u"}, "event": {"eventtype": eventtype}}
    return {"cmd": "aibot_event_callback", "headers": {"req_id": "e"}, "body": body}


def test_the_subscribe_comes_first_and_carries_what_the_options_say(stage: Stage) -> None:
    ws = StubWs()
    connection = stage.start(ws, scene=3, plug_version="1.2", device_id="host-1")
    stage.news.wait("authenticated")
    assert connection.state is State.READY
    (subscribe,) = ws.sent
    assert subscribe["cmd"] == "aibot_subscribe"
    assert subscribe["headers"]["req_id"].startswith("aibot_subscribe_")
    assert subscribe["body"] == {
        "bot_id": "bot",
        "secret": "the-secret",
        "scene": 3,
        "plug_version": "1.2",
        "device_id": "host-1",
    }


def test_pings_go_out_every_interval_as_json(stage: Stage) -> None:
    ws = StubWs()
    connection = stage.start(ws, heartbeat_interval=30.0)
    stage.news.wait("authenticated")
    for count in range(1, 4):
        stage.clock.wait_parked(name="tick")
        stage.clock.advance(30)
        while len(ws.sent) < 1 + count or (connection._beat is not None and connection._beat.missed):
            assert connection.state is State.READY
    assert [frame["cmd"] for frame in ws.sent[1:]] == ["ping"] * 3
    assert all(set(frame) == {"cmd", "headers"} for frame in ws.sent[1:])


def test_two_missed_pings_end_the_connection(stage: Stage) -> None:
    silent, next_one = StubWs(), StubWs()
    stage.start(silent, next_one, heartbeat_interval=30.0)
    stage.news.wait("authenticated")
    silent.answers = False
    for seconds in (30, 30, 24):
        stage.clock.wait_parked(name="tick")
        stage.clock.advance(seconds)
    stage.news.wait(("disconnected", "The gateway did not answer two pings in a row."))
    stage.clock.wait_parked(name="read")
    assert silent.disposed
    stage.clock.advance(1)
    stage.news.wait("authenticated", 2)


def test_what_an_old_connection_says_late_is_noise(stage: Stage) -> None:
    old, new = StubWs(), StubWs()
    connection = stage.start(old, new)
    stage.news.wait("authenticated")
    beat = connection._beat
    assert beat is not None
    old.ends()
    stage.clock.wait_parked(name="read")
    stage.clock.advance(1)
    stage.news.wait("authenticated", 2)
    connection._tick(old, beat)  # type: ignore[arg-type]
    assert len(old.sent) == 1
    assert len(new.sent) == 1


def test_delays_double_up_to_the_ceiling_and_start_anew_after_a_success(stage: Stage) -> None:
    good = StubWs()
    stage.start(*[REFUSED] * 7, good, REFUSED, max_reconnect_attempts=-1)
    delays = []
    for attempt in range(1, 8):
        stage.news.wait(("reconnecting", attempt))
        stage.clock.wait_parked(name="read")
        delays.append(next_delay(stage))
        stage.clock.advance(delays[-1])
    assert delays == [1, 2, 4, 8, 16, 30, 30]
    stage.news.wait("authenticated")
    good.ends()
    stage.news.wait(("reconnecting", 1), 2)
    stage.clock.wait_parked(name="read")
    assert next_delay(stage) == 1


def next_delay(stage: Stage) -> float:
    (parked,) = [parked for parked in stage.clock._parked if "read" in parked.name]
    assert parked.deadline is not None
    return round(parked.deadline - stage.clock.now(), 6)


class Rushing(FakeClock):
    """A clock on which every pause is over at once."""

    def wait_for(self, condition: Any, predicate: Any, timeout: Optional[float]) -> bool:
        return bool(predicate())


def test_five_thousand_failed_connects_later_it_still_tries_and_memory_is_flat() -> None:
    stage = Stage()
    stage.clock = Rushing()
    counts = {}
    enough = threading.Event()

    class Outage(StubDoor):
        def open(self, url: str, *, timeout: float, max_message_bytes: int) -> StubWs:
            if self.opened in (500, 5000):
                stage.log.lines.clear()
                stage.news.told.clear()
                gc.collect()
                counts[self.opened] = len(gc.get_objects())
            if self.opened == 5001:
                enough.set()
            return super().open(url, timeout=timeout, max_message_bytes=max_message_bytes)

    connection = stage.start(REFUSED, max_reconnect_attempts=-1, door=Outage)
    assert enough.wait(30)
    assert connection.state in (State.WAITING, State.CONNECTING)
    connection.stop()
    assert all(worker.join(5) for worker in connection.workers)
    assert abs(counts[5000] - counts[500]) < 200


def test_the_allowed_tries_end_in_one_error(stage: Stage) -> None:
    connection = stage.start(REFUSED, max_reconnect_attempts=3, reconnect_interval=0.001)
    for _ in range(2):
        stage.clock.wait_parked(name="read")
        stage.clock.advance(1)
    stage.news.wait("over")
    assert isinstance(connection.ended_by, ReconnectExhausted)
    assert stage.news.told[-2:] == [connection.ended_by, "over"]
    assert all(worker.join(5) for worker in connection.workers)


def test_the_frames_of_one_block_are_told_together_and_in_order(stage: Stage) -> None:
    ws = StubWs()
    stage.start(ws)
    stage.news.wait("authenticated")
    ws.pushes(text_message("1"), "[]", event("enter_chat"), b"\xff", text_message("2"))
    stage.news.wait(["1", "e", "2"])


def test_what_came_along_with_a_kick_is_told_and_the_kick_once(stage: Stage) -> None:
    ws = StubWs()
    connection = stage.start(ws)
    stage.news.wait("authenticated")
    ws.pushes(text_message("1"), event("disconnected_event"), text_message("2"), event("disconnected_event"))
    stage.news.wait("over")
    assert connection.state is State.KICKED
    assert stage.news.told[2] == ["1", "e", "2", "e"]
    assert [type(piece).__name__ for piece in stage.news.told].count("Kicked") == 1


def test_odd_frames_are_logged_but_do_not_fill_the_log(stage: Stage) -> None:
    ws = StubWs()
    stage.start(ws)
    stage.news.wait("authenticated")
    ws.pushes(*["[]"] * 1000, text_message("1"))
    stage.news.wait(["1"])
    assert sum("skipped" in line for line in stage.log.lines) == SKIPS_LOGGED


def test_an_unexpected_error_of_the_reader_reaches_everybody(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(StubWs):
        def receive(self) -> Any:
            raise ValueError("a bug")

    connection = stage.start(Broken())
    stage.news.wait("over")
    assert isinstance(connection.ended_by, WxError)
    assert isinstance(connection.ended_by.__cause__, ValueError)
    assert stage.news.told.count(connection.ended_by) == 1
    assert "unexpected" in caplog.text
    assert connection.state is State.FAILED
    assert connection.error is connection.ended_by


def test_a_frame_that_finds_a_fault_of_ours_costs_nothing_but_itself(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(frame: WsFrame) -> FrameKind:
        if frame.msgid == "2":
            raise ValueError("a bug")
        return classify(frame)

    monkeypatch.setattr(connection_module, "classify", faulty)
    ws = StubWs()
    connection = stage.start(ws)
    stage.news.wait("authenticated")
    ws.pushes(text_message("1"), text_message("2"), text_message("3"))
    stage.news.wait(["1", "3"])
    assert connection.state is State.READY
    assert any("a bug" in line for line in stage.log.lines)


@pytest.mark.parametrize("errcode", ["--5", "-", "", "\u0663", "9" * 5000])
def test_an_odd_errcode_ends_nothing(stage: Stage, errcode: str) -> None:
    ws = StubWs()
    connection = stage.start(ws)
    stage.news.wait("authenticated")
    ws.pushes({"headers": {"req_id": "r"}, "errcode": errcode}, {"errcode": errcode}, text_message("1"))
    stage.news.wait(["1"])
    assert connection.state is State.READY
    assert not any("could not be handled" in line for line in stage.log.lines)


def test_a_stop_before_the_first_word_is_still_a_stop(stage: Stage) -> None:
    connection = stage.start(StubWs(answers=False))
    connection.stop()
    stage.news.wait("over")
    assert connection.state is State.STOPPED
    assert connection.ended_by is None
