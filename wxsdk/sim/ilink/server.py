"""Serves HTTP for ILinkSim: one acceptor, a thread for each connection, and faults that reach down to the socket.

HTTP/1.1 with keep-alive, no Nagle, bodies in large blocks. werkzeug reads the requests and shapes the
answers; its own way of ending every connection after one request is replaced here, since clients are to be
tested over connections that they reuse.
"""

from __future__ import annotations

import itertools
import logging
import selectors
import socket
import ssl
import struct
import threading
import time
from typing import Any, Callable, Dict, Iterable, List, Optional, Protocol, Tuple

from werkzeug.serving import WSGIRequestHandler
from werkzeug.wrappers import Response

from .faults import Answer, Faults, Stopped, Wire, altered_json
from .records import Body, Gone, Recorder, Seen

HOST = "127.0.0.1"
BACKLOG = 256
READ_BUFFER = 64 * 1024  # bytes; bodies are read past it, straight into the caller's block
JOIN_TIMEOUT = 2.0  # seconds that stop() gives all threads together; they are woken, so it takes milliseconds
DARK_TIMEOUT = 0.2  # seconds that an outage waits for connections to end by reset
RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends RST

log = logging.getLogger(__name__)


class App(Protocol):
    """What answers the requests."""

    def lane(self, seen: Seen) -> Optional[str]:
        """Name what the request is in flight for, such as one recipient."""

    def answer(self, seen: Seen, environ: Callable[[], Dict[str, Any]]) -> Response:
        """The answer; *environ* makes the WSGI environment, if it is needed. May raise Gone or Stopped."""


class Dropped(Exception):
    """The connection ends here, by a fault."""

    def __init__(self, reset: bool) -> None:
        self.reset = reset


class LoopbackServer:
    """Serves *app* on a free port of 127.0.0.1. start() and stop() are idempotent."""

    ssl_context: Optional[ssl.SSLContext] = None
    multithread, multiprocess, passthrough_errors = True, False, False
    _server_version = "wxsdk-sim"

    def __init__(
        self,
        app: App,
        faults: Faults,
        recorder: Recorder,
        name: str,
        tls: Optional[ssl.SSLContext] = None,
        port: int = 0,
    ) -> None:
        self.app, self.faults, self.recorder = app, faults, recorder
        self.ssl_context = tls
        self._name = name
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._listener: Optional[socket.socket] = None
        self._bell: Optional[socket.socket] = None
        self._acceptor: Optional[threading.Thread] = None
        self._connections: Dict[threading.Thread, socket.socket] = {}
        self.server_address: Tuple[str, int] = (HOST, port)

    @property
    def url(self) -> str:
        """Where it listens; the port stays the same over stop() and start()."""
        scheme = "https" if self.ssl_context else "http"
        return f"{scheme}://{HOST}:{self.server_address[1]}"

    def start(self) -> None:
        """Listen and accept; returns when connections are possible."""
        if self._listener is not None:
            return
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(self.server_address)
            listener.listen(BACKLOG)
            listener.setblocking(False)  # who is gone between select and accept must not block the acceptor
        except OSError:
            listener.close()
            raise
        self.server_address = listener.getsockname()
        bell, self._bell = socket.socketpair()
        self._listener = listener
        self._acceptor = threading.Thread(
            target=self._accept, args=(listener, bell), name=f"wxsdk-sim-{self._name}-accept", daemon=True
        )
        self._acceptor.start()

    def stop(self) -> bool:
        """Close the port, end every connection, join every thread. True: all of them ended."""
        self._close_port()
        for sock in self._living().values():
            _shutdown(sock, socket.SHUT_RDWR)
        return self._join(JOIN_TIMEOUT)

    def go_dark(self) -> None:
        """Close the port and reset every connection. start() opens the same port again."""
        self._close_port()
        for sock in self._living().values():
            _reset_on_close(sock)
            _shutdown(sock, socket.SHUT_RD)  # wakes the reader, whose close() then sends the RST
        self._join(DARK_TIMEOUT)
        for sock in self._living().values():  # stalled by another fault: at least its client is told
            _shutdown(sock, socket.SHUT_RDWR)

    def _join(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        others = [thread for thread in self._living() if thread is not threading.current_thread()]
        for thread in others:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in others)

    def _close_port(self) -> None:
        listener, self._listener = self._listener, None
        if listener is None:
            return
        assert self._bell is not None
        assert self._acceptor is not None
        self._bell.close()
        self._acceptor.join(JOIN_TIMEOUT)
        listener.close()

    def _living(self) -> Dict[threading.Thread, socket.socket]:
        with self._lock:
            return dict(self._connections)

    def log(self, kind: str, message: str, *args: Any) -> None:
        """werkzeug's log lines: for debugging only, a simulator is quiet."""
        log.debug(message.rstrip(), *args)

    def _accept(self, listener: socket.socket, bell: socket.socket) -> None:
        with bell, selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(bell, selectors.EVENT_READ)
            while True:
                if any(key.fileobj is bell for key, _ in selector.select()):
                    return
                try:
                    sock, address = listener.accept()
                except OSError:  # the client was gone before it was accepted
                    continue
                sock.setblocking(True)
                if (
                    self.ssl_context is not None
                ):  # the handshake comes with the first read, on the connection's own thread
                    sock = self.ssl_context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                number = next(self._numbers)
                name = f"wxsdk-sim-{self._name}-{number}"
                thread = threading.Thread(target=self._serve, args=(sock, address, number), name=name, daemon=True)
                with self._lock:
                    self._connections[thread] = sock
                thread.start()

    def _serve(self, sock: socket.socket, address: Any, number: int) -> None:
        try:
            with sock:
                Connection(sock, address, self, number)
        except OSError as error:
            log.debug("connection %d ended: %s", number, error)
        finally:
            with self._lock:
                self._connections.pop(threading.current_thread(), None)


