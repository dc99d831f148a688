"""What a Bot adds to a client's own cost per message: pushed WeCom texts and iLink messages, with and without it.

    python -m tests.bench.bot [--rounds 5]

Every handler reads its text. With and without alternate in one run; the processor time of this process from the start
to the last message counts, the best of the rounds, since what disturbs a run only makes it slower. The platforms run in
processes of their own. Aim: at most 15 % more.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

from tests.bench.sim_process import ILINK, SimProcess, sim_process
from wxsdk import Bot, Message, WeixinClient, WeixinConfig, WSClient, WSClientOptions, WsFrame

PUSHED = 20_000
POLLED = 10_000
USERS = 100
AIM = 15.0  # per cent
WAIT = 120.0  # seconds


class Counter:
    """Counts handled messages, and takes the processor time from now to the last one."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._lock = threading.Lock()
        self._seen = 0
        self._began = time.process_time()
        self._done = threading.Event()
        self.seconds = 0.0

    def __call__(self, _: Any) -> None:
        with self._lock:
            self._seen += 1
            if self._seen == self._wanted:
                self.seconds = time.process_time() - self._began
                self._done.set()

    def wait(self) -> float:
        """Microseconds a message."""
        assert self._done.wait(WAIT)
        return self.seconds / self._wanted * 1e6


def pushed_to_client(port: int) -> float:
    counter = Counter(PUSHED)
    client = WSClient(_options(port))

    @client.on_message_text
    def text(frame: WsFrame) -> None:
        counter(frame.body.text.content)

    with client:
        return counter.wait()


def pushed_to_bot(port: int) -> float:
    counter = Counter(PUSHED)
    bot = _bot(counter)
    bot.add(_options(port))
    with bot:
        return counter.wait()


def answered_by_client(port: int) -> float:
    counter = Counter(PUSHED)
    client = WSClient(_options(port))

    @client.on_message_text
    def answer(frame: WsFrame) -> None:
        client.open_stream(frame).finish("an answer")
        counter(frame)

    with client:
        return counter.wait()


def answered_by_bot(port: int) -> float:
    counter = Counter(PUSHED)
    bot = Bot()

    @bot.on_text()
    def answer(message: Message) -> None:
        message.reply("an answer")
        counter(message)

    bot.add(_options(port))
    with bot:
        return counter.wait()


def polled_by_client() -> float:
    with sim_process(ILINK) as sim:
        config = _config(sim)
        counter = Counter(POLLED)
        with WeixinClient(config, lambda ctx: counter(ctx.body)):
            return counter.wait()


def polled_by_bot() -> float:
    with sim_process(ILINK) as sim:
        config = _config(sim)
        counter = Counter(POLLED)
        bot = _bot(counter)
        bot.add(config)
        with bot:
            return counter.wait()


def _bot(counter: Counter) -> Bot:
    bot = Bot()

    @bot.command("reset")
    def reset(message: Message) -> None:
        raise AssertionError

    @bot.on_text()
    def text(message: Message) -> None:
        counter(message.text)

    return bot


def _options(port: int) -> WSClientOptions:
    url = f"ws://127.0.0.1:{port}"
    return WSClientOptions(f"push:{PUSHED}", "s", ws_url=url, max_queued_messages=50_000)


def _config(sim: SimProcess) -> WeixinConfig:
    sim.tell(f"[sim.user(f'user{{n % {USERS}}}').says(f'message number {{n}}') for n in range({POLLED})]")
    return WeixinConfig(sim.facts["token"], base_url=sim.facts["base_url"])


def compare(name: str, rounds: int, without: Callable[[], float], with_bot: Callable[[], float]) -> float:
    figures: Dict[str, List[float]] = {"without": [], "with": []}
    for _ in range(rounds):
        figures["without"].append(without())
        figures["with"].append(with_bot())
    bare, bot = min(figures["without"]), min(figures["with"])
    more = (bot / bare - 1) * 100
    print(f"{name:28} {bare:7.1f} µs without, {bot:7.1f} µs with a Bot: {more:+.1f} % (aim {AIM:.0f})", flush=True)
    return more


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    program = [sys.executable, str(Path(__file__).with_name("mock_gateway.py"))]
    gateway = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert gateway.stdout is not None
        port = int(gateway.stdout.readline())
        compare(f"{PUSHED:,} pushed texts", rounds, lambda: pushed_to_client(port), lambda: pushed_to_bot(port))
        compare("the same, each answered", rounds, lambda: answered_by_client(port), lambda: answered_by_bot(port))
    finally:
        gateway.kill()
        gateway.communicate()
    compare(f"{POLLED:,} iLink messages", rounds, polled_by_client, polled_by_bot)


if __name__ == "__main__":
    main()
