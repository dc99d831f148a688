"""Runs a fleet's process, shows who runs which bot, adds and removes bots: ``wxsdk fleet``."""

from __future__ import annotations

import argparse
import os
from datetime import datetime
from typing import Any, Callable, Dict, List

from .. import PostgresStore, RedisStore, SQLiteStore
from ..bot.bot import Bot
from ..bot.loading import load_bot
from ..errors import ConfigError
from ..fleet.fleet import Fleet, FleetStatus
from . import output
from .texts import text

STORE_VARIABLE = "WXSDK_STORE"  # where the store's URL may stand, since its password is seen on a command line


def run_fleet(options: argparse.Namespace) -> int:
    """Do what ``options.action`` says; 0. ``run`` returns when it is stopped."""
    store = open_store(options)
    try:
        _ACTIONS[options.action](options, store)
    finally:
        store.close()
    return 0


def open_store(options: argparse.Namespace) -> Any:
    """The store that --store, or the environment, names. ConfigError when neither does."""
    where = options.store or os.environ.get(STORE_VARIABLE, "")
    if not where:
        raise ConfigError(text("fleet.no_store"))
    plain = bool(options.allow_plain)
    if where.startswith(("redis://", "rediss://", "unix://")):
        return RedisStore(where, prefix=options.prefix, allow_plain=plain)
    if where.startswith(("postgresql://", "postgres://")):
        return PostgresStore(where, prefix=options.prefix, allow_plain=plain)
    return SQLiteStore(where)


def _run(options: argparse.Namespace, store: Any) -> None:
    fleet = Fleet(load_bot(options.program), store=store, capacity=options.capacity)
    output.complain(text("fleet.runs"))
    fleet.run()


def _status(options: argparse.Namespace, store: Any) -> None:
    status = Fleet(Bot(), store=store).status()
    if options.json:
        output.say_json({"members": status.members, "bots": {name: vars(one) for name, one in status.bots.items()}})
        return
    for line in table(status):
        output.say(line)


def _add(options: argparse.Namespace, store: Any) -> None:
    Fleet(Bot(), store=store).add(options.name, options.account or options.name)
    _report(options, {"added": options.name}, text("fleet.added", name=options.name))


def _remove(options: argparse.Namespace, store: Any) -> None:
    Fleet(Bot(), store=store).remove(options.name)
    _report(options, {"removed": options.name}, text("fleet.removed", name=options.name))


def table(status: FleetStatus) -> List[str]:
    """The lines of a table: bot, owner, since, state, queued; and one for each process."""
    rows = [("BOT", "OWNER", "SINCE", "STATE", "QUEUED")]
    for name, one in status.bots.items():
        since = datetime.fromtimestamp(one.since).strftime("%m-%d %H:%M:%S") if one.since is not None else "-"
        rows.append((name, one.owner or "-", since, one.state, str(one.queued)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    for member, capacity in sorted(status.members.items()):
        count = sum(one.owner == member for one in status.bots.values())
        lines.append(f"{member}: {count}/{capacity}")
    return lines


def _report(options: argparse.Namespace, done: Dict[str, Any], sentence: str) -> None:
    if options.json:
        output.say_json(done)
    else:
        output.say(sentence)


_ACTIONS: Dict[str, Callable[[argparse.Namespace, Any], None]] = {
    "run": _run,
    "status": _status,
    "add": _add,
    "remove": _remove,
}
