"""The state of a chat as a row of the store. Decides only."""

from __future__ import annotations

import json
from typing import Any, Dict, Optional

from ..errors import ConfigError

TABLE = "bot_state"  # lane -> {"at": when it was last touched, "state": the dict}

State = Dict[str, Any]


def load_state(text: Optional[str], now: float, ttl: Optional[float]) -> State:
    """The state in a row; empty for none, for one that cannot be read, and for one untouched for *ttl* seconds."""
    try:
        row = json.loads(text or "null")
        state, at = row["state"], float(row["at"])
    except (ValueError, TypeError, KeyError):
        return {}
    if not isinstance(state, dict) or (ttl is not None and now - at > ttl):
        return {}
    return state


def dump_state(state: State, now: float) -> str:
    """Return the row for *state*. ConfigError, naming the key, when it holds something that is not JSON."""
    check_state(state)
    return json.dumps({"at": now, "state": state}, separators=(",", ":"))


def check_state(state: State) -> None:
    """ConfigError, naming the key, when *state* holds what JSON would not give back as it is."""
    for key, value in state.items():
        if not isinstance(key, str):
            raise ConfigError(f"message.state has the key {key!r}, which is not a str.", remedy="Use str for keys.")
        problem = _problem(value, f"message.state[{key!r}]")
        if problem:
            raise ConfigError(f"{problem}, which JSON cannot carry.", remedy="Keep str, numbers, lists, dicts in it.")


def merged(current: State, before: State, after: State) -> State:
    """*current* with what changed from *before* to *after*: another handler may have written meanwhile."""
    result = {key: value for key, value in current.items() if key in after or key not in before}
    for key, value in after.items():
        if key not in before or before[key] != value:
            result[key] = value
    return result


def _problem(value: Any, path: str) -> str:
    if value is None or isinstance(value, (str, bool, int)):
        return ""
    if isinstance(value, float):
        return "" if value == value and abs(value) != float("inf") else f"{path} is {value}"
    if isinstance(value, list):
        return next(filter(None, (_problem(one, f"{path}[{place}]") for place, one in enumerate(value))), "")
    if isinstance(value, dict):
        for key, one in value.items():
            if not isinstance(key, str):
                return f"{path} has the key {key!r}"
            problem = _problem(one, f"{path}[{key!r}]")
            if problem:
                return problem
        return ""
    return f"{path} is of type {type(value).__name__}"
