"""A WeCom gateway in plain sockets (RFC 6455 by hand), written from the protocol alone; knows nothing of wxsdk."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import struct
import threading
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Union

Frame = Dict[str, Any]
Reaction = Union[None, Frame, List[Frame]]

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Got(NamedTuple):
    """One frame from the client. line: which connection, counted from 0."""

    line: int
    frame: Frame

    @property
    def cmd(self) -> Any:
        return self.frame.get("cmd")

    @property
    def req_id(self) -> str:
        return str(self.frame["headers"]["req_id"])

    @property
    def body(self) -> Any:
        return self.frame.get("body")


class Line:
    """One accepted connection."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self.close_code: Optional[int] = None
        self.opcodes: List[int] = []
        self.over = threading.Event()  # nothing more will be read

    def write(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", 0x80 | opcode, 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 127, size)
        self.sock.sendall(head + payload)

    def push(self, *frames: Any) -> None:
        for frame in frames:
            self.write(TEXT, frame if isinstance(frame, bytes) else json.dumps(frame, ensure_ascii=False).encode())

    def end(self, code: Optional[int]) -> None:
        """A close frame, without a code for 1005, and the end of the TCP connection."""
        self.write(CLOSE, b"" if code is None else struct.pack("!H", code))
        with contextlib.suppress(OSError):  # the client may be gone by now
            self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # While the reading thread holds the descriptor, close() alone sends nothing.
        self.sock.shutdown(socket.SHUT_RD)
        self.sock.close()

    def read(self) -> Optional[bytes]:
        """The next text; None at the end."""
        while True:
            head = self._exactly(2)
            if head is None:
                return None
            opcode, size = head[0] & 15, head[1] & 127
            assert head[0] & 0x80, "this server wants whole frames"
            assert head[1] & 0x80, "a client masks (RFC 6455, 5.1)"
            if size > 125:
                more = self._exactly(2 if size == 126 else 8)
                assert more is not None
                size = int.from_bytes(more, "big")
            mask, payload = self._exactly(4), self._exactly(size)
            if mask is None or payload is None:
                return None
            wide = int.from_bytes((mask * (size // 4 + 1))[:size], "big") ^ int.from_bytes(payload, "big")
            plain = wide.to_bytes(size, "big")
            self.opcodes.append(opcode)
            if opcode == CLOSE:
                self.close_code = struct.unpack("!H", plain[:2])[0] if plain else None
            elif opcode == TEXT:
                return plain

    def _exactly(self, size: int) -> Optional[bytes]:
        data = b""
        while len(data) < size:
            try:
                piece = self.sock.recv(size - len(data))
            except OSError:
                return None
            if not piece:
                return None
            data += piece
        return data


class RawGateway:
    """answers: cmd -> a function of the frame that gives the answer, several, or None; without one, errcode 0."""

    def __init__(self) -> None:
        self.got: List[Got] = []
        self.lines: List[Line] = []
        self.answers: Dict[str, Callable[[Got], Reaction]] = {}
        self.silent_handshake = False
        self._over = False
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> RawGateway:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        with socket.create_connection(self._listener.getsockname()):
            """Wakes accept()."""
        self._threads[0].join()
        self._listener.close()
        for line in self.lines:
            with contextlib.suppress(OSError):  # it may have ended by itself
                line.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()
        for line in self.lines:
            line.sock.close()

    # -- what tests use ----------------------------------------

    @property
    def line(self) -> Line:
        """The newest connection."""
        return self.lines[-1]

    def push(self, *frames: Any) -> None:
        self.line.push(*frames)

    def of(self, *cmds: str) -> List[Got]:
        with self._changed:
            return [got for got in self.got if got.cmd in cmds]

    def wait_for(self, cmd: str, count: int = 1, timeout: float = 10.0) -> List[Got]:
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.of(cmd)) >= count, timeout)
            assert arrived, [got.cmd for got in self.got]
            return self.of(cmd)

    def wait_lines(self, count: int, timeout: float = 10.0) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.lines) >= count, timeout)

    # -- inside ----------------------------------------

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self._over:
                sock.close()
                return
            with self._changed:
                line = Line(sock, len(self.lines))
                self.lines.append(line)
                self._changed.notify_all()
            if not self.silent_handshake:
                thread = threading.Thread(target=self._serve, args=(line,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, line: Line) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            piece = line.sock.recv(4096)
            if not piece:
                return
            request += piece
        fields = dict(row.split(": ", 1) for row in request.decode().split("\r\n")[1:] if ": " in row)
        key = next(value for name, value in fields.items() if name.lower() == "sec-websocket-key")
        accept = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()
        line.sock.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        while True:
            text = line.read()
            if text is None:
                break
            self._react(line, Got(line.number, json.loads(text)))
        line.over.set()
        with contextlib.suppress(OSError):
            line.sock.shutdown(socket.SHUT_RDWR)

    def _react(self, line: Line, got: Got) -> None:
        answer = self.answers.get(str(got.cmd), ok)(got)
        with self._changed:
            self.got.append(got)
            self._changed.notify_all()
        try:
            line.push(*([] if answer is None else answer if isinstance(answer, list) else [answer]))
        except OSError:
            return


def ok(got: Got, **body: Any) -> Frame:
    """Success."""
    answer: Frame = {"headers": {"req_id": got.req_id}, "errcode": 0, "errmsg": "ok"}
    return {**answer, "body": body} if body else answer


def refusal(errcode: int, errmsg: str = "no") -> Callable[[Got], Frame]:
    return lambda got: {"headers": {"req_id": got.req_id}, "errcode": errcode, "errmsg": errmsg}


def message(msgtype: str = "text", req_id: str = "push-1", **fields: Any) -> Frame:
    """A message callback; the part of the type is given by its name."""
    part = {} if msgtype in fields or msgtype != "text" else {"text": {"content": "hello"}}
    body = {
        "msgid": f"m-{req_id}",
        "aibotid": "bot-1",
        "chattype": "single",
        "from": {"userid": "alice"},
        "msgtype": msgtype,
        **part,
        **fields,
    }
    return {"cmd": "aibot_msg_callback", "headers": {"req_id": req_id}, "body": body}


def event(eventtype: str, req_id: str = "event-1", **payload: Any) -> Frame:
    """An event callback with its payload nested under its own name."""
    body = {
        "msgid": f"e-{req_id}",
        "create_time": 1_700_000_000,
        "aibotid": "bot-1",
        "from": {"userid": "alice"},
        "msgtype": "event",
        "event": {"eventtype": eventtype, **({eventtype: payload} if payload else {})},
    }
    return {"cmd": "aibot_event_callback", "headers": {"req_id": req_id}, "body": body}
