"""Reads the command line, runs one command, and turns what goes wrong into a sentence and an exit status."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from importlib import import_module
from typing import Any, List, Optional

from .. import __version__
from ..errors import AlreadyRunning, ConfigError, WxError
from . import output
from .arguments import COMMANDS, add_help
from .texts import text, use

DONE, FAILED, WRONG_USAGE, RUNS_ELSEWHERE, UNKNOWN_OUTCOME = 0, 1, 2, 3, 4  # exit statuses; text "exit.codes"
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
READER_GONE = 141  # 128 + SIGPIPE, likewise

log = logging.getLogger("wxsdk.cli")


def main(argv: Optional[List[str]] = None) -> int:
    """Run one command and return its exit status, as the text "exit.codes" lists them."""
    use(None)
    output.print_anything()
    try:
        return _main(sys.argv[1:] if argv is None else argv)
    except BrokenPipeError:  # nobody reads on, as behind "| head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes at its end
        return READER_GONE


def _main(argv: List[str]) -> int:
    parser = build_parser()
    if not argv:
        parser.print_help()
        return DONE
    options = parser.parse_args(argv)
    if "command" not in options or options.command is None:
        parser.print_help()
        return WRONG_USAGE
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.WARNING, format="%(asctime)s %(name)s %(message)s"
    )
    try:
        return _run(options)
    except AlreadyRunning as exc:
        return _failed(options, exc, RUNS_ELSEWHERE)
    except ConfigError as exc:
        return _failed(options, exc, WRONG_USAGE)
    except WxError as exc:
        return _failed(options, exc, UNKNOWN_OUTCOME if getattr(exc, "may_have_been_sent", False) else FAILED)
    except EOFError:
        output.complain(f"wxsdk: {text('trouble.eof')}")
        return WRONG_USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as exc:
        log.debug("the command failed", exc_info=True)
        output.complain(f"wxsdk: {text('trouble.unexpected', error=f'{type(exc).__name__}: {exc}')}")
        return FAILED


def _run(options: argparse.Namespace) -> int:
    module, _, function = COMMANDS[options.command].run.partition(":")
    return int(getattr(import_module(f".{module}", __package__), function)(options))


def _failed(options: argparse.Namespace, error: WxError, status: int) -> int:
    if getattr(options, "json", False):
        output.say_json(
            {
                "error": type(error).__name__,
                "what": error.what,
                "remedy": error.remedy or None,
                "may_have_been_sent": status == UNKNOWN_OUTCOME,
            }
        )
        return status
    kind = "" if isinstance(error, ConfigError) else f"{type(error).__name__}: "
    unknown = f" {text('trouble.unknown')}" if status == UNKNOWN_OUTCOME else ""
    output.complain(f"wxsdk: {kind}{error}{unknown}")
    return status


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of examples, and says "usage" in the person's language."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: Optional[str] = None) -> None:
        super().add_usage(usage, actions, groups, text("usage") if prefix is None else prefix)


class _Parser(argparse.ArgumentParser):
    """A parser whose help page is in the person's language."""

    def __init__(self, **settings: Any) -> None:
        settings = {"formatter_class": _Formatter, **settings, "add_help": False}
        super().__init__(**settings)
        self._positionals.title = text("arguments")
        self._optionals.title = text("options")
        if not settings.get("parents"):
            add_help(self)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = _Parser(prog="wxsdk", description=text("about"), epilog=f"{text('start.here')}\n\n{text('exit.codes')}")
    parser.add_argument("--version", action="version", version=f"wxsdk {__version__}", help=text("help.version"))
    parser.add_argument("-v", "--verbose", action="store_true", help=text("help.verbose"))
    commands = parser.add_subparsers(title=text("commands"), metavar="COMMAND", dest="command")
    for name, command in COMMANDS.items():
        examples = "\n".join(f"  {line}" for line in text(f"{name}.examples").splitlines())
        epilog = f"{text('examples')}\n{examples}"
        if name == "send":
            epilog = f"{text('send.beside')}\n\n{epilog}"
        command.add(commands.add_parser(name, help=text(name), description=text(name), epilog=epilog))
    return parser
