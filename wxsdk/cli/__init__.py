"""The command line: ``wxsdk run | demo | login | echo | send | sim | doctor``."""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from pathlib import Path
from typing import List, Optional

from .. import __version__
from ..errors import ConfigError, WxError
from .credentials import default_path

USAGE_ERROR = 2  # exit status; what argparse itself uses


def main(argv: Optional[List[str]] = None) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 wrong usage."""
    options = _parser().parse_args(argv)
    _print_anything()
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.WARNING, format="%(asctime)s %(name)s %(message)s"
    )
    try:
        return int(options.run(options))
    except ConfigError as exc:
        print(f"wxsdk: {exc}", file=sys.stderr)
        return USAGE_ERROR
    except WxError as exc:
        print(f"wxsdk: {type(exc).__name__}: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # 128 + SIGINT, as shells report it
    except BrokenPipeError:  # nobody reads on, as behind "| head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes at its end
        return 141  # 128 + SIGPIPE, as shells report it


def _print_anything() -> None:
    """Show a question mark for what the terminal's character set lacks, rather than fail on it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wxsdk", description="WeChat bots without asyncio.")
    parser.add_argument("--version", action="version", version=f"wxsdk {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="log everything (secrets stay hidden)")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_demo(commands)
    _add_login(commands)
    _add_echo(commands)
    _add_send(commands)
    _add_sim(commands)
    _add_doctor(commands)
    return parser


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser("run", help="run the Bot of a program, on the simulators if wanted")
    run.add_argument("program", help="bot.py, bot.py:name, module or module:name")
    run.add_argument("--sim", action="store_true", help="on the simulators, with a page to talk with the bot")
    run.add_argument("--reload", action="store_true", help="start anew when a source file changes")
    run.add_argument("--account", action="append", metavar="NAME", help="serve this saved account, too (repeatable)")
    run.add_argument("--store", type=Path, help="an SQLite file that keeps messages, conversations and states")
    run.set_defaults(run=_run_run)


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    demo = commands.add_parser("demo", help="hold a conversation with a bot on the built-in simulator")
    demo.add_argument("--only", choices=("ilink", "aibot"), help="show one of the two protocols")
    demo.set_defaults(run=_run_demo)


def _add_login(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    login = commands.add_parser("login", help="log a personal-WeChat bot in by QR code and store its token")
    login.add_argument("--base-url", help="another iLink server, such as a simulator's")
    login.add_argument("--headless", action="store_true", help="print the code's address instead of the code")
    _add_credentials(login)
    login.set_defaults(run=_run_login)


def _add_echo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    echo = commands.add_parser("echo", help="run a bot that says what it hears")
    _add_account(echo)
    echo.add_argument("--store", type=Path, help="an SQLite file that keeps messages and tokens (personal WeChat)")
    echo.set_defaults(run=_run_echo)


def _add_send(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    send = commands.add_parser("send", help="send one message")
    send.add_argument("to", help="the user id, or a WeCom chat id")
    send.add_argument("text", nargs="?", help="the text; Markdown for WeCom")
    send.add_argument("--file", type=Path, help="a file to send")
    _add_account(send)
    send.add_argument("--store", type=Path, help="the SQLite file of the bot, which knows the context tokens")
    send.set_defaults(run=_run_send)


def _add_sim(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sim = commands.add_parser("sim", help="run the simulators with a page to talk with your bot")
    sim.add_argument("--port", type=_port, default=0, help="the page's port (default: a free one)")
    sim.set_defaults(run=_run_sim)


def _add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    doctor = commands.add_parser("doctor", help="check this machine, the network and the credentials, in words")
    _add_account(doctor)
    doctor.add_argument("--store", type=Path, help="an SQLite store to check")
    doctor.add_argument("--connect", action="store_true", help="subscribe as the WeCom bot, which takes it over")
    doctor.set_defaults(run=_run_doctor)


def _add_account(command: argparse.ArgumentParser) -> None:
    _add_credentials(command)
    command.add_argument(
        "--aibot", action="store_true", help="a WeCom AI bot: WXSDK_BOT_ID, WXSDK_SECRET (environment)"
    )
    command.add_argument("--base-url", help="another iLink server")
    command.add_argument("--cdn-base-url", help="another iLink media server")
    command.add_argument("--ws-url", help="another WeCom gateway")


def _add_credentials(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--credentials",
        type=Path,
        default=Path(os.environ.get("WXSDK_CREDENTIALS") or default_path()),
        help="where the personal-WeChat token is kept (default: %(default)s)",
    )


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError(f"{port} is no port, which goes from 1 to 65535 (0 for a free one)")
    return port


# Each command's module is imported when it runs: `wxsdk --help` must not need the extras of all of them.


def _run_run(options: argparse.Namespace) -> int:
    from .run import run_program

    return run_program(options)


def _run_demo(options: argparse.Namespace) -> int:
    from .demo import run_demo

    return run_demo(only=options.only)


def _run_login(options: argparse.Namespace) -> int:
    from .accounts import log_in

    return log_in(options)


def _run_echo(options: argparse.Namespace) -> int:
    from .accounts import run_echo

    return run_echo(options)


def _run_send(options: argparse.Namespace) -> int:
    from .accounts import send

    return send(options)


def _run_sim(options: argparse.Namespace) -> int:
    from .playground import run_playground

    return run_playground(options.port)


def _run_doctor(options: argparse.Namespace) -> int:
    from .doctor import run_doctor

    return run_doctor(options)
