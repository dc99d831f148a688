"""What WeCom clients at rest cost: threads, memory, start and stop.

    python -m tests.bench.aibot_idle [--clients 1000]

Aims over the first client, for 1,000: at most 80 MiB, 1,050 threads, 1 % of a core, 4 s to start, 1 s to stop.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from tests.delivery.waiting import until
from wxsdk import WSClient, WSClientOptions

SETTLE = 5.0  # seconds in which the processor time of clients at rest is measured


def make(port: int) -> WSClient:
    options = WSClientOptions("push:0", "s", ws_url=f"ws://127.0.0.1:{port}", single_instance=False)
    return WSClient(options)


def measure(port: int, count: int) -> str:
    process = psutil.Process()
    with make(port).connect(wait=30):
        before, began = process.memory_info().rss, time.perf_counter()
        clients = [make(port) for _ in range(count)]
        for client in clients:
            client.connect()
        until(lambda: all(client.is_connected for client in clients), timeout=60)
        started = time.perf_counter() - began
        memory, threads = (process.memory_info().rss - before) / 2**20, threading.active_count()
        used = sum(process.cpu_times()[:2])
        threading.Event().wait(SETTLE)
        busy = (sum(process.cpu_times()[:2]) - used) / SETTLE
        began = time.perf_counter()
        assert [client.disconnect() for client in clients] == [True] * count
        stopped = time.perf_counter() - began
    return (
        f"{count} clients: {memory:.1f} MiB, {threads} threads, {busy:.2%} of a core, "
        f"start {started:.2f} s, stop {stopped:.2f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    count = parser.parse_args().clients
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # three descriptors a client
    gateway = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "mock_gateway.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert gateway.stdout is not None
        print(measure(int(gateway.stdout.readline()), count), flush=True)
    finally:
        gateway.kill()
        gateway.communicate()


if __name__ == "__main__":
    main()
