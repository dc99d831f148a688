"""Every benchmark against its peers: alternating in one run, medians and spread.

    python -m tests.bench [--only NAME ...] [--rounds 5] [--json FILE] [--plot FOLDER]

Names: aibot, ilink, import. The servers are mocks in processes of their own; the bare loops show about how much they
can give. Absolute figures say more about the machine than about the libraries: read the ratios, which are medians of
the ratios of each round. The peers are installed into a folder outside the repository (tests/bench/peers.py).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import wxsdk
from tests.bench.peers import Peers

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
Figures = Dict[str, float]


class Runner(NamedTuple):
    """One contender: how to run it, given the port of the mock server."""

    name: str
    command: Callable[[int], List[str]]
    folder: Optional[Path] = None


class Bench(NamedTuple):
    name: str
    mock: Optional[str]
    runners: List[Runner]


class Measure(NamedTuple):
    """What a figure means: its label, and whether more is better."""

    label: str
    more: bool


MEASURES = {
    "push": Measure("20,000 pushed texts to a counting handler, per second", True),
    "round_trip_us": Measure("round trip of a reply, median, µs", False),
    "replies": Measure("200 chats x 20 acknowledged frames, per second", True),
    "receive": Measure("20,000 iLink messages to a counting handler, per second", True),
    "send": Measure("1,000 send_text one after the other, per second", True),
    "import_ms": Measure("import and first client in a new process, ms", False),
}


def script(name: str, *arguments: str, python: str = sys.executable) -> Callable[[int], List[str]]:
    return lambda port: [python, str(HERE / name), str(port), *arguments]


def aibot(peers: Peers) -> Bench:
    runners = [Runner("wxsdk", script("aibot_wxsdk.py"))]
    if "wecom-aibot-python-sdk" in peers.versions:
        runners.append(Runner("wecom-aibot-python-sdk", script("aibot_peer.py", python=peers.python)))
    if peers.node_folder:
        node = str(HERE / "aibot_node.mjs")
        runners.append(Runner("@wecom/aibot-node-sdk", lambda port: ["node", node, str(port)], peers.node_folder))
    runners.append(Runner("bare websocket-client loop", script("aibot_bare.py", python=peers.python)))
    return Bench("aibot", "mock_gateway.py", runners)


def ilink(peers: Peers) -> Bench:
    runners = [
        Runner("wxsdk, MemoryStore", script("ilink_wxsdk.py", "memory")),
        Runner("wxsdk, SQLiteStore", script("ilink_wxsdk.py", "sqlite")),
    ]
    for name in ("weixin-ilink-client", "python-weixin-ilink", "ilink-sdk"):
        if name in peers.versions:
            runners.append(Runner(name, script("ilink_peers.py", name.replace("-", "_"), python=peers.python)))
    runners.append(Runner("bare requests session", script("ilink_peers.py", "bare_requests", python=peers.python)))
    return Bench("ilink", "mock_ilink.py", runners)


TIMED = (
    "import time; began = time.perf_counter(); {}; took = time.perf_counter() - began;"
    " print('{{\"import_ms\": %f}}' % (1000 * took))"
)


def imports(peers: Peers) -> Bench:
    def timed(code: str, python: str = sys.executable) -> Callable[[int], List[str]]:
        return lambda port: [python, "-c", TIMED.format(code)]

    ours = "import wxsdk; wxsdk.WeixinClient(wxsdk.WeixinConfig(token='x'))"
    gateway = "import wxsdk; wxsdk.WSClient(wxsdk.WSClientOptions('b', 's'))"
    runners = [
        Runner("wxsdk, WeixinClient", timed(ours)),
        Runner("wxsdk, WSClient", timed(gateway)),
        Runner("import requests", timed("import requests")),
    ]
    if "ilink-sdk" in peers.versions:
        runners.append(Runner("ilink-sdk", timed("import ilink_sdk; ilink_sdk.Client(account_id='x')", peers.python)))
    return Bench("import", None, runners)


BENCHES = {"aibot": aibot, "ilink": ilink, "import": imports}


@contextlib.contextmanager
def served(mock: Optional[str]) -> Iterator[int]:
    """The port of the mock server, which runs in a process of its own in the block."""
    if mock is None:
        yield 0
        return
    server = subprocess.Popen(
        [sys.executable, str(HERE / mock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        yield int(server.stdout.readline())
    finally:
        server.kill()
        server.communicate()


def measure(runner: Runner, port: int) -> Figures:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} if runner.name.startswith("wxsdk") else dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    ran = subprocess.run(
        runner.command(port), capture_output=True, text=True, timeout=180, env=environment, cwd=runner.folder
    )
    if ran.returncode:
        raise RuntimeError(ran.stderr.strip().splitlines()[-1] if ran.stderr.strip() else f"exit {ran.returncode}")
    figures: Figures = json.loads(ran.stdout.strip().splitlines()[-1])
    return figures


def run(bench: Bench, rounds: int) -> Dict[str, Dict[str, List[float]]]:
    """Figure -> runner -> its values, one of each round; a runner that fails is named and left out."""
    found: Dict[str, Dict[str, List[float]]] = {}
    failed: Dict[str, str] = {}
    with served(bench.mock) as port:
        for _ in range(rounds):
            for runner in bench.runners:
                if runner.name in failed:
                    continue
                try:
                    figures = measure(runner, port)
                except (RuntimeError, subprocess.TimeoutExpired) as exc:
                    failed[runner.name] = str(exc)[:200]
                    continue
                for name, value in figures.items():
                    found.setdefault(name, {}).setdefault(runner.name, []).append(value)
    for name, why in failed.items():
        print(f"  {name} failed: {why}")
    return found


def shown(values: Dict[str, List[float]], more: bool) -> Iterator[Tuple[str, float, float, float, float]]:
    """Of each runner: name, median, least, most, and the median of wxsdk's ratio to it."""
    ours = next(iter(values.values()))
    for name, theirs in values.items():
        ratio = statistics.median(a / b for a, b in zip(ours, theirs))
        yield name, statistics.median(theirs), min(theirs), max(theirs), ratio


