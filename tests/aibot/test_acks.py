"""The ack path, on a clock and a socket of the test's own."""

from __future__ import annotations

import contextlib
import queue
import threading
import weakref
from typing import Any, Callable, Iterator, List, Optional

import pytest

from tests.aibot.stubs import StubWs, ack
from tests.ctrl_c import everywhere
from wxsdk.aibot import ack_rules as acks
from wxsdk.aibot import acks as replies_module
from wxsdk.aibot.acks import Replies
from wxsdk.aibot.config import WSClientOptions
from wxsdk.aibot.frames import WsFrame, encode_frame
from wxsdk.aibot.ticker import Ticker
from wxsdk.errors import AckTimeout, ApiError, ConnectionLost, NotSubscribed, ReplyQueueFull, WxError
from wxsdk.testing import FakeClock

CMD = "aibot_respond_msg"


class Bench:
    """Replies with a stub of a connection and a running ticker."""

    def __init__(self, **settings: Any) -> None:
        self.clock = FakeClock()
        self.replies = Replies(WSClientOptions("bot", "secret-of-the-bot", **settings), self.clock)
        self.ticker = Ticker(self.clock)
        self.ws = StubWs()
        self.callers: List[Caller] = []
        self.ticker.start()
        self.replies.open(self.ticker)

    def attach(self) -> None:
        self.replies.attach(self.ws)  # type: ignore[arg-type]

    def call(self, text: str, req_id: str = "r", timeout: float = 5.0, **how: Any) -> Caller:
        caller = Caller(self, text, req_id, timeout, how)
        self.callers.append(caller)
        caller.thread.start()
        return caller

    def in_line(self, req_id: str = "r") -> int:
        line = self.replies._lines.get(req_id)
        return len(line.callers) if line else 0

    def read(self, req_id: str = "r", errcode: int = 0) -> bool:
        return self.replies.on_answer(WsFrame(ack(req_id, errcode)), self.clock.now())

    @property
    def texts(self) -> List[str]:
        return [frame["body"]["text"] for frame in self.ws.sent]


class Caller:
    """A thread that makes one call and keeps what came of it."""

    def __init__(self, bench: Bench, text: str, req_id: str, timeout: float, how: Any) -> None:
        self._bench, self._arguments = bench, (req_id, CMD, encode_frame(CMD, req_id, {"text": text}), timeout)
        self._how = how
        self.result: Any = None
        self.thread = threading.Thread(target=self._call, name=f"caller-{text}")

    def _call(self) -> None:
        try:
            self.result = self._bench.replies.call(*self._arguments, **self._how)
        except WxError as exc:
            self.result = exc

    def outcome(self) -> Any:
        self.thread.join(10)
        assert not self.thread.is_alive()
        return self.result


@pytest.fixture
def bench() -> Iterator[Bench]:
    yield from running(Bench(max_reply_queue_size=3))


def running(made: Bench) -> Iterator[Bench]:
    made.attach()
    yield made
    made.replies.detach("The test is over.")
    made.replies.close(WxError("the test is over"))
    made.ticker.stop()
    assert made.ticker.join(5)
    for caller in made.callers:
        caller.thread.join(5)
        assert not caller.thread.is_alive()


def until(condition: Callable[[], Any]) -> None:
    """Spin; for states of other threads that no clock announces."""
    deadline = threading.Event()
    for _ in range(10_000):
        if condition():
            return
        deadline.wait(0.001)
    raise AssertionError("it never happened")


def wait_sent(bench: Bench, count: int) -> None:
    until(lambda: len(bench.ws.sent) >= count)


def test_an_ack_is_the_answer(bench: Bench) -> None:
    caller = bench.call("one")
    bench.clock.wait_parked(name="caller-one")
    assert bench.replies.is_busy("r")
    assert bench.read()
    assert caller.outcome().ok
    assert not bench.replies.is_busy("r")
    assert bench.texts == ["one"]


def test_callers_of_one_req_id_go_one_at_a_time_in_their_order(bench: Bench) -> None:
    callers = []
    for number in range(4):
        callers.append(bench.call(str(number)))
        until(lambda number=number: bench.in_line() == number + 1)
    assert bench.texts == ["0"]
    for number, caller in enumerate(callers):
        wait_sent(bench, number + 1)
        assert bench.texts == [str(sent) for sent in range(number + 1)]
        bench.read(errcode=100 + number)
        assert caller.outcome().errcode == 100 + number
    assert bench.in_line() == 0


def test_different_req_ids_do_not_wait_for_each_other(bench: Bench) -> None:
    first, second = bench.call("one", "a"), bench.call("two", "b")
    wait_sent(bench, 2)
    bench.read("b")
    assert second.outcome().ok
    bench.read("a")
    assert first.outcome().ok


