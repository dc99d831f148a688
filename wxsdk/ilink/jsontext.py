"""JSON texts, read with patience and written with care (protocol-ilink, 1 and 3)."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any, Iterator

from ..errors import ConfigError

MAX_INTEGER_DIGITS = 300  # longer numbers are kept as text: Python 3.11+ refuses to convert more than 4,300 digits
_SURROGATE_REMEDY = 'Repair it with text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").'
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


def load_json(body: bytes) -> Any:
    """The JSON value in *body*; ValueError for anything else, too deep a nesting included.

    Raw control characters, broken UTF-8, lone surrogates and endless numbers are repaired rather than refused: one odd
    character must not cost the other messages of a batch.
    """
    text = body.decode("utf-8", "replace")
    try:
        value = _parse(text)
        if _SURROGATE_ESCAPE.search(body):
            value = _without_lone_surrogates(value)
    except RecursionError as exc:
        raise ValueError("The JSON is nested too deeply.") from exc
    return value


def _parse(text: str) -> Any:
    try:
        return json.loads(text, strict=False)
    except ValueError:
        # Also raised for a number past Python's digit limit; a second look with a patient reader tells.
        return json.loads(text, strict=False, parse_int=_patient_int)


def _patient_int(digits: str) -> Any:
    return int(digits) if len(digits) <= MAX_INTEGER_DIGITS else digits


def _without_lone_surrogates(value: Any) -> Any:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return _parse(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
    return value


def dump_json(value: Any) -> bytes:
    """*value* as compact UTF-8 JSON.

    ConfigError when that cannot be: what is no JSON, or half of a character, whose place it names.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as exc:  # none of them shows the value
        raise ConfigError("What is to be sent cannot be written as JSON.", remedy=f"Python says: {exc}.") from exc
    with contextlib.suppress(UnicodeEncodeError):
        return text.encode("utf-8")
    # Out of reach of that exception: its repr holds the whole text, and __context__ would keep it.
    place = next(_lone_surrogates(value), "")
    raise ConfigError(
        f"{place or 'The JSON'} has half of a character (a lone surrogate).",
        remedy=_SURROGATE_REMEDY,
    )


def check_whole_characters(text: str, name: str) -> None:
    """ConfigError when *text*, the argument *name*, cannot be UTF-8. Neither it nor its context shows the text."""
    half = _LONE_SURROGATE.search(text)
    if half is not None:
        raise ConfigError(
            f"The {name} has half of a character (a lone surrogate) at index {half.start()}.", remedy=_SURROGATE_REMEDY
        )


def _lone_surrogates(value: Any, place: str = "") -> Iterator[str]:
    """The names, such as ``msg.run_id``, of all texts in *value* that cannot be UTF-8."""
    if isinstance(value, str):
        if _LONE_SURROGATE.search(value):
            yield place
    elif isinstance(value, dict):
        for name, part in value.items():
            if _LONE_SURROGATE.search(str(name)):
                yield f"A name in {place}" if place else "A name"
            yield from _lone_surrogates(part, f"{place}.{name}".lstrip("."))
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from _lone_surrogates(part, f"{place}[{index}]")
