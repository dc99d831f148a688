"""``wxsdk run``: the Bot of a program, live or on the simulators, restarted when its sources change if wanted."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from .. import SQLiteStore, Store, accounts
from ..bot.bot import Bot
from ..bot.loading import file_of, load_bot
from ..bot.trial import config_on
from ..core.account_rules import Account, from_json
from ..errors import ConfigError
from .texts import text

SIMULATED = "WXSDK_RUN_ON_SIMULATORS"  # set for a child whose parent runs the simulators
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def run_program(options: argparse.Namespace) -> int:
    """Run the Bot of ``options.program`` until Ctrl-C or SIGTERM.

    Exit status: 0 it was stopped, 1 every bot has ended by itself or the program raised, 2 wrong usage or settings, 130
    a second Ctrl-C came.
    """
    try:
        if options.reload and SIMULATED not in os.environ:
            return _run_reloading(options)
        if options.sim:
            with _playground() as page:
                return _run_simulated(options, page.environment())
        if SIMULATED in os.environ:
            return _run_simulated(options, dict(os.environ))
        return _run_live(options)
    except KeyboardInterrupt:
        print(f"\n{text('run.ended_at_once')}", file=sys.stderr, flush=True)
        os._exit(INTERRUPTED)  # who presses Ctrl-C twice does not wait for threads


def _run_live(options: argparse.Namespace) -> int:
    bot = load_bot(options.program)
    for account in options.account or ():
        _add_account(bot, account)
    store = _open_store(options)
    if store is not None:
        bot.use_store(store)
    _say(text("run.running", names=_named(bot)))
    bot.run()
    _say(text("run.stopped"))
    return 0


def _add_account(bot: Bot, account: str) -> None:
    """Add the saved account of that name, or every bot that the JSON file of that path names."""
    if not account.endswith(".json"):
        bot.add(account)
        return
    for name, each in _accounts_in(Path(account)).items():
        bot.add(accounts.config_of(each), name=name)


def _accounts_in(path: Path) -> Dict[str, Account]:
    """Read ``{"bots": {name: account, …}}``, each as in a saved account's file. Raises ConfigError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        bots = found["bots"].items()
    except OSError as exc:
        raise ConfigError(
            f"{path} cannot be read: {exc.strerror}.", remedy="Give an account's name, or a file."
        ) from exc
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ConfigError(
            f"{path} names no bots.", remedy='Write {"bots": {"shop": {"token": "…"}}} into it.'
        ) from None
    return {str(name): from_json(json.dumps(each), f"The account {name!r} in {path}") for name, each in bots}


def _run_simulated(options: argparse.Namespace, environment: Dict[str, str]) -> int:
    bot = load_bot(options.program, simulated=True)
    configs = {platform: config_on(platform, environment) for platform in ("ilink", "aibot")}
    with bot.stand_in(configs, _open_store(options)):
        _say(text("run.simulated"))
        bot.run()
    _say(text("run.stopped"))
    return 0


def _run_reloading(options: argparse.Namespace) -> int:
    from .reload import supervise

    file = file_of(options.program)
    folder = file.resolve().parent if file is not None else Path.cwd()
    if file is not None and not file.is_file():
        raise ConfigError(text("run.no_file", file=file), remedy=text("run.no_file.remedy"))
    arguments = _child_arguments(options)
    with contextlib.ExitStack() as stack:
        environment = dict(os.environ)
        if options.sim:
            environment.update(stack.enter_context(_playground()).environment())
            environment[SIMULATED] = "1"
        return supervise(arguments, environment, folder, _say)


def _child_arguments(options: argparse.Namespace) -> List[str]:
    accounts = [part for name in options.account or () for part in ("--account", name)]
    store = ["--store", str(options.store)] if options.store else []
    verbose = ["--verbose"] if options.verbose else []
    return [sys.executable, "-m", "wxsdk", *verbose, "run", options.program, *accounts, *store]


@contextlib.contextmanager
def _playground() -> Iterator[Any]:
    try:
        from ..sim.page import Playground
    except ImportError as exc:
        raise ConfigError(text("sim.missing", module=exc.name), remedy=text("sim.missing.remedy")) from exc
    with Playground() as page:
        _say(text("sim.page", url=page.url))
        yield page


def _open_store(options: argparse.Namespace) -> Optional[Store]:
    if not options.store:
        return None
    return SQLiteStore(options.store)


def _named(bot: Bot) -> str:
    names = list(bot.health())
    if not names:
        raise ConfigError(text("run.no_bot"), remedy=text("run.no_bot.remedy"))
    return ", ".join(names)


def _say(line: str) -> None:
    print(line, flush=True)
