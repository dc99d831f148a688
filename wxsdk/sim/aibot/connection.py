"""Serves one connection of the simulated gateway: socket, thread and WebSocket. Knows no command.

Inbound bytes are parsed by wsproto. Sockets are non-blocking under a selector that also watches a wake-up
pair, so every wait ends at once when the connection is to end; a selector is never a poll loop here.
"""

from __future__ import annotations

import logging
import selectors
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Callable, List, Optional, Tuple, Union

from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from .wire import PONG, close_frame, frame

log = logging.getLogger("wxsdk.sim.aibot.simulator")

READ_BYTES = 64 * 1024
_RST = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 seconds: close() sends RST
_Socket = socket.socket


def new_selector() -> selectors.BaseSelector:
    kind = getattr(selectors, "PollSelector", selectors.SelectSelector)
    made: selectors.BaseSelector = kind()
    return made


@dataclass
class ConnectionRecord:
    """One TCP connection as the gateway saw it."""

    number: int
    opened_at: float
    """time.monotonic() of the accept; likewise closed_at."""
    upgraded: bool = False
    """True once the WebSocket handshake was done."""
    bot_id: Optional[str] = None
    """The bot that subscribed here, last known."""
    subscribed: bool = False
    """True while this connection gets the bot's messages."""
    path: str = ""
    headers: List[Tuple[str, str]] = field(default_factory=list, repr=False)
    """Of the handshake, the ones that only make it a WebSocket's left out in part."""
    close_sent: Optional[int] = None
    close_received: Optional[int] = None
    """The code of the client's Close frame; 1005 when it had none."""
    ended: Optional[str] = None
    """None while open, else how it ended: ``client closed``, ``client gone``, ``client reset``, ``protocol
    error``, ``sim closed``, ``sim reset``, ``refused`` (no upgrade), ``stopped``.
    """
    closed_at: Optional[float] = None

    @property
    def open(self) -> bool:
        return self.ended is None


class Desk:
    """What a connection tells its owner. All calls come with no lock held, all but the first two from its thread."""

    def accepted(self, connection: Connection) -> None:
        """TCP is there; from the thread that accepts."""

    def handshake_trouble(self) -> Union[str, int, None]:
        """None: go on. ``silent``: never answer. A number: refuse with that status. From the thread that accepts."""
        return None

    def opened(self, connection: Connection) -> None:
        """The WebSocket handshake is done."""

    def texts(self, connection: Connection, texts: List[str]) -> None:
        """Whole text messages that came in one read, so all were written before an answer to the first could
        arrive.
        """

    def misbehaved(self, connection: Connection, rule: str, detail: str) -> None:
        """The client broke a rule of WebSocket or of this gateway."""

    def ended(self, connection: Connection) -> None:
        """The connection is over and its socket closed."""


