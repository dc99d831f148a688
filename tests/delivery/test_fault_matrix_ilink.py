"""iLink against every kind of trouble: what the user sees, how many requests are made, how fast it is over.

Time is a FakeClock's with the default delays, so "the first five seconds of an outage" are exact and take milliseconds.
``pytest -s`` prints the table that docs/delivery.rst shows.
"""

from __future__ import annotations

import gzip
import ssl
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, List, Optional, Tuple

import pytest

from tests.ilink.bots import Gate, Recorder, config_for, echo
from tests.runtime.conftest import certificate, server_tls
from wxsdk.errors import ApiError, SendRejected, TransportError, WxError
from wxsdk.health import HealthState
from wxsdk.ilink.client import WeixinClient
from wxsdk.runtime.http import MAX_ANSWER_BYTES
from wxsdk.runtime.store import MemoryStore
from wxsdk.sim import ILinkSim
from wxsdk.sim.ilink.people import SimUser
from wxsdk.testing import FakeClock

from .conftest import Row
from .test_store_trouble import BrokenStore
from .troubles import FATES, FIRST, MARGIN, MOST, Recovery, in_ms, lose_dns, pass_time, recovery, stop_result
from .waiting import WAIT, until

__all__ = ["certificate", "server_tls"]

POLL = "wxsdk-ilink-poll"

Begin = Callable[[ILinkSim, pytest.MonkeyPatch], Any]


@dataclass
class Trouble:
    """begin: starts it, for good. kind: of the TransportError that the user sees, or "code" for an ApiError."""

    begin: Begin
    kind: str
    health: str = ""  # what health() says then, where that is another thing than the first error


def _cut(at: str, reset: bool = True) -> Trouble:
    return Trouble(
        lambda sim, _: sim.faults.cut("getupdates", at=at, reset=reset, forever=True), "tcp" if reset else "any"
    )


def _status(status: int, **headers: str) -> Trouble:
    return Trouble(lambda sim, _: sim.faults.next("getupdates", status=status, headers=headers, forever=True), "http")


def _body(body: bytes, **headers: str) -> Trouble:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Trouble(lambda sim, _: sim.faults.next("getupdates", body=body, headers=named, forever=True), "http")


def _raw(data: bytes) -> Trouble:
    return Trouble(lambda sim, _: sim.faults.raw("getupdates", data, forever=True), "any")


def _no_dns(sim: ILinkSim, patch: pytest.MonkeyPatch) -> None:
    lose_dns(patch)
    _drop_connections(sim)


def _drop_connections(sim: ILinkSim) -> None:
    sim.faults.refuse_connections()
    sim.faults.restore()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
TROUBLES = {
    "refused": Trouble(lambda sim, _: sim.faults.refuse_connections(), "tcp"),
    "no DNS": Trouble(_no_dns, "dns", "could not be resolved"),
    "reset before the request is read": _cut("before_reading"),
    "reset after the request": _cut("after_reading"),
    "reset after handling": _cut("after_handling"),
    "reset in the headers": _cut("mid_headers"),
    "reset in the body": _cut("mid_body"),
    "closed after the request": _cut("after_reading", reset=False),
    "truncated headers": _cut("mid_headers", reset=False),
    "truncated body": _cut("mid_body", reset=False),
    "301": _status(301, Location="http://127.0.0.1:1/"),
    "302 to itself": _status(302, Location="/ilink/bot/getupdates"),
    "304": _status(304),
    "400": _status(400),
    "401": _status(401),
    "403": _status(403),
    "404": _status(404),
    "429": _status(429),
    "500": _status(500),
    "502": _status(502),
    "503": _status(503),
    "504": _status(504),
    "599": _status(599),
    "204": Trouble(lambda sim, _: sim.faults.next("getupdates", status=204, body=b"", forever=True), "http"),
    "HTML with 200": _body(b"<html>captive portal</html>"),
    "bad JSON": _body(b'{"ret": 0, "msgs": ['),
    "a list": _body(b"[1, 2]"),
    "an empty body": _body(b""),
    "not gzip": _body(b"not gzip at all", Content_Encoding="gzip"),
    "unknown ret": Trouble(lambda sim, _: sim.faults.ret("getupdates", -99, forever=True), "code"),
    "unknown errcode": Trouble(lambda sim, _: sim.faults.errcode("getupdates", 5, forever=True), "code"),
    "bytes for HTTP": _raw(b"\x00\xff\x00\r\n\r\n"),
    "an endless header line": _raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000),
    "ten thousand headers": _raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000 + b"\r\n"),
    "a negative length": _raw(HEAD + b"Content-Length: -5\r\n\r\n{}x"),
    "two lengths": _raw(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"),
    "a chunk of no size": _raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
    "HTTP 0.9": _raw(b"hello"),
    "status 999": _raw(b"HTTP/1.1 999 odd\r\nContent-Length: 2\r\n\r\n{}"),
    "100 for ever": _raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
}


