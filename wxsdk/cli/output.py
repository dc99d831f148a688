"""Prints for people and for scripts, on any terminal, whatever its encoding."""

from __future__ import annotations

import codecs
import io
import json
import sys
from typing import Any, Tuple, Union

BAR_WIDTH = 30  # characters
_PLAIN = {
    "·": "-",
    "…": "...",
    "✓": "ok",
    "✗": "BAD",
    "─": "-",
    "█": "#",
    "░": ".",
    "⏎": "|",
    "«": '"',
    "»": '"',
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{LEFT SINGLE QUOTATION MARK}": "'",
    "×": "x",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": '"',
    "→": "->",
    "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
}


def print_anything() -> None:
    """Let both outputs show something plain for each character that their encoding lacks, and never fail on one."""
    codecs.register_error("wxsdk-plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="wxsdk-plain")


def _plain(error: UnicodeError) -> Tuple[Union[str, bytes], int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    # An escape keeps apart what question marks would make alike, such as two names.
    return "".join(_PLAIN.get(char) or char.encode("ascii", "backslashreplace").decode() for char in lacking), error.end


def say(line: str = "") -> None:
    """Print a line for a person or a pipe, at once."""
    print(line, flush=True)


def complain(line: str) -> None:
    """Print a line about trouble or progress, beside what a script reads."""
    print(line, file=sys.stderr, flush=True)


def say_json(value: Any, *, indent: bool = True) -> None:
    """Print *value* as JSON that any console can show. indent: else it is one line."""
    print(json.dumps(value, indent=2 if indent else None, ensure_ascii=True, default=str), flush=True)


class ProgressBar:
    """A progress callback that draws a bar on a terminal, and nothing elsewhere."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._percent = -1
        self._is_terminal = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        percent = 100 * done // max(total, 1)
        if percent == self._percent or not self._is_terminal:
            return
        self._percent = percent
        full = BAR_WIDTH * percent // 100
        bar = "█" * full + "░" * (BAR_WIDTH - full)
        end = "\n" if percent == 100 else ""
        print(f"\r{self._label} {bar} {percent:3d} %", end=end, file=sys.stderr, flush=True)
