"""Sockets that keep a deadline and can be interrupted."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from typing import Any, Iterator, Tuple

import pytest

from wxsdk.runtime import sockets
from wxsdk.runtime.sockets import DeadlinePassed, Interrupted, Interrupter, Readiness

from .servers import Peer, RawServer

PROMPT = 2.0  # seconds; an interruption takes a millisecond, this is what a busy machine may add


def _soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


@contextlib.contextmanager
def _full_listener() -> Iterator[int]:
    """The port of a listener whose queue is full: connecting to it hangs."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    port = listener.getsockname()[1]
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
        fillers.append(filler)
    probe = socket.socket()
    probe.settimeout(0.1)
    try:
        if probe.connect_ex(("127.0.0.1", port)) not in (errno.EAGAIN, errno.EWOULDBLOCK, errno.ETIMEDOUT):
            pytest.skip("this system lets connections past a full queue")
        yield port
    finally:
        for each in (probe, listener, *fillers):
            each.close()


def _interrupted(interrupter: Interrupter, call: Any, ready: Any) -> tuple[BaseException, float]:
    """What *call* raised, and the seconds from the interruption (once *ready* returns) to its end."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as exc:  # noqa: BLE001  looked at by the test
            raised.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    ready()
    started = time.monotonic()
    interrupter.interrupt()
    thread.join(20)
    assert raised, "the call went through"
    return raised[0], time.monotonic() - started


def test_a_connection_is_made_and_watched() -> None:
    with RawServer(Peer.hold) as server:
        interrupter = Interrupter()
        sock, number = sockets.connect("localhost", server.port, interrupter, _soon())
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        error, seconds = _interrupted(interrupter, lambda: sock.recv(1) or 1 // 0, lambda: None)
        assert isinstance(error, ZeroDivisionError)  # the read came back empty: the connection has ended
        assert seconds < PROMPT
        interrupter.remove(number)
        interrupter.remove(number)
        sock.close()


def test_after_an_interruption_nothing_new_begins_until_it_resumes() -> None:
    with RawServer(Peer.hold) as server:
        interrupter = Interrupter()
        interrupter.interrupt()
        for host in ("127.0.0.1", "name.invalid"):
            with pytest.raises(Interrupted):
                sockets.connect(host, server.port, interrupter, _soon())
        with pytest.raises(Interrupted):
            interrupter.check()
        interrupter.resume()
        sock, number = sockets.connect("127.0.0.1", server.port, interrupter, _soon())
        interrupter.remove(number)
        sock.close()


def test_a_connect_that_hangs_is_interrupted() -> None:
    with _full_listener() as port:
        interrupter = Interrupter()
        error, seconds = _interrupted(
            interrupter,
            lambda: sockets.connect("127.0.0.1", port, interrupter, _soon()),
            lambda: _until(lambda: bool(interrupter._handles)),
        )
        assert isinstance(error, Interrupted)
        assert seconds < PROMPT
        assert interrupter._handles == {}


def test_a_connect_that_hangs_keeps_its_deadline() -> None:
    with _full_listener() as port:
        interrupter = Interrupter()
        started = time.monotonic()
        with pytest.raises(socket.timeout):
            sockets.connect("127.0.0.1", port, interrupter, _soon(0.1))
        assert time.monotonic() - started < PROMPT
        assert interrupter._handles == {}


def test_a_first_address_that_swallows_everything_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with _full_listener() as bad, RawServer(Peer.hold) as server:
        both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in (bad, server.port)]
        monkeypatch.setattr(sockets, "_lookup", lambda *_: both)
        interrupter = Interrupter()
        sock, number = sockets.connect("two.invalid", 80, interrupter, _soon(0.4))
        assert sock.getpeername()[1] == server.port
        interrupter.remove(number)
        sock.close()


def test_an_address_family_that_the_system_lacks_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(Peer.hold) as server:
        good = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
        monkeypatch.setattr(sockets, "_lookup", lambda *_: [(9999, socket.SOCK_STREAM, 6, "", ("x",)), good])
        interrupter = Interrupter()
        sock, number = sockets.connect("odd.invalid", 80, interrupter, _soon())
        interrupter.remove(number)
        sock.close()
        monkeypatch.setattr(sockets, "_lookup", lambda *_: [])
        with pytest.raises(OSError, match="no address"):
            sockets.connect("none.invalid", 80, interrupter, _soon())


def test_only_the_addresses_that_were_chosen_are_tried() -> None:
    def none(found: sockets.Resolved) -> sockets.Resolved:
        assert {each[4] for each in found} == {("127.0.0.1", port)}
        raise PermissionError("not this one")

    interrupter = Interrupter()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        sock, number = sockets.connect("127.0.0.1", port, interrupter, _soon(), lambda found: found)
        interrupter.remove(number)
        sock.close()
        listener.accept()[0].close()
        with pytest.raises(PermissionError):
            sockets.connect("127.0.0.1", port, interrupter, _soon(), none)
        with pytest.raises(OSError, match="no address"):
            sockets.connect("127.0.0.1", port, interrupter, _soon(), lambda found: [])
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert interrupter._handles == {}


def test_a_name_that_does_not_resolve_keeps_the_deadline_and_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    go, asked = threading.Event(), threading.Semaphore(0)

    def slow(*_: Any, **__: Any) -> Any:
        asked.release()
        go.wait(20)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    interrupter = Interrupter()
    started = time.monotonic()
    with pytest.raises(socket.gaierror, match="in time"):
        sockets.connect("slow.invalid", 80, interrupter, _soon(0.05))
    assert time.monotonic() - started < PROMPT
    asked.acquire(timeout=10)
    error, seconds = _interrupted(
        interrupter,
        lambda: sockets.connect("slow.invalid", 80, interrupter, _soon()),
        lambda: asked.acquire(timeout=10),
    )
    go.set()
    assert isinstance(error, Interrupted)
    assert seconds < PROMPT


@pytest.mark.parametrize("host", ["unknown.invalid", "a" * 64 + ".invalid", "", "bad host"])
def test_a_name_that_is_none_is_a_dns_error(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str, *_: Any, **__: Any) -> Any:
        name.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(socket.gaierror):
        sockets.resolve(host, 80, Interrupter(), _soon())


def test_a_read_that_is_dripped_at_does_not_outlive_its_deadline() -> None:
    with RawServer(lambda peer: peer.drip(b"x" * 5000)) as server:
        interrupter = Interrupter()
        sock, number = sockets.connect("127.0.0.1", server.port, interrupter, _soon())
        sockets.set_deadline(sock, _soon(0.1))
        started = time.monotonic()
        with pytest.raises(socket.timeout):
            list(iter(lambda: sock.recv(1), b""))
        assert time.monotonic() - started < PROMPT
        with pytest.raises(DeadlinePassed):
            sock.send(b"x")
        interrupter.remove(number)
        sock.close()


def test_an_idle_limit_holds_with_and_without_a_deadline() -> None:
    with RawServer(Peer.hold) as server:
        interrupter = Interrupter()
        sock, number = sockets.connect("127.0.0.1", server.port, interrupter, _soon())
        for deadline in (None, _soon(20)):
            sockets.set_deadline(sock, deadline, 0.05)
            started = time.monotonic()
            with pytest.raises(socket.timeout):
                sock.recv(1)
            assert time.monotonic() - started < PROMPT
        interrupter.remove(number)
        sock.close()


def _until(condition: Any) -> None:
    deadline = _soon(10)
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)


Watched = Tuple[Readiness, socket.socket, socket.socket]


@pytest.fixture
def watched() -> Iterator[Watched]:
    """A readiness of our end of a connection, that end, and the other one."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    readiness = Readiness(ours)
    with ours, theirs:
        yield readiness, ours, theirs
        readiness.close()


