"""wxsdk against the official Python SDK for WeCom AI bots, on the same mock gateway, in one run.

    python -m tests.bench.bench_aibot [--rounds 3] [--peer-python PATH]

Without --peer-python the peer is installed into a temporary environment. Each round runs both, one after the other; the
best of each counts, since what disturbs a run only ever makes it slower.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Dict, List

HERE = Path(__file__).parent
PEER = "wecom-aibot-python-sdk==1.0.2"
AIMS = {"push": 1.5, "round_trip_us": 0.8, "replies": 0.7}  # ratios to the peer; a round trip wants a lower one
LABELS = {
    "push": "20,000 pushed texts, per second",
    "round_trip_us": "reply round trip, p50 in µs",
    "replies": "200 chats x 20 stream frames, per second",
}


def measure(python: str, script: str, port: int) -> Dict[str, float]:
    ran = subprocess.run(
        [python, str(HERE / script), str(port)], stdout=subprocess.PIPE, check=True, timeout=180, text=True
    )
    figures: Dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return figures


def best(rounds: List[Dict[str, float]]) -> Dict[str, float]:
    return {name: (min if name == "round_trip_us" else max)(figures[name] for figures in rounds) for name in AIMS}


def compare(peer_python: str, rounds: int) -> None:
    gateway = subprocess.Popen(
        [sys.executable, str(HERE / "mock_gateway.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert gateway.stdout is not None
        port = int(gateway.stdout.readline())
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(measure(sys.executable, "aibot_wxsdk.py", port))
            theirs.append(measure(peer_python, "aibot_peer.py", port))
    finally:
        gateway.kill()
        gateway.communicate()
    mine, peers = best(ours), best(theirs)
    print(f"{'':42} {'wxsdk':>10} {'peer':>10} {'ratio':>7} {'aim':>7}")
    for name, aim in AIMS.items():
        sign = "<=" if name == "round_trip_us" else ">="
        ratio = mine[name] / peers[name]
        print(f"{LABELS[name]:42} {mine[name]:10,.0f} {peers[name]:10,.0f} {ratio:7.2f} {sign} {aim:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer-python")
    options = parser.parse_args()
    if options.peer_python:
        compare(options.peer_python, options.rounds)
        return
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "-q", PEER], check=True)
        compare(python, options.rounds)


if __name__ == "__main__":
    main()
