"""Forks bots that are to be killed. Run as a program: one line of JSON in for each order, one line out for each answer.

Starting an interpreter takes longer than everything that is to be interrupted, so this process has imported everything,
runs no thread, and forks a bot whenever it is told to:

    {"do": "fork", "token": …, "base_url": …, "store": …, "log": …, "die": [where, n] or null}    -> {"pid": n}
    {"do": "kill", "pid": n}        SIGKILL, unless it is dead already                            -> {"dead": true}
    {"do": "wait", "pid": n}        wait until it has died by itself                              -> {"signal": n}

With "cursor" naming a file, the bot has no store and keeps the cursor there by itself, as on_sync_buf_updated allows.

A bot writes a line to its log when a handler begins ("B <user> <text> <redelivered>") and when it ends ("E …").
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Sequence

from wxsdk.ilink.client import WeixinClient
from wxsdk.ilink.config import WeixinConfig
from wxsdk.ilink.context import MessageContext
from wxsdk.ilink.handler import MessageHandler
from wxsdk.runtime.lease import Lease
from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.runtime.store import Change, Delete, Put

HANDLER_TAKES = 0.002  # seconds, so that some kills hit a handler

Die = Callable[[str], None]


class DeadlyStore(SQLiteStore):
    """Kills the process just before or just after the writes that matter."""

    def __init__(self, path: str, die: Die) -> None:
        super().__init__(path)
        self._die = die

    def write(self, changes: Sequence[Change], *, lease: Optional[Lease] = None) -> None:
        kind = ""
        if any(isinstance(change, Put) and change.table == "inbox" for change in changes):
            kind = "commit"
        elif any(isinstance(change, Delete) and change.table == "inbox" for change in changes):
            kind = "finish"
        self._die(f"before {kind}")
        super().write(changes, lease=lease)
        self._die(f"after {kind}")


class CursorKeeper(MessageHandler):
    """A handler that keeps the cursor in a file."""

    def __init__(self, path: Path, on_message: Callable[[MessageContext], None]) -> None:
        self._path = path
        self._on_message = on_message

    def known(self) -> Optional[str]:
        return self._path.read_text() if self._path.exists() else None

    def on_message(self, ctx: MessageContext) -> None:
        self._on_message(ctx)

    def on_sync_buf_updated(self, sync_buf: str) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(sync_buf)
        fresh.replace(self._path)


def deadly(where: Optional[str], times: int) -> Die:
    """A function that kills the process when it is told *where* for the time number *times*."""
    left = [times]
    lock = threading.Lock()

    def die(place: str) -> None:
        if place != where:
            return
        with lock:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return die


def serve(order: Dict[str, Any]) -> None:
    """The life of one bot."""
    die = deadly(*(order.get("die") or (None, 0)))
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    pause = threading.Event()

    def on_message(ctx: MessageContext) -> None:
        line = f"{ctx.from_user_id} {ctx.body} {int(ctx.redelivered)}\n"
        die("before handler")
        os.write(log, f"B {line}".encode())
        pause.wait(HANDLER_TAKES)
        os.write(log, f"E {line}".encode())
        die("after handler")

    config = WeixinConfig(order["token"], base_url=order["base_url"], poll_retry_delay=0.02, poll_backoff_delay=0.05)
    cursor = order.get("cursor")
    if cursor is None:
        WeixinClient(config, on_message, store=DeadlyStore(order["store"], die)).start()
    else:
        keeper = CursorKeeper(Path(cursor), on_message)
        WeixinClient(config, keeper).start(keeper.known())
    threading.Event().wait()


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        answer: Dict[str, Any]
        if order["do"] == "fork":
            pid = os.fork()
            if pid == 0:
                serve(order)
            answer = {"pid": pid}
        else:
            if order["do"] == "kill":
                os.kill(order["pid"], signal.SIGKILL)  # a zombie, unless it was waited for, so the pid is its own
            _, status = os.waitpid(order["pid"], 0)
            answer = {"signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
