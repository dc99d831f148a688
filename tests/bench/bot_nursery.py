"""Forks Bots that are to be killed; see ``nursery``. One line of JSON in for each order, one line out for each answer.

The Bot counts in ``message.state`` what each user says, and "/form" asks three questions. It serves the simulators that
the order names, on one SQLite store.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any, Dict, Set

from wxsdk import Bot, Message, SQLiteStore, WeixinConfig, WSClientOptions
from wxsdk.aibot.client import WSClient
from wxsdk.bot import aibot, ilink
from wxsdk.ilink.client import WeixinClient

IMPORTED = (WSClient, WeixinClient, aibot, ilink)  # before the fork


def make_bot(order: Dict[str, Any]) -> Bot:
    """The Bot of one life."""
    bot = Bot(store=SQLiteStore(order["store"]))

    @bot.command("form")
    def form(message: Message) -> str:
        answers = [message.ask(f"{message.args} question {number}", timeout=60).text for number in range(3)]
        message.reply(f"{message.args} nearly")
        message.state["forms"] = message.state.get("forms", 0) + 1
        return f"{message.args} done: {' '.join(answers)}"

    @bot.default
    def count(message: Message) -> None:
        message.state["count"] = message.state.get("count", 0) + 1
        message.state.setdefault("said", []).append(message.text)

    if "ilink" in order:
        config = WeixinConfig(**order["ilink"], poll_retry_delay=0.02, poll_backoff_delay=0.05, sends_per_second=None)
        bot.add(config, name="ilink")
    if "aibot" in order:
        bot.add(WSClientOptions(**order["aibot"], reconnect_interval=0.02), name="aibot")
    return bot


def main() -> None:
    alive: Set[int] = set()
    try:
        _serve(alive)
    finally:
        for pid in alive:  # who told us to fork them has failed
            os.kill(pid, signal.SIGKILL)


def _serve(alive: Set[int]) -> None:
    for line in sys.stdin:
        order = json.loads(line)
        answer: Dict[str, Any] = {}
        if order["do"] == "fork":
            pid = os.fork()
            if pid == 0:
                make_bot(order).start()
                threading.Event().wait()
            alive.add(pid)
            answer = {"pid": pid}
        else:
            os.kill(order["pid"], signal.SIGKILL)  # a zombie until it was waited for, so the pid is its own
            os.waitpid(order["pid"], 0)
            alive.discard(order["pid"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
