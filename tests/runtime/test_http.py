"""The door to HTTP: deadlines, interruption, honest errors, and nothing sent that nobody asked for."""

from __future__ import annotations

import base64
import contextlib
import gzip
import pathlib
import socket
import ssl
import struct
import threading
import time
from functools import partial
from typing import Any, Callable, Iterator, Optional

import pytest

from wxsdk.errors import TransportError
from wxsdk.runtime import http as http_module
from wxsdk.runtime import sockets
from wxsdk.runtime.http import HttpDoor, SizedBlocks

from .servers import Handler, Peer, RawServer, answering
from .test_proxy import LOGINS

PROMPT = 2.0  # seconds; what an interruption may take on a busy machine (it takes about a millisecond)
SHORT = 0.15  # seconds of a deadline that is meant to pass


@pytest.fixture
def door() -> Iterator[HttpDoor]:
    made = HttpDoor(proxy="")
    yield made
    made.close()
    assert made._line.interrupter._handles == {}, "a connection is still watched"


def _failure(call: Callable[[], Any]) -> TransportError:
    with pytest.raises(TransportError) as raised:
        call()
    return raised.value


def _get(door: HttpDoor, url: str, timeout: float = 10.0, **options: Any) -> http_module.HttpReply:
    return door.request("GET", url, timeout=timeout, **options)


# --- exchanges


def test_a_whole_exchange(door: HttpDoor) -> None:
    with RawServer(answering(b"hello", headers="X-Odd: Value\r\n")) as server:
        reply = door.request("POST", server.url + "/path?q=1", headers={"X-Mine": "m"}, body=b"body", timeout=10)
    assert (reply.status, reply.body, reply.headers["x-odd"]) == (200, b"hello", "Value")
    request = server.requests[0]
    assert request.line == "POST /path?q=1 HTTP/1.1"
    assert request.body == b"body"
    assert request.headers["x-mine"] == "m"
    assert request.headers["user-agent"].startswith("wxsdk/")
    assert set(request.headers) == {"host", "user-agent", "accept-encoding", "content-length", "x-mine"}
    assert "hello" not in repr(reply)


@pytest.mark.parametrize("status", ["204 No Content", "301 Moved", "404 Not Found", "502 Bad Gateway", "599 Odd"])
def test_every_status_is_an_answer(door: HttpDoor, status: str) -> None:
    with RawServer(answering(b"", status=status, headers="Location: /elsewhere\r\n")) as server:
        assert _get(door, server.url).status == int(status[:3])
    assert len(server.requests) == 1


def test_a_body_is_sent_block_by_block_with_its_length(door: HttpDoor) -> None:
    blocks = [b"a" * 300_000, bytearray(b"b" * 300_000), memoryview(b"c" * 5)]
    body = SizedBlocks(600_005, lambda: blocks)
    assert (len(body), [len(block) for block in body], [len(block) for block in body]) == (
        600_005,
        [300_000, 300_000, 5],
        [300_000, 300_000, 5],
    )
    with RawServer(answering()) as server:
        door.request("POST", server.url, body=body, timeout=10)
    assert server.requests[0].body == b"".join(bytes(block) for block in blocks)
    assert "transfer-encoding" not in server.requests[0].headers


def test_connections_are_kept_and_used_again(door: HttpDoor) -> None:
    with RawServer(answering(b"x" * 100_000)) as server:
        for _ in range(5):
            assert len(_get(door, server.url).body) == 100_000
        assert server.connections == 1


def test_a_door_that_was_closed_can_be_used_again(door: HttpDoor) -> None:
    with RawServer(answering()) as server:
        _get(door, server.url)
        door.close()
        assert _get(door, server.url).status == 200
        assert server.connections == 2


def test_fifty_threads_use_one_door(door: HttpDoor) -> None:
    replies: list[bytes] = []

    def echo(peer: Peer) -> None:
        while (request := peer.read_request()) is not None:
            peer.answer(request.body)

    def ask(number: int) -> None:
        for turn in range(4):
            reply = door.request("POST", server.url, body=f"{number}-{turn}".encode(), timeout=30)
            assert reply.body == f"{number}-{turn}".encode()
            replies.append(reply.body)

    with RawServer(echo) as server:
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(replies)) == 200