class Bot:
    """A client on a FakeClock that counts its polls."""

    def __init__(self, sim: ILinkSim, store: Optional[MemoryStore] = None, **settings: Any) -> None:
        self.clock, self.handler = FakeClock(), Recorder(echo)
        defaults = {"poll_retry_delay": 2.0, "poll_backoff_delay": 30.0, **settings}
        self.client = WeixinClient(config_for(sim, **defaults), self.handler, store=store, _clock=self.clock)
        self.polls = 0
        poll = self.client.api.poll

        def counted(*arguments: Any) -> Any:
            self.polls += 1
            return poll(*arguments)

        self.client.api.poll = counted  # type: ignore[method-assign]

    def pass_time(self, seconds: float) -> None:
        """Let *seconds* go by, each wait of the poll loop at its time."""
        pass_time(self.clock, POLL, seconds)

    def pass_time_until(self, arrived: Callable[[], object]) -> None:
        """Let time go by until *arrived*, at most what a poll may wait after its third failure."""
        left = 36.0
        give_up = time.monotonic() + WAIT
        while not arrived() and time.monotonic() < give_up:
            if not threading.Event().wait(0.01) and left > 0:
                step = min(self.clock.next_deadline() or 0.0, left)
                left -= step
                self.clock.advance(step)

    def answers(self, user: SimUser, text: str) -> Recovery:
        """See what *user* has said answered by its echo, as soon as the wait that is going on is over."""

        def answered() -> None:
            assert user.expects(WAIT).text == text

        return recovery(self.clock, answered)


@pytest.mark.parametrize("name", TROUBLES)
def test_polls_in(name: str, ilink: ILinkSim, monkeypatch: pytest.MonkeyPatch, table: List[Row]) -> None:
    trouble, bot = TROUBLES[name], Bot(ilink)
    bot.client.start()
    until(lambda: ilink.polls_in_flight == 1)
    with monkeypatch.context() as patch:
        trouble.begin(ilink, patch)
        ilink.settings.hold = 0.0  # some faults strike behind the hold
        ilink.user("eve").says("this ends the poll that is held")
        bot.handler.wait_for(lambda: bot.handler.errors)
        bot.polls = 0  # one of them has failed by now
        bot.pass_time(FIRST)
        requests = bot.polls + 1
        health = bot.client.health()
    ilink.settings.hold = 20.0
    ilink.faults.clear()
    ilink.faults.restore()
    ilink.user("alice").says("are you there?")
    # The first hour may have been another thread's.
    back = recovery(bot.clock, lambda: bot.pass_time_until(lambda: ilink.user("alice").received))
    assert ilink.user("alice").expects(WAIT).text == "are you there?"
    until(lambda: bot.client.health().state is HealthState.RUNNING)
    assert bot.client.health().last_error is None
    bot.clock.advance(1.0)
    assert bot.client.shutdown()
    (error,) = bot.handler.errors  # one call for the whole outage
    table.append(("poll", name, _seen(error), health.state.name, str(requests), str(back)))
    assert health.state is HealthState.RETRYING
    assert health.last_error
    assert trouble.health in health.last_error
    assert health.retries == requests
    assert requests <= MOST
    assert back.took <= MARGIN
    assert back.wait <= 30.0 * 1.2
    _assert_kind(error, trouble.kind)
    assert [body for body in bot.handler.bodies if body != "are you there?"] == ["this ends the poll that is held"]


