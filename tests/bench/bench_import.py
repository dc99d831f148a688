"""What `import wxsdk` takes beyond `import requests`, each in fresh processes, in turns: as installed, and uncompiled.

python -m tests.bench.bench_import [--runs 15]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from typing import Dict, List

AIM = 0.25  # seconds more than requests
PROBE = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"


def seconds(module: str, environment: Dict[str, str]) -> float:
    """How long the import takes in a process of its own."""
    probe = [sys.executable, "-c", PROBE.format(module)]
    return float(subprocess.run(probe, capture_output=True, text=True, check=True, env=environment).stdout)


def measure(what: str, runs: int, environment: Dict[str, str]) -> None:
    took: Dict[str, List[float]] = {"requests": [], "wxsdk": []}
    for name in took:
        seconds(name, environment)  # fills the caches
    for _ in range(runs):
        for name, times in took.items():
            times.append(seconds(name, environment))
    middle = {name: statistics.median(times) for name, times in took.items()}
    more = middle["wxsdk"] - middle["requests"]
    print(
        f"{what}: wxsdk {middle['wxsdk']:.3f} s, requests {middle['requests']:.3f} s, more {more:.3f} s (aim < {AIM})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as compiled:
        measure("as installed", runs, {**plain, "PYTHONPYCACHEPREFIX": compiled})
    measure("wxsdk uncompiled", runs, {**plain, "PYTHONDONTWRITEBYTECODE": "1"})


if __name__ == "__main__":
    main()
