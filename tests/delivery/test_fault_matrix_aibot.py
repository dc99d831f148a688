"""A WeCom bot against every kind of trouble: what the user sees, how many connections are made, how fast it is over.

Time is a FakeClock's with the default delays. ``pytest -s`` prints the table that docs/delivery.rst shows.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, Iterator, List

import pytest

from tests.ilink.bots import Gate
from tests.runtime.conftest import certificate, server_tls
from tests.runtime.servers import Peer
from wxsdk.aibot.client import WSClient
from wxsdk.aibot.frames import WsFrame
from wxsdk.errors import AckTimeout, ApiError, ConnectionLost, Kicked, TransportError
from wxsdk.health import HealthState
from wxsdk.runtime import sockets
from wxsdk.sim import AiBotSim
from wxsdk.sim.aibot import wire
from wxsdk.testing import FakeClock

from .aibot_client import MARKDOWN, client_for
from .conftest import Row
from .line import Line, line_to
from .troubles import FATES, FIRST, MARGIN, MOST, Recovery, in_ms, lose_dns, pass_time, recovery, stop_result
from .waiting import WAIT, until

__all__ = ["certificate", "server_tls"]

READER = "wxsdk-aibot-read"


@dataclass
class Scene:
    """A client on a FakeClock that counts its connections, and its line to the simulator."""

    sim: AiBotSim
    line: Line
    patch: pytest.MonkeyPatch

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.heard: List[str] = []
        self.errors: List[BaseException] = []
        self.connects = 0

    def start(self, **settings: Any) -> WSClient:
        self.client = client = client_for(self.sim, self.clock, **{"ws_url": self.line.ws_url, **settings})
        client.on_message_text(lambda frame: self.heard.append(frame.body.text.content))
        client.on_error(self.errors.append)
        open_ = client._door.open

        def counted(*arguments: Any, **more: Any) -> Any:
            self.connects += 1
            return open_(*arguments, **more)

        client._door.open = counted  # type: ignore[method-assign]
        return client

    def pass_time(self, seconds: float) -> None:
        """Let *seconds* go by, each wait of the reader at its time."""
        pass_time(self.clock, READER, seconds)

    def connects_again(self) -> Recovery:
        return recovery(self.clock, lambda: until(lambda: self.client.is_connected))

    def hears(self, text: str) -> None:
        self.sim.user("alice").says(text)
        until(lambda: text in self.heard, f"{text!r}")


@pytest.fixture
def scene(aibot: AiBotSim, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with line_to(aibot.port) as line:
        made = Scene(aibot, line, monkeypatch)
        yield made
        assert made.client.disconnect()
        assert line.server.failures == []


# -- troubles that last: each new connection meets them ----------------------------------------


@dataclass
class Trouble:
    begin: Callable[[Scene], Any]
    says: str  # what health() says then


def _each(treat: Callable[[Peer], None], says: str) -> Trouble:
    return Trouble(lambda scene: scene.line.cut(treat), says)


def _reset(peer: Peer) -> None:
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.sock.close()


def _answering(data: bytes) -> Callable[[Peer], None]:
    def treat(peer: Peer) -> None:
        peer.read_head()
        peer.send(data)

    return treat


def _reset_after(data: bytes) -> Callable[[Peer], None]:
    def treat(peer: Peer) -> None:
        peer.read_head()
        peer.send(data)
        _reset(peer)

    return treat


def _no_dns(scene: Scene) -> None:
    lose_dns(scene.patch)
    scene.line.cut()


def _status(status: int, more: bytes = b"") -> Trouble:
    page = b"HTTP/1.1 %d odd\r\nContent-Length: 6\r\n%b\r\n<html>" % (status, more)
    return _each(_answering(page), "handshake" if status in (301, 307) else f"{status}")


def _refused(scene: Scene) -> None:
    # The line's own port cannot refuse for a while, so the system is made to.
    def fail(*_: Any, **__: Any) -> Any:
        raise ConnectionRefusedError(111, "Connection refused")

    scene.patch.setattr(sockets, "connect", fail)
    scene.line.cut()


UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
LASTING = {
    "refused": Trouble(_refused, "refused"),
    "no DNS": Trouble(_no_dns, "resolved"),
    "reset at once": _each(_reset, "reset"),
    "closed at once": _each(lambda peer: None, "handshake failed"),
    "reset after the handshake's request": _each(_reset_after(b""), "connection"),
    "reset in the handshake": _each(_reset_after(UPGRADE), "connection"),
    "truncated handshake": _each(_answering(UPGRADE), "handshake failed"),
    "a handshake for somebody else": _each(
        _answering(UPGRADE + b"Sec-WebSocket-Accept: AAAA\r\n\r\n"), "handshake failed"
    ),
    "bytes for a handshake": _each(_answering(b"\0\xff\0\r\n\r\n"), "handshake failed"),
    "status 200": _status(200),
    "301": _status(301, b"Location: /\r\n"),
    "307 to itself": _status(307, b"Location: /\r\n"),
    "400": _status(400),
    "401": _status(401),
    "403": _status(403),
    "404": _status(404),
    "429": _status(429),
    "500": _status(500),
    "502": _status(502),
    "503": _status(503),
    "504": _status(504),
    "524": _status(524),
    "599": _status(599),
    "too many bots (45009)": Trouble(lambda scene: _refuse(scene, 45009), "45009"),
    "secret refused (853000)": Trouble(lambda scene: _refuse(scene, 853000), "853000"),
}


def _refuse(scene: Scene, errcode: int) -> None:
    scene.sim.faults.refuse_auth(errcode, times=None)
    scene.line.cut()


def _heal(scene: Scene) -> None:
    scene.line.trouble = None
    scene.sim.faults.clear()
    scene.patch.undo()


@pytest.mark.parametrize("name", LASTING)
def test_connecting_in(name: str, scene: Scene, table: List[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    client = scene.start()
    client.connect(wait=WAIT)
    scene.hears("before")
    scene.patch = pytest.MonkeyPatch()
    LASTING[name].begin(scene)
    scene.connects = 0
    scene.pass_time(FIRST)
    scene.clock.wait_parked(name=READER)
    connects, health = scene.connects, client.health()
    _heal(scene)
    back = scene.connects_again()
    scene.hears("after")
    table.append(("connect", name, str(health.last_error), health.state.name, str(connects), str(back)))
    assert health.state is HealthState.RETRYING
    assert LASTING[name].says in str(health.last_error)
    assert 1 <= connects <= MOST
    assert health.retries == connects + 1  # the loss of the good connection made the first pause
    assert back.wait <= 30.0 * 1.2
    assert back.took <= MARGIN
    assert client.health().last_error is None
    assert scene.errors == []


# -- troubles of an open connection ----------------------------------------

HALF_A_FRAME = wire.frame(b'{"cmd":"aibot_msg_callback","headers":{"req_id":"r"},"body":{}}')[:20]

ENDS = {
    "close 1000": (lambda scene: scene.sim.faults.close(1000), "1000"),
    "close 1001": (lambda scene: scene.sim.faults.close(1001), "1001"),
    "close 1005": (lambda scene: scene.sim.faults.close(1005), "1005"),
    "close 1006": (lambda scene: scene.sim.faults.close(1006), "without a close frame"),
    "close 1011": (lambda scene: scene.sim.faults.close(1011), "1011"),
    "close 4000": (lambda scene: scene.sim.faults.close(4000), "4000"),
    "reset": (lambda scene: scene.sim.faults.reset(), "cut"),
    "reset in a frame": (
        lambda scene: (scene.sim.faults.hostile(HALF_A_FRAME), scene.sim.faults.reset()),
        "connection",
    ),
    "truncated frame": (lambda scene: (scene.sim.faults.hostile(HALF_A_FRAME), scene.sim.faults.close(1006)), ""),
    "subscription lost": (lambda scene: _lose_subscription(scene), "846609"),
}


def _lose_subscription(scene: Scene) -> None:
    scene.sim.faults.lose_subscription()
    scene.sim.faults.hostile(json.dumps({"headers": {"req_id": "x"}, "errcode": 846609, "errmsg": "not subscribed"}))


@pytest.mark.parametrize("name", ENDS)
def test_a_connection_that_ends_by(name: str, scene: Scene, table: List[Row]) -> None:
    client = scene.start(ws_url=scene.sim.ws_url)  # directly, since the line makes a close of a reset
    client.connect(wait=WAIT)
    scene.hears("before")
    scene.connects = 0
    begin, says = ENDS[name]
    begin(scene)  # type: ignore[no-untyped-call]
    scene.clock.wait_parked(name=READER)
    health = client.health()
    back = scene.connects_again()
    scene.hears("after")
    table.append(("connection", name, str(health.last_error), health.state.name, str(scene.connects), str(back)))
    assert health.state is HealthState.RETRYING
    assert says in str(health.last_error)
    assert scene.connects == 1
    assert back.wait <= 1.0 * 1.2
    assert back.took <= MARGIN
    assert scene.errors == []


@pytest.mark.parametrize("name", ["half-open", "no pongs", "a frame of 1 TiB announced"])
def test_a_silent_connection(name: str, scene: Scene, table: List[Row]) -> None:
    client = scene.start(ws_url=scene.sim.ws_url)
    client.connect(wait=WAIT)
    scene.hears("before")
    scene.connects = 0
    if name == "no pongs":
        scene.sim.faults.ack("ping", lost=True, times=2)
    elif name == "half-open":
        scene.sim.faults.half_open()
    else:
        scene.sim.faults.hostile(wire.Raw(b"\x81\x7f" + struct.pack("!Q", 1 << 40)))
    past = shown = 0.0
    for step in (30.0, 24.0, 6.0, 24.0):  # a ping, its answer is late, a second ping, its answer is late
        scene.clock.wait_parked(name="tick")
        scene.clock.advance(step)
        past += step
        if not shown and client.health().state is HealthState.RETRYING:
            shown = past
    scene.clock.wait_parked(name=READER)
    health = client.health()
    back = scene.connects_again()
    scene.hears("after")
    whole = back._replace(wait=past + back.wait)
    table.append(("connection", name, str(health.last_error), f"RETRYING after {shown:.0f} s", "1", str(whole)))
    assert whole.wait <= 3 * 30.0 + 1.2
    assert shown <= 65.0
    assert scene.connects == 1
    assert back.took <= MARGIN


def _drip(peer: Peer) -> None:
    peer.read_head()
    peer.drip(b"HTTP/1.1 101 Switching Protocols\r\n" + b"X: y\r\n" * 10_000)


@pytest.mark.parametrize(("name", "treat"), [("silent", Peer.hold), ("dripping", _drip)])
def test_a_handshake_that_never_ends(name: str, treat: Callable[[Peer], None], scene: Scene, table: List[Row]) -> None:
    client = scene.start(request_timeout=0.15)
    scene.line.trouble = treat
    began = time.monotonic()
    client.connect()
    scene.clock.wait_parked(name=READER)
    took = time.monotonic() - began
    health = client.health()
    scene.line.trouble = None
    back = scene.connects_again()._replace(took=took - 0.15)
    scene.hears("after")
    row = (f"a {name} handshake", str(health.last_error), health.state.name, "1 each 11 s", str(back))
    table.append(("connect", *row))
    assert health.state is HealthState.RETRYING
    assert 0.1 < took < 0.15 + MARGIN


def test_a_subscribe_without_an_answer(scene: Scene, table: List[Row]) -> None:
    client = scene.start()
    scene.sim.faults.ack("aibot_subscribe", lost=True)
    client.connect()
    until(lambda: scene.sim.subscribes)  # the time for its answer runs from before it is sent
    scene.clock.wait_parked(name="tick")
    scene.clock.advance(10.0)
    scene.clock.wait_parked(name=READER)
    health = client.health()
    wait = f"{scene.connects_again().wait:.1f} s"
    row = ("a subscribe without an answer", str(health.last_error), health.state.name, "1 each 11 s", wait)
    table.append(("connect", *row))
    assert health.state is HealthState.RETRYING


@pytest.mark.parametrize("name", ["TLS to a plain port", "a wrong certificate"])
def test_a_tls_failure(name: str, scene: Scene, server_tls: ssl.SSLContext, table: List[Row]) -> None:
    with AiBotSim(ssl_context=server_tls) as secure:
        url = secure.ws_url if "certificate" in name else f"wss://127.0.0.1:{scene.sim.port}/"
        client = scene.start(ws_url=url)
        client.connect()
        scene.pass_time(FIRST)
        scene.clock.wait_parked(name=READER)
        health = client.health()
        assert client.disconnect()
        assert secure.frames == []
    table.append(("connect", name, str(health.last_error), health.state.name, str(scene.connects), "–"))
    assert health.state is HealthState.RETRYING
    assert "TLS" in str(health.last_error)
    assert scene.connects <= MOST


# -- troubles that must not end a connection ----------------------------------------


def test_hostile_frames_are_skipped(scene: Scene, table: List[Row]) -> None:
    client = scene.start()
    client.connect(wait=WAIT)
    for number, (_, item) in enumerate(scene.sim.faults.samples().items()):
        scene.sim.faults.hostile(item)
        scene.hears(f"good {number}")
    table.append(("frame", "hostile, each kind", "nothing", client.health().state.name, str(scene.connects - 1), "0 s"))
    assert scene.connects == 1
    assert scene.errors == []


def test_a_huge_frame_is_skipped(scene: Scene, table: List[Row]) -> None:
    client = scene.start()
    client.connect(wait=WAIT)
    began = time.monotonic()
    scene.sim.faults.huge(64 * 2**20)
    scene.hears("after")
    took = time.monotonic() - began
    table.append(("frame", "64 MiB", "nothing", client.health().state.name, "0", in_ms(took)))
    assert scene.connects == 1


def test_a_dripping_frame_is_read_when_it_is_whole(scene: Scene, table: List[Row]) -> None:
    client = scene.start()
    client.connect(wait=WAIT)
    scene.sim.faults.drip("[" + " " * 40 + "]", every=0.001)
    scene.hears("after")
    table.append(("frame", "drip", "nothing", client.health().state.name, "0", "0 s"))
    assert scene.connects == 1


@pytest.mark.parametrize("jump", [400 * 86400.0, -400 * 86400.0])
def test_jumps_of_the_clock_change_nothing(jump: float, scene: Scene, table: List[Row]) -> None:
    client = scene.start()
    client.connect(wait=WAIT)
    scene.hears("before")
    scene.clock.jump_wall(jump)
    scene.hears("after")
    table.append(
        ("time", f"clock jumps by {jump / 86400:+.0f} days", "nothing", client.health().state.name, "0", "0 s")
    )
    assert client.send_message("alice", MARKDOWN).errcode == 0
    assert scene.connects == 1


def test_a_handler_that_raises(scene: Scene, table: List[Row]) -> None:
    client = scene.start()

    @client.on_message
    def fail(frame: WsFrame) -> None:
        raise SystemExit("a handler's own idea")

    client.connect(wait=WAIT)
    scene.hears("one")
    scene.hears("two")
    until(lambda: len(scene.errors) == 2)
    table.append(("handler", "raises", "its own error", client.health().state.name, "0", "0 s"))
    assert [type(error) for error in scene.errors] == [SystemExit, SystemExit]
    assert client.health().state is HealthState.RUNNING


def test_a_handler_that_never_returns(scene: Scene, table: List[Row], caplog: pytest.LogCaptureFixture) -> None:
    gate, client = Gate(), scene.start()

    @client.on_message_text
    def stay(frame: WsFrame) -> None:
        if frame.chat == "bob":
            gate.pass_through()

    client.connect(wait=WAIT)
    scene.sim.user("bob").says("hang")
    gate.wait_entered()
    scene.hears("others go on")
    until(lambda: client.health().workers_busy == 1)
    health = client.health()
    stopped = stop_result(scene.clock, lambda: client.disconnect(drain=0))
    table.append(("handler", "never returns", "nothing", health.state.name, "0", "others: 0 s"))
    assert stopped is False
    assert "still running after disconnect" in caplog.text
    gate.open()
    until(lambda: client.health().workers_busy == 0)


# -- calls ----------------------------------------


def _call(scene: Scene, begin: Callable[[], Any]) -> BaseException:
    """What a push raises when *begin* strikes while it waits for its ack."""
    raised: List[BaseException] = []

    def push() -> None:
        try:
            scene.client.send_message("alice", MARKDOWN)
        except (TransportError, ApiError, Kicked) as exc:
            raised.append(exc)

    caller = threading.Thread(target=push, name="caller")
    caller.start()
    begin()
    caller.join(WAIT)
    return raised[0]


@pytest.mark.parametrize("name", ["reset", "close", "kick", "disconnect", "lost ack", "refusal"])
def test_a_waiting_call_gets_one_typed_error(name: str, scene: Scene, table: List[Row]) -> None:
    client = scene.start()
    client.connect(wait=WAIT)
    scene.hears("hello")
    held = scene.sim.faults.hold_acks("aibot_send_msg") if name not in ("lost ack", "refusal") else None

    def strike() -> None:
        if held is not None:
            held.wait_held(1)
        if name == "lost ack":
            scene.clock.wait_parked(name="caller")
            scene.clock.advance(5.0)
        strikes = {
            "reset": scene.sim.faults.reset,
            "close": scene.sim.faults.close,
            "kick": scene.sim.faults.kick,
            "disconnect": client.disconnect,
        }
        strikes.get(name, lambda: None)()

    if name == "lost ack":
        scene.sim.faults.ack("aibot_send_msg", lost=True)
    if name == "refusal":
        scene.sim.faults.ack("aibot_send_msg", errcode=93006)
    error = _call(scene, strike)
    wanted = {"lost ack": AckTimeout, "refusal": ApiError}.get(name, ConnectionLost)
    may = getattr(error, "may_have_been_sent", None)
    table.append(("call", name, type(error).__name__, FATES[may], "1", "at once" if name != "lost ack" else "5.0 s"))
    assert type(error) is wanted
    if wanted is not ApiError:
        assert may is True


def test_a_call_in_an_outage_waits_for_the_connection_and_then_fails(scene: Scene, table: List[Row]) -> None:
    client = scene.start(max_reconnect_attempts=-1)
    scene.line.trouble = _reset
    client.connect()
    scene.clock.wait_parked(name=READER)

    def strike() -> None:
        scene.clock.wait_parked(name="caller")
        scene.clock.advance(10.0)

    error: Any = _call(scene, strike)
    table.append(("call", "in an outage", type(error).__name__, "not out", "0", "10.0 s"))
    assert type(error) is ConnectionLost
    assert not error.may_have_been_sent