def _shutdown(sock: socket.socket, how: int) -> None:
    try:
        sock.shutdown(how)
    except OSError as error:  # it ended by itself meanwhile
        log.debug("shutdown: %s", error)


def _reset_on_close(sock: socket.socket) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    except OSError as error:  # it ended by itself meanwhile
        log.debug("linger: %s", error)


class Connection(WSGIRequestHandler):
    """One connection: request after request until either side has enough."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rbufsize = READ_BUFFER
    connection: socket.socket
    server: Any

    def __init__(self, sock: socket.socket, address: Any, server: LoopbackServer, number: int) -> None:
        self.number = number
        super().__init__(sock, address, server)  # type: ignore[arg-type]  # handles the whole connection

    def run_wsgi(self) -> None:
        """Handle one request: read it, meet its faults, answer."""
        length = self.headers.get("Content-Length", "0")
        body = Body(self.rfile, int(length) if length.isdecimal() else 0)
        recorder: Recorder = self.server.recorder
        seen = Seen(recorder.number(), self.number, self.command, self.path, self.headers, body, self.connection)
        try:
            self._exchange(seen)
        except Dropped as dropped:
            self._drop(dropped.reset)
        except (Gone, Stopped, ConnectionError):
            self.close_connection = True

    def _exchange(self, seen: Seen) -> None:
        plan = self.server.faults.plan(seen.place, seen)
        wire = plan.wire or Wire()
        lane = self.server.app.lane(seen) if wire.stage not in ("before_reading", "mid_request") else None
        self.server.recorder.begin(seen, lane)
        status = None
        try:
            self._cut_early(seen, wire)
            self._set_pace(seen, wire)
            self.server.faults.stall(plan.wait, late=False)
            response = self._respond(seen, plan.answer, wire)
            self.server.faults.stall(plan.wait, late=True)
            status = response.status_code if wire.stage != "after_handling" else None
            if self.server.recorder.keeps_answers and response.is_sequence:
                seen.answer = response.get_data()
        finally:
            self.server.recorder.end(seen, lane, status)
        seen.stream.drain()
        self._send(response, wire)

    def _set_pace(self, seen: Seen, wire: Wire) -> None:
        def pace() -> int:
            self.server.faults.pause(wire.interval)
            return wire.sip

        if wire.sip:
            seen.stream.pace = pace

    def _cut_early(self, seen: Seen, wire: Wire) -> None:
        if wire.stage == "mid_request":
            seen.stream.read(wire.after if wire.after is not None else seen.stream.length // 2)
        if wire.stage in ("before_reading", "mid_request"):
            raise Dropped(wire.reset)

    def _respond(self, seen: Seen, answer: Optional[Answer], wire: Wire) -> Response:
        if wire.stage == "after_reading":
            seen.stream.drain()
            if wire.raw is not None:
                self.connection.sendall(wire.raw)
            raise Dropped(wire.reset)
        if answer is not None and answer.replaces and not answer.handled:
            return _fault_response(answer)
        response: Response = self.server.app.answer(seen, self.make_environ)
        if answer is not None:
            response = _fault_response(answer) if answer.replaces else _altered(response, answer)
        return response

    def _send(self, response: Response, wire: Wire) -> None:
        if wire.stage == "after_handling":
            if wire.raw is not None:
                self.connection.sendall(wire.raw)
            raise Dropped(wire.reset)
        body = response.get_data() if response.is_sequence else None
        if body is not None and self.command != "HEAD":
            response.headers.setdefault("Content-Length", str(len(body)))
        chunked = "Content-Length" not in response.headers and self.command != "HEAD"
        if chunked:
            response.headers["Transfer-Encoding"] = "chunked"
        if self.close_connection:
            response.headers["Connection"] = "close"
        head = _head(response)
        line = _Line(self.connection, wire, self.server.faults, _cut_after(wire, len(head), response))
        if body is not None:
            line.send(head + body if self.command != "HEAD" else head)
            return
        line.send(head)
        try:
            self._send_blocks(line, response.response, chunked)
        finally:
            response.close()

    def _send_blocks(self, line: _Line, blocks: Iterable[Any], chunked: bool) -> None:
        for block in blocks:
            if chunked and block:
                block = b"%x\r\n%b\r\n" % (len(block), block)
            line.send(block)
        if chunked:
            line.send(b"0\r\n\r\n")

    def _drop(self, reset: bool) -> None:
        self.close_connection = True
        if reset:
            _reset_on_close(self.connection)
        else:
            _shutdown(self.connection, socket.SHUT_RDWR)

    def log_request(self, *_: Any) -> None:
        """Quiet: `ILinkSim.requests` is the log."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Pass the complaints of http.server on, for debugging only."""
        log.debug(message, *args)