# --- what a server may do to an answer


def test_a_zipped_answer_is_unpacked_and_has_no_known_length(door: HttpDoor) -> None:
    body = b"text " * 10_000
    with RawServer(answering(gzip.compress(body), headers="Content-Encoding: gzip\r\n")) as server:
        with door.open("GET", server.url, timeout=10) as stream:
            assert stream.length is None
            assert b"".join(stream.blocks()) == body
        assert _get(door, server.url).body == body


def test_a_broken_zip_is_a_broken_answer(door: HttpDoor) -> None:
    with RawServer(answering(b"not zipped", headers="Content-Encoding: gzip\r\n")) as server:
        error = _failure(lambda: _get(door, server.url))
    assert (error.kind, error.may_have_been_sent) == ("http", True)


def test_the_length_of_a_stream_is_the_announced_one(door: HttpDoor) -> None:
    with RawServer(answering(b"12345")) as server, door.open("GET", server.url, timeout=10) as stream:
        assert stream.length == 5
        assert list(stream.blocks()) == [b"12345"]


def _raw(data: bytes) -> Handler:
    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.send(data)

    return handle


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"\x00\xff" * 100,
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
)
def test_a_truncated_or_senseless_answer_is_an_error_that_may_have_been_sent(door: HttpDoor, data: bytes) -> None:
    with RawServer(_raw(data)) as server:
        error = _failure(lambda: _get(door, server.url))
    assert error.may_have_been_sent
    assert error.kind in ("http", "tcp")
    assert len(server.requests) == 1


@pytest.mark.parametrize("announced", [True, False])
def test_an_answer_over_the_limit_is_refused(door: HttpDoor, announced: bool) -> None:
    def endless(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: 1000000000\r\n\r\n" if announced else b"\r\n"))
        while True:
            peer.send(b"x" * 65_536)

    with RawServer(endless) as server:
        error = _failure(lambda: _get(door, server.url, limit=500_000))
    assert "500000" in str(error)
    assert (error.kind, error.status, error.may_have_been_sent) == ("http", 200, True)


def test_a_stream_that_is_left_early_does_not_spoil_the_next_exchange(door: HttpDoor) -> None:
    with RawServer(answering(b"x" * 3_000_000)) as server:
        with door.open("GET", server.url, timeout=10) as stream:
            next(stream.blocks())
        assert len(_get(door, server.url).body) == 3_000_000


# --- an idle connection that the server closed


def test_a_connection_closed_while_idle_is_replaced_before_anything_is_sent(door: HttpDoor) -> None:
    closed = threading.Event()

    def once(peer: Peer) -> None:
        peer.read_request()
        peer.answer()
        peer.sock.close()
        closed.set()

    with RawServer(once) as server:
        for _ in range(3):
            closed.clear()
            assert _get(door, server.url).status == 200
            assert closed.wait(10)
        assert server.connections == 3


def test_a_connection_closed_under_the_request_is_reported_and_not_tried_again(door: HttpDoor) -> None:
    # It may have been processed, so whether to send it again is for the caller, who knows its client_id.
    def two(peer: Peer) -> None:
        peer.read_request()
        peer.answer()
        peer.read_request()

    with RawServer(two) as server:
        _get(door, server.url)
        error = _failure(lambda: _get(door, server.url))
        assert (error.kind, error.may_have_been_sent) == ("tcp", True)
        assert len(server.requests) == 2


@pytest.mark.parametrize("reset", [False, True])
def test_a_repeatable_request_is_sent_again_on_a_new_connection(door: HttpDoor, reset: bool) -> None:
    def one_answer(peer: Peer) -> None:
        peer.read_request()
        peer.answer(b"%d" % peer.number)
        peer.read_request()
        if reset:
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.sock.close()

    with RawServer(one_answer) as server:
        for number in (b"1", b"2", b"3"):
            headers = {"X": "first"}
            reply = door.request(
                "POST", server.url, headers=headers, body=b"x", timeout=20, repeat_with=lambda: {"X": "again"}
            )
            assert reply.body == number
        assert [request.body for request in server.requests] == [b"x"] * 5
        assert [request.headers["x"] for request in server.requests] == ["first", "first", "again", "first", "again"]


def test_a_repeatable_request_that_breaks_on_a_new_connection_is_reported(door: HttpDoor) -> None:
    with RawServer(lambda peer: peer.read_request()) as server:
        error = _failure(lambda: door.request("GET", server.url, timeout=20, repeat_with=dict))
        assert (error.kind, error.may_have_been_sent) == ("tcp", True)
        assert len(server.requests) == 1


def test_a_repeatable_request_whose_server_went_is_reported(door: HttpDoor) -> None:
    def answer_once(peer: Peer) -> None:
        peer.read_request()
        peer.answer()
        peer.read_request()
        socket.socket.shutdown(peer.server._listener, socket.SHUT_RDWR)  # nobody can connect any more

    with RawServer(answer_once) as server:
        _get(door, server.url)
        error = _failure(lambda: door.request("GET", server.url, timeout=20, repeat_with=dict))
        assert (error.kind, error.may_have_been_sent) == ("tcp", True)
        assert len(server.requests) == 2


def test_a_repeatable_request_that_a_stop_breaks_is_not_sent_again(door: HttpDoor) -> None:
    reached = threading.Event()

    def answer_then_hold(peer: Peer) -> None:
        peer.read_request()
        peer.answer()
        peer.read_request()
        reached.set()
        peer.hold()

    with RawServer(answer_then_hold) as server:
        _get(door, server.url)
        repeat = partial(door.request, "GET", server.url, timeout=60, repeat_with=dict)
        assert _interrupted(door, repeat, lambda: reached.wait(10)).may_have_been_sent
        assert len(server.requests) == 2


# --- deadlines


def _drip_headers(peer: Peer) -> None:
    peer.read_request()
    peer.drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 2000)


