"""The floor of an acknowledged frame: one thread that reads a raw socket, one that writes, and a queue between them.

    python -m tests.bench.aibot_floor PORT     (of a running mock_gateway.py)

"bare" makes and reads no JSON, masks nothing and waits without a limit: two thread switches and three system calls.
"round_trip_us" does what any client must: it writes and masks the frame, reads the answer, finds whose it is, and waits
with a limit.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import socket
import statistics
import struct
import sys
import threading
import time
from typing import Any, Dict


def connected(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(
        f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(65536)
    return sock


def client_frame(text: str) -> bytes:
    data = text.encode()
    size = struct.pack("!BB", 0x81, 0x80 | len(data)) if len(data) < 126 else struct.pack("!BBH", 0x81, 0xFE, len(data))
    return size + bytes(4) + data  # the mask is zero: masking costs one operation on integers


def opened(port: int) -> socket.socket:
    sock = connected(port)
    sock.sendall(client_frame('{"cmd":"ping","headers":{"req_id":"ping_1"},"body":{"bot_id":"none"}}'))
    return sock


def bare(port: int, count: int) -> float:
    sock, bell, times = opened(port), threading.Lock(), []
    bell.acquire()

    def read() -> None:
        while sock.recv(65536):
            bell.release()

    threading.Thread(target=read, daemon=True).start()
    bell.acquire()
    frame = client_frame('{"cmd":"aibot_respond_msg","headers":{"req_id":"r0"},"body":' + '"' + "x" * 60 + '"}')
    for _ in range(count):
        began = time.perf_counter()
        sock.sendall(frame)
        bell.acquire()
        times.append(time.perf_counter() - began)
    sock.shutdown(socket.SHUT_RDWR)
    return statistics.median(times) * 1e6


def masked(text: str) -> bytes:
    data, key = text.encode(), os.urandom(4)
    mask = (key * (len(data) // 4 + 1))[: len(data)]
    body = (int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(data), "big")
    size = struct.pack("!BB", 0x81, 0x80 | len(data)) if len(data) < 126 else struct.pack("!BBH", 0x81, 0xFE, len(data))
    return size + key + body


def round_trip(port: int, count: int) -> float:
    sock, times = opened(port), []
    waiting: Dict[str, queue.SimpleQueue[Any]] = {"ping_1": queue.SimpleQueue(), "r0": queue.SimpleQueue()}

    def read() -> None:
        data = sock.recv(65536)
        while data:
            frame = json.loads(data[2 : 2 + data[1]])  # one frame a block: there is one in flight
            waiting[frame["headers"]["req_id"]].put(frame)
            data = sock.recv(65536)

    threading.Thread(target=read, daemon=True).start()
    assert waiting["ping_1"].get(timeout=5)
    for number in range(count):
        began = time.perf_counter()
        stream = {"id": "s", "finish": False, "content": f"snapshot {number}"}
        body = {"msgtype": "stream", "stream": stream}
        sock.sendall(masked(json.dumps({"cmd": "aibot_respond_msg", "headers": {"req_id": "r0"}, "body": body})))
        assert waiting["r0"].get(timeout=5)["errcode"] == 0
        times.append(time.perf_counter() - began)
    sock.shutdown(socket.SHUT_RDWR)
    return statistics.median(times) * 1e6


if __name__ == "__main__":
    port = int(sys.argv[1])
    print(json.dumps({"bare": bare(port, 3_000), "round_trip_us": round_trip(port, 3_000)}), flush=True)
