"""Gives handlers database connections that work, and closes them by age."""

from __future__ import annotations

import threading
import time
from typing import Any, Dict, Optional, Tuple

from django.conf import settings
from django.db import connections

CONN_MAX_AGE = 60.0  # seconds; of the setting WXSDK_CONN_MAX_AGE, a choice of ours: shorter than servers' idle limits

_opened = threading.local()  # .at: alias -> (the connection itself, when it was seen first)


def refresh_connections(now: Optional[float] = None) -> None:
    """Close the calling thread's connections that are too old or broken; Django opens new ones when they are used.

    Django does that at the ends of requests, and with CONN_MAX_AGE 0 (its default) closes every connection. The threads
    of a bot have no requests, and opening a connection for every message would cost more than most handlers.
    """
    now = time.monotonic() if now is None else now
    limit = getattr(settings, "WXSDK_CONN_MAX_AGE", CONN_MAX_AGE)
    seen: Dict[str, Tuple[Any, float]] = _opened.__dict__.setdefault("at", {})
    for connection in connections.all(initialized_only=True):
        if connection.connection is None or connection.in_atomic_block:
            continue
        held, since = seen.get(connection.alias, (None, now))
        if held is not connection.connection:
            since = now
        seen[connection.alias] = (connection.connection, since)
        if connection.errors_occurred or (limit is not None and now - since >= limit):
            connection.close()
            del seen[connection.alias]
