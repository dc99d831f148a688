"""Lists, shows, renames, removes and imports saved accounts: ``wxsdk accounts``."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from typing import Any, Callable, Dict

from .. import accounts
from ..accounts import Account
from . import output
from .texts import text


def run_accounts(options: argparse.Namespace) -> int:
    """Do what ``options.action`` says; 0."""
    _ACTIONS[options.action](options)
    return 0


def _list(options: argparse.Namespace) -> None:
    names = accounts.list()
    if options.json:
        output.say_json([_shown(name, accounts.load(name)) for name in names])
        return
    if not names:
        output.complain(text("accounts.none"))
    for name in names:
        output.say(name)


def _show(options: argparse.Namespace) -> None:
    shown = _shown(options.name, accounts.load(options.name))
    if options.json:
        output.say_json(shown)
        return
    for field, value in shown.items():
        if value is not None:
            output.say(f"{field:15} {value}")


def _remove(options: argparse.Namespace) -> None:
    accounts.remove(options.name)
    _report(options, {"removed": options.name}, text("accounts.removed", name=options.name))


def _rename(options: argparse.Namespace) -> None:
    accounts.rename(options.name, options.new)
    done = {"renamed": options.name, "name": options.new}
    _report(options, done, text("accounts.renamed", old=options.name, new=options.new))


def _import(options: argparse.Namespace) -> None:
    names = sorted(accounts.import_openclaw(options.folder, replace=options.replace))
    _report(options, {"imported": names}, text("accounts.imported", names=", ".join(names)))


_ACTIONS: Dict[str, Callable[[argparse.Namespace], None]] = {
    "list": _list,
    "show": _show,
    "remove": _remove,
    "rename": _rename,
    "import": _import,
}


def _report(options: argparse.Namespace, value: Dict[str, Any], line: str) -> None:
    if options.json:
        output.say_json(value)
    else:
        output.say(line)


def _shown(name: str, account: Account) -> Dict[str, Any]:
    """Return what may be seen of *account*: everything but its secrets."""
    saved = account.saved_at
    return {
        "name": name,
        "platform": account.platform,
        "bot": account.bot or None,
        "user": account.ilink_user_id,
        "base_url": account.base_url,
        "cdn_base_url": account.cdn_base_url,
        "ws_url": account.ws_url,
        "route_tag": account.route_tag,
        "bot_agent": account.bot_agent,
        "saved_at": saved and datetime.fromtimestamp(saved, timezone.utc).isoformat(timespec="seconds"),
    }
