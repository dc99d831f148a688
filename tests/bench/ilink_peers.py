"""What the other iLink packages do in the benchmarks: `python ilink_peers.py PORT NAME`, where they are installed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from typing import Any, Dict, List

COUNT, SENDS = 20_000, 1_000
USER = "user1@im.wechat"


def weixin_ilink_client(base: str) -> Dict[str, float]:
    from weixin_ilink_client import AsyncWeixinIlinkClient, WeixinCredentials, client, protocol

    for module in (client, protocol):  # without this it cannot speak http://
        if hasattr(module, "_validate_https_url"):
            module._validate_https_url = lambda url: None
        if hasattr(module, "_validate_credentials"):
            module._validate_credentials = lambda credentials: None

    async def run() -> Dict[str, float]:
        facts = WeixinCredentials(account_id="bot", bot_token=f"count:{COUNT}", base_url=base, user_id="me")
        seen, times, done = 0, [0.0, 0.0], asyncio.Event()

        async def handle(message: Any) -> None:
            nonlocal seen
            seen += 1
            if seen == 1:
                times[0] = time.perf_counter()
            if seen == COUNT:
                times[1] = time.perf_counter()
                done.set()

        async with AsyncWeixinIlinkClient(facts) as bot:
            task = asyncio.ensure_future(bot.run(handle))
            await asyncio.wait_for(done.wait(), 120)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        async with AsyncWeixinIlinkClient(facts) as bot:
            await bot.send_text(USER, "warm", context_token="context")
            began = time.perf_counter()
            for number in range(SENDS):
                await bot.send_text(USER, f"text number {number}", context_token="context")
            took = time.perf_counter() - began
        return {"receive": COUNT / (times[1] - times[0]), "send": SENDS / took}

    return asyncio.run(run())


def python_weixin_ilink(base: str) -> Dict[str, float]:
    from python_weixin_ilink import SyncClient, WeixinSession

    client = SyncClient(session=WeixinSession(bot_token=f"count:{COUNT}", bot_id="bot", base_url=base))
    seen, began = 0, 0.0
    while seen < COUNT:
        messages = client.sync()
        began = began or time.perf_counter()
        for _ in messages:
            seen += 1
    took = time.perf_counter() - began
    sends = time.perf_counter()
    for number in range(SENDS):
        client.send_text(to_user_id=USER, text=f"text number {number}")
    return {"receive": COUNT / took, "send": SENDS / (time.perf_counter() - sends)}


def ilink_sdk(base: str) -> Dict[str, float]:
    import ilink_sdk as rust

    client = rust.Client(account_id="bench-im-bot", base_url=base)
    client.save_account("bench-im-bot", token=f"count:{COUNT}", base_url=base, user_id="me")
    client.send_text(USER, "warm")
    sends = time.perf_counter()
    for number in range(SENDS):
        client.send_text(USER, f"text number {number}")
    send = SENDS / (time.perf_counter() - sends)
    seen, began = 0, 0.0
    while seen < COUNT:
        updates = client.get_updates()
        began = began or time.perf_counter()
        for _ in updates.messages:
            seen += 1
    return {"receive": COUNT / (time.perf_counter() - began), "send": send}


def bare_requests(base: str) -> Dict[str, float]:
    import requests

    session = requests.Session()
    headers = {"Authorization": f"Bearer count:{COUNT}"}
    seen: List[Any] = []
    cursor, began = "", 0.0
    while len(seen) < COUNT:
        url = f"{base}/ilink/bot/getupdates"
        reply = session.post(url, json={"get_updates_buf": cursor}, headers=headers, timeout=45).json()
        began = began or time.perf_counter()
        seen.extend(reply["msgs"])
        cursor = reply["get_updates_buf"]
    took = time.perf_counter() - began
    sends = time.perf_counter()
    for number in range(SENDS):
        item = {"type": 1, "text_item": {"text": f"text number {number}"}}
        body = {"msg": {"to_user_id": USER, "client_id": f"c{number}", "item_list": [item]}}
        session.post(f"{base}/ilink/bot/sendmessage", json=body, headers=headers, timeout=15).json()
    return {"receive": COUNT / took, "send": SENDS / (time.perf_counter() - sends)}


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(HOME=home, XDG_STATE_HOME=home, XDG_DATA_HOME=home, XDG_CONFIG_HOME=home)
        figures = globals()[sys.argv[2]](f"http://127.0.0.1:{sys.argv[1]}")
        print(json.dumps(figures), flush=True)
        os._exit(0)  # some of them leave threads behind


main()
