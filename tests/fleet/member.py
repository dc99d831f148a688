"""One process of a fleet, for the tests: python -m tests.fleet.member STORE CAPACITY TTL."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from wxsdk import Bot, Fleet, PostgresStore, RedisStore, SQLiteStore

bot = Bot()


@bot.command("slow")
def slow(message: Any) -> str:
    threading.Event().wait(1.5)
    return f"slow by {os.getpid()}"


@bot.command("count")
def count(message: Any) -> str:
    message.state["n"] = message.state.get("n", 0) + 1
    return f"count {message.state['n']} by {os.getpid()}"


@bot.default
def echo(message: Any) -> str:
    again = ", handed over again" if message.redelivered else ""
    return f"{message.bot}: {message.text} by {os.getpid()}{again}"


def open_store(where: str) -> Any:
    if where.startswith("redis://"):
        return RedisStore(where)
    return PostgresStore(where) if where.startswith("postgresql://") else SQLiteStore(where)


if __name__ == "__main__":
    fleet = Fleet(bot, store=open_store(sys.argv[1]), capacity=int(sys.argv[2]), lease_ttl=float(sys.argv[3]))
    print("running", flush=True)
    fleet.run(drain=3.0)
