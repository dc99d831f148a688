"""What wxsdk does in the iLink benchmarks: `python ilink_wxsdk.py PORT memory|sqlite`."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Dict

from wxsdk import MemoryStore, SQLiteStore, WeixinClient, WeixinConfig

COUNT, SENDS = 20_000, 1_000


def config(port: int) -> WeixinConfig:
    base = f"http://127.0.0.1:{port}"
    return WeixinConfig(
        token=f"count:{COUNT}", base_url=base, cdn_base_url=base, sends_per_second=None, single_instance=False
    )


def received(port: int, store: Any) -> float:
    done, times, lock = threading.Event(), [0.0, 0.0], threading.Lock()
    seen = 0

    def on_message(ctx: Any) -> None:
        nonlocal seen
        with lock:
            seen += 1
            if seen == 1:
                times[0] = time.perf_counter()
            if seen == COUNT:
                times[1] = time.perf_counter()
                done.set()

    with WeixinClient(config(port), on_message, store=store):
        assert done.wait(120)
    return COUNT / (times[1] - times[0])


def sent(port: int) -> float:
    client = WeixinClient(config(port))
    client.send_text("user1@im.wechat", "warm", "context")
    began = time.perf_counter()
    for number in range(SENDS):
        client.send_text("user1@im.wechat", f"text number {number}", "context")
    took = time.perf_counter() - began
    client.shutdown()
    return SENDS / took


def main() -> None:
    port = int(sys.argv[1])
    figures: Dict[str, float] = {}
    if sys.argv[2] == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            figures["receive"] = received(port, SQLiteStore(Path(folder) / "bot.db"))
    else:
        figures = {"receive": received(port, MemoryStore()), "send": sent(port)}
    print(json.dumps(figures))


main()