class Connection:
    """One accepted socket. `send` and `end` may be called from any thread; everything else happens in `run`."""

    def __init__(self, sock: _Socket, record: ConnectionRecord, desk: Desk, *, masked_pong: Callable[[], bool]) -> None:
        self.record, self._desk, self._masked_pong = record, desk, masked_pong
        self._sock = sock
        self._wake_in, self._wake_out = socket.socketpair()
        self._io = threading.Lock()  # one thread at a time inside the socket: OpenSSL wants it so
        self._sending = threading.RLock()  # one frame at a time on the wire
        self._ending = threading.Lock()
        self._how: Optional[str] = None
        self._closed = False
        self._tls_handshake = False
        self.over = threading.Event()
        """Set as soon as the connection is to end; a slow writer waits on it."""
        self.frozen = False
        """Half-open: nothing is read, nothing is written, TCP stays."""
        self.closing = False
        """The gateway has sent its Close frame."""
        # Asked on the thread that accepts, so that trouble meets connections in the order of their arrival.
        self._trouble = desk.handshake_trouble()
        self._ws = WSConnection(ConnectionType.SERVER)
        self._pieces: List[str] = []

    @property
    def number(self) -> int:
        return self.record.number

    # -- from any thread ----------------------------------------

    def send(self, data: bytes) -> bool:
        """Write *data* whole; False when the connection is over first. A half-open connection swallows it."""
        if self.frozen:
            return True
        with self._sending:
            if self.closing:
                return False
            return self._write(data)

    def exclusively(self, action: Callable[[Callable[[bytes], bool]], None]) -> bool:
        """Run *action(write)* while no other thread can write; False, without running it, once nothing can be
        written.
        """
        with self._sending:
            if self.closing or self.frozen:
                return False
            action(self._write)
            return True

    def close(self, code: Optional[int], reason: str = "") -> None:
        """Close frame, then FIN. 1006 means FIN without a Close frame. A half-open connection stays as it is."""
        with self._sending:
            if self.closing or self.frozen:
                return
            self.record.close_sent = 1005 if code is None else code
            if code != 1006:
                self._write(close_frame(code, reason))
            self.closing = True
            self._half_close()

    def _half_close(self) -> None:
        try:
            _Socket.shutdown(self._sock, socket.SHUT_WR)
        except OSError as error:  # the client was faster
            log.debug("connection %d: no FIN: %s", self.number, error)

    def end(self, how: str) -> None:
        """Leave at once: the connection's thread wakes up and closes the socket. *how* becomes record.ended."""
        with self._ending:
            if self._how is not None or self._closed:
                return
            self._how = how
            self.over.set()
            self._wake_out.send(b"!")
            if self._tls_handshake:  # a blocking handshake does not see the wake-up pair
                _shutdown(self._sock)

    # -- the connection's thread ----------------------------------------

    def run(self, context: Optional[ssl.SSLContext]) -> None:
        """Serve until one side ends it."""
        how = "client gone"
        try:
            self._secure(context)
            self._sock.setblocking(False)
            how = self._serve()
        except (ConnectionResetError, BrokenPipeError):
            how = "client reset"
        except (OSError, RemoteProtocolError) as error:
            how = "protocol error"
            log.debug("connection %d: %s", self.number, error)
        finally:
            self._finish(self._how or how)

    def _secure(self, context: Optional[ssl.SSLContext]) -> None:
        if context is None:
            return
        with self._ending:
            if self._how is not None:
                return
            self._sock = context.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
            self._tls_handshake = True
        try:
            self._sock.do_handshake()
        finally:
            with self._ending:
                self._tls_handshake = False

    def _serve(self) -> str:
        trouble = self._trouble
        with new_selector() as selector:
            selector.register(self._wake_in, selectors.EVENT_READ)
            selector.register(self._sock, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._wake_in in ready:
                    return self._how or "stopped"
                if self.frozen:
                    selector.unregister(self._sock)
                    continue
                data = self._read()
                if data == b"":
                    return self._gone()
                if data is None or trouble == "silent":
                    continue
                ended = self._received(data, trouble)
                if ended is not None:
                    return ended

    def _gone(self) -> str:
        if self.closing:
            return "sim closed"
        return "client gone" if self.record.upgraded else "refused"

    def _read(self) -> Optional[bytes]:
        """Return what has arrived; empty at the end, None when only TLS itself had something to say."""
        parts: List[bytes] = []
        with self._io:
            while True:
                try:
                    part = self._sock.recv(READ_BYTES)
                except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    break
                except ssl.SSLEOFError:
                    part = b""
                if not part:
                    return b"".join(parts)
                parts.append(part)
                if not isinstance(self._sock, ssl.SSLSocket):
                    break
        return b"".join(parts) or None

    def _received(self, data: bytes, trouble: Union[str, int, None]) -> Optional[str]:
        try:
            self._ws.receive_data(data)
        except RemoteProtocolError as error:
            if error.event_hint is not None and not self.record.upgraded:
                self._write(self._ws.send(error.event_hint))
            return "refused"
        except LocalProtocolError:  # bytes behind the client's Close frame
            return "client closed"
        texts: List[str] = []
        ended: Optional[str] = None
        for event in self._ws.events():
            ended = self._event(event, texts, trouble)
            if ended is not None:
                break
        if texts and not self.closing:
            self._desk.texts(self, texts)
        return ended

    def _event(self, event: Event, texts: List[str], trouble: Union[str, int, None]) -> Optional[str]:
        if isinstance(event, TextMessage):
            self._pieces.append(event.data)
            if event.message_finished:
                texts.append(self._pieces[0] if len(self._pieces) == 1 else "".join(self._pieces))
                self._pieces.clear()
        elif isinstance(event, Request):
            return self._upgrade(event, trouble)
        elif isinstance(event, CloseConnection):
            return self._client_closes(event)
        elif isinstance(event, Ping):
            self._desk.misbehaved(
                self,
                "websocket ping",
                "a ping frame of RFC 6455; the platform answers it with a masked frame",
            )
            self.send(frame(bytes(event.payload), PONG, mask=self._masked_pong()))
        elif isinstance(event, BytesMessage) and event.message_finished:
            self._desk.misbehaved(self, "binary frame", "the protocol has text frames only")
        return None

    def _upgrade(self, request: Request, trouble: Union[str, int, None]) -> Optional[str]:
        self.record.path = request.target
        parsed = [("Host", request.host), ("Sec-WebSocket-Extensions", ", ".join(map(str, request.extensions)))]
        rest = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.extra_headers]
        self.record.headers = [pair for pair in parsed if pair[1]] + rest
        if isinstance(trouble, int):
            page = f"<html><body><h1>{trouble}</h1></body></html>".encode()
            headers = [(b"content-type", b"text/html"), (b"content-length", str(len(page)).encode())]
            out = self._ws.send(RejectConnection(status_code=trouble, headers=headers, has_body=True))
            self._write(out + self._ws.send(RejectData(data=page)))
            return "refused"
        self._write(self._ws.send(AcceptConnection()))
        self.record.upgraded = True
        self._desk.opened(self)
        return None

    def _client_closes(self, event: CloseConnection) -> str:
        if self._ws.state is ConnectionState.OPEN:  # not a Close frame: wsproto's way to say that it could not parse
            self._desk.misbehaved(self, "websocket protocol", str(event.reason))
            self._write(close_frame(event.code))
            return "protocol error"
        self.record.close_received = int(event.code)
        if self.closing:
            return "sim closed"
        self._write(self._ws.send(event.response()))
        return "client closed"

    def _write(self, data: bytes) -> bool:
        view = memoryview(data)
        while view:
            try:
                with self._io:
                    sent = self._sock.send(view)
            except (BlockingIOError, ssl.SSLWantWriteError):
                if not self._writable():
                    return False
                continue
            except ssl.SSLWantReadError:
                return False
            except OSError as error:
                log.debug("connection %d: not written: %s", self.number, error)
                return False
            view = view[sent:]
        return True

    def _writable(self) -> bool:
        """Wait until the client has made room; False when the connection is to end instead."""
        with self._ending:
            if self._how is not None or self._closed:
                return False
        with new_selector() as selector:
            selector.register(self._wake_in, selectors.EVENT_READ)
            selector.register(self._sock, selectors.EVENT_WRITE)
            ready = {key.fileobj for key, _ in selector.select()}
        return self._wake_in not in ready

    def _finish(self, how: str) -> None:
        with self._ending:
            if self._how is None:
                self._how = how
                self.over.set()
                self._wake_out.send(b"!")  # a writer that waits for room leaves
        with self._sending:
            self.closing = self._closed = True
            if how == "sim reset":
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
            else:
                _shutdown(self._sock)
            self._sock.close()
            self._wake_in.close()
            self._wake_out.close()
        self.record.closed_at = time.monotonic()
        self.record.ended = how
        self._desk.ended(self)


def _shutdown(sock: _Socket) -> None:
    try:
        _Socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError as error:  # not connected any more
        log.debug("shutdown: %s", error)