def _drip_body(peer: Peer) -> None:
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    peer.drip(b"x" * 5000)


def _drip_continues(peer: Peer) -> None:
    peer.read_request()
    peer.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 500)


def _silence(peer: Peer) -> None:
    peer.read_request()
    peer.hold()


@pytest.mark.parametrize("handler", [_drip_headers, _drip_body, _drip_continues, _silence])
def test_no_server_outlives_the_deadline(door: HttpDoor, handler: Handler) -> None:
    with RawServer(handler) as server:
        started = time.monotonic()
        error = _failure(lambda: _get(door, server.url, timeout=SHORT))
        assert time.monotonic() - started < PROMPT
    assert (error.kind, error.may_have_been_sent) == ("timeout", True)


def test_a_server_that_does_not_read_does_not_outlive_the_deadline_either(door: HttpDoor) -> None:
    go = threading.Event()
    body = SizedBlocks(1 << 30, lambda: (b"x" * 262_144 for _ in range(4096)))
    with RawServer(lambda _: go.wait(20) and None) as server:
        started = time.monotonic()
        error = _failure(lambda: door.request("POST", server.url, body=body, timeout=SHORT))
        assert time.monotonic() - started < PROMPT
        go.set()
    assert (error.kind, error.may_have_been_sent) == ("timeout", True)


def test_a_slow_tls_handshake_keeps_the_deadline(door: HttpDoor) -> None:
    with RawServer(lambda peer: peer.drip(b"\x16\x03\x03\x40\x00" + b"x" * 5000)) as server:
        started = time.monotonic()
        error = _failure(lambda: _get(door, server.url.replace("http:", "https:"), timeout=SHORT))
        assert time.monotonic() - started < PROMPT
    assert (error.kind, error.may_have_been_sent) == ("timeout", False)


