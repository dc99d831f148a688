"""What wxsdk does in bench_aibot.py: the same work as aibot_peer.py."""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from typing import List

from wxsdk import WSClient, WSClientOptions, WsFrame


def client_for(port: int, bot_id: str, **settings: int) -> WSClient:
    return WSClient(
        WSClientOptions(bot_id, "s", ws_url=f"ws://127.0.0.1:{port}", max_queued_messages=50_000, **settings)
    )


def pushed(port: int, count: int) -> float:
    client, done, times = client_for(port, f"push:{count}"), threading.Event(), []
    lock, seen = threading.Lock(), 0

    @client.on_message_text
    def on_text(frame: WsFrame) -> None:
        nonlocal seen
        with lock:
            seen += 1
            if seen == 1:
                times.append(time.perf_counter())
            if seen == count:
                times.append(time.perf_counter())
                done.set()

    with client:
        assert done.wait(60)
    return count / (times[1] - times[0])


def round_trip(port: int, count: int) -> float:
    client, done = client_for(port, "chats:1"), threading.Event()
    times: List[float] = []

    @client.on_message_text
    def on_text(frame: WsFrame) -> None:
        for number in range(count):
            began = time.perf_counter()
            client.reply_stream(frame, "s", f"snapshot {number}")
            times.append(time.perf_counter() - began)
        done.set()

    with client:
        assert done.wait(60)
    return statistics.median(times) * 1e6


def replies(port: int, chats: int, frames: int) -> float:
    client, done = client_for(port, f"chats:{chats}", max_workers=chats), threading.Event()
    lock, left, began = threading.Lock(), chats, 0.0

    @client.on_message_text
    def on_text(frame: WsFrame) -> None:
        nonlocal left, began
        began = began or time.perf_counter()
        for number in range(frames):
            client.reply_stream(frame, "s", f"snapshot {number}", number == frames - 1)
        with lock:
            left -= 1
            if not left:
                done.set()

    with client:
        assert done.wait(60)
        return chats * frames / (time.perf_counter() - began)


def main() -> None:
    port = int(sys.argv[1])
    figures = {
        "push": pushed(port, 20_000),
        "round_trip_us": round_trip(port, 3_000),
        "replies": replies(port, 200, 20),
    }
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