def _assert_kind(error: BaseException, kind: str) -> None:
    assert isinstance(error, ApiError if kind == "code" else TransportError)
    if isinstance(error, TransportError):
        assert error.kind in (("tcp", "http") if kind == "any" else (kind,)), error.kind
    assert isinstance(error, WxError)


def _seen(error: BaseException) -> str:
    return f"{type(error).__name__}({error.kind})" if isinstance(error, TransportError) else type(error).__name__


# Faults that end by the deadline of a request, which real sockets keep by real time: it is made short here.


@pytest.mark.parametrize("name", ["half-open", "drip"])
def test_a_poll_that_never_ends_is_ended(name: str, ilink: ILinkSim, table: List[Row]) -> None:
    bot = Bot(ilink, long_poll_timeout=0.2, poll_grace=0.1)
    if name == "half-open":
        ilink.faults.hold("getupdates")
    else:
        ilink.settings.hold = 0.05
        ilink.faults.drip("getupdates", interval=0.02, forever=True)
    bot.client.start()
    began = time.monotonic()
    until(lambda: bot.client.health().state is HealthState.RETRYING)
    shown = time.monotonic() - began
    ilink.settings.hold = 20
    ilink.faults.clear()
    ilink.user("alice").says("hi")
    bot.clock.wait_parked(name=POLL)
    back = bot.answers(ilink.user("alice"), "hi")
    bot.clock.advance(1.0)
    assert bot.client.shutdown()
    table.append(("poll", name, "nothing", "RETRYING", "1 each 45 s", str(back)))
    assert shown < 0.3 + MARGIN
    assert bot.handler.errors == []


def test_a_wrong_certificate_is_a_tls_error(server_tls: ssl.SSLContext, table: List[Row]) -> None:
    with ILinkSim(tls=server_tls) as sim:
        bot = Bot(sim)
        bot.client.start()
        bot.handler.wait_for(lambda: bot.handler.errors)
        bot.polls = 0
        bot.pass_time(FIRST)
        health = bot.client.health()
        assert bot.client.shutdown()
        assert sim.requests == []  # nothing is told to whom we do not know
    (error,) = bot.handler.errors
    table.append(("poll", "a wrong certificate", _seen(error), health.state.name, str(bot.polls + 1), "–"))
    assert health.state is HealthState.RETRYING
    assert bot.polls + 1 <= MOST
    _assert_kind(error, "tls")


def test_a_gateway_cut_is_no_outage(ilink: ILinkSim, table: List[Row]) -> None:
    bot = Bot(ilink)
    ilink.faults.next("getupdates", status=524, forever=True)
    bot.client.start()
    bot.pass_time(FIRST)
    polls, health = bot.polls, bot.client.health()
    ilink.faults.clear()
    ilink.user("alice").says("hi")
    back = bot.answers(ilink.user("alice"), "hi")
    assert bot.client.shutdown()
    table.append(("poll", "524", "nothing", health.state.name, str(polls), str(back)))
    assert bot.handler.errors == []
    assert polls <= 2 * FIRST + 2  # two a second; docs/protocol/ilink, 2