def test_an_idle_limit_ends_a_stall_and_spares_a_slow_stream(door: HttpDoor) -> None:
    def slow_then_stall(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        peer.drip(b"x" * 30)
        peer.hold()

    with RawServer(slow_then_stall) as server:
        for timeout in (None, 20.0):
            with door.open("GET", server.url, timeout=timeout, idle=0.2) as stream:
                assert _failure(lambda: list(stream.blocks())).kind == "timeout"


def test_an_idle_limit_holds_on_a_used_connection_too(door: HttpDoor) -> None:
    def first_fast(peer: Peer) -> None:
        peer.read_request()
        peer.answer()
        _silence(peer)

    with RawServer(first_fast) as server:
        _get(door, server.url)
        started = time.monotonic()
        assert _failure(lambda: door.open("GET", server.url, timeout=None, idle=SHORT)).kind == "timeout"
        assert time.monotonic() - started < PROMPT
        assert server.connections == 1


def test_no_limit_at_all_still_connects(door: HttpDoor) -> None:
    with RawServer(answering()) as server, door.open("GET", server.url, timeout=None) as stream:
        assert stream.read_all() == b"ok"


def test_a_stream_may_be_read_on_another_thread_within_the_deadline(door: HttpDoor) -> None:
    with RawServer(_drip_body) as server, door.open("GET", server.url, timeout=SHORT) as stream:
        kinds: list[str] = []
        thread = threading.Thread(target=lambda: kinds.append(_failure(stream.read_all).kind))
        thread.start()
        thread.join(10)
    assert kinds == ["timeout"]


# --- interruption


def _interrupted(door: HttpDoor, call: Callable[[], Any], reached: Callable[[], Any]) -> TransportError:
    """The error of *call*, interrupted once *reached* returned; fails when it is not prompt."""
    errors: list[TransportError] = []
    thread = threading.Thread(target=lambda: errors.append(_failure(call)))
    thread.start()
    reached()
    started = time.monotonic()
    door.interrupt()
    thread.join(20)
    assert time.monotonic() - started < PROMPT
    return errors[0]


@pytest.mark.parametrize("phase", ["headers", "body"])
@pytest.mark.parametrize("secure", [False, True])
def test_a_wait_for_an_answer_is_interrupted(
    door: HttpDoor,
    phase: str,
    secure: bool,
    certificate: pathlib.Path,
    server_tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    reached = threading.Event()

    def handle(peer: Peer) -> None:
        peer.read_request()
        if phase == "body":
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
        reached.set()
        peer.hold()

    with RawServer(handle, server_tls if secure else None) as server:
        error = _interrupted(door, lambda: _get(door, server.url, 60), lambda: reached.wait(10))
    assert error.may_have_been_sent


def test_a_tls_handshake_is_interrupted(door: HttpDoor) -> None:
    reached = threading.Event()

    def handle(peer: Peer) -> None:
        peer.sock.recv(1)
        reached.set()
        peer.hold()

    with RawServer(handle) as server:
        url = server.url.replace("http:", "https:")
        error = _interrupted(door, lambda: _get(door, url, 60), lambda: reached.wait(10))
    assert not error.may_have_been_sent


def test_a_lookup_is_interrupted(door: HttpDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, go = threading.Event(), threading.Event()

    def slow(*_: Any, **__: Any) -> Any:
        asked.set()
        go.wait(20)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    error = _interrupted(door, lambda: _get(door, "http://slow.invalid/", 60), lambda: asked.wait(10))
    go.set()
    assert not error.may_have_been_sent
    assert "stop" in str(error)


def test_an_upload_that_nobody_reads_is_interrupted(door: HttpDoor) -> None:
    blocks, go = threading.Semaphore(0), threading.Event()

    def make() -> Iterator[bytes]:
        for _ in range(4096):
            blocks.release()
            yield b"x" * 262_144

    with RawServer(lambda _: go.wait(20) and None) as server:
        body = SizedBlocks(1 << 30, make)
        error = _interrupted(
            door, lambda: door.request("POST", server.url, body=body, timeout=60), lambda: blocks.acquire(timeout=10)
        )
        go.set()
    assert error.may_have_been_sent


def test_an_interrupted_door_refuses_until_it_resumes(door: HttpDoor) -> None:
    with RawServer(answering()) as server:
        _get(door, server.url)
        door.interrupt()
        for _ in range(2):
            error = _failure(lambda: _get(door, server.url))
            assert not error.may_have_been_sent
            assert "stop" in str(error)
        door.resume()
        assert _get(door, server.url).status == 200
        assert len(server.requests) == 2


# --- failures before anything is sent


def test_a_refused_connection_was_not_sent(door: HttpDoor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = _failure(lambda: _get(door, f"http://127.0.0.1:{port}/"))
    assert (error.kind, error.may_have_been_sent) == ("tcp", False)


def test_an_unknown_name_was_not_sent(door: HttpDoor) -> None:
    error = _failure(lambda: _get(door, "http://unknown.invalid/?token=canary"))
    assert (error.kind, error.may_have_been_sent) == ("dns", False)
    assert "canary" not in str(error)


@pytest.mark.parametrize(
    "url",
    ["", "http://", "http://[", "ftp://127.0.0.1/", "no scheme", "http://a b.invalid/", "http://127.0.0.1:99999/"],
)
def test_an_address_that_is_none_was_not_sent(door: HttpDoor, url: str) -> None:
    assert not _failure(lambda: _get(door, url)).may_have_been_sent


def test_no_exception_in_the_chain_shows_a_signed_address(door: HttpDoor) -> None:
    with RawServer(_raw(b"")) as server:
        error: Optional[BaseException] = _failure(lambda: _get(door, server.url + "/p?encrypted_query_param=canary"))
    seen = 0
    while error is not None:
        assert "canary" not in f"{error!s}{error!r}"
        error = error.__cause__ or error.__context__
        seen += 1
    assert seen > 1


# --- TLS


def test_a_certificate_that_nobody_vouches_for_is_refused(door: HttpDoor, server_tls: ssl.SSLContext) -> None:
    with RawServer(answering(), server_tls) as server:
        error = _failure(lambda: _get(door, server.url))
    assert (error.kind, error.may_have_been_sent) == ("tls", False)
    assert server.requests == []


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_an_authority_of_the_environment_is_trusted(
    door: HttpDoor,
    name: str,
    certificate: pathlib.Path,
    server_tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(name, str(certificate))
    with RawServer(answering(b"x" * 500_000), server_tls) as server:
        for _ in range(3):
            assert len(_get(door, server.url).body) == 500_000
        assert server.connections == 1


def test_a_certificate_for_another_name_is_refused(
    door: HttpDoor, certificate: pathlib.Path, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with RawServer(answering(), server_tls) as server:
        _lead_to_loopback(monkeypatch)
        error = _failure(lambda: _get(door, f"https://other.invalid:{server.port}/"))
    assert error.kind == "tls"


def test_a_bundle_that_is_not_there_is_named(door: HttpDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    error = _failure(lambda: _get(door, "https://127.0.0.1:1/"))
    assert "/nowhere/ca.pem" in str(error)
    assert not error.may_have_been_sent


def test_all_connections_share_one_tls_context(
    door: HttpDoor,
    certificate: pathlib.Path,
    server_tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    made: list[int] = []
    make = sockets.make_ssl_context
    monkeypatch.setattr(sockets, "make_ssl_context", lambda *args: (made.append(1), make(*args))[1])
    together = threading.Barrier(6)

    def handle(peer: Peer) -> None:
        peer.read_request()
        together.wait(10)
        peer.answer()

    with RawServer(handle, server_tls) as server:
        threads = [threading.Thread(target=_get, args=(door, server.url)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.connections == 6
    assert made == [1]


def test_ciphers_of_one_host_are_used_for_it_alone(
    certificate: pathlib.Path, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setattr(server_tls, "maximum_version", ssl.TLSVersion.TLSv1_2)
    ciphers: list[Any] = []

    def handle(peer: Peer) -> None:
        peer.read_request()
        assert isinstance(peer.sock, ssl.SSLSocket)
        ciphers.append((peer.sock.cipher() or ("",))[0])
        peer.answer()

    with RawServer(handle, server_tls) as server:
        wanted = "ECDHE-ECDSA-AES128-SHA256"
        door = HttpDoor(proxy="", ciphers={f"127.0.0.1:{server.port}": wanted})
        for host in ("127.0.0.1", "localhost"):
            _get(door, f"https://{host}:{server.port}/")
        door.close()
    assert ciphers[0] == wanted
    assert ciphers[1] != wanted


@contextlib.contextmanager
def _door_with(context: ssl.SSLContext, **options: Any) -> Iterator[HttpDoor]:
    door = HttpDoor(**{"proxy": "", "ssl_context": context, **options})
    yield door
    door.close()
    assert door._line.interrupter._handles == {}, "a connection is still watched"


def test_a_context_of_the_user_says_who_is_trusted(
    certificate: pathlib.Path, server_tls: ssl.SSLContext, proxy: RawServer
) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    with RawServer(answering(b"x" * 500_000), server_tls) as server:
        ciphers = {f"127.0.0.1:{server.port}": "a cipher that is none"}
        with _door_with(trusting, ciphers=ciphers) as door:
            assert [len(_get(door, server.url).body) for _ in range(3)] == [500_000] * 3
        assert server.connections == 1
        with _door_with(trusting, proxy=proxy.url) as door:
            assert len(_get(door, server.url).body) == 500_000
        with _door_with(ssl.create_default_context()) as door:
            assert _failure(lambda: _get(door, server.url)).kind == "tls"


@pytest.mark.parametrize("checks", [True, False])
def test_a_context_of_the_user_says_whether_names_are_checked(
    checks: bool, certificate: pathlib.Path, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = checks
    with RawServer(answering(b"there"), server_tls) as server, _door_with(context) as door:
        _lead_to_loopback(monkeypatch)
        url = f"https://other.invalid:{server.port}/"
        assert (_failure(lambda: _get(door, url)).kind if checks else _get(door, url).body) == (
            "tls" if checks else b"there"
        )


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_context_of_the_user_is_not_made_stricter(server_tls: ssl.SSLContext) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with RawServer(answering(b"there"), server_tls) as server, _door_with(context) as door:
        assert _get(door, server.url).body == b"there"
    assert context.verify_mode == ssl.CERT_NONE


class _SocketOfTheUser(ssl.SSLSocket):
    pass


@pytest.mark.parametrize("made", [ssl.SSLSocket, _SocketOfTheUser])
@pytest.mark.parametrize("handler", [_drip_headers, _drip_body, _silence])
def test_a_context_of_the_user_keeps_deadlines_and_is_interrupted(
    made: type, handler: Handler, certificate: pathlib.Path, server_tls: ssl.SSLContext
) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    context.sslsocket_class = made
    reached = threading.Event()

    def handle(peer: Peer) -> None:
        reached.set()
        handler(peer)

    with RawServer(handle, server_tls) as server, _door_with(context) as door:
        started = time.monotonic()
        assert _failure(lambda: _get(door, server.url, timeout=SHORT)).kind == "timeout"
        assert time.monotonic() - started < PROMPT
        reached.clear()
        assert _interrupted(door, lambda: _get(door, server.url, 60), lambda: reached.wait(10)).kind != "timeout"


# --- nothing that nobody asked for


def test_credentials_of_a_netrc_file_are_not_sent(
    door: HttpDoor, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password canary\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with RawServer(answering()) as server:
        _get(door, server.url)
        _get(door, server.url, headers={"Authorization": "Bearer mine"})
        _get(door, server.url.replace("//", "//user:word@"))
    assert [request.headers.get("authorization") for request in server.requests] == [None, "Bearer mine", None]


def test_cookies_are_neither_kept_nor_sent(door: HttpDoor) -> None:
    with RawServer(answering(headers="Set-Cookie: a=b; Path=/\r\nSet-Cookie: c=d\r\n")) as server:
        for _ in range(3):
            _get(door, server.url)
    assert ["cookie" in request.headers for request in server.requests] == [False] * 3


# --- redirects and the guard


def _lead_to_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every name resolve to loopback, as an attacker's DNS server does."""
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *args, **kwargs: real("127.0.0.1", *args, **kwargs))


def _redirecting(make_target: Callable[[int], str], *, final: str = "/final") -> Handler:
    """Redirects to what *make_target* says of the server's port, and answers the path *final*."""

    def handle(peer: Peer) -> None:
        while (request := peer.read_request()) is not None:
            if request.path == final:
                peer.answer(b"the file")
            else:
                peer.answer(b"moved", status="302 Found", headers=f"Location: {make_target(peer.server.port)}\r\n")

    return handle


def _fetch(door: HttpDoor, url: str, *trusted: str, timeout: float = 10.0) -> bytes:
    with door.fetch(url, timeout=timeout, idle=None, trusted_hosts=trusted) as stream:
        return stream.read_all()


def test_the_given_address_is_fetched_wherever_it_points(door: HttpDoor) -> None:
    with RawServer(answering(b"the file")) as server:
        assert _fetch(door, server.url) == b"the file"


@pytest.mark.parametrize(
    "target",
    ["/final", "http://127.0.0.1:{port}/final", "http://localhost:{port}/final", "//rebound.invalid:{port}/final"],
)
def test_a_redirect_to_a_private_address_is_refused_before_anything_is_asked(
    door: HttpDoor, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    with RawServer(_redirecting(lambda port: target.format(port=port))) as server:
        _lead_to_loopback(monkeypatch)
        error = _failure(lambda: _fetch(door, server.url))
        assert "private" in str(error)
        assert len(server.requests) == 1


def test_a_redirect_to_a_trusted_host_is_followed(door: HttpDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(_redirecting(lambda port: f"http://LOCALHOST:{port}/final")) as server:
        assert _fetch(door, server.url, "Localhost") == b"the file"
    with RawServer(_redirecting(lambda port: f"http://media.invalid:{port}/final")) as server:
        _lead_to_loopback(monkeypatch)
        assert _fetch(door, server.url, "media.invalid") == b"the file"
        assert "private" in str(_failure(lambda: _fetch(door, server.url, "other.invalid")))


@pytest.mark.parametrize(
    "target", ["ftp://127.0.0.1/x", "file:///etc/passwd", "http://[", "http://", "javascript:1", "http://[::1/x"]
)
def test_a_redirect_to_something_else_is_a_transport_error(door: HttpDoor, target: str) -> None:
    with RawServer(_redirecting(lambda _: target)) as server:
        assert _failure(lambda: _fetch(door, server.url, "127.0.0.1")).kind == "http"


def test_redirects_have_an_end(door: HttpDoor) -> None:
    with RawServer(_redirecting(lambda _: "/again")) as server:
        assert "more than" in str(_failure(lambda: _fetch(door, server.url, "127.0.0.1")))
        assert len(server.requests) == http_module.MAX_REDIRECTS + 1


def test_redirects_share_one_deadline(door: HttpDoor) -> None:
    def slow(peer: Peer) -> None:
        while peer.read_request() is not None:
            peer.server.stopping.wait(0.1)
            peer.answer(status="302 Found", headers="Location: /again\r\n")

    with RawServer(slow) as server:
        error = _failure(lambda: _fetch(door, server.url, "127.0.0.1", timeout=0.25))
        assert error.kind == "timeout"
        assert len(server.requests) <= 4


def test_a_redirect_without_a_target_is_the_answer(door: HttpDoor) -> None:
    with RawServer(answering(b"?", status="302 Found")) as server:
        stream = door.fetch(server.url, timeout=10, idle=None, trusted_hosts=())
        assert stream.status == 302
        stream.close()


def test_the_body_of_a_redirect_is_not_read(door: HttpDoor) -> None:
    ended = threading.Event()

    def endless(peer: Peer) -> None:
        request = peer.read_request()
        if request is not None and request.path == "/final":
            peer.answer(b"the file")
            return
        peer.send(b"HTTP/1.1 302 Found\r\nLocation: /final\r\n\r\n")
        try:
            while not peer.server.stopping.is_set():
                peer.send(b"x" * 65_536)
        except OSError:
            ended.set()

    with RawServer(endless) as server:
        assert _fetch(door, server.url, "127.0.0.1") == b"the file"
        assert ended.wait(10)


# --- proxies


def _proxy(peer: Peer) -> None:
    """A proxy for both manners: it forwards plain requests by answering them, and opens tunnels."""
    request = peer.read_request()
    while request is not None:
        if not request.line.startswith("CONNECT"):
            peer.answer(b"by proxy")
            request = peer.read_request()
            continue
        port = int(request.path.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as behind:
            peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(behind, peer.sock))
            back.start()
            _pump(peer.sock, behind)
            back.join(10)
        return


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy() -> Iterator[RawServer]:
    with RawServer(_proxy) as server:
        yield server


def _proxied(proxy: str, url: str, **options: Any) -> http_module.HttpReply:
    door = HttpDoor(proxy=proxy or None)
    try:
        return _get(door, url, **options)
    finally:
        door.close()
        assert door._line.interrupter._handles == {}


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_proxy_by_argument_is_used(proxy: RawServer, scheme: str) -> None:
    assert _proxied(f"{scheme}me:word@127.0.0.1:{proxy.port}", "http://somewhere.invalid/x").body == b"by proxy"
    assert proxy.requests[0].line == "GET http://somewhere.invalid/x HTTP/1.1"
    assert proxy.requests[0].headers["proxy-authorization"].startswith("Basic ")


@pytest.mark.parametrize(("written", "meant"), LOGINS)
def test_the_login_of_a_proxy_is_percent_decoded_and_utf_8(
    proxy: RawServer,
    certificate: pathlib.Path,
    server_tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    written: str,
    meant: str,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with RawServer(answering(b"behind"), server_tls) as server:
        for url in ("http://somewhere.invalid/x", server.url):
            _proxied(f"http://{written}@127.0.0.1:{proxy.port}", url)
    basic = "Basic " + base64.b64encode(meant.encode()).decode()
    assert [request.headers["proxy-authorization"] for request in proxy.requests] == [basic] * 2


def test_a_tunnel_is_opened_for_tls(
    proxy: RawServer, certificate: pathlib.Path, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with RawServer(answering(b"behind"), server_tls) as server:
        assert _proxied(proxy.url, server.url).body == b"behind"
    assert proxy.requests[0].line.startswith(f"CONNECT 127.0.0.1:{server.port} ")


def test_proxies_of_the_environment_are_used_but_for_the_hosts_it_excepts(
    proxy: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("http_proxy", proxy.url)
    assert _proxied("", "http://somewhere.invalid/").body == b"by proxy"
    with RawServer(answering(b"direct")) as server:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,.example")
        assert _proxied("", server.url).body == b"direct"
        monkeypatch.delenv("NO_PROXY")
        assert _proxied("", server.url).body == b"by proxy"
        door = HttpDoor(proxy="")  # "": none, whatever the environment says
        assert _get(door, server.url).body == b"direct"
        door.close()


def test_a_proxy_that_refuses_the_tunnel_was_not_sent_anything() -> None:
    with RawServer(answering(status="403 Forbidden")) as refusing:
        error = _failure(lambda: _proxied(refusing.url, "https://somewhere.invalid/?token=canary"))
    assert not error.may_have_been_sent
    assert "canary" not in str(error)
    error = _failure(lambda: _proxied("http://127.0.0.1:1", "http://somewhere.invalid/"))
    assert not error.may_have_been_sent


@pytest.mark.parametrize("kind", ["socks5://127.0.0.1:1080", "ftp://127.0.0.1:1", "http://", "http://127.0.0.1:x"])
def test_a_proxy_of_another_kind_is_refused_and_not_passed_by(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(answering()) as server:
        error = _failure(lambda: _proxied(kind, server.url))
        monkeypatch.setenv("ALL_PROXY", kind)
        error_of_environment = _failure(lambda: _proxied("", server.url))
        assert server.connections == 0
    assert "proxy" in str(error)
    assert "proxy" in str(error_of_environment)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("10.0.0.1", False), ("intranet", False), ("printer.local", False), ("cdn.example", True), ("8.8.8.8", True)],
)
def test_behind_a_proxy_the_guard_judges_by_the_name(proxy: RawServer, host: str, allowed: bool) -> None:
    door = HttpDoor(proxy=proxy.url)
    call = lambda: door.open("GET", f"http://{host}/x", timeout=10, guard=frozenset()).close()  # noqa: E731
    if allowed:
        call()
        assert len(proxy.requests) == 1
    else:
        assert "private" in str(_failure(call))
        assert proxy.requests == []
    door.close()


def test_an_error_that_the_caller_handles_stays_as_it_is_and_explains_nothing(door: HttpDoor) -> None:
    try:
        raise socket.gaierror(1, "token=the-users-own")
    except socket.gaierror as own:
        error = _failure(lambda: _get(door, "http://127.0.0.1:1/"))
        kept = own.__traceback__ is not None, own.args
    assert error.kind == "tcp"
    assert kept == (True, (1, "token=the-users-own"))


def test_an_error_that_no_library_declares_is_logged_and_translated(
    door: HttpDoor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> Any:
        raise AttributeError("'NoneType' object has no attribute 'settimeout'")

    monkeypatch.setattr(sockets, "connect", fail)
    error = _failure(lambda: _get(door, "http://127.0.0.1:1/"))
    assert (error.kind, error.may_have_been_sent) == ("unknown", False)
    assert "AttributeError" in str(error)
    assert any(record.exc_info for record in caplog.records)
