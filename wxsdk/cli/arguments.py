"""Names the commands, their arguments and the function that runs each. Imports none of them: help has to be quick."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple

from .texts import text

AddArguments = Callable[[argparse.ArgumentParser], None]


class Command(NamedTuple):
    """A command. add: gives its parser the arguments. run: "module:function" in this package, called with them.

    Its help, and its examples, are the texts called by its name.
    """

    add: AddArguments
    run: str


def _run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("program", help=text("run.program"))
    parser.add_argument("--sim", action="store_true", help=text("run.sim"))
    parser.add_argument("--reload", action="store_true", help=text("run.reload"))
    parser.add_argument("--account", action="append", metavar="NAME", help=text("run.account"))
    parser.add_argument("--store", type=Path, metavar="FILE", help=text("run.store"))


def _login(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", metavar="NAME", help=text("login.name"))
    parser.add_argument("--credentials", type=Path, metavar="FILE", help=text("opt.credentials"))
    parser.add_argument("--headless", action="store_true", help=text("login.headless"))
    parser.add_argument("--aibot", action="store_true", help=text("login.aibot"))
    parser.add_argument("--bot-id", metavar="ID", help=text("login.bot_id"))
    _addresses(parser)
    _json(parser)


def _accounts(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title=text("commands"), metavar="ACTION", dest="action", required=True)
    for name in ("list", "show", "rename", "remove", "import"):
        help_ = text(f"accounts.{name}")
        action = actions.add_parser(name, help=help_, description=help_, add_help=False, parents=[_help_only()])
        if name in ("show", "rename", "remove"):
            action.add_argument("name", help=text("accounts.name"))
        if name == "rename":
            action.add_argument("new", help=text("accounts.new"))
        if name == "import":
            action.add_argument("folder", nargs="?", type=Path, help=text("accounts.folder"))
            action.add_argument("--replace", action="store_true", help=text("accounts.replace"))
        _json(action)


def _listen(parser: argparse.ArgumentParser) -> None:
    _account(parser)
    parser.add_argument("--store", type=Path, metavar="FILE", help=text("opt.store"))
    parser.add_argument("--count", type=_count, metavar="N", help=text("listen.count"))
    parser.add_argument("--save", type=Path, metavar="FOLDER", help=text("listen.save"))
    _json(parser)


def _send(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("to", help=text("send.to"))
    parser.add_argument("text", nargs="?", help=text("send.text"))
    parser.add_argument("--file", type=Path, help=text("send.file"))
    parser.add_argument("--markdown", action="store_true", help=text("send.markdown"))
    parser.add_argument("--store", type=Path, metavar="FILE", help=text("send.store"))
    parser.add_argument("--outbox", action="store_true", help=text("send.outbox"))
    _account(parser)
    _json(parser)


def _echo(parser: argparse.ArgumentParser) -> None:
    _account(parser)
    parser.add_argument("--store", type=Path, metavar="FILE", help=text("opt.store"))


def _doctor(parser: argparse.ArgumentParser) -> None:
    _account(parser)
    parser.add_argument("--store", type=Path, metavar="FILE", help=text("opt.store"))
    parser.add_argument("--connect", action="store_true", help=text("doctor.connect"))
    _json(parser)


def _sim(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=_port, default=0, metavar="PORT", help=text("sim.port"))
    parser.add_argument("--state", type=Path, metavar="FOLDER", help=text("sim.state"))
    parser.add_argument("program", nargs="*", metavar="-- PROGRAM", help=text("sim.program"))


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", choices=("ilink", "aibot", "bot"), help=text("demo.only"))


def _completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help=text("completion.shell"))


def _fleet(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title=text("commands"), metavar="ACTION", dest="action", required=True)
    for name in ("run", "status", "add", "remove"):
        help_ = text(f"fleet.{name}")
        action = actions.add_parser(name, help=help_, description=help_, add_help=False, parents=[_help_only()])
        if name == "run":
            action.add_argument("program", help=text("run.program"))
            action.add_argument("--capacity", type=_count, default=1000, metavar="N", help=text("fleet.capacity"))
        if name in ("add", "remove"):
            action.add_argument("name", help=text("fleet.name"))
        if name == "add":
            action.add_argument("--account", metavar="NAME", help=text("fleet.account"))
        action.add_argument("--store", metavar="URL", help=text("fleet.store"))
        action.add_argument("--prefix", default="wxsdk", metavar="P", help=text("fleet.prefix"))
        action.add_argument("--allow-plain", action="store_true", help=text("fleet.allow_plain"))
        if name != "run":
            _json(action)


COMMANDS: Dict[str, Command] = {
    "demo": Command(_demo, "demo:run_demo"),
    "sim": Command(_sim, "sim:run_sim"),
    "run": Command(_run, "run:run_program"),
    "login": Command(_login, "login:run_login"),
    "accounts": Command(_accounts, "accounts:run_accounts"),
    "listen": Command(_listen, "listen:run_listen"),
    "send": Command(_send, "send:run_send"),
    "echo": Command(_echo, "echo:run_echo"),
    "doctor": Command(_doctor, "doctor:run_doctor"),
    "fleet": Command(_fleet, "fleet:run_fleet"),
    "completion": Command(_completion, "completion:run_completion"),
}


def _account(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", metavar="NAME", help=text("opt.account"))
    parser.add_argument("--credentials", type=Path, metavar="FILE", help=text("opt.credentials"))
    parser.add_argument("--aibot", action="store_true", help=text("opt.aibot"))
    _addresses(parser)


def _addresses(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base-url", metavar="URL", help=text("opt.base_url"))
    parser.add_argument("--cdn-base-url", metavar="URL", help=text("opt.cdn_base_url"))
    parser.add_argument("--ws-url", metavar="URL", help=text("opt.ws_url"))


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help=text("help.json"))


def _help_only() -> argparse.ArgumentParser:
    parent = argparse.ArgumentParser(add_help=False)
    add_help(parent)
    return parent


def add_help(parser: Any) -> None:
    """Add --help with a text of the catalogue."""
    parser.add_argument("-h", "--help", action="help", help=text("help.help"))


def _port(given: str) -> int:
    port = int(given)
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError(text("port.range", port=port))
    return port


def _count(given: str) -> int:
    count = int(given)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{count} < 1")
    return count
