"""Both clients under random trouble for a given time.

    python -m tests.bench.soak [--minutes 10] [--seed 0]

The simulators, their users and the trouble live in another process (``soak_platform``), so what grows here is ours.
Aims: lost 0, doubled 0, growth of memory after the first minute below 5 MB, threads and descriptors flat.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List

import psutil

from wxsdk.aibot.client import WSClient
from wxsdk.aibot.config import WSClientOptions
from wxsdk.aibot.frames import WsFrame
from wxsdk.errors import WxError
from wxsdk.ilink.client import WeixinClient
from wxsdk.ilink.config import WeixinConfig
from wxsdk.ilink.context import MessageContext
from wxsdk.ilink.handler import MessageHandler
from wxsdk.runtime.sqlite_store import SQLiteStore

SAMPLE_EVERY = 1.0  # seconds
WARM_UP = 60.0  # seconds after which memory must not grow; half of a shorter run
CATCH_UP = 60.0  # seconds for what is on its way when the trouble ends


class Ledger:
    """Who was heard up to which number; what was missing and what came twice. Its size is that of the users."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.next: Dict[str, int] = {}
        self.handled = 0
        self.lost: List[str] = []
        self.doubled: List[str] = []
        self.answers: Counter[str] = Counter()

    def hear(self, user: str, number: int) -> None:
        with self._lock:
            expected = self.next.get(user, 0)
            self.handled += 1
            if number < expected:
                self.doubled.append(f"{user} {number}")
                return
            self.lost += [f"{user} {one}" for one in range(expected, number)]
            self.next[user] = number + 1

    def answer(self, send: Any) -> None:
        """Call *send* and count what came of it."""
        try:
            send()
            outcome = "sent"
        except WxError as exc:
            outcome = type(exc).__name__
        with self._lock:
            self.answers[outcome] += 1


class Bot(MessageHandler):
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.errors: Counter[str] = Counter()

    def on_message(self, ctx: MessageContext) -> None:
        self._ledger.hear(ctx.from_user_id, int(ctx.body or ""))
        self._ledger.answer(lambda: ctx.reply_text(ctx.body or ""))

    def on_error(self, exc: BaseException, ctx: Any) -> None:
        self.errors[type(exc).__name__] += 1


@dataclass
class Samples:
    """What the process holds, once a second."""

    process: psutil.Process = field(default_factory=psutil.Process)
    memory: List[int] = field(default_factory=list)
    threads: List[int] = field(default_factory=list)
    descriptors: List[int] = field(default_factory=list)

    def take(self) -> None:
        self.memory.append(self.process.memory_info().rss)
        self.threads.append(threading.active_count())
        self.descriptors.append(self.process.num_fds())

    def growth(self, since: int) -> float:
        """MiB between the mean around *since* and the mean of the end."""
        span = max(len(self.memory) // 20, 1)
        early, late = self.memory[since : since + span], self.memory[-span:]
        return (sum(late) / len(late) - sum(early) / len(early)) / 2**20


def soak(seconds: float, seed: int, folder: Path) -> Dict[str, Any]:
    """Run for *seconds*; the figures by name."""
    program = Path(__file__).with_name("soak_platform.py")
    paths = os.pathsep.join(filter(None, [str(program.parents[2]), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": paths}
    platform = subprocess.Popen(
        [sys.executable, str(program), str(seed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert platform.stdin is not None
    assert platform.stdout is not None
    with platform:
        facts = json.loads(platform.stdout.readline())
        ledger = Ledger()
        bot = Bot(ledger)
        client = ilink_client(facts, bot, folder)
        ws = aibot_client(facts, ledger)
        before = threading.active_count(), psutil.Process().num_fds()
        client.start()
        ws.connect()
        samples = Samples()
        began = time.monotonic()
        pause = threading.Event()
        while time.monotonic() - began < seconds:
            pause.wait(min(SAMPLE_EVERY, seconds))
            samples.take()
        platform.stdin.write("stop\n")
        platform.stdin.flush()
        report = json.loads(platform.stdout.readline())
        deadline = time.monotonic() + CATCH_UP
        while ledger.next != {user: sent for user, sent in report["sent"].items() if sent}:
            if pause.wait(0.01) or time.monotonic() > deadline:
                break
        ended = client.shutdown() and ws.disconnect()
        platform.stdin.write("bye\n")
    gc.collect()
    missing = [f"{user} from {ledger.next.get(user, 0)} to {sent}" for user, sent in report["sent"].items()]
    missing = [one for one in missing if one.split()[2] != one.split()[4]]
    warm = int(min(WARM_UP, seconds / 2) / SAMPLE_EVERY)
    return {
        "sent": sum(report["sent"].values()),
        "handled": ledger.handled,
        "lost": ledger.lost + missing,
        "doubled": ledger.doubled,
        "answers": dict(ledger.answers),
        "troubles": report["troubles"],
        "outages told": dict(bot.errors),
        "aibot connections": report["connections"],
        "polls at once": report["polls at once"],
        "violations": report["violations"],
        "memory growth": samples.growth(min(warm, len(samples.memory) - 1)),
        "threads": (min(samples.threads), max(samples.threads)),
        "descriptors": (min(samples.descriptors), max(samples.descriptors)),
        "left": (threading.active_count() - before[0], psutil.Process().num_fds() - before[1]),
        "ended": ended,
    }


def ilink_client(facts: Dict[str, str], bot: Bot, folder: Path) -> WeixinClient:
    quick = {"poll_retry_delay": 0.1, "poll_backoff_delay": 0.3, "send_retry_delay": 0.05, "long_poll_timeout": 2.0}
    config = WeixinConfig(
        facts["token"], base_url=facts["base_url"], sends_per_second=None, poll_grace=1.0, api_timeout=3.0, **quick
    )
    return WeixinClient(config, bot, store=SQLiteStore(folder / "soak.db"))


def aibot_client(facts: Dict[str, str], ledger: Ledger) -> WSClient:
    quick = {"reconnect_interval": 0.05, "reconnect_max_delay": 0.5, "heartbeat_interval": 0.5, "ack_timeout": 0.5}
    options = WSClientOptions(
        facts["bot_id"],
        facts["secret"],
        ws_url=facts["ws_url"],
        max_reconnect_attempts=-1,
        max_auth_failure_attempts=-1,
        request_timeout=1.0,
        **quick,
    )
    client = WSClient(options)

    @client.on_message_text
    def answer(frame: WsFrame) -> None:
        ledger.hear(frame.chat, int(frame.body.text.content))
        ledger.answer(lambda: client.reply_stream(frame, f"s-{frame.req_id}", frame.body.text.content, finish=True))

    return client


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.getLogger("wxsdk").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        figures = soak(options.minutes * 60, options.seed, Path(folder))
    for name, value in figures.items():
        print(f"{name:>20}  {value}")
    print(
        f"soak of {options.minutes:g} min: handled {figures['handled']} of {figures['sent']}, "
        f"lost {len(figures['lost'])}, doubled {len(figures['doubled'])}, troubles {sum(figures['troubles'])}, memory "
        f"{figures['memory growth']:+.1f} MiB, threads {figures['threads']}, descriptors {figures['descriptors']}"
    )


if __name__ == "__main__":
    main()
