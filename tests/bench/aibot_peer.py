"""What the official Python SDK of WeCom AI bots does in bench_aibot.py; run by an interpreter that has it installed."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time

import aibot.ws
from aibot import WSClient, WSClientOptions

aibot.ws._SSL_CONTEXT = None  # without this it cannot speak ws://


class Quiet:
    def debug(self, *_: object) -> None: ...

    info = warn = error = debug


def client_for(port: int, bot_id: str) -> WSClient:
    return WSClient(WSClientOptions(bot_id=bot_id, secret="s", ws_url=f"ws://127.0.0.1:{port}", logger=Quiet()))


async def pushed(port: int, count: int) -> float:
    client, done, times = client_for(port, f"push:{count}"), asyncio.Event(), []
    seen = 0

    @client.on("message.text")
    async def on_text(frame: object) -> None:
        nonlocal seen
        seen += 1
        if seen == 1:
            times.append(time.perf_counter())
        if seen == count:
            times.append(time.perf_counter())
            done.set()

    await client.connect()
    await asyncio.wait_for(done.wait(), 60)
    client.disconnect()
    return count / (times[1] - times[0])


async def round_trip(port: int, count: int) -> float:
    client, done, times = client_for(port, "chats:1"), asyncio.Event(), []

    @client.on("message.text")
    async def on_text(frame: object) -> None:
        for number in range(count):
            began = time.perf_counter()
            await client.reply_stream(frame, "s", f"snapshot {number}")
            times.append(time.perf_counter() - began)
        done.set()

    await client.connect()
    await asyncio.wait_for(done.wait(), 60)
    client.disconnect()
    return statistics.median(times) * 1e6


async def replies(port: int, chats: int, frames: int) -> float:
    client, done = client_for(port, f"chats:{chats}"), asyncio.Event()
    left, began = chats, 0.0

    @client.on("message.text")
    async def on_text(frame: object) -> None:
        nonlocal left, began
        began = began or time.perf_counter()
        for number in range(frames):
            await client.reply_stream(frame, "s", f"snapshot {number}", number == frames - 1)
        left -= 1
        if not left:
            done.set()

    await client.connect()
    await asyncio.wait_for(done.wait(), 60)
    took = time.perf_counter() - began
    client.disconnect()
    return chats * frames / took


async def main() -> None:
    port = int(sys.argv[1])
    figures = {
        "push": await pushed(port, 20_000),
        "round_trip_us": await round_trip(port, 3_000),
        "replies": await replies(port, 200, 20),
    }
    print(json.dumps(figures), flush=True)


asyncio.run(main())