class _Line:
    """The way out of a connection, with the faults of one answer on it."""

    def __init__(self, sock: socket.socket, wire: Wire, faults: Faults, cut_after: Optional[int]) -> None:
        self._sock = sock
        self._wire = wire
        self._faults = faults
        self._left = cut_after

    def send(self, data: bytes) -> None:
        """Send all of *data*; Dropped when the cut comes within it."""
        cut = self._left is not None and len(data) >= self._left
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        if self._wire.chunk:
            self._drip(data)
        else:
            self._sock.sendall(data)
        if cut:
            raise Dropped(self._wire.reset)

    def _drip(self, data: bytes) -> None:
        for start in range(0, len(data), self._wire.chunk):
            self._sock.sendall(data[start : start + self._wire.chunk])
            self._faults.pause(self._wire.interval)


def _cut_after(wire: Wire, head: int, response: Response) -> Optional[int]:
    """After how many bytes of the answer the connection is cut; None: not at all."""
    if wire.stage == "mid_headers":
        return head // 2
    if wire.stage == "mid_body":
        return head + int(response.headers.get("Content-Length", 0)) // 2
    return wire.after


def _head(response: Response) -> bytes:
    lines: List[str] = [f"HTTP/1.1 {response.status}"]
    lines += [f"{name}: {value}" for name, value in response.headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _fault_response(answer: Answer) -> Response:
    return Response(answer.body, status=answer.status, headers=dict(answer.headers))


def _altered(response: Response, answer: Answer) -> Response:
    if answer.dropped_header is not None:
        response.headers.pop(answer.dropped_header, None)
    if answer.changes is not None:
        response.headers.pop("Content-Length", None)
        response.set_data(altered_json(response.get_data(), answer.changes))
    return response
