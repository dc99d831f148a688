"""A WebSocket gateway that does nothing but be fast: the same opponent for every client that is measured.

Run as a program, it prints its port and serves until its standard input closes. It acknowledges every frame; after
"aibot_subscribe" it pushes what the bot_id asks for: "push:<count>" texts at once, or "chats:<count>" texts of as many
chats.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import socket
import struct
import sys
import threading
from typing import Iterator, List, Tuple

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = re.compile(rb"(?i)sec-websocket-key:\s*(\S+)")
REQ_ID = re.compile(rb'"req_id"\s*:\s*"([^"]+)"')
BOT_ID = re.compile(rb'"bot_id"\s*:\s*"([^"]+)"')


def frame(payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + payload
    return struct.pack("!BBH", 0x81, 126, size) + payload


def unmasked(data: bytes) -> Tuple[List[bytes], bytes]:
    """The payloads of whole client frames in *data*, and the rest."""
    payloads, position = [], 0
    while len(data) - position >= 6:
        size, start = data[position + 1] & 0x7F, position + 2
        if size == 126:
            size, start = struct.unpack_from("!H", data, start)[0], start + 2
        elif size == 127:
            if len(data) - start < 8:
                break
            size, start = struct.unpack_from("!Q", data, start)[0], start + 8
        stop = start + 4 + size
        if stop > len(data):
            break
        mask = data[start : start + 4] * (size // 4 + 1)
        masked = data[start + 4 : stop]
        value = int.from_bytes(masked, "big") ^ int.from_bytes(mask[:size], "big")
        payloads.append(value.to_bytes(size, "big"))
        position = stop
    return payloads, data[position:]


def texts(count: int, chats: int) -> Iterator[bytes]:
    for number in range(count):
        body = {
            "msgid": f"m{number}-{chats}",
            "aibotid": "bot",
            "chattype": "group",
            "chatid": f"chat{number % chats}",
            "from": {"userid": f"user{number % chats}"},
            "msgtype": "text",
            "text": {"content": f"message number {number}, of about the length that people write"},
            "response_url": "https://example.com/response?code=abcdef",
        }
        pushed = {"cmd": "aibot_msg_callback", "headers": {"req_id": f"r{number}-{chats}"}, "body": body}
        yield frame(json.dumps(pushed, ensure_ascii=False).encode())


def serve(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = b""
    while b"\r\n\r\n" not in request:
        request += sock.recv(65536)
    accept = base64.b64encode(hashlib.sha1(KEY.search(request).group(1) + MAGIC).digest())
    sock.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + accept
        + b"\r\n\r\n"
    )
    rest = b""
    while True:
        data = sock.recv(1 << 18)
        if not data:
            return
        payloads, rest = unmasked(rest + data)
        answers = []
        for payload in payloads:
            found = REQ_ID.search(payload)
            if found is None:
                continue
            answers.append(frame(b'{"headers":{"req_id":"%b"},"errcode":0,"errmsg":"ok"}' % found.group(1)))
            if b'"aibot_subscribe"' in payload:
                wish, count = BOT_ID.search(payload).group(1).decode().split(":")
                chats = 100 if wish == "push" else int(count)
                answers.extend(texts(int(count), chats))
        sock.sendall(b"".join(answers))


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)

    def accept() -> None:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=_quietly, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


def _quietly(sock: socket.socket) -> None:
    with sock, contextlib.suppress(OSError):
        serve(sock)


if __name__ == "__main__":
    main()