def test_bytes_end_the_wait_and_are_no_room(watched: Watched) -> None:
    readiness, ours, theirs = watched
    theirs.send(b"x")
    assert not readiness.wait(False)
    assert ours.recv(10) == b"x"


def test_room_ends_the_wait_only_where_it_is_asked_for(watched: Watched) -> None:
    readiness, _, theirs = watched
    assert readiness.wait(True)
    theirs.send(b"x")
    assert not readiness.wait(False)


def test_the_bell_ends_one_wait_however_often_it_was_rung(watched: Watched) -> None:
    readiness, ours, _ = watched
    for _ in range(3):
        readiness.wake()
    assert not readiness.wait(False)
    later = threading.Thread(target=readiness.wake)
    later.start()  # the earlier rings are used up, so nothing but this one ends the wait
    assert not readiness.wait(False)
    later.join()
    with pytest.raises(BlockingIOError):
        ours.recv(10)


def test_a_lost_connection_is_room_for_a_write_that_finds_out(watched: Watched) -> None:
    readiness, ours, theirs = watched
    while True:
        try:
            ours.send(bytes(65536))
        except BlockingIOError:
            break
    theirs.close()
    assert readiness.wait(True)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        ours.send(b"x")


def test_a_bell_that_is_put_away_may_still_be_rung_and_leaves_the_socket_open(watched: Watched) -> None:
    readiness, ours, theirs = watched
    readiness.close()
    readiness.wake()
    ours.send(b"x")
    assert theirs.recv(10) == b"x"