def report(found: Dict[str, Dict[str, List[float]]]) -> None:
    for name, values in found.items():
        label, more = MEASURES[name]
        print(f"\n{label} ({'more' if more else 'less'} is better)")
        print(f"  {'':30}{'median':>12}{'least':>12}{'most':>12}{'wxsdk is':>12}")
        for runner, middle, least, most, ratio in shown(values, more):
            print(f"  {runner:30}{middle:12,.0f}{least:12,.0f}{most:12,.0f}{ratio:10.2f} x")


def plot(found: Dict[str, Dict[str, List[float]]], folder: Path, note: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    for name, values in found.items():
        label, more = MEASURES[name]
        names = list(values)[::-1]
        middles = [statistics.median(values[runner]) for runner in names]
        spread = [
            [middle - min(values[runner]) for runner, middle in zip(names, middles)],
            [max(values[runner]) - middle for runner, middle in zip(names, middles)],
        ]
        figure, axes = pyplot.subplots(figsize=(8, 0.55 * len(names) + 1.6))
        colours = ["#2f6fab" if runner.startswith("wxsdk") else "#b8c4d0" for runner in names]
        axes.barh(names, middles, xerr=spread, color=colours, ecolor="#555555", capsize=3)
        axes.set_title(f"{label}\n{'more' if more else 'less'} is better", fontsize=10, loc="left")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.tick_params(labelsize=9)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        figure.text(0.01, 0.01, note, fontsize=6.5, color="#777777")
        figure.tight_layout(rect=(0, 0.04, 1, 1))
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        figure.savefig(folder / f"{name}.png", dpi=110)
        pyplot.close(figure)


def main(arguments: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=BENCHES, default=list(BENCHES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args(arguments)
    peers = Peers()
    versions = {"wxsdk": wxsdk.__version__, **peers.versions, "Python": platform.python_version()}
    note = ", ".join(f"{name} {version}" for name, version in versions.items())
    print(note)
    results: Dict[str, Dict[str, List[float]]] = {}
    for name in options.only:
        found = run(BENCHES[name](peers), options.rounds)
        report(found)
        results.update(found)
    if options.json:
        options.json.write_text(json.dumps({"versions": versions, "figures": results}, indent=2) + "\n", "utf-8")
    if options.plot:
        plot(results, options.plot, f"medians, least and most of {options.rounds} rounds; {note}")


if __name__ == "__main__":
    main()
