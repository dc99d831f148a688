"""Sockets that can be interrupted and that keep a deadline: what both doors (http, wsock) stand on.

Two facts decide the shape. A blocked read is woken by ``shutdown`` on the connection and by nothing else, TLS or not,
so a duplicate of each socket's descriptor is kept from the moment the socket exists. And a socket's timeout is not a
deadline: a peer that sends a byte now and then outlives it, so each read and write gets what is left of the deadline.
"""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import os
import select
import socket
import ssl
import sys
import threading
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

DNS_THREAD_PREFIX = "wxsdk-dns-"

_dns_numbers = itertools.count(1)

Address = Tuple[Any, ...]
Resolved = List[Tuple[int, int, int, str, Address]]
Choose = Callable[[Resolved], Resolved]


class Interrupted(OSError):
    """The wait was ended by ``Interrupter.interrupt``."""


class DeadlinePassed(socket.timeout):
    """The whole time for an exchange is over, though bytes may still be coming."""


class Interrupter:
    """Ends every wait on its sockets at once, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handles: Dict[int, socket.socket] = {}
        self._numbers = itertools.count(1)
        self._resolving: List[threading.Condition] = []
        self.interrupted = False

    def add(self, sock: socket.socket) -> int:
        """Watch the connection of *sock*; raises Interrupted when it is too late for that."""
        with self._lock:
            self._check()
            number = next(self._numbers)
            self._handles[number] = sock.dup()
            return number

    def remove(self, number: int) -> None:
        """Stop watching. Needed for the connection to close: the duplicate keeps it open."""
        with self._lock:
            handle = self._handles.pop(number, None)
        if handle is not None:
            handle.close()

    def interrupt(self) -> None:
        """Wake every read and write on the watched sockets, and refuse new ones until ``resume``."""
        with self._lock:
            self.interrupted = True
            for handle in self._handles.values():
                with contextlib.suppress(OSError):  # not connected, or gone already
                    handle.shutdown(socket.SHUT_RDWR)
            resolving = list(self._resolving)
        for condition in resolving:
            with condition:
                condition.notify_all()

    def resume(self) -> None:
        """Allow new connections again."""
        with self._lock:
            self.interrupted = False

    def after_fork(self) -> None:
        """In a forked child: the connections are the parent's. This process's copies of the duplicates are closed."""
        self._lock = threading.Lock()
        handles, self._handles = self._handles, {}
        self._resolving = []
        self.interrupted = False
        for handle in handles.values():
            handle.close()

    def check(self) -> None:
        """Raise Interrupted when interrupted."""
        with self._lock:
            self._check()

    def _check(self) -> None:
        if self.interrupted:
            raise Interrupted("stopped")

    @contextlib.contextmanager
    def resolving(self, condition: threading.Condition) -> Any:
        with self._lock:
            self._check()
            self._resolving.append(condition)
        try:
            yield
        finally:
            with self._lock:
                self._resolving.remove(condition)


class _Bounded:
    """Mixed into socket classes: each read and write is given what is left of ``deadline``, at most ``idle``.

    Options by name are those of gevent's sockets, whose methods call one another.
    """

    deadline: Optional[float] = None  # on time.monotonic
    idle: Optional[float] = None  # seconds
    on_closed: Optional[Callable[[], None]] = None  # called once, when the descriptor is really closed

    def _arm(self) -> None:
        if self.deadline is None:
            if self.idle is not None:
                self.settimeout(self.idle)  # type: ignore[attr-defined]
            return
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise DeadlinePassed("timed out")
        self.settimeout(left if self.idle is None else min(left, self.idle))  # type: ignore[attr-defined]

    def recv(self, *args: Any, **options: Any) -> Any:
        self._arm()
        return super().recv(*args, **options)  # type: ignore[misc]

    def recv_into(self, *args: Any, **options: Any) -> Any:
        self._arm()
        return super().recv_into(*args, **options)  # type: ignore[misc]

    def send(self, *args: Any, **options: Any) -> Any:
        self._arm()
        return super().send(*args, **options)  # type: ignore[misc]

    def sendall(self, *args: Any, **options: Any) -> Any:
        self._arm()
        return super().sendall(*args, **options)  # type: ignore[misc]

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        # A file made of the socket keeps the descriptor open past this call, and calls again when it is done.
        if self.on_closed is not None and self.fileno() == -1:  # type: ignore[attr-defined]
            on_closed, self.on_closed = self.on_closed, None
            on_closed()


class BoundedSocket(_Bounded, socket.socket):
    """A TCP socket with a deadline."""


class BoundedSSLSocket(_Bounded, ssl.SSLSocket):
    """A TLS socket with a deadline; set as ``sslsocket_class`` of the contexts made here."""


class Readiness:
    """What the one reading thread of a non-blocking *sock* waits on: the socket, and a bell that other threads ring.

    It makes the system's call itself, which ``selectors`` would make more than twice as dear.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._bell, self._rope = socket.socketpair()
        self._bell.setblocking(False)
        self._rope.setblocking(False)
        if sys.platform != "win32":
            self._wants_room = False
            self._poller = select.poll()
            self._poller.register(sock, select.POLLIN)
            self._poller.register(self._bell, select.POLLIN)
            self._bell_number = self._bell.fileno()

    if sys.platform == "win32":

        def wait(self, wants_room: bool) -> bool:
            watched = [self._sock]
            readable, writable, broken = select.select([self._sock, self._bell], watched if wants_room else [], watched)
            if self._bell in readable:
                self._silence()
            return wants_room and bool(writable or broken)

    else:

        def wait(self, wants_room: bool) -> bool:
            """Wait for bytes, an end, an error, a ``wake``, or, where asked, for room to write; True for room.

            An error counts as room: the next write finds it.
            """
            if wants_room is not self._wants_room:
                self._wants_room = wants_room
                self._poller.modify(self._sock, select.POLLIN | select.POLLOUT if wants_room else select.POLLIN)
            has_room = False
            for number, events in self._poller.poll():
                if number == self._bell_number:
                    self._silence()
                elif events != select.POLLIN:
                    has_room = wants_room
            return has_room

    def _silence(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._bell.recv(4096)

    def wake(self) -> None:
        """End a ``wait``, the one under way or the next one. Any thread."""
        with contextlib.suppress(OSError):  # full: it is awake already; closed: nobody waits
            self._rope.send(b"\0")

    def close(self) -> None:
        """Free the descriptors (not the socket's)."""
        self._bell.close()
        self._rope.close()


def make_ssl_context(ca: str, ciphers: Optional[str] = None) -> ssl.SSLContext:
    """A verifying client context that trusts the authorities in *ca*, a file or a folder of certificates.

    Costs 13 ms and 0.7 MB: share it. *ciphers* is an OpenSSL cipher string. Raises OSError for an unusable *ca*.
    """
    is_folder = os.path.isdir(ca)
    context = ssl.create_default_context(cafile=None if is_folder else ca, capath=ca if is_folder else None)
    if ciphers is not None:
        context.set_ciphers(ciphers)
    context.sslsocket_class = BoundedSSLSocket
    return context


def hold_deadlines(sock: Any) -> None:
    """Make a TLS socket that a context of the user's made one that holds a deadline and tells when it is closed."""
    if isinstance(sock, ssl.SSLSocket) and not isinstance(sock, _Bounded):
        made = type(sock)
        sock.__class__ = BoundedSSLSocket if made is ssl.SSLSocket else type(made.__name__, (_Bounded, made), {})


def close_now(sock: Any) -> None:
    """Close *sock* though a file made of it, which a traceback keeps alive, still counts on it."""
    sock.close()
    if sock.fileno() != -1:
        socket.close(sock.detach())


def leave_to_parent(sock: Any) -> None:
    """In a forked child: give up its copy of *sock*, without a word to the peer. The parent's stays as it is."""
    if isinstance(sock, ssl.SSLSocket):
        sock._sslobj = None  # type: ignore[attr-defined]  # it knows the descriptor's number, which is free from now on
    if isinstance(sock, _Bounded):
        sock.on_closed = None
    if sock.fileno() != -1:
        socket.close(sock.detach())


def set_deadline(sock: Any, deadline: Optional[float], idle: Optional[float] = None) -> None:
    """Give *sock* a deadline where it can hold one (a TLS socket made by a foreign context cannot)."""
    if isinstance(sock, _Bounded):
        sock.deadline = deadline
        sock.idle = idle
    elif sock is not None and deadline is not None:
        sock.settimeout(max(deadline - time.monotonic(), 0.001))


def connect(
    host: str, port: int, interrupter: Interrupter, deadline: float, choose: Optional[Choose] = None
) -> Tuple[BoundedSocket, int]:
    """A connected TCP socket and its number at *interrupter*.

    Tries each address in turn, or each that *choose* returns of all. Raises socket.gaierror, OSError, DeadlinePassed,
    Interrupted or what *choose* raises.
    """
    failure: Optional[OSError] = None
    addresses = resolve(host, port, interrupter, deadline)
    if choose is not None:
        addresses = choose(addresses)
    for tried, (family, kind, proto, _, address) in enumerate(addresses):
        sock = number = None
        try:
            sock = BoundedSocket(family, kind, proto)
            number = interrupter.add(sock)
            # A first address that swallows everything (a broken IPv6 route) must leave time for the others.
            sock.settimeout(_left(deadline) / (len(addresses) - tried))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            interrupter.check()
            sock.settimeout(_left(deadline))  # for a TLS handshake, which takes the timeout over
        except OSError as exc:
            if number is not None:
                interrupter.remove(number)
            if sock is not None:
                sock.close()
            interrupter.check()
            failure = exc
        else:
            sock.deadline = deadline
            return sock, number
    raise failure or OSError(f"no address found for {host}")


def resolve(host: str, port: int, interrupter: Interrupter, deadline: float) -> Resolved:
    """``getaddrinfo`` that keeps a deadline and can be interrupted.

    The system call can do neither, so a name is looked up on a thread of its own, which may outlive this call.
    """
    if _is_address(host):
        return _lookup(host, port)
    condition = threading.Condition()
    outcome: List[Any] = []

    def look_up() -> None:
        try:
            found: Any = _lookup(host, port)
        except Exception as exc:  # noqa: BLE001  whatever it is, the caller must not wait for it in vain
            found = exc
        with condition:
            outcome.append(found)
            condition.notify_all()

    with interrupter.resolving(condition):
        threading.Thread(target=look_up, name=f"{DNS_THREAD_PREFIX}{next(_dns_numbers)}", daemon=True).start()
        with condition:
            condition.wait_for(lambda: outcome or interrupter.interrupted, _left(deadline))
    interrupter.check()
    if not outcome:
        raise socket.gaierror(socket.EAI_AGAIN, "the name was not resolved in time")
    if isinstance(outcome[0], UnicodeError):  # a label longer than 63 characters
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from outcome[0]
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return list(outcome[0])


def _is_address(host: str) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    return host == "localhost"


def _lookup(host: str, port: int) -> Resolved:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)  # type: ignore[return-value]


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise DeadlinePassed("timed out")
    return left
