"""An iLink server that does nothing but be fast: the same opponent for every client that is measured.

Run as a program, it prints its port and serves until its standard input closes. getupdates gives out batches of 100
texts of 100 users until as many have gone as the token wishes ("count:<number>"), then holds; sendmessage accepts.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import sys
import threading
from typing import Dict, Tuple

BATCH = 100
USERS = 100
HOLD = 5.0  # seconds; below every client's patience
TOKEN = re.compile(rb"(?i)authorization: *bearer +count:(\d+)")
LENGTH = re.compile(rb"(?i)content-length: *(\d+)")
PATH = re.compile(rb"^[A-Z]+ (\S+)")
CURSOR = re.compile(rb'"get_updates_buf": ?"([^"]*)"')


def message(number: int) -> Dict[str, object]:
    text = f"message number {number}, of about the length that people write"
    return {
        "seq": number,
        "message_id": 7_000_000_000_000_000_000 + number,
        "from_user_id": f"user{number % USERS}@im.wechat",
        "to_user_id": "bot@im.bot",
        "client_id": f"c{number}",
        "create_time_ms": 1_790_000_000_000 + number,
        "session_id": "s",
        "message_type": 1,
        "message_state": 2,
        "item_list": [{"type": 1, "text_item": {"text": text}}],
        "context_token": f"context-{number}",
    }


def answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


_batches: Dict[int, bytes] = {}


def batch(first: int) -> bytes:
    if first not in _batches:  # made once, so that the second client meets a server that only writes
        messages = [message(number) for number in range(first, first + BATCH)]
        reply = {"ret": 0, "errcode": 0, "msgs": messages, "get_updates_buf": str(first + BATCH)}
        _batches[first] = answer(json.dumps(reply).encode())
    return _batches[first]


SENT = answer(b'{"ret":0,"message_id":"7000000000000000001"}')
PLAIN = answer(b'{"ret":0}')


def request(sock: socket.socket, rest: bytes) -> Tuple[bytes, bytes, bytes]:
    """The head and the body of the next request, and what was read beyond it; an empty head at the end."""
    while b"\r\n\r\n" not in rest:
        more = sock.recv(65536)
        if not more:
            return b"", b"", b""
        rest += more
    head, _, rest = rest.partition(b"\r\n\r\n")
    found = LENGTH.search(head)
    length = int(found.group(1)) if found else 0
    while len(rest) < length:
        rest += sock.recv(65536)
    return head, rest[:length], rest[length:]


def serve(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    rest = b""
    while True:
        head, body, rest = request(sock, rest)
        path = PATH.search(head)
        if path is None:
            return
        if b"sendmessage" in path.group(1):
            sock.sendall(SENT)
        elif b"getupdates" in path.group(1):
            wish, cursor = TOKEN.search(head), CURSOR.search(body)
            first = int(cursor.group(1) or 0) if cursor else 0
            if wish and first < int(wish.group(1)):
                sock.sendall(batch(first))
                continue
            sock.settimeout(HOLD)
            with contextlib.suppress(socket.timeout):
                if not sock.recv(1, socket.MSG_PEEK):
                    return
            sock.settimeout(None)
            sock.sendall(answer(b'{"ret":0,"msgs":[],"get_updates_buf":"%d"}' % first))
        else:
            sock.sendall(PLAIN)


def _quietly(sock: socket.socket) -> None:
    with sock, contextlib.suppress(OSError):
        serve(sock)


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    for number in range(0, 20_000, BATCH):
        batch(number)
    print(listener.getsockname()[1], flush=True)

    def accept() -> None:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=_quietly, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
