"""Listens on the port of the simulated gateway, with one thread that accepts and one for each connection."""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
import time
from typing import Callable, List, Optional

from .connection import Connection, ConnectionRecord, Desk, new_selector


class Gateway:
    """The listening port and the threads behind it."""

    def __init__(
        self, desk: Desk, context: Optional[ssl.SSLContext], *, masked_pong: Callable[[], bool], port: int = 0
    ) -> None:
        self._desk, self._context, self._masked_pong = desk, context, masked_pong
        self.host, self.port = "127.0.0.1", port
        self._lock = threading.Lock()  # starting and stopping
        self._lists = threading.Lock()  # _threads and _live
        self._listener: Optional[socket.socket] = None
        self._reserved: Optional[socket.socket] = None
        self._wake: Optional[socket.socket] = None
        self._acceptor: Optional[threading.Thread] = None
        self._threads: List[threading.Thread] = []
        self._live: List[Connection] = []
        self.records: List[ConnectionRecord] = []

    def start(self) -> None:
        """Bind a free port (the first time) and accept."""
        with self._lock:
            if self._listener is None:
                self._listen(self._bound())

    @property
    def running(self) -> bool:
        """Whether the port is open."""
        return self._listener is not None

    def _bound(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self.host, self.port))
        self.port = sock.getsockname()[1]
        return sock

    def _listen(self, sock: socket.socket) -> None:
        sock.listen(128)
        sock.setblocking(False)
        wake_in, self._wake = socket.socketpair()
        self._listener = sock
        self._acceptor = threading.Thread(
            target=self._accept, args=(sock, wake_in), name="wxsdk-sim-aibot-accept", daemon=True
        )
        self._acceptor.start()

    def refuse(self) -> None:
        """Stop listening: connecting is refused by TCP. The port stays bound, so no other program can get it. Open
        connections live on.
        """
        with self._lock:
            if self._listener is not None:
                self._quiet()
                self._reserved = self._bound()

    def restore(self) -> None:
        """Listen again on the same port."""
        with self._lock:
            if self._reserved is not None:
                sock, self._reserved = self._reserved, None
                self._listen(sock)

    def _quiet(self) -> None:
        if self._wake is not None and self._acceptor is not None:
            self._wake.send(b"!")
            self._acceptor.join()
            self._wake.close()
        self._listener = self._wake = self._acceptor = None

    def stop(self, timeout: float = 1.0) -> bool:
        """Stop listening, end every connection, join every thread. True when all have ended. Twice is once."""
        with self._lock:
            self._quiet()
            if self._reserved is not None:
                self._reserved.close()
                self._reserved = None
        with self._lists:
            threads = list(self._threads)
        for connection in self.live():
            connection.end("stopped")
        deadline = time.monotonic() + timeout
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def live(self) -> List[Connection]:
        """The connections whose sockets are open, oldest first."""
        with self._lists:
            return list(self._live)

    def _accept(self, listener: socket.socket, wake: socket.socket) -> None:
        with listener, wake, new_selector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(wake, selectors.EVENT_READ)
            while wake not in {key.fileobj for key, _ in selector.select()}:
                try:
                    sock, _ = listener.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    continue
                self._adopt(sock)

    def _adopt(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        record = ConnectionRecord(len(self.records) + 1, time.monotonic())
        connection = Connection(sock, record, self._desk, masked_pong=self._masked_pong)
        thread = threading.Thread(
            target=self._run, args=(connection,), name=f"wxsdk-sim-aibot-conn-{record.number}", daemon=True
        )
        with self._lists:
            self.records.append(record)
            self._live.append(connection)
            self._threads = [other for other in self._threads if other.is_alive()]
            self._threads.append(thread)
            thread.start()
        self._desk.accepted(connection)

    def _run(self, connection: Connection) -> None:
        try:
            connection.run(self._context)
        finally:
            with self._lists:
                self._live.remove(connection)
