"""Draws a QR code in characters that the output's encoding has."""

from __future__ import annotations

from typing import Any, List, Mapping, Sequence, Tuple

Matrix = Sequence[Sequence[int]]  # rows of modules, true for a dark one, with the quiet zone around the code

_BLOCKS = " ▄▀█"  # by (upper, lower) module; one column each in every font but those of CJK encodings
# The fonts of these draw a block two columns wide and a blank one column wide.
_WIDE_ENCODINGS = (
    *("gbk", "gb2312", "gb18030", "hz", "cp936", "big5", "big5hkscs", "cp950"),
    *("shift_jis", "cp932", "euc_jp", "euc_kr", "cp949", "johab"),
)
_DARK_ON_LIGHT = "\x1b[30;107m"  # black on bright white, ECMA-48 and xterm; scanners want dark modules on light
_LIGHT = "\x1b[107m"
_DARK = "\x1b[40m"
_RESET = "\x1b[0m"


def draw(matrix: Matrix, encoding: str, colours: bool) -> str:
    """Return *matrix* as lines of text that *encoding* can hold, each module about as wide as it is high.

    colours: the output shows ANSI colours, so the code looks the same on a dark and on a light background. Without
    them the light modules are filled, which is right on a dark background.
    """
    if _has_blocks(encoding):
        return _in_half_blocks(matrix, colours)
    return _in_coloured_blanks(matrix) if colours else _in_ascii(matrix)


def shows_colours(output: Any, environment: Mapping[str, str]) -> bool:
    """Return whether *output* is a terminal that is known to show ANSI colours. Raises nothing."""
    try:
        is_terminal = bool(output.isatty())
    except Exception:  # noqa: BLE001  a replacement of sys.stdout may lack the method or be closed
        return False
    if (
        environment.get("OS") == "Windows_NT"
    ):  # the old console prints the escapes as they are; these name a terminal that does not
        return is_terminal and any(name in environment for name in ("WT_SESSION", "ANSICON", "TERM"))
    return is_terminal and environment.get("TERM", "dumb") != "dumb"


def _has_blocks(encoding: str) -> bool:
    if encoding.lower().replace("-", "_") in _WIDE_ENCODINGS:
        return False
    try:
        _BLOCKS.encode(encoding)
    except (LookupError, UnicodeError):
        return False
    return True


def _in_half_blocks(matrix: Matrix, colours: bool) -> str:
    """Draw two rows of modules in one line of text."""
    lines = []
    for upper, lower in _pairs(matrix):
        cells = "".join(_BLOCKS[2 * (bool(up) is colours) + (bool(low) is colours)] for up, low in zip(upper, lower))
        lines.append(f"{_DARK_ON_LIGHT}{cells}{_RESET}" if colours else cells.rstrip())
    return "\n".join(lines)


def _pairs(matrix: Matrix) -> List[Tuple[Sequence[int], Sequence[int]]]:
    rows = list(matrix)
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))  # a light row more of the quiet zone
    return list(zip(rows[::2], rows[1::2]))


def _in_coloured_blanks(matrix: Matrix) -> str:
    return "\n".join("".join((_DARK if dark else _LIGHT) + "  " for dark in row) + _RESET for row in matrix)


def _in_ascii(matrix: Matrix) -> str:
    return "\n".join("".join("  " if dark else "##" for dark in row).rstrip() for row in matrix)