@pytest.mark.parametrize("name", ["huge", "gzip bomb"])
def test_an_answer_that_would_eat_the_memory_is_refused(name: str, ilink: ILinkSim, table: List[Row]) -> None:
    size = MAX_ANSWER_BYTES + 2**20
    body, headers = b"[" * size, {}
    if name == "gzip bomb":
        body, headers = gzip.compress(body, 1), {"Content-Encoding": "gzip"}
    ilink.faults.next("getupdates", body=body, headers=headers)
    bot = Bot(ilink)
    bot.client.start()
    bot.handler.wait_for(lambda: bot.handler.errors)
    bot.clock.wait_parked(name=POLL)
    ilink.user("alice").says("hi")
    back = bot.answers(ilink.user("alice"), "hi")
    bot.clock.advance(1.0)
    assert bot.client.shutdown()
    (error,) = bot.handler.errors
    table.append(("poll", name, _seen(error), "RETRYING", "1", str(back)))
    _assert_kind(error, "http")


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 400 * 86400.0, -400 * 86400.0])
def test_jumps_of_the_clock_change_nothing(jump: float, ilink: ILinkSim, table: List[Row]) -> None:
    bot = Bot(ilink)
    bot.client.start()
    alice = ilink.user("alice")
    first = alice.says("one")
    assert alice.expects(WAIT).text == "one"
    bot.clock.jump_wall(jump)
    alice.repeats(first)  # still known
    alice.says("two")
    assert alice.expects(WAIT).text == "two"
    assert bot.client.send_text("alice", "three").confirmed
    health = bot.client.health()
    assert bot.client.shutdown()
    table.append(("poll", f"clock jumps by {jump / 3600:+.0f} h", "nothing", health.state.name, "–", "0 s"))
    assert bot.handler.bodies == ["one", "two"]
    assert health.state is HealthState.RUNNING
    assert bot.handler.errors == []


def test_a_full_disk(ilink: ILinkSim, table: List[Row]) -> None:
    store = BrokenStore()
    bot = Bot(ilink, store)
    bot.client.start()
    until(lambda: ilink.polls_in_flight == 1)
    store.refuses_writes = True
    ilink.user("alice").says("hi")
    bot.handler.wait_for(lambda: bot.handler.errors)
    bot.polls = 0
    bot.pass_time(FIRST)
    health, requests = bot.client.health(), bot.polls + 1
    assert bot.handler.bodies == []
    store.refuses_writes = False
    back = bot.answers(ilink.user("alice"), "hi")
    bot.clock.advance(1.0)
    assert bot.client.shutdown()
    (error,) = bot.handler.errors
    table.append(("store", "a full disk", _seen(error), health.state.name, str(requests), str(back)))
    assert health.state is HealthState.RETRYING
    assert health.remedy
    assert requests <= MOST


def test_a_handler_that_raises(ilink: ILinkSim, table: List[Row]) -> None:
    def fail(ctx: Any) -> None:
        raise SystemExit("a handler's own idea")

    bot = Bot(ilink)
    bot.handler._answer = fail
    bot.client.start()
    for text in ("one", "two"):
        ilink.user("alice").says(text)
    bot.handler.wait_for(lambda: len(bot.handler.errors) == 2)
    health = bot.client.health()
    assert bot.client.shutdown()
    table.append(("handler", "raises", "its own error", health.state.name, "–", "0 s"))
    assert [ctx.body for ctx in bot.handler.error_contexts if ctx is not None] == ["one", "two"]
    assert health.state is HealthState.RUNNING


def test_a_handler_that_never_returns(ilink: ILinkSim, table: List[Row], caplog: pytest.LogCaptureFixture) -> None:
    gate, bot = Gate(), Bot(ilink)
    bot.handler._answer = lambda ctx: gate.pass_through() if ctx.from_user_id == "alice" else echo(ctx)
    bot.client.start()
    ilink.user("alice").says("hang")
    gate.wait_entered()
    ilink.user("bob").says("hi")
    assert ilink.user("bob").expects(WAIT).text == "hi"
    until(lambda: bot.client.health().workers_busy == 1)
    health = bot.client.health()
    assert stop_result(bot.clock, bot.client.shutdown) is False
    table.append(("handler", "never returns", "nothing", health.state.name, "–", "others: 0 s"))
    assert health.state is HealthState.RUNNING
    assert "still running after a shutdown" in caplog.text
    gate.open()
    assert bot.client.wait(WAIT)


