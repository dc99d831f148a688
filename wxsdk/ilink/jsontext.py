"""JSON texts, read with patience and written with care (docs/protocol/ilink, 1 and 3)."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any, Iterator

from ..core.patient_json import read_json
from ..core.redact import Secret, SecretBytes
from ..errors import ConfigError

_SURROGATE_REMEDY = 'Repair it with text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").'
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


def load_json(body: bytes) -> Any:
    """The JSON value in *body*; ValueError for anything else.

    Raw control characters, broken UTF-8, a byte order mark, lone surrogates, endless numbers and endless nesting are
    repaired rather than refused: one odd field must not cost the other messages of a batch. Of a text that is nested
    too deeply for Python, what lies deeper than MAX_LEVELS is null.
    """
    text = body.decode("utf-8-sig", "replace")
    has_escapes = _SURROGATE_ESCAPE.search(body) is not None
    value = read_json(text)
    return _without_lone_surrogates(value) if has_escapes else value


def _without_lone_surrogates(value: Any) -> Any:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return read_json(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
    return value


def dump_json(value: Any) -> bytes:
    """*value* as compact UTF-8 JSON.

    ConfigError when that cannot be: what is no JSON, or half of a character, whose place it names.
    """
    try:
        text = Secret(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    except (TypeError, ValueError, RecursionError) as exc:  # none of them shows the value
        raise ConfigError("What is to be sent cannot be written as JSON.", remedy=f"Python says: {exc}.") from exc
    with contextlib.suppress(UnicodeEncodeError):
        return SecretBytes(text.encode("utf-8"))
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