def test_no_ack_is_an_ack_timeout_and_the_next_one_goes_out(bench: Bench) -> None:
    first = bench.call("one")
    bench.clock.wait_parked(name="caller-one")
    second = bench.call("two")
    bench.clock.wait_parked(name="caller-two")
    bench.clock.advance(5)
    error = first.outcome()
    assert isinstance(error, AckTimeout)
    assert error.may_have_been_sent
    wait_sent(bench, 2)
    bench.read()  # late, for the first
    assert second.thread.is_alive()
    bench.read(errcode=7)
    assert second.outcome().errcode == 7


def test_time_in_line_is_not_taken_from_a_frames_own_time(bench: Bench) -> None:
    first = bench.call("one")
    bench.clock.wait_parked(name="caller-one")
    second = bench.call("two")
    bench.clock.wait_parked(name="caller-two")
    bench.clock.advance(4)
    bench.read()
    assert first.outcome().ok
    wait_sent(bench, 2)
    bench.clock.wait_parked(name="caller-two")
    bench.clock.advance(4)
    bench.read()
    assert second.outcome().ok


def test_a_frame_that_no_byte_went_out_of_was_not_sent(bench: Bench) -> None:
    bench.ws.writable = False
    caller = bench.call("one")
    bench.clock.wait_parked(name="caller-one")
    bench.clock.advance(5)
    assert not caller.outcome().may_have_been_sent


def test_past_the_limit_a_frame_is_refused(bench: Bench) -> None:
    for number in range(4):
        bench.call(str(number))
        until(lambda number=number: bench.in_line() == number + 1)
    assert isinstance(bench.call("too many").outcome(), ReplyQueueFull)
    assert bench.in_line() == 4


def test_a_call_may_rather_be_skipped_than_wait(bench: Bench) -> None:
    first = bench.call("one")
    wait_sent(bench, 1)
    assert bench.call("two", unless_busy=True).outcome() is None
    bench.read()
    assert first.outcome().ok
    third = bench.call("three", unless_busy=True)
    wait_sent(bench, 2)
    bench.read()
    assert third.outcome().ok
    assert bench.texts == ["one", "three"]


def test_a_loss_fails_everybody_and_says_who_was_written(bench: Bench) -> None:
    first = bench.call("one")
    wait_sent(bench, 1)
    second = bench.call("two")
    until(lambda: bench.in_line() == 2)
    bench.replies.detach("The connection was cut.")
    outcomes = [first.outcome(), second.outcome()]
    assert [type(outcome) for outcome in outcomes] == [ConnectionLost, ConnectionLost]
    assert [outcome.may_have_been_sent for outcome in outcomes] == [True, False]
    bench.attach()
    assert bench.texts == ["one"]


def test_a_lost_subscription_is_tried_once_more_on_the_next_connection_only(bench: Bench) -> None:
    caller = bench.call("one")
    wait_sent(bench, 1)
    assert not bench.read(errcode=846609)
    bench.clock.wait_parked(name="caller-one")
    assert len(bench.ws.sent) == 1
    bench.replies.detach("The subscription was lost.")
    bench.attach()
    wait_sent(bench, 2)
    assert not bench.read(errcode=846609)
    assert isinstance(caller.outcome(), NotSubscribed)
    assert len(bench.ws.sent) == 2


def test_an_orphan_error_answers_the_only_call(bench: Bench) -> None:
    caller = bench.call("one")
    wait_sent(bench, 1)
    assert bench.replies.on_orphan_error(WsFrame({"errcode": 40058, "errmsg": "x"}), bench.clock.now())
    assert isinstance(caller.outcome(), ApiError)


def test_an_error_never_shows_the_secret(bench: Bench) -> None:
    caller = bench.call("one")
    wait_sent(bench, 1)
    frame = {"headers": {"req_id": "r"}, "errcode": 853000, "errmsg": "bad secret secret-of-the-bot"}
    bench.replies.on_answer(WsFrame(frame), bench.clock.now())
    assert "secret-of-the-bot" not in str(caller.outcome())


def test_a_call_waits_for_readiness_but_not_for_ever(bench: Bench) -> None:
    bench.replies.detach("down")
    late, early = bench.call("late"), bench.call("early", "e")
    bench.clock.wait_parked(2, name="caller-")
    bench.clock.advance(9.9)
    bench.attach()
    wait_sent(bench, 2)
    bench.read("r")
    bench.read("e")
    assert late.outcome().ok
    assert early.outcome().ok
    bench.replies.detach("down again")
    unlucky = bench.call("unlucky")
    bench.clock.wait_parked(name="caller-unlucky")
    bench.clock.advance(10)
    assert isinstance(unlucky.outcome(), ConnectionLost)
    assert not unlucky.outcome().may_have_been_sent


