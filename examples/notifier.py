"""Tells everybody who said /subscribe what happens elsewhere: here, each new line of a file.

    wxsdk run --sim examples/notifier.py        and then: echo "The build is green." >> news.txt

An address is a str that stays good over restarts; with ``outbox=True`` in the config, what cannot go out now waits.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import List

from wxsdk import Bot, Message, WxError

NEWS = Path(os.environ.get("NOTIFIER_NEWS", "news.txt"))
ADDRESSES = Path(os.environ.get("NOTIFIER_ADDRESSES", "subscribers.txt"))
EVERY = 0.5  # seconds between two looks

bot = Bot()
lock = threading.Lock()
stopping = threading.Event()


@bot.command("subscribe", help="hear of news")
def subscribe(message: Message) -> str:
    with lock:
        known = addresses()
        if message.address not in known:
            ADDRESSES.write_text("\n".join([*known, message.address]))
    return "You will hear of it."


@bot.on_start
def watch() -> None:
    stopping.clear()
    threading.Thread(target=tell_news, args=(len(lines()),), daemon=True).start()


@bot.on_stop
def stop() -> None:
    stopping.set()


def addresses() -> List[str]:
    return ADDRESSES.read_text().split() if ADDRESSES.exists() else []


def tell_news(told: int) -> None:
    while not stopping.wait(EVERY):
        for line in lines()[told:]:
            told += 1
            for address in addresses():
                try:
                    bot.send(address, line)
                except WxError as exc:
                    print(f"{address}: {exc}")


def lines() -> List[str]:
    return NEWS.read_text().splitlines() if NEWS.exists() else []
