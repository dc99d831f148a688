"""What a bare loop on websocket-client does in the WeCom benchmarks: no queue, no checks, one thread."""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import Any, Dict

import websocket


def subscribed(port: int, bot_id: str) -> Any:
    ws = websocket.create_connection(f"ws://127.0.0.1:{port}")
    body = {"bot_id": bot_id, "secret": "s"}
    ws.send(json.dumps({"cmd": "aibot_subscribe", "headers": {"req_id": "aibot_subscribe_1"}, "body": body}))
    ws.recv()
    return ws


def stream(req_id: str, number: int) -> str:
    body = {"msgtype": "stream", "stream": {"id": "s", "finish": False, "content": f"snapshot {number}"}}
    return json.dumps({"cmd": "aibot_respond_msg", "headers": {"req_id": req_id}, "body": body})


def pushed(port: int, count: int) -> float:
    ws = subscribed(port, f"push:{count}")
    json.loads(ws.recv())
    began = time.perf_counter()
    for _ in range(count - 1):
        json.loads(ws.recv())
    took = time.perf_counter() - began
    ws.close()
    return count / took


def round_trip(port: int, count: int) -> float:
    ws, times = subscribed(port, "chats:1"), []
    req_id = json.loads(ws.recv())["headers"]["req_id"]
    for number in range(count):
        began = time.perf_counter()
        ws.send(stream(req_id, number))
        json.loads(ws.recv())
        times.append(time.perf_counter() - began)
    ws.close()
    return statistics.median(times) * 1e6


def replies(port: int, chats: int, frames: int) -> float:
    ws = subscribed(port, f"chats:{chats}")
    left: Dict[str, int] = {}
    began, done = time.perf_counter(), 0
    while done < chats:
        heard = json.loads(ws.recv())
        req_id = heard["headers"]["req_id"]
        number = left.setdefault(req_id, frames)
        if number == 0:
            done += 1
            continue
        left[req_id] -= 1
        ws.send(stream(req_id, frames - number))
    took = time.perf_counter() - began
    ws.close()
    return chats * frames / took


PORT = int(sys.argv[1])
print(
    json.dumps(
        {"push": pushed(PORT, 20_000), "round_trip_us": round_trip(PORT, 3_000), "replies": replies(PORT, 200, 20)}
    )
)