def test_when_the_client_ends_those_who_wait_for_readiness_hear_it(bench: Bench) -> None:
    bench.replies.detach("down")
    caller = bench.call("one")
    bench.clock.wait_parked(name="caller-one")
    why = WxError("kicked")
    bench.replies.close(why)
    assert isinstance(caller.outcome(), ConnectionLost)
    assert caller.outcome().__cause__ is why


def test_an_interrupted_caller_does_not_leave_its_ack_to_the_next_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = bench.clock.get

    def interrupted(source: Any, timeout: Optional[float]) -> Any:
        monkeypatch.setattr(bench.clock, "get", get)
        raise KeyboardInterrupt

    monkeypatch.setattr(bench.clock, "get", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.replies.call("r", CMD, encode_frame(CMD, "r", {"text": "one"}), 5.0)
    second = bench.call("two")
    wait_sent(bench, 2)
    bench.read(errcode=1)  # the first one's
    bench.read(errcode=2)
    assert second.outcome().errcode == 2


def test_a_queue_that_a_ctrl_c_left_locked_is_not_used_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    get = bench.clock.get

    def locked(source: Any, timeout: Optional[float]) -> Any:
        monkeypatch.setattr(bench.clock, "get", get)
        source.mutex.acquire()
        raise KeyboardInterrupt

    monkeypatch.setattr(bench.clock, "get", locked)
    with pytest.raises(KeyboardInterrupt):
        bench.replies.call("r", CMD, encode_frame(CMD, "r", {"text": "one"}), 5.0)
    bench.read()
    second = bench.call("two")
    wait_sent(bench, 2)
    bench.read()
    assert second.outcome().ok


@contextlib.contextmanager
def answering(bench: Bench) -> Iterator[None]:
    """Each frame that was sent is acknowledged, on a thread as the reader's."""
    sent: queue.Queue[Optional[str]] = queue.Queue()
    send = bench.ws.send

    def noted(text: str) -> int:
        ticket = send(text)
        sent.put("r")
        return ticket

    def answer() -> None:
        while sent.get() is not None:
            bench.read()

    bench.ws.send = noted  # type: ignore[method-assign]
    reader = threading.Thread(target=answer)
    reader.start()
    yield
    sent.put(None)
    reader.join()


def test_a_ctrl_c_wherever_it_strikes_a_caller_holds_up_nobody_else(bench: Bench) -> None:
    def call() -> None:
        bench.replies.call("r", CMD, encode_frame(CMD, "r", {"text": "one"}), 5.0)

    def is_free() -> None:
        assert not bench.replies.is_busy("r")
        bench.clock.advance(2 * 5.0 + 1.0)  # a frame that was not written leaves a debt, too
        assert bench.call("next").outcome().ok
        assert bench.in_line() == 0

    with answering(bench):
        assert everywhere(call, is_free, replies_module, acks) > 50


def test_a_ctrl_c_wherever_it_strikes_a_post_holds_up_nobody_else(bench: Bench) -> None:
    got: List[Any] = []

    def is_free() -> None:
        until(lambda: not bench.replies.is_busy("r"))
        bench.clock.advance(2 * 5.0 + 1.0)
        assert bench.call("next").outcome().ok

    with answering(bench):
        assert everywhere(lambda: post(bench, "one", got), is_free, replies_module, acks) > 20


def test_an_outcome_that_was_meant_for_nobody_any_more_is_not_taken(bench: Bench) -> None:
    first = bench.call("one")
    wait_sent(bench, 1)
    stale = bench.replies._lines["r"].callers[0].__class__("r", CMD, "", 5.0, None)
    bench.replies._lines["r"].queue.put_nowait(stale)
    bench.read()
    assert first.outcome().ok


# -- posts ----------------------------------------


def post(bench: Bench, text: str, got: List[Any], patience: float = 0.0) -> None:
    bench.replies.post("r", CMD, encode_frame(CMD, "r", {"text": text}), 5.0, got.append, patience)


def test_a_post_gets_one_outcome(bench: Bench) -> None:
    got: List[Any] = []
    post(bench, "one", got)
    post(bench, "two", got)
    assert bench.texts == ["one"]
    bench.read(errcode=1)
    assert bench.texts == ["one", "two"]
    bench.read(errcode=2)
    assert [outcome.errcode for outcome in got] == [1, 2]
    assert [bench.replies.to_error(outcome, CMD).errcode for outcome in got] == [1, 2]  # type: ignore[union-attr]


def test_posts_and_calls_share_the_line(bench: Bench) -> None:
    got: List[Any] = []
    post(bench, "one", got)
    caller = bench.call("two")
    until(lambda: bench.in_line() == 1)
    bench.read(errcode=1)
    wait_sent(bench, 2)
    bench.read(errcode=2)
    assert caller.outcome().errcode == 2
    assert [outcome.errcode for outcome in got] == [1]


def test_a_post_times_out_by_the_tick_thread(bench: Bench) -> None:
    got: List[Any] = []
    done = threading.Event()
    bench.replies.post("r", CMD, encode_frame(CMD, "r", {"text": "x"}), 5.0, lambda it: (got.append(it), done.set()))
    caller = bench.call("behind")
    bench.clock.wait_parked(name="caller-behind")
    bench.clock.wait_parked(name="tick")
    bench.clock.advance(5)
    assert done.wait(5)
    assert isinstance(got[0], AckTimeout)
    wait_sent(bench, 2)
    bench.read()
    bench.read()
    assert caller.outcome().ok


def test_an_ack_that_wins_the_race_leaves_nothing_to_the_timer(bench: Bench) -> None:
    got: List[Any] = []
    post(bench, "one", got)
    bench.read()
    bench.clock.wait_parked(name="tick")
    bench.clock.advance(5)
    bench.clock.wait_parked(name="tick")
    assert len(got) == 1


def test_an_ack_that_comes_during_the_write_leaves_nothing_to_the_timer(bench: Bench) -> None:
    class Quick(StubWs):
        def send(self, text: str) -> int:
            ticket = super().send(text)
            bench.read(req_id="quick")
            return ticket

    class Told:
        def __init__(self) -> None:
            self.outcomes: List[Any] = []

        def __call__(self, outcome: Any) -> None:
            self.outcomes.append(outcome)

    bench.ws = Quick()
    bench.attach()
    told = Told()
    bench.replies.post("quick", CMD, encode_frame(CMD, "quick", {"text": "x"}), 5.0, told)
    assert len(told.outcomes) == 1
    alive = weakref.ref(told)
    del told
    assert alive() is None  # whatever waited for the timeout would have kept it


def test_a_post_without_a_connection_is_refused_unless_it_has_patience(bench: Bench) -> None:
    bench.replies.detach("down")
    got: List[Any] = []
    with pytest.raises(ConnectionLost):
        post(bench, "one", got)
    post(bench, "two", got, patience=10)
    bench.attach()
    assert bench.texts == ["two"]
    bench.read()
    assert got[0].ok


def test_patience_ends(bench: Bench) -> None:
    bench.replies.detach("down")
    got: List[Any] = []
    done = threading.Event()
    bench.replies.post("r", CMD, "{}", 5.0, lambda it: (got.append(it), done.set()), 10)
    bench.clock.wait_parked(name="tick")
    bench.clock.advance(10)
    assert done.wait(5)
    assert isinstance(got[0], ConnectionLost)
    assert not got[0].may_have_been_sent
    post(bench, "last", got, patience=10)
    bench.replies.close(WxError("over"))
    assert isinstance(got[1], ConnectionLost)
    with pytest.raises(ConnectionLost):
        post(bench, "after", got, patience=10)


def test_an_outcome_that_cannot_be_handed_over_is_logged_and_nothing_else(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Any) -> None:
        raise ValueError("a bug")

    bench.replies.post("r", CMD, "{}", 5.0, broken)
    assert bench.read()
    assert "could not be handed over" in caplog.text


def test_fifty_threads_each_get_their_own_answers(bench: Bench) -> None:
    wrong: List[Any] = []

    def talk(chat: int) -> None:
        for number in range(20):
            answer = bench.replies.call(
                f"r{chat}", CMD, encode_frame(CMD, f"r{chat}", {"text": f"{chat}/{number}"}), 5.0
            )
            if answer is None or answer.raw["echo"] != f"{chat}/{number}":
                wrong.append((chat, number, answer))

    answered = 0
    stop = threading.Event()

    def gateway() -> None:
        nonlocal answered
        while not stop.is_set() or answered < len(bench.ws.sent):
            while answered < len(bench.ws.sent):
                sent = bench.ws.sent[answered]
                answered += 1
                frame = {**ack(sent["headers"]["req_id"]), "echo": sent["body"]["text"]}
                bench.replies.on_answer(WsFrame(frame), bench.clock.now())
            stop.wait(0.0001)

    reader = threading.Thread(target=gateway)
    threads = [threading.Thread(target=talk, args=(chat,)) for chat in range(50)]
    for thread in (reader, *threads):
        thread.start()
    for thread in threads:
        thread.join(20)
    stop.set()
    reader.join(5)
    assert wrong == []
    assert answered == 1000
    assert not bench.replies._lines
    assert len(bench.replies._ledger) == 0
