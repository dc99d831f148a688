"""Forks bots that put messages into their outbox until they are killed. Run as a program: a line of JSON in, one out.

    {"protocol": …, "settings": {…}, "store": …, "log": …, "run": n, "lives": seconds}

forks a bot and kills it after so many seconds; with null seconds the bot puts nothing in and ends when its outbox is
empty. The answer has its exit code. A bot writes a line to its log for each message that it put in ("P <id> <to>
<text>") and for each that was given up ("G <id> <may have been sent>").
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import threading
from typing import Any, Callable, Dict

from wxsdk import MessageHandler, OutboxItem, SQLiteStore, WeixinClient, WeixinConfig, WSClient, WSClientOptions
from wxsdk.aibot.bodies import MarkdownBody

USERS = ("alice", "bob", "carol")
EVERY = 0.002  # seconds between two messages
FLUSH = 20.0  # seconds for what is left

Note = Callable[[str], None]


class Handler(MessageHandler):
    def __init__(self, note: Note) -> None:
        self._note = note

    def on_message(self, ctx: Any) -> None:
        """Nobody writes to these bots."""

    def on_outbox_given_up(self, item: OutboxItem, error: Any) -> None:
        self._note(f"G {item.id} {getattr(error, 'may_have_been_sent', False)}")


def ilink_bot(order: Dict[str, Any], note: Note) -> Any:
    config = WeixinConfig(outbox=True, sends_per_second=None, **order["settings"])
    client = WeixinClient(config, Handler(note), store=SQLiteStore(order["store"]))
    client.start()
    return client, client.outbox.send_text, client.shutdown


def aibot_bot(order: Dict[str, Any], note: Note) -> Any:
    client = WSClient(WSClientOptions(outbox=True, **order["settings"]), store=SQLiteStore(order["store"]))
    client.on_outbox_given_up(Handler(note).on_outbox_given_up)
    client.connect()
    return client, lambda to, text: client.outbox.send_message(to, MarkdownBody.of(text)), client.disconnect


def live(order: Dict[str, Any]) -> int:
    """The life of one bot; its exit code."""
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(line: str) -> None:
        os.write(log, f"{line}\n".encode())

    client, send, stop = (ilink_bot if order["protocol"] == "ilink" else aibot_bot)(order, note)
    if order["lives"] is None:
        flushed = client.outbox.flush(FLUSH)
        return 0 if stop() and flushed else 1
    pause = threading.Event()
    for number in itertools.count():
        to, text = USERS[number % len(USERS)], f"{order['run']}-{number}"
        item = send(to, text)
        note(f"P {item.id} {to} {text}")
        pause.wait(EVERY)
    return 2


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os._exit(live(order))
        if order["lives"] is not None:
            threading.Event().wait(order["lives"])
            os.kill(pid, signal.SIGKILL)  # its own: it was not waited for yet
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None}), flush=True)


if __name__ == "__main__":
    main()
