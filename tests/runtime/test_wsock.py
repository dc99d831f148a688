"""The door to WebSockets: whole deadlines, sends that never block, and the truth about what was written."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import pathlib
import socket
import ssl
import struct
import threading
import time
import traceback
from typing import Any, Callable, Iterator, Optional

import pytest

from tests.ctrl_c import everywhere
from wxsdk.errors import ConnectionLost, TransportError
from wxsdk.runtime import wsock
from wxsdk.runtime.wsock import TEXT, WsConnection, WsDoor

from .servers import Handler, Peer, RawServer, answering
from .test_http import _proxy
from .test_proxy import LOGINS
from .test_wsframes import frame

PROMPT = 2.0  # seconds; what an interruption may take on a busy machine (it takes about a millisecond)
SHORT = 0.15  # seconds of a deadline that is meant to pass
LIMIT = 10_000_000
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


def accept(peer: Peer) -> str:
    """Do the server's part of the handshake; the request's head."""
    head = peer.read_head().decode("latin-1")
    key = next(row.split(": ", 1)[1] for row in head.split("\r\n") if row.lower().startswith("sec-websocket-key:"))
    token = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
    peer.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + f"Sec-WebSocket-Accept: {token}\r\n\r\n".encode()
    )
    return head


def read_frame(peer: Peer) -> tuple[int, bytes]:
    """The next frame of the client, unmasked; (8, b"") when it went without one."""

    def exactly(count: int) -> bytes:
        data = b""
        while len(data) < count:
            block = peer.sock.recv(count - len(data))
            if not block:
                raise ConnectionError("the client went")
            data += block
        return data

    first, second = exactly(2)
    assert second & 0x80, "a client must mask"
    length = second & 0x7F
    if length == 126:
        length = struct.unpack("!H", exactly(2))[0]
    elif length == 127:
        length = struct.unpack("!Q", exactly(8))[0]
    key = exactly(4)
    mask = (key * (length // 4 + 1))[:length]
    masked = exactly(length)
    return first & 0x0F, (int.from_bytes(masked, "big") ^ int.from_bytes(mask, "big")).to_bytes(length, "big")


def echo(peer: Peer) -> None:
    accept(peer)
    while True:
        opcode, payload = read_frame(peer)
        if opcode == TEXT:
            peer.send(frame(TEXT, payload))


def sending(*wire: bytes) -> Handler:
    """A handler that accepts, sends *wire* in one block, and then keeps quiet."""

    def handle(peer: Peer) -> None:
        accept(peer)
        peer.send(b"".join(wire))
        peer.hold()

    return handle


@contextlib.contextmanager
def connected(server: RawServer, door: Optional[WsDoor] = None, **options: Any) -> Iterator[WsConnection]:
    door = door or WsDoor(proxy="")
    ws = door.open(server.ws_url, timeout=10, **{"max_message_bytes": LIMIT, **options})
    try:
        yield ws
    finally:
        ws.close()
        ws.dispose()
        assert door._interrupter._handles == {}


def _texts(ws: WsConnection, count: int) -> list[bytes]:
    found: list[bytes] = []
    while len(found) < count:
        found += [payload for opcode, payload in ws.receive() if opcode == TEXT]
    return found


def _end(ws: WsConnection) -> ConnectionLost:
    try:
        while True:
            ws.receive()
    except ConnectionLost as exc:
        return exc


def _refusal(url: str, timeout: float = 10.0, door: Optional[WsDoor] = None) -> TransportError:
    door = door or WsDoor(proxy="")
    with pytest.raises(TransportError) as raised:
        door.open(url, timeout=timeout, max_message_bytes=LIMIT)
    assert door._interrupter._handles == {}
    assert not raised.value.may_have_been_sent
    return raised.value


# --- messages


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 1_000_000])
def test_messages_of_every_size_go_and_come(size: int) -> None:
    with RawServer(echo) as server, connected(server) as ws:
        ticket = ws.send("x" * size)
        assert _texts(ws, 1) == [b"x" * size]
        assert ws.was_written(ticket)


def test_texts_are_utf8() -> None:
    with RawServer(echo) as server, connected(server) as ws:
        ws.send(json.dumps("微信 \U0001f600", ensure_ascii=False))
        assert _texts(ws, 1)[0].decode() == '"微信 \U0001f600"'
        with pytest.raises(UnicodeEncodeError):
            ws.send("\ud800")
        ws.send("still there")
        assert _texts(ws, 1) == [b"still there"]


def test_the_handshake_asks_for_the_path_without_an_origin() -> None:
    heads: list[str] = []
    with RawServer(lambda peer: heads.append(accept(peer)) or peer.hold()) as server:  # type: ignore[func-returns-value]
        ws = WsDoor(proxy="").open(server.ws_url + "/path?q=1", timeout=10, max_message_bytes=LIMIT)
        ws.close()
        ws.dispose()
    assert heads[0].startswith("GET /path?q=1 HTTP/1.1\r\n")
    assert "origin:" not in heads[0].lower()


def test_many_messages_in_one_block_all_arrive() -> None:
    wire = [frame(TEXT, str(number).encode()) for number in range(3000)]
    with RawServer(sending(*wire)) as server, connected(server) as ws:
        assert _texts(ws, 3000) == [str(number).encode() for number in range(3000)]


def test_twenty_threads_send_whole_frames_in_their_order() -> None:
    with RawServer(echo) as server, connected(server) as ws:

        def send(sender: int) -> None:
            for number in range(50):
                ws.send(json.dumps([sender, number, "x" * (number * 40)]))

        threads = [threading.Thread(target=send, args=(sender,)) for sender in range(20)]
        for thread in threads:
            thread.start()
        rows = [json.loads(text) for text in _texts(ws, 1000)]
        for thread in threads:
            thread.join()
    for sender in range(20):
        assert [number for who, number, _ in rows if who == sender] == list(range(50))


def test_a_ping_is_answered_and_not_shown() -> None:
    answers: list[tuple[int, bytes]] = []

    def handle(peer: Peer) -> None:
        accept(peer)
        peer.send(frame(9, b"are you there") + frame(10, b"unasked") + frame(TEXT, b"text"))
        answers.append(read_frame(peer))
        peer.hold()

    with RawServer(handle) as server, connected(server) as ws:
        assert ws.receive() == [(TEXT, b"text")]
        _until(lambda: bool(answers))
    assert answers == [(10, b"are you there")]


def test_odd_frames_are_shown_as_skipped_and_end_nothing() -> None:
    wire = [frame(2, b"binary"), frame(TEXT, b"x" * 2000), frame(TEXT, b"m", mask=True), frame(TEXT, b"good")]
    with RawServer(sending(*wire)) as server, connected(server, max_message_bytes=1000) as ws:
        found = []
        while len(found) < 4:
            found += ws.receive()
    assert [payload for _, payload in found] == [b"binary", b"longer than the limit", b"masked", b"good"]
    assert [opcode for opcode, _ in found] == [wsock.SKIPPED] * 3 + [TEXT]


# --- a peer that does not read


def test_a_send_never_blocks_and_the_reader_writes_the_rest_later() -> None:
    go = threading.Event()
    received: list[int] = []

    def handle(peer: Peer) -> None:
        accept(peer)
        go.wait(20)
        for _ in range(60):
            received.append(len(read_frame(peer)[1]))
        peer.send(frame(TEXT, b"done"))
        peer.hold()

    with RawServer(handle) as server, connected(server) as ws:
        started = time.monotonic()
        tickets = [ws.send("x" * 1_000_000) for _ in range(60)]
        assert time.monotonic() - started < 5
        assert ws.was_written(tickets[0])
        assert not ws.was_written(tickets[-1])
        go.set()
        assert _texts(ws, 1) == [b"done"]
        assert ws.was_written(tickets[-1])
    assert received == [1_000_000] * 60


def test_what_was_not_written_when_the_connection_goes_is_known() -> None:
    go = threading.Event()

    def handle(peer: Peer) -> None:
        accept(peer)
        go.wait(20)

    with RawServer(handle) as server, connected(server) as ws:
        tickets = [ws.send("x" * 1_000_000) for _ in range(60)]
        go.set()
        _end(ws)
        assert ws.was_written(tickets[0])
        assert not ws.was_written(tickets[-1])


def test_pings_of_a_peer_that_does_not_read_do_not_pile_up() -> None:
    ping = frame(9, b"x" * 125) * 500

    def handle(peer: Peer) -> None:
        accept(peer)
        for _ in range(100):  # 6 MB of answers, were they kept
            peer.send(ping)
        peer.send(frame(TEXT, b"end"))
        peer.server.stopping.wait(20)

    with RawServer(handle) as server, connected(server) as ws:
        ws._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        for _ in range(10):
            ws.send("x" * 1_000_000)
        before = ws._queued_bytes
        assert _texts(ws, 1) == [b"end"]
        assert ws._queued_bytes - before < 1_000_000


# --- ends


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (frame(8, struct.pack("!H", 1000) + b"bye"), 1000),
        (frame(8, struct.pack("!H", 1011)), 1011),
        (frame(8, struct.pack("!H", 4001)), 4001),
        (frame(8), 1005),
        (frame(8, b"x"), 1005),
    ],
)
def test_messages_before_a_close_frame_come_first_and_then_its_code(wire: bytes, status: int) -> None:
    answers: list[tuple[int, bytes]] = []

    def handle(peer: Peer) -> None:
        accept(peer)
        peer.send(frame(TEXT, b"one") + frame(TEXT, b"two") + wire + frame(TEXT, b"behind"))
        answers.append(read_frame(peer))
        peer.hold()

    with RawServer(handle) as server, connected(server) as ws:
        assert ws.receive() == [(TEXT, b"one"), (TEXT, b"two")]
        for _ in range(2):
            assert _end(ws).status == status
        _until(lambda: bool(answers))
    assert answers[0][0] == 8


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("reset", [False, True])
def test_an_end_without_a_close_frame_is_1006(
    secure: bool, reset: bool, certificate: pathlib.Path, server_tls: ssl.SSLContext
) -> None:
    def handle(peer: Peer) -> None:
        accept(peer)
        read_frame(peer)
        if reset:
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.sock.close()

    context = ssl.create_default_context(cafile=str(certificate))
    door = WsDoor(ssl_context=context, proxy="")
    with RawServer(handle, server_tls if secure else None) as server, connected(server, door) as ws:
        ws.send("now")
        assert _end(ws).status == 1006


def test_after_the_end_nothing_can_be_sent() -> None:
    with RawServer(echo) as server, connected(server) as ws:
        ws.close()
        _end(ws)
        ws.dispose()
        ws.dispose()
        with pytest.raises(ConnectionLost):
            ws.send("late")
        ws.close()
        ws.abort()


def test_a_ctrl_c_wherever_it_strikes_a_send_leaves_a_working_connection_or_an_ended_one() -> None:
    door = WsDoor(proxy="")
    with RawServer(echo) as server, contextlib.ExitStack() as stack:
        open_ones = [stack.enter_context(connected(server, door))]

        def works_or_ended() -> None:
            try:
                open_ones[-1].send("two")
                read: list[bytes] = []
                while b"two" not in read:
                    read += _texts(open_ones[-1], 1)
                assert read in ([b"two"], [b"one", b"two"])
            except ConnectionLost:
                open_ones[-1].dispose()
                open_ones.append(stack.enter_context(connected(server, door)))

        places = everywhere(lambda: open_ones[-1].send("one"), works_or_ended, wsock)
        assert places > 15
        assert len(open_ones) < places  # a connection that can go on does


@pytest.mark.parametrize("how", ["close", "abort", "interrupt"])
@pytest.mark.parametrize("secure", [False, True])
def test_a_waiting_reader_is_woken_at_once(
    how: str, secure: bool, certificate: pathlib.Path, server_tls: ssl.SSLContext
) -> None:
    door = WsDoor(ssl_context=ssl.create_default_context(cafile=str(certificate)), proxy="")
    frames: list[tuple[int, bytes]] = []

    def handle(peer: Peer) -> None:
        accept(peer)
        peer.send(frame(TEXT, b"ready"))
        frames.append(read_frame(peer))

    with RawServer(handle, server_tls if secure else None) as server, connected(server, door) as ws:
        ready, ended = threading.Event(), []

        def read() -> None:
            _texts(ws, 1)
            ready.set()
            ended.append(_end(ws))

        reader = threading.Thread(target=read)
        reader.start()
        assert ready.wait(10)
        started = time.monotonic()
        {"close": ws.close, "abort": ws.abort, "interrupt": door.interrupt}[how]()
        reader.join(20)
        assert time.monotonic() - started < PROMPT
        assert ended[0].status == 1006
    assert [code for code, _ in frames] == ([8] if how == "close" else [])


def test_senders_and_a_close_at_the_same_time_neither_hang_nor_fail_otherwise() -> None:
    for _ in range(10):
        with RawServer(echo) as server, connected(server) as ws:
            failures: list[BaseException] = []

            def send() -> None:
                try:
                    for _ in range(2000):
                        ws.send("x" * 100)
                except ConnectionLost:
                    pass
                except BaseException as exc:  # noqa: BLE001
                    failures.append(exc)  # noqa: B023

            threads = [threading.Thread(target=send) for _ in range(4)]
            for thread in threads:
                thread.start()
            ws.receive()
            ws.close()
            _end(ws)
            ws.dispose()
            for thread in threads:
                thread.join(20)
            assert not failures


# --- TLS


def test_tls_carries_everything_both_ways(certificate: pathlib.Path, server_tls: ssl.SSLContext) -> None:
    door = WsDoor(ssl_context=ssl.create_default_context(cafile=str(certificate)), proxy="")

    def count(peer: Peer) -> None:
        accept(peer)
        for _ in range(40):
            peer.send(frame(TEXT, b"y" * 50_000))
        total = 0
        while total < 20 * 200_000:
            total += len(read_frame(peer)[1])
        peer.send(frame(TEXT, str(total).encode()))
        peer.hold()

    with RawServer(count, server_tls) as server, connected(server, door) as ws:
        senders = [threading.Thread(target=ws.send, args=("x" * 200_000,)) for _ in range(20)]
        for sender in senders:
            sender.start()
        texts = _texts(ws, 41)
        for sender in senders:
            sender.join()
    assert texts == [b"y" * 50_000] * 40 + [b"4000000"]


def test_a_write_that_tls_broke_off_counts_as_written(certificate: pathlib.Path, server_tls: ssl.SSLContext) -> None:
    # OpenSSL may have sent some records of it and does not tell, so "not written" would be a guess.
    door = WsDoor(ssl_context=ssl.create_default_context(cafile=str(certificate)), proxy="")
    go = threading.Event()

    def handle(peer: Peer) -> None:
        accept(peer)
        go.wait(20)

    with RawServer(handle, server_tls) as server, connected(server, door) as ws:
        first = ws.send("x" * 30_000_000)
        later = ws.send("later")
        assert ws.was_written(first)
        assert not ws.was_written(later)
        go.set()
        _end(ws)
        assert ws.was_written(first)
        assert not ws.was_written(later)


def test_a_certificate_that_nobody_vouches_for_is_refused(server_tls: ssl.SSLContext) -> None:
    with RawServer(echo, server_tls) as server:
        assert _refusal(server.ws_url).kind == "tls"


def test_an_authority_of_the_environment_is_trusted(
    certificate: pathlib.Path, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with RawServer(echo, server_tls) as server, connected(server) as ws:
        ws.send("x")
        assert _texts(ws, 1) == [b"x"]


def test_a_bundle_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with RawServer(lambda peer: peer.hold()) as server:
        error = _refusal(server.ws_url.replace("ws:", "wss:"))
    assert "/nowhere/ca.pem" in str(error)
    assert not error.may_have_been_sent


# --- a handshake that does not come to an end


def _silent(peer: Peer) -> None:
    peer.read_head()
    peer.hold()


def _dripping(peer: Peer) -> None:
    peer.read_head()
    peer.drip(b"HTTP/1.1 101 Switching Protocols\r\n" + b"X: y\r\n" * 2000)


@pytest.mark.parametrize("handler", [_silent, _dripping])
@pytest.mark.parametrize("context", ["none", "ours", "users"])
def test_a_handshake_keeps_its_deadline(
    handler: Handler,
    context: str,
    certificate: pathlib.Path,
    server_tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    users = ssl.create_default_context(cafile=str(certificate)) if context == "users" else None
    with RawServer(handler, None if context == "none" else server_tls) as server:
        started = time.monotonic()
        assert _refusal(server.ws_url, SHORT, WsDoor(ssl_context=users, proxy="")).kind == "timeout"
        assert time.monotonic() - started < PROMPT


def test_a_tls_handshake_keeps_its_deadline() -> None:
    with RawServer(lambda peer: peer.drip(b"\x16\x03\x03\x40\x00" + b"x" * 5000)) as server:
        started = time.monotonic()
        assert _refusal(server.ws_url.replace("ws:", "wss:"), SHORT).kind == "timeout"
        assert time.monotonic() - started < PROMPT


@pytest.mark.parametrize("secure", [False, True])
def test_a_handshake_with_a_silent_server_is_interrupted(secure: bool) -> None:
    reached = threading.Event()

    def handle(peer: Peer) -> None:
        peer.sock.recv(1)
        reached.set()
        peer.hold()

    with RawServer(handle) as server:
        door = WsDoor(proxy="")
        url = server.ws_url.replace("ws:", "wss:") if secure else server.ws_url
        errors: list[TransportError] = []
        thread = threading.Thread(target=lambda: errors.append(_refusal(url, 60, door)))
        thread.start()
        assert reached.wait(10)
        started = time.monotonic()
        door.interrupt()
        thread.join(20)
        assert time.monotonic() - started < PROMPT
        assert "stop" in str(errors[0])
        assert "stop" in str(_refusal(url, 60, door))
        door.resume()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc Odd\r\n\r\n",
        b"\x00\xff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nsorry",
        b"HTTP/1.1 503 Busy\r\nContent-Length: 99999999999999\r\n\r\nx",
        b"HTTP/1.1 503 Busy\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\nx",
        b"HTTP/1.1 503 Busy\r\nContent-Length: -7\r\n\r\nx",
        b"HTTP/1.1 503 Busy\r\nContent-Length: many\r\n\r\nx",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nSet-Cookie: \x00=;;=\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 101 S\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
)
def test_a_handshake_answer_that_is_none_is_a_transport_error(answer: bytes) -> None:
    def handle(peer: Peer) -> None:
        peer.read_head()
        peer.send(answer)

    with RawServer(handle) as server:
        error = _refusal(server.ws_url)
    assert error.kind in ("http", "tcp")
    if answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 200", b"HTTP/1.1 302")):
        assert error.status == int(answer[9:12])


def test_an_endless_header_is_not_kept_for_ever() -> None:
    def handle(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\n")
        while True:
            peer.send(b"X: y\r\n" * 1000)

    with RawServer(handle) as server:
        assert _refusal(server.ws_url, 0.5).kind in ("timeout", "http")


@pytest.mark.parametrize("url", ["", "ws://", "ws://[", "http://127.0.0.1:1/", "ws://127.0.0.1:99999/", "ws://a b/"])
def test_an_address_that_is_none_is_a_transport_error(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    _refusal(url)


def test_a_refused_connection_and_an_unknown_name_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert _refusal(f"ws://127.0.0.1:{port}/").kind == "tcp"
    assert _refusal("ws://unknown.invalid/").kind == "dns"


# --- proxies


def test_a_tunnel_leads_through_a_proxy(
    certificate: pathlib.Path, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    for tls in (None, server_tls):
        with RawServer(echo, tls) as server, RawServer(_proxy) as proxy:
            with connected(server, WsDoor(proxy=f"http://me:word@127.0.0.1:{proxy.port}")) as ws:
                ws.send("through")
                assert _texts(ws, 1) == [b"through"]
            assert proxy.requests[0].path == f"127.0.0.1:{server.port}"
            assert proxy.requests[0].headers["proxy-authorization"] == "Basic " + base64.b64encode(b"me:word").decode()


@pytest.mark.parametrize(("written", "meant"), LOGINS)
def test_the_login_of_a_proxy_is_percent_decoded_and_utf_8(written: str, meant: str) -> None:
    with RawServer(echo) as server, RawServer(_proxy) as proxy:
        with connected(server, WsDoor(proxy=f"http://{written}@127.0.0.1:{proxy.port}")):
            pass
        login = proxy.requests[0].headers["proxy-authorization"]
    assert login == "Basic " + base64.b64encode(meant.encode()).decode()


def test_a_proxy_of_the_environment_is_used_unless_excepted(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(echo) as server, RawServer(_proxy) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with connected(server, WsDoor()):
            assert len(proxy.requests) == 1
        with connected(server, WsDoor(proxy="")):
            assert len(proxy.requests) == 1
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with connected(server, WsDoor()):
            assert len(proxy.requests) == 1


@pytest.mark.parametrize("answer", [b"HTTP/1.1 403 Forbidden\r\n\r\n", b"garbage\r\n\r\n", b""])
def test_a_proxy_that_refuses_is_a_transport_error(answer: bytes) -> None:
    def handle(peer: Peer) -> None:
        peer.read_head()
        peer.send(answer)

    with RawServer(handle) as proxy:
        _refusal("wss://somewhere.invalid/", door=WsDoor(proxy=proxy.url))


@pytest.mark.parametrize(("status", "remedy"), [(407, "the user and the password"), (403, "may, and can, connect")])
def test_a_proxy_that_refuses_the_tunnel_is_named_with_its_status_and_a_remedy(status: int, remedy: str) -> None:
    with RawServer(answering(status=f"{status} canary")) as proxy:
        url = f"http://canary:canary@127.0.0.1:{proxy.port}"
        error = _refusal("wss://somewhere.invalid/", door=WsDoor(proxy=url))
    assert (error.kind, error.status) == ("http", status)
    assert f"The proxy refused the tunnel with HTTP status {status}." in str(error)
    assert remedy in error.remedy
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    assert "canary" not in str(error) + repr(error) + trace


def test_a_silent_proxy_keeps_the_deadline() -> None:
    with RawServer(_dripping) as proxy:
        started = time.monotonic()
        assert _refusal("wss://somewhere.invalid/", SHORT, WsDoor(proxy=proxy.url)).kind == "timeout"
        assert time.monotonic() - started < PROMPT


def test_a_proxy_of_another_kind_is_refused_and_not_passed_by() -> None:
    with RawServer(echo) as server:
        error = _refusal(server.ws_url, door=WsDoor(proxy="socks5://127.0.0.1:1080"))
        assert server.connections == 0
    assert "proxy" in str(error)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)
