"""Reads JSON that Python's own reader refuses: endless numbers, endless nesting, raw control characters."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_INTEGER_DIGITS = 300  # longer numbers are kept as text: Python 3.11+ refuses to convert more than 4,300 digits
MAX_LEVELS = 80  # kept of what is nested too deeply for Python (some 900): a batch around messages of wire.MAX_DEPTH
_STRUCTURE = re.compile(r'"[^"]*"?|[\[{]+|[\]}]+')


def read_json(text: str) -> Any:
    """Return the value in *text*; ValueError for what is not JSON.

    An integer of more than MAX_INTEGER_DIGITS becomes a str. Of a text that is nested too deeply for Python, what lies
    deeper than MAX_LEVELS becomes None. So one odd field does not cost what stands beside it.
    """
    try:
        return _read(text)
    except RecursionError:
        pass
    try:
        return _read(_shallow(text))
    except RecursionError as exc:  # the caller itself is near the end of the stack
        raise ValueError("The JSON is nested too deeply.") from exc


def _read(text: str) -> Any:
    try:
        return json.loads(text, strict=False)
    except ValueError:
        # Also raised for a number past Python's digit limit; a second look with a patient reader shows which it is.
        return json.loads(text, strict=False, parse_int=_patient_int)


def _patient_int(digits: str) -> Any:
    return int(digits) if len(digits) <= MAX_INTEGER_DIGITS else digits


def _shallow(text: str) -> str:
    """Replace each object and array of *text* deeper than MAX_LEVELS by null. Takes linear time and no stack."""
    # Of the same length, and no string of it holds a quote.
    plain = text.replace("\\\\", "  ").replace('\\"', "  ")
    parts = []
    begin = depth = 0
    for token in _STRUCTURE.finditer(plain):
        at, before = token.start(), depth
        if plain[at] in "[{":
            depth += token.end() - at
            if before <= MAX_LEVELS < depth:
                parts += [text[begin : at + MAX_LEVELS - before], "null"]
        elif plain[at] in "]}":
            depth -= token.end() - at
            if depth <= MAX_LEVELS < before:
                begin = at + before - MAX_LEVELS
    if depth <= MAX_LEVELS:
        parts.append(text[begin:])
    return "".join(parts)
