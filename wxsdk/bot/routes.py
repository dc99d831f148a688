"""The table of handlers: which one gets a message, and with which arguments. Decides only."""

from __future__ import annotations

import re
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ..errors import ConfigError
from .arguments import Handler, check_handler, compile_pattern
from .facts import CONVERSATIONAL, KINDS, Facts, is_slashed, parse_command

HELP = "help"


class CommandRoute(NamedTuple):
    """A command under its first name. aliases: its other names."""

    name: str
    aliases: Tuple[str, ...]
    help: str
    urgent: bool
    handler: Handler


class Match(NamedTuple):
    """A handler for a message. arguments: beside the message. args: what stands behind a command."""

    handler: Handler
    arguments: Dict[str, Any]
    args: str = ""


_NO_ARGUMENTS: Dict[str, Any] = {}


class Rule:
    """One of on_text, on, on_event and on_choice. kind: which; wanted: a pattern, kinds, or a name."""

    def __init__(self, kind: str, wanted: Any, handler: Handler) -> None:
        self.kind = kind
        self.wanted = wanted
        self.handler = handler
        self.match = Match(handler, _NO_ARGUMENTS)  # made once: most matches bring no arguments


class Routes:
    """Registered handlers. Registering is not thread-safe with ``find``: it comes first."""

    def __init__(self) -> None:
        self._commands: Dict[str, CommandRoute] = {}
        self._listed: List[CommandRoute] = []
        self._rules: List[Rule] = []
        self._default: Optional[Match] = None

    # registering

    def add_command(self, names: Tuple[Any, ...], help: Any, urgent: Any, function: Any) -> None:
        """The command *names* (the first one and its aliases). ConfigError when one is unusable or taken."""
        where = f'command("{names[0]}")'
        checked = tuple(_command_name(name) for name in names)
        if not isinstance(help, str):
            raise ConfigError(f"{where}: help is not a str.")
        route = CommandRoute(checked[0], checked[1:], help, bool(urgent), check_handler(function, where))
        for name in checked:
            if name in self._commands or checked.count(name) > 1:
                raise ConfigError(f"{where}: there is a command /{name} already.", remedy="Give it another name.")
        self._commands.update(dict.fromkeys(checked, route))
        self._listed.append(route)

    def add_text(self, pattern: Any, function: Any) -> None:
        """Texts that *pattern* is found in; None for all. Named groups are arguments of *function*."""
        compiled = compile_pattern(pattern, "on_text")
        names = compiled.groupindex if compiled is not None else ()
        self._rules.append(Rule("text", compiled, check_handler(function, "on_text", names)))

    def add_kinds(self, kinds: Tuple[Any, ...], function: Any) -> None:
        """Messages of *kinds*."""
        unknown = [kind for kind in kinds if kind not in KINDS]
        if not kinds or unknown:
            given = f"{unknown[0]!r} is not a kind of message" if kinds else "it needs at least one kind of message"
            raise ConfigError(f"on: {given}.", remedy=f"There are: {', '.join(KINDS)}.")
        self._rules.append(Rule("kinds", frozenset(kinds), check_handler(function, f"on({kinds[0]!r})")))

    def add_event(self, name: Any, function: Any) -> None:
        """Events of that *name*."""
        self._rules.append(Rule("event", _name(name, "on_event"), check_handler(function, f"on_event({name!r})")))

    def add_choice(self, question: Any, function: Any) -> None:
        """Clicks on the card with that task_id, or answers to that question_key."""
        wanted = _name(question, "on_choice")
        self._rules.append(Rule("choice", wanted, check_handler(function, f"on_choice({question!r})")))

    def set_default(self, function: Any) -> None:
        """What users say and nothing else takes, events and clicks aside. ConfigError for a second one."""
        if self._default is not None:
            raise ConfigError(
                f"default: there is one already, {self._default.handler.name}.", remedy="Register one function."
            )
        self._default = Match(check_handler(function, "default"), _NO_ARGUMENTS)

    # finding

    def command_in(self, facts: Facts) -> Optional[Tuple[CommandRoute, str]]:
        """Return the registered command that a message is, with what stands behind its name."""
        if not self._commands or facts.kind not in ("text", "mixed") or not facts.text:
            return None
        command = parse_command(facts.text)
        route = self._commands.get(command.name) if command is not None else None
        return None if route is None or command is None else (route, command.args)

    def is_help(self, facts: Facts) -> bool:
        """Return whether the message asks for the list of commands that is made here, since /help is not registered."""
        if facts.kind != "text" or not self._listed or HELP in self._commands:
            return False
        command = parse_command(facts.text)
        return command is not None and command.name == HELP

    def find(self, facts: Facts) -> Optional[Match]:
        """The handler for a message, None when there is none: commands, then the rules as registered, then default."""
        if is_slashed(facts.text):
            found = self.command_in(facts)
            if found is not None:
                return Match(found[0].handler, _NO_ARGUMENTS, found[1])
            if self.is_help(facts):
                return Match(Handler(lambda message: self.help_text(), frozenset()), _NO_ARGUMENTS)
        for rule in self._rules:
            arguments = _TESTS[rule.kind](rule.wanted, facts)
            if arguments is not None:
                return Match(rule.handler, rule.handler.chosen(arguments)) if arguments else rule.match
        return self._default if facts.kind in CONVERSATIONAL else None

    def help_text(self) -> str:
        """Return the list of commands, in the order of their registration; those without a help text by name alone."""
        lines = []
        for route in self._listed:
            names = " ".join(f"/{name}" for name in (route.name, *route.aliases))
            lines.append(f"{names}  {route.help}".rstrip())
        return "\n".join(lines)


def _test_text(wanted: Optional[re.Pattern[str]], facts: Facts) -> Optional[Dict[str, Any]]:
    # A voice's transcript and the words beside a picture are texts, too; a plain on_text() is for texts alone.
    if wanted is None:
        return _NO_ARGUMENTS if facts.kind == "text" else None
    if not facts.text or facts.kind not in ("text", "mixed", "voice"):
        return None
    found = wanted.search(facts.text)
    return None if found is None else found.groupdict()


def _test_kinds(wanted: Any, facts: Facts) -> Optional[Dict[str, Any]]:
    return _NO_ARGUMENTS if facts.kind in wanted else None


def _test_event(wanted: str, facts: Facts) -> Optional[Dict[str, Any]]:
    return _NO_ARGUMENTS if facts.event == wanted else None


def _test_choice(wanted: str, facts: Facts) -> Optional[Dict[str, Any]]:
    return _NO_ARGUMENTS if facts.choice is not None and facts.choice.is_of(wanted) else None


_TESTS = {"text": _test_text, "kinds": _test_kinds, "event": _test_event, "choice": _test_choice}


def _command_name(name: Any) -> str:
    if not isinstance(name, str) or not name or name != "".join(name.split()) or name.startswith(("/", "／")):
        raise ConfigError(
            f"command: {name!r} cannot be a command's name.", remedy='Give a word without a slash: command("reset").'
        )
    return name.lower()


def _name(name: Any, where: str) -> str:
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{where} needs a name (str), not {type(name).__name__}.", remedy=f'Write {where}("…").')
    return name
