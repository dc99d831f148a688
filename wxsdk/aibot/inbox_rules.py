"""Writes a received frame as a row of the store, and reads it back."""

from __future__ import annotations

import json
import math
from typing import Any, Dict, Optional, Tuple


def encode_row(raw: Dict[str, Any], wall: float) -> str:
    """Return the row of the frame *raw*, received at *wall* (seconds since 1970)."""
    return json.dumps({"at": wall, "frame": raw}, separators=(",", ":"))


def decode_row(text: str) -> Optional[Tuple[Dict[str, Any], float]]:
    """Return the frame and the time in a row; None when it holds none."""
    try:
        row = json.loads(text)
        raw, at = row["frame"], float(row["at"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return (raw, at) if isinstance(raw, dict) and math.isfinite(at) else None
