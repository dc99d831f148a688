"""How long an acknowledged frame takes while 16 handlers burn the processor.

    python -m tests.bench.aibot_burn [--interval SECONDS]

--interval: of ``sys.setswitchinterval``, Python's 0.005 by default. A thread that wakes has to ask the one that
computes for the interpreter's lock, which is given up after that interval only; with several of them computing, another
one of them may get it first. So reader and caller each wait for several intervals, whatever a library does.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import List

from wxsdk import WSClient, WSClientOptions, WsFrame

BURNERS = 16
FRAMES = 300


def times_of(client: WSClient, frame: WsFrame) -> List[float]:
    times = []
    for number in range(FRAMES):
        began = time.perf_counter()
        client.reply_stream(frame, "s", f"snapshot {number}")
        times.append((time.perf_counter() - began) * 1000)
    return sorted(times)


def told(name: str, times: List[float]) -> str:
    return f"{name}: p50 {statistics.median(times):.3f} ms, p99 {times[len(times) * 99 // 100]:.3f} ms"


def measure(port: int) -> None:
    options = WSClientOptions(f"chats:{BURNERS + 1}", "s", ws_url=f"ws://127.0.0.1:{port}", max_workers=BURNERS + 1)
    client, stop, first = WSClient(options), threading.Event(), threading.Event()
    burning = threading.Semaphore(0)
    frames: List[WsFrame] = []

    @client.on_message_text
    def burn(frame: WsFrame) -> None:
        if not frames:
            frames.append(frame)
            first.set()
            return
        idle.wait()
        burning.release()
        while not stop.is_set():
            sum(range(1000))

    idle = threading.Event()
    with client.connect(wait=10):
        assert first.wait(10)
        print(told("idle", times_of(client, frames[0])), flush=True)
        idle.set()
        for _ in range(BURNERS):
            assert burning.acquire(timeout=10)
        print(told(f"{BURNERS} handlers compute", times_of(client, frames[0])), flush=True)
        stop.set()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interval", type=float, default=sys.getswitchinterval())
    sys.setswitchinterval(parser.parse_args().interval)
    gateway = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "mock_gateway.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert gateway.stdout is not None
        measure(int(gateway.stdout.readline()))
    finally:
        gateway.kill()
        gateway.communicate()


if __name__ == "__main__":
    main()
