"""Makes ids from the clock and chance."""

from __future__ import annotations

import secrets
import time

from .frames import make_req_id


def generate_req_id(prefix: str) -> str:
    """Make a unique req_id: ``<prefix>_<milliseconds since 1970>_<8 hex digits>`` (docs/protocol/aibot, 1)."""
    return make_req_id(str(prefix), time.time_ns() // 1_000_000, secrets.token_hex(4))
