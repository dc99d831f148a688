"""The door to ``websocket``: a client connection that many threads may write to and that no write can block.

websocket-client makes the handshake, ``wsframes`` the frames. The socket is non-blocking from then on: the one reading
thread waits for it, and what a writer cannot hand to the system at once is written by that thread when there is room.
So a peer that stops reading holds up nobody, and a thread that sends costs no further thread switch.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import struct
import threading
import time
from functools import partial
from typing import Any, Callable, List, Optional, Tuple, Type, Union
from urllib.parse import urlsplit

from ..core.redact import scrub_exception
from ..errors import ConfigError, ConnectionLost, TransportError
from . import sockets
from .proxy import TunnelRefused, open_tunnel, read_proxy
from .sockets import Interrupted, Interrupter, Readiness
from .tls_errors import NETWORK_REMEDY, explain_tls
from .wsframes import CLOSE, PING, PONG, SKIPPED, TEXT, FrameParser, Message, client_frame

__all__ = ["CLOSE", "PING", "PONG", "SKIPPED", "TEXT", "WsConnection", "WsDoor"]

READ_BYTES = 65_536  # a block of the socket; larger ones gained nothing in the bench
NORMAL = 1000  # "the purpose is fulfilled"; RFC 6455, 7.4.1
NO_STATUS = 1005  # "no code was in the close frame"; RFC 6455, 7.4.1
SWITCHING_PROTOCOLS = 101  # "yes" to the handshake; RFC 6455, 4.1
ABNORMAL = 1006  # "there was no close frame"; RFC 6455, 7.4.1

_NOBODY, _READER = 0, -1  # as flushers, beside the numbers of threads, which are positive


# websocket-client and the door to requests (for a proxy's address, and the certificates) are imported when a connection
# is made: importing them takes longer than making a client.


def _failures() -> Tuple[Type[BaseException], ...]:
    import websocket

    # The last four: what websocket-client makes of a status line that is none, and of a huge Content-Length.
    of_a_bad_answer = (ValueError, LookupError, ArithmeticError, MemoryError)
    return (OSError, websocket.WebSocketException, http.client.HTTPException, *of_a_bad_answer)


class WsDoor:
    """Opens connections and ends whatever is under way.

    ssl_context: None for a verifying one of our own. proxy: as of HttpDoor.
    """

    def __init__(self, *, ssl_context: Optional[ssl.SSLContext] = None, proxy: Optional[str] = None) -> None:
        self._ssl_context = ssl_context
        self._proxy = proxy
        self._interrupter = Interrupter()

    def open(self, url: str, *, timeout: float, max_message_bytes: int) -> WsConnection:
        """Connect to *url* (ws or wss) within *timeout* seconds in all. Raises TransportError."""
        deadline = time.monotonic() + timeout
        number: Optional[int] = None
        sock: Any = None
        try:
            sock, number = self._connect(url, deadline)
            sockets.set_deadline(sock, deadline)
            _handshake(sock, url)
            return WsConnection(sock, number, self._interrupter, max_message_bytes)
        except _failures() as exc:
            if sock is not None:
                sock.close()
            if number is not None:
                self._interrupter.remove(number)
            scrub_exception(exc)
            # A read that a stop ends looks like a server that went.
            raise _explained(Interrupted("stopped") if self._interrupter.interrupted else exc) from exc

    def interrupt(self) -> None:
        """End the handshake or the connection under way at once, and refuse new ones until ``resume``."""
        self._interrupter.interrupt()

    def resume(self) -> None:
        self._interrupter.resume()

    def _connect(self, url: str, deadline: float) -> Tuple[Any, int]:
        from .http import environment_proxy

        parts = urlsplit(url)
        secure = parts.scheme == "wss"
        host, port = parts.hostname or "", parts.port or (443 if secure else 80)
        proxy = environment_proxy(f"{'https' if secure else 'http'}://{parts.netloc}") if self._proxy is None else None
        proxy = proxy or self._proxy
        sock: Any
        if proxy:
            sock, number = self._tunnel(proxy, host, port, deadline)
        else:
            sock, number = sockets.connect(host, port, self._interrupter, deadline)
        try:
            if secure:
                sock = self._secured(sock, host, deadline)
        except BaseException:
            sock.close()
            self._interrupter.remove(number)
            raise
        return sock, number

    def _secured(self, sock: Any, host: str, deadline: float) -> Any:
        if self._ssl_context is None:
            from .http_connections import verifying_context

            self._ssl_context = verifying_context()
        sock.settimeout(max(deadline - time.monotonic(), 0.001))
        secured: Any = self._ssl_context.wrap_socket(sock, server_hostname=host)
        sockets.hold_deadlines(secured)
        return secured

    def _tunnel(self, proxy_url: str, host: str, port: int, deadline: float) -> Tuple[Any, int]:
        """A connection through the CONNECT method of the proxy."""
        proxy = read_proxy(proxy_url)
        sock, number = sockets.connect(proxy.host, proxy.port, self._interrupter, deadline)
        try:
            open_tunnel(sock, host, port, proxy.headers)
        except BaseException:
            sockets.close_now(sock)
            self._interrupter.remove(number)
            raise
        return sock, number


def _handshake(sock: Any, url: str) -> None:
    import websocket

    opening: Any = websocket.WebSocket()
    # A redirect would be followed on a connection that nobody watches, so none is; the platform sends none.
    try:
        opening.connect(url, socket=sock, suppress_origin=True, redirect_limit=0)
    except websocket.WebSocketException:
        if opening.handshake_response is None:
            raise
        # An answer came, and it is a redirect: 1.9.2 raises, 1.9.0 does not.
    status = opening.handshake_response.status
    if status != SWITCHING_PROTOCOLS:
        raise websocket.WebSocketBadStatusException(f"Handshake status {status}", status)


def _explained(exc: BaseException) -> TransportError:
    import websocket

    status: Optional[int] = None
    remedy = ""
    if isinstance(exc, websocket.WebSocketBadStatusException):
        status = getattr(exc, "status_code", None)
        kind, what = "http", f"The server refused the WebSocket handshake with HTTP status {status}."
    elif isinstance(exc, TunnelRefused):
        status, remedy = exc.status, exc.remedy
        kind, what = "http", f"The proxy refused the tunnel with HTTP status {status}."
    elif isinstance(exc, Interrupted):
        kind, what = "unknown", "The connection was ended by a stop."
    elif isinstance(exc, (websocket.WebSocketTimeoutException, socket.timeout)):
        kind, what = "timeout", "The connection was not made in time."
    elif isinstance(exc, socket.gaierror):
        kind, what = "dns", "The host name could not be resolved."
    elif isinstance(exc, ssl.SSLError):
        kind, what, remedy = explain_tls(exc)
    elif isinstance(exc, ConfigError):
        kind, what, remedy = "unknown", exc.what, exc.remedy
    elif not isinstance(exc, OSError):
        kind, what = "http", f"The WebSocket handshake failed ({type(exc).__name__})."
    else:
        reason = getattr(exc, "strerror", None)
        kind, what = "tcp", f"The connection failed or was cut ({reason})." if reason else "The connection failed."
    return TransportError(what, kind=kind, status=status, remedy=remedy or NETWORK_REMEDY)


def _lost(what: str) -> ConnectionLost:
    return ConnectionLost(what, kind="tcp", status=ABNORMAL, remedy=NETWORK_REMEDY)


class WsConnection:
    """An open connection. ``receive`` belongs to one thread; everything else may be called from any."""

    def __init__(self, sock: Any, number: int, interrupter: Interrupter, max_message_bytes: int) -> None:
        self._sock = sock
        self._number = number
        self._interrupter = interrupter
        self._parser = FrameParser(max_message_bytes)
        sockets.set_deadline(sock, None)
        sock.setblocking(False)
        self._secure = isinstance(sock, ssl.SSLSocket)
        # Past the deadlines of BoundedSocket, which have no say here and cost half a microsecond a call.
        plain_recv, plain_send = partial(socket.socket.recv, sock), partial(socket.socket.send, sock)
        self._recv: Callable[[int], bytes] = self._locked(sock.recv) if self._secure else plain_recv
        self._write: Callable[[Any], int] = self._locked(sock.send) if self._secure else plain_send
        self._tls_lock = threading.Lock()
        self._out_lock = threading.Lock()
        self._out: List[bytes] = []
        self._flusher = _NOBODY  # the thread that writes for all
        self._stalled = False  # the rest is left to the reading thread
        self._partial: Union[bytes, memoryview, None] = None  # what is being written; of the thread that flushes
        self._queued_bytes = 0
        self._written_bytes = 0
        self._touched_bytes = 0  # those written, and those of a write under way or of one that TLS broke off
        self._readiness = Readiness(sock)
        self._emptied = False  # the last read took all there was, so the next one would find nothing
        self._end: Optional[ConnectionLost] = None  # the server's close frame, told after what came before it
        self._closed = False

    def send(self, text: str) -> int:
        """Queue *text* as one frame and write what the system takes now. Never blocks.

        The result, given to ``was_written``, tells later whether any byte of the frame was written. Raises
        ConnectionLost.
        """
        return self._send(client_frame(TEXT, text.encode("utf-8")))

    def was_written(self, ticket: int) -> bool:
        """False only when it is certain that no byte of the frame was handed to the system."""
        return self._touched_bytes > ticket

    def receive(self) -> List[Message]:
        """Wait for data and return the messages it completes, control frames answered and taken out.

        Raises ConnectionLost at the end of the connection, with the close code in ``status``.
        """
        while True:
            if self._end is not None:
                raise self._end
            messages = [message for message in self._parser.feed(self._read()) if not self._control(message)]
            if messages:
                return messages

    def close(self) -> None:
        """Say good-bye if there is room for it, and end the connection now; a waiting ``receive`` raises."""
        with contextlib.suppress(TransportError):
            self._send(client_frame(CLOSE, struct.pack("!H", NORMAL)))
        self.abort()

    def abort(self) -> None:
        """End the connection now, without a word."""
        with contextlib.suppress(OSError):
            # Not a wait: the reading thread wakes at once and finds the end.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
        self._readiness.wake()

    def dispose(self) -> None:
        """Free the descriptors. To be called by the reading thread when it is done."""
        with self._out_lock:
            if self._closed:
                return
            self._closed = True
        self._sock.close()
        self._interrupter.remove(self._number)
        self._readiness.close()

    def _locked(self, call: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """OpenSSL allows one thread at a time in a connection; a plain socket needs no such care."""

        def locked(argument: Any) -> Any:
            with self._tls_lock:
                return call(argument)

        return locked

    def _send(self, frame: bytes) -> int:
        try:
            with self._out_lock:
                if self._closed:
                    raise ConnectionLost("The connection is closed.", kind="tcp")
                ticket = self._queued_bytes
                flushed_by_another = self._flusher != _NOBODY  # who takes this frame along
                if flushed_by_another:
                    self._out.append(frame)
                else:
                    self._flusher = threading.get_ident()
                    self._partial = frame
                self._queued_bytes = ticket + len(frame)
            if not flushed_by_another:
                self._flush()
        except ConnectionLost:
            raise
        except BaseException:
            # A Ctrl-C. Where it struck the thread that writes for all, what was taken is not known, so nothing could
            # follow it.
            if self._flusher == threading.get_ident():
                self.abort()
            raise
        return ticket

    def _flush(self) -> None:
        """Write until nothing is left or the system takes no more; the caller has made itself the flusher."""
        while True:
            part = self._partial
            if part is not None:
                self._touched_bytes = self._written_bytes + len(part)
                try:
                    count = self._write(part)
                except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                    self._untouch()
                    self._flusher = _READER
                    self._stalled = True
                    self._readiness.wake()
                    return
                except (OSError, ValueError):  # broken: the reading thread finds out and reports it
                    self._untouch()
                    self.abort()
                    return
                self._written_bytes += count
                if count < len(part):
                    self._partial = memoryview(part)[count:]
                    continue
            with self._out_lock:
                if not self._out or self._closed:
                    self._partial = None
                    self._flusher = _NOBODY
                    return
                self._partial = self._out[0] if len(self._out) == 1 else b"".join(self._out)
                self._out.clear()

    def _untouch(self) -> None:
        """A plain write that failed wrote nothing; TLS may have sent some records of it, and does not tell."""
        if not self._secure:
            self._touched_bytes = self._written_bytes

    def _read(self) -> bytes:
        while True:
            if self._emptied:
                self._emptied = False
                if self._readiness.wait(self._stalled):
                    self._stalled = False
                    self._flush()  # as _READER
            try:
                data = self._recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self._emptied = True
                continue
            except (OSError, ValueError) as exc:
                scrub_exception(exc)
                raise ConnectionLost(
                    "The connection was cut.", kind="tcp", status=ABNORMAL, remedy=NETWORK_REMEDY
                ) from exc
            if not data:
                raise ConnectionLost(
                    "The connection ended without a close frame.", kind="tcp", status=ABNORMAL, remedy=NETWORK_REMEDY
                )
            # TLS keeps decrypted bytes that no wait would announce.
            self._emptied = len(data) < READ_BYTES and not self._secure
            return data

    def _control(self, message: Message) -> bool:
        """Answer a control frame; False for anything else."""
        opcode, payload = message
        if self._end is not None:
            return True  # nothing counts behind a close frame
        if opcode == PING:
            if not self._stalled:  # whoever does not read our answers must not make them pile up
                self._answer(payload, PONG)
        elif opcode == CLOSE:
            code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else NO_STATUS
            self._answer(payload[:2], CLOSE)
            self._end = ConnectionLost(f"The server closed the connection with code {code}.", kind="tcp", status=code)
        return opcode in (PING, PONG, CLOSE)

    def _answer(self, payload: bytes, opcode: int) -> None:
        with contextlib.suppress(TransportError):  # closed meanwhile: then there is nobody to answer
            self._send(client_frame(opcode, payload))
