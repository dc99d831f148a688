"""Checks single values; each check names the path of the field that it refuses."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

from ..errors import ConfigError, LimitExceeded

MAX_FEEDBACK_ID_BYTES = 256  # UTF-8; docs/protocol/aibot, 4


def utf8_size(text: str, path: str) -> int:
    """Return the UTF-8 length of *text* in bytes. Raises ConfigError for half a character (a lone surrogate)."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise ConfigError(f"{path} holds half a character (a lone surrogate), which UTF-8 cannot carry.") from None


def need_object(value: Any, path: str) -> Dict[str, Any]:
    """Return *value*, a dict; else raise ConfigError."""
    if not isinstance(value, dict):
        raise ConfigError(f"{path} must be an object (a dict or its dataclass){_missing(value)}.")
    return value


def need_list(value: Any, path: str, most: int, least: int = 0) -> List[Any]:
    """Return *value*, a list of *least* to *most* entries; ConfigError for too few, LimitExceeded for too many."""
    if not isinstance(value, list):
        raise ConfigError(f"{path} must be a list{_missing(value)}.")
    if len(value) < least:
        raise ConfigError(f"{path} must have at least {least} {'entry' if least == 1 else 'entries'}.")
    if len(value) > most:
        raise LimitExceeded(f"{path} has too many entries.", limit=most, actual=len(value))
    return value


def need_text(value: Any, path: str, max_bytes: Optional[int] = None, *, empty: bool = False, remedy: str = "") -> str:
    """Return *value*, a str (non-empty unless *empty*) of at most *max_bytes*; else ConfigError, LimitExceeded.

    *remedy*: what to do when it is too long.
    """
    if not isinstance(value, str) or not (value or empty):
        raise ConfigError(f"{path} must be a {'' if empty else 'non-empty '}str{_missing(value)}.")
    size = utf8_size(value, path)
    if max_bytes is not None and size > max_bytes:
        raise LimitExceeded(f"{path} is too long in bytes of UTF-8.", limit=max_bytes, actual=size, remedy=remedy)
    return value


def need_flag(value: Any, path: str) -> None:
    """Check that *value* is a bool; else ConfigError."""
    if not isinstance(value, bool):
        raise ConfigError(f"{path} must be True or False.")


def need_one_of(value: Any, path: str, allowed: Sequence[Any]) -> None:
    """Check that *value* is one of *allowed* numbers or words; else ConfigError."""
    if isinstance(value, bool) or value not in allowed:
        raise ConfigError(f"{path} must be one of {', '.join(map(str, allowed))}.")


def need_distinct(values: Sequence[Any], path: str) -> None:
    """No value stands twice; else ConfigError."""
    if len(set(values)) != len(values):
        raise ConfigError(f"{path} must differ from entry to entry.")


def need_feedback(value: Any, path: str) -> None:
    """Check that *value* is a feedback object: an id of at most 256 bytes."""
    need_text(need_object(value, path).get("id"), f"{path}.id", MAX_FEEDBACK_ID_BYTES)


def _missing(value: Any) -> str:
    return " and is missing" if value is None else ""
