"""Serves a WSGI application on a loopback port, with threads that have names and can be ended at once."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from typing import Any, Dict, List, Optional

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

log = logging.getLogger(__name__)

HOST = "127.0.0.1"


class _Quiet(WSGIRequestHandler):
    """Logs nothing to the terminal, and no address: some are signed."""

    def log(self, type: str, message: str, *args: Any) -> None:
        log.debug("request")


class _Server(ThreadedWSGIServer):
    def __init__(self, app: Any, name: str, port: int) -> None:
        with _bound(port) as sock:  # werkzeug would end the process when the port is in use; it keeps a copy of this
            super().__init__(HOST, sock.getsockname()[1], app, _Quiet, fd=sock.fileno())
        self._name = name
        self._requests: Dict[socket.socket, threading.Thread] = {}
        self._guard = threading.Lock()
        self._count = 0

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._count += 1
            thread = threading.Thread(
                target=self._served, args=(request, client_address), name=f"{self._name}-{self._count}", daemon=True
            )
            self._requests[request] = thread
            thread.start()

    def _served(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._guard:
                del self._requests[request]

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a request broke off", exc_info=True)

    def interrupt(self) -> List[threading.Thread]:
        """Shut every connection; the threads that were serving them come back."""
        with self._guard:
            for request in self._requests:
                shut(request)
            return list(self._requests.values())


def _bound(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((HOST, port))
        sock.listen(128)
    except OSError:
        sock.close()
        raise
    return sock


def shut(sock: socket.socket) -> None:
    """Shut both directions of *sock*; one that is closed already stays so."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        log.debug("shutdown: %s", error)


class LoopbackServer:
    """A server of *app*. start() and stop() are harmless when repeated, and belong to one thread at a time."""

    def __init__(self, app: Any, name: str, port: int = 0) -> None:
        self._app, self._name = app, name
        self.port = port
        self._server: Optional[_Server] = None
        self._thread: Optional[threading.Thread] = None
        self._wake: Optional[socket.socket] = None

    @property
    def running(self) -> bool:
        """Whether the port is open."""
        return self._server is not None

    def start(self) -> None:
        """Listen; the same port as before after a stop. OSError when the port is in use."""
        if self._server is not None:
            return
        server = _Server(self._app, self._name, self.port)
        self.port = int(server.port)
        wake_in, self._wake = socket.socketpair()
        self._server = server
        self._thread = threading.Thread(
            target=_accept, args=(server, wake_in), name=f"{self._name}-accept", daemon=True
        )
        self._thread.start()

    def stop(self, timeout: float = 1.0) -> bool:
        """Close the port, end every request, join every thread. True: all of them ended."""
        server, thread, wake = self._server, self._thread, self._wake
        self._server = self._thread = self._wake = None
        if server is None or thread is None or wake is None:
            return True
        with wake:
            wake.send(b"!")
            thread.join(timeout)
        threads = server.interrupt()
        for one in threads:
            one.join(timeout)
        return not thread.is_alive() and not any(one.is_alive() for one in threads)


def _accept(server: _Server, wake: socket.socket) -> None:
    with wake, selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        server.timeout = 0
        while wake not in {key.fileobj for key, _ in selector.select()}:
            server.handle_request()
        server.server_close()
