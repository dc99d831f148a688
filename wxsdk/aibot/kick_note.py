"""Decides what note a kicked client leaves, in their common lock, to the processes that stand by for it.

Were each of them to take over after a kick, two groups of processes would take the bot from each other until none is
left. So after a kick the whole group stays away, for as long as the client itself would (kick_cooldown).
"""

from __future__ import annotations

import re
from typing import Optional

from ..errors import Kicked, WxError

_NOTE = re.compile(r"kicked(?: until ([0-9]{1,12}))?")  # seconds since 1970


def note_of(error: Optional[WxError], cooldown: Optional[float], now: float) -> str:
    """Return the note of a client that ends with *error* at *now* (time of day); "" for none."""
    if not isinstance(error, Kicked):
        return ""
    return "kicked" if cooldown is None else f"kicked until {now + cooldown:.0f}"


def binds(note: str, now: float) -> bool:
    """Check whether *note* keeps one that stands by from taking over at *now* (time of day)."""
    found = _NOTE.fullmatch(note)
    return found is not None and (found.group(1) is None or now < int(found.group(1)))


def kicked_before() -> Kicked:
    """Make the error of one that stands by and stays away."""
    return Kicked(
        "Another connection took this bot over from the process that served it, so this one does not take over either.",
        remedy="Stop the other client; then restart all processes, or call connect() in one of them.",
    )
