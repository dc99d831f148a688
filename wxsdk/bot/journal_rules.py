"""The journal of one handler call: a row for each step that must not happen twice. Decides only.

A handler that asks is run again from its beginning when its message is handed over again. Each of its steps (a reply, a
question) has a number, by the order of the calls; a step that has a row is not done again, its row says what it
returned. So the handler must take the same way again until it is past its last row.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Optional

from ..errors import ConfigError

TABLE = "bot_journal"

SENT, ASKED, ANSWERED, UNANSWERED = "sent", "asked", "answered", "unanswered"


class Row(NamedTuple):
    """One step. kind: what the handler called. state: how far it has come. value: what belongs to that state."""

    kind: str
    state: str
    value: Any = None

    def encode(self) -> str:
        return json.dumps([self.kind, self.state, self.value], separators=(",", ":"))


def decode_row(text: Optional[str]) -> Optional[Row]:
    """Return the row in *text*; None for none, and for one that cannot be read (the step is then done again)."""
    try:
        kind, state, value = json.loads(text or "null")
    except (ValueError, TypeError):
        return None
    return Row(kind, state, value) if isinstance(kind, str) and isinstance(state, str) else None


def row_key(message_key: str, step: int) -> str:
    """Return where the row of a step is."""
    return f"{message_key}|{step}"


def check_same(row: Row, kind: str, handler: str) -> None:
    """ConfigError when the handler took another way than before it was interrupted."""
    if row.kind != kind:
        raise ConfigError(
            f"{handler} called {kind} where it had called {row.kind} before the program was interrupted.",
            remedy="A handler that asks must do the same again up to its questions (nothing random, no clock).",
        )