# -- sends ----------------------------------------

SENDS: List[Tuple[str, Callable[[ILinkSim], Any], str, int, Optional[bool]]] = [
    ("refused", lambda sim: sim.faults.refuse_connections(), "tcp", 3, False),
    ("reset before the request is read", lambda sim: _cut_send(sim, "before_reading"), "tcp", 3, True),
    ("reset after the request", lambda sim: _cut_send(sim, "after_reading"), "tcp", 3, True),
    ("reset after handling", lambda sim: _cut_send(sim, "after_handling"), "tcp", 3, True),
    ("reset in the headers", lambda sim: _cut_send(sim, "mid_headers"), "tcp", 3, True),
    ("reset in the body", lambda sim: _cut_send(sim, "mid_body"), "tcp", 3, True),
    ("302", lambda sim: sim.faults.next("sendmessage", status=302, forever=True), "http", 3, False),
    ("400", lambda sim: sim.faults.next("sendmessage", status=400, forever=True), "http", 1, False),
    ("404", lambda sim: sim.faults.next("sendmessage", status=404, forever=True), "http", 1, False),
    ("429", lambda sim: sim.faults.next("sendmessage", status=429, forever=True), "http", 3, False),
    ("500", lambda sim: sim.faults.next("sendmessage", status=500, forever=True), "http", 3, True),
    ("502", lambda sim: sim.faults.next("sendmessage", status=502, forever=True), "http", 3, True),
    ("524", lambda sim: sim.faults.next("sendmessage", status=524, forever=True), "http", 3, True),
    ("HTML with 200", lambda sim: sim.faults.next("sendmessage", forever=True), "http", 3, True),
    ("bytes for HTTP", lambda sim: sim.faults.raw("sendmessage", b"\0\0\r\n\r\n", forever=True), "any", 3, True),
    ("ret -1", lambda sim: sim.faults.ret("sendmessage", -1, forever=True), "code", 3, None),
    ("ret -2", lambda sim: sim.faults.ret("sendmessage", -2, forever=True), "code", 1, None),
    ("ret -14", lambda sim: sim.faults.ret("sendmessage", -14, forever=True), "code", 1, None),
    ("errcode 40001", lambda sim: sim.faults.errcode("sendmessage", 40001, forever=True), "code", 1, None),
]


def _cut_send(sim: ILinkSim, at: str) -> None:
    sim.faults.cut("sendmessage", at=at, forever=True)


@pytest.mark.parametrize(("name", "begin", "kind", "tries", "may"), SENDS, ids=[row[0] for row in SENDS])
def test_sends_in(
    name: str,
    begin: Callable[[ILinkSim], Any],
    kind: str,
    tries: int,
    may: Optional[bool],
    ilink: ILinkSim,
    table: List[Row],
) -> None:
    client = WeixinClient(config_for(ilink))
    calls: List[int] = []
    send = client.api.send_message
    client.api.send_message = lambda msg, **how: calls.append(1) or send(msg, **how)  # type: ignore[method-assign, func-returns-value, assignment]
    begin(ilink)
    with pytest.raises((TransportError, ApiError)) as caught:
        client.send_text("alice", "once")
    made = len(calls)
    ilink.faults.clear()
    ilink.faults.restore()
    began = time.monotonic()
    assert client.send_text("alice", "afterwards").confirmed
    took = time.monotonic() - began
    assert client.shutdown()
    error: Any = caught.value
    texts = [message.text for message in ilink.user("alice").received]
    table.append(("send", name, _seen(error), FATES[may], str(made), in_ms(took)))
    _assert_kind(error, kind)
    assert error.client_id
    assert made == tries
    assert texts.count("once") <= 1
    assert texts[-1] == "afterwards"
    if isinstance(error, TransportError):
        assert error.may_have_been_sent is may
        assert texts.count("once") == 0 or error.may_have_been_sent
    if name == "ret -2":
        assert isinstance(error, SendRejected)
        assert error.remedy
