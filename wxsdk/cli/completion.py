"""Prints completion scripts, made from the parser, for bash, zsh and fish: ``wxsdk completion``."""

from __future__ import annotations

import argparse
from typing import Callable, Dict, List, NamedTuple

from . import output
from .main import build_parser

_ACCOUNTS = "wxsdk accounts list 2>/dev/null"  # what completes the name of an account


class _Words(NamedTuple):
    """What may stand behind a command. help: of the command. options: with their helps."""

    help: str
    options: Dict[str, str]
    choices: List[str]


def run_completion(options: argparse.Namespace) -> int:
    """Print the script for ``options.shell``; 0."""
    output.say(_SCRIPTS[options.shell](_words(build_parser())))
    return 0


def _words(parser: argparse.ArgumentParser) -> Dict[str, _Words]:
    """Return the words of each command by its name, those of the program itself under ""."""
    found = {"": _of(parser, "")}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {each.dest: each.help or "" for each in action._choices_actions}
            for name, command in action.choices.items():
                found[name] = _of(command, helps.get(name, ""))
    return found


def _of(parser: argparse.ArgumentParser, help_: str) -> _Words:
    options: Dict[str, str] = {}
    choices: List[str] = []
    for action in parser._actions:
        options.update(dict.fromkeys(action.option_strings, action.help or ""))
        if action.choices and not action.option_strings:
            choices += [str(choice) for choice in action.choices]
    return _Words(help_, options, choices)


def _bash(words: Dict[str, _Words]) -> str:
    cases = "\n".join(
        f"    {name}) words='{' '.join([*each.choices, *each.options])}' ;;" for name, each in words.items() if name
    )
    top = " ".join([*words[""].choices, *words[""].options])
    return f"""_wxsdk() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command= words
  local word
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case $word in -*) ;; *) command=$word; break ;; esac
  done
  case $previous in
    --account|show|rename|remove) COMPREPLY=($(compgen -W "$({_ACCOUNTS})" -- "$current")); return ;;
    --file|--store|--credentials|--save|--state) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  case $command in
    '') words='{top}' ;;
{cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  case $command in run) COMPREPLY+=($(compgen -f -X '!*.py' -- "$current")) ;; esac
}}
complete -o filenames -F _wxsdk wxsdk"""


def _zsh(words: Dict[str, _Words]) -> str:
    return f"autoload -U +X bashcompinit && bashcompinit\n{_bash(words)}"


def _fish(words: Dict[str, _Words]) -> str:
    lines = ["complete -c wxsdk -f"]
    for name, each in words.items():
        condition = f"__fish_seen_subcommand_from {name}" if name else "__fish_use_subcommand"
        for choice in each.choices:
            shown = words[choice].help if not name else ""
            lines.append(f"complete -c wxsdk -n '{condition}' -a '{choice}' -d '{_quoted(shown)}'")
        for option, help_ in each.options.items():
            flag = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            values = f" -x -a '({_ACCOUNTS})'" if option == "--account" else ""
            values = " -r -F" if option in ("--file", "--store", "--credentials", "--save", "--state") else values
            lines.append(f"complete -c wxsdk -n '{condition}' {flag} -d '{_quoted(help_)}'{values}")
    lines.append(f"complete -c wxsdk -n '__fish_seen_subcommand_from show rename remove' -a '({_ACCOUNTS})'")
    lines.append("complete -c wxsdk -n '__fish_seen_subcommand_from run' -F")
    return "\n".join(lines)


def _quoted(help_: str) -> str:
    return help_.replace("\\", "\\\\").replace("'", "\\'")


_SCRIPTS: Dict[str, Callable[[Dict[str, _Words]], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
