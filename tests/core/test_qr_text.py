"""A QR code can be drawn on every output, whatever its encoding, and no module of it is lost."""

from __future__ import annotations

import io
import random
import re
from typing import Any, List

import pytest

from wxsdk.core.qr_text import draw, shows_colours

BLOCKS = {" ": (0, 0), "▄": (0, 1), "▀": (1, 0), "█": (1, 1)}


def modules(size: int) -> List[List[int]]:
    """A square of modules with a light border, as every code has."""
    chance = random.Random(size)
    inner = [[0, *(chance.randint(0, 1) for _ in range(size - 2)), 0] for _ in range(size - 2)]
    return [[0] * size, *inner, [0] * size]


def read_back(text: str, size: int, colours: bool) -> List[List[int]]:
    """The modules that a person sees in *text*, with dark for 1."""
    if "\x1b[40m" in text:
        cells = [re.findall("\x1b\\[(40|107)m  ", line) for line in text.split("\n")]
        return [[int(cell == "40") for cell in line] for line in cells]
    plain = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in text.split("\n")]
    if any("#" in line for line in plain):
        return [[int(line.ljust(2 * size)[2 * at] == " ") for at in range(size)] for line in plain]
    rows: List[List[int]] = []
    for line in plain:
        for half in (0, 1):
            ink = [BLOCKS[char][half] for char in line.ljust(size)]
            rows.append([mark if colours else 1 - mark for mark in ink])
    return rows[:size]


@pytest.mark.parametrize("colours", [True, False])
@pytest.mark.parametrize(
    "encoding",
    [
        "utf-8",
        "utf-16",
        "UTF8",
        "cp437",
        "cp850",
        "gbk",
        "cp936",
        "gb18030",
        "big5",
        "cp932",
        "cp1252",
        "latin-1",
        "ascii",
    ],
)
@pytest.mark.parametrize("size", [21, 30])
def test_every_module_can_be_read_in_every_encoding(encoding: str, colours: bool, size: int) -> None:
    matrix = modules(size)
    text = draw(matrix, encoding, colours)
    assert text.encode(encoding).decode(encoding) == text
    assert read_back(text, size, colours) == matrix


@pytest.mark.parametrize("encoding", ["gbk", "cp936", "GB18030", "big5", "cp932", "euc-kr", "cp1252", "ascii", "odd"])
def test_only_characters_of_one_width_are_used_where_blocks_are_missing_or_wide(encoding: str) -> None:
    for colours in (True, False):
        assert draw(modules(21), encoding, colours).isascii()


class Output:
    """Stands for sys.stdout."""

    def __init__(self, tty: Any) -> None:
        self.tty = tty

    def isatty(self) -> bool:
        if isinstance(self.tty, Exception):
            raise self.tty
        return bool(self.tty)


@pytest.mark.parametrize(
    ("output", "term", "shown"),
    [
        (Output(True), "xterm-256color", True),
        (Output(True), "dumb", False),
        (Output(False), "xterm", False),
        (Output(ValueError("closed")), "xterm", False),
        (io.StringIO(), "xterm", False),
        (object(), "xterm", False),
        (None, "xterm", False),
    ],
)
def test_colours_are_for_terminals_alone(output: Any, term: str, shown: bool) -> None:
    assert shows_colours(output, {"TERM": term}) is shown
    assert not shows_colours(output, {})
