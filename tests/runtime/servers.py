"""Servers that tests script byte by byte, on loopback and on ports chosen by the system."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import Callable, Optional

DRIP_EVERY = 0.01  # seconds between the bytes of a dripping server


@dataclass
class Request:
    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.line.split(" ")[1]


class Peer:
    """One accepted connection, as its handler sees it."""

    def __init__(self, sock: socket.socket, server: RawServer) -> None:
        self.sock = sock
        self.server = server
        self.number = 0

    def start_tls(self) -> None:
        assert self.server.tls is not None
        self.sock = self.server.tls.wrap_socket(self.sock, server_side=True)
        self.server._replace(self)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read_head(self) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.sock.recv(1)
            if not byte:
                return b""
            head += byte
        return head

    def read_request(self) -> Optional[Request]:
        """The next request; None when the client went."""
        head = self.read_head().decode("latin-1")
        if not head:
            return None
        line, *rows = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rows if row)}
        body = b""
        while len(body) < int(headers.get("content-length", "0")):
            body += self.sock.recv(65_536)
        request = Request(line, headers, body)
        self.server.requests.append(request)
        return request

    def answer(self, body: bytes = b"", *, status: str = "200 OK", headers: str = "") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        self.send(head.encode() + body)

    def drip(self, data: bytes) -> None:
        """Send a byte now and then until the data, the client or the test ends."""
        for byte in data:
            if self.server.stopping.wait(DRIP_EVERY):
                return
            self.send(bytes([byte]))

    def hold(self) -> None:
        """Keep quiet until the client goes or the test ends."""
        with contextlib.suppress(OSError):
            while self.sock.recv(65_536):
                pass


Handler = Callable[[Peer], None]


class RawServer:
    """Runs *handler* for each connection, on a thread of its own; a context manager that leaves nothing behind."""

    def __init__(self, handler: Handler, tls: Optional[ssl.SSLContext] = None) -> None:
        self._handler = handler
        self.tls = tls
        self.requests: list[Request] = []
        self.connections = 0
        self.stopping = threading.Event()
        self.failures: list[BaseException] = []
        self._peers: list[Peer] = []
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"{'wss' if self.tls else 'ws'}://127.0.0.1:{self.port}"

    def __enter__(self) -> RawServer:
        acceptor = threading.Thread(target=self._accept, name="acceptor")
        self._threads.append(acceptor)
        acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.cut_all()
        self._threads[0].join(10)
        self.cut_all()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()
        for peer in self._peers:
            peer.sock.close()

    def cut_all(self) -> None:
        with self._lock:
            for peer in self._peers:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(peer.sock, socket.SHUT_RDWR)

    def _replace(self, peer: Peer) -> None:
        if self.stopping.is_set():
            self.cut_all()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            peer = Peer(sock, self)
            with self._lock:
                self.connections += 1
                peer.number = self.connections
                self._peers.append(peer)
            thread = threading.Thread(target=self._serve, args=(peer,), name="peer")
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: Peer) -> None:
        try:
            if self.tls is not None:
                peer.start_tls()
            self._handler(peer)
        except OSError:
            pass  # the client went, or the test is over
        except BaseException as exc:
            self.failures.append(exc)
            raise
        finally:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(peer.sock, socket.SHUT_RDWR)
            peer.sock.close()


def answering(body: bytes = b"ok", *, status: str = "200 OK", headers: str = "") -> Handler:
    """A handler that answers every request on a connection alike."""

    def handle(peer: Peer) -> None:
        while peer.read_request() is not None:
            peer.answer(body, status=status, headers=headers)

    return handle
