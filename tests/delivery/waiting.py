"""Waiting for what other threads bring about, where nothing announces it."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable

WAIT = 10.0  # seconds after which a test gives up
LOOK_EVERY = 0.002  # seconds


def until(predicate: Callable[[], Any], what: str = "it", timeout: float = WAIT) -> Any:
    """The first true value of *predicate*; AssertionError after *timeout* seconds."""
    deadline, pause = time.monotonic() + timeout, threading.Event()
    while True:
        found = predicate()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} never came about"
        pause.wait(LOOK_EVERY)
