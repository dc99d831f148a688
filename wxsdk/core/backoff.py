"""Delays between tries, as sequences of numbers. Nothing here waits.

A sequence is made by addition and ``min`` alone, so it survives any number of tries (``2 ** n`` overflows a float at
1,024, which stops other libraries for good).
"""

from __future__ import annotations

from typing import Iterator

JITTER_LOW, JITTER_HIGH = 0.8, 1.2  # factors; docs/protocol/ilink, 2 and docs/protocol/aibot, 2


def exponential(base: float, ceiling: float) -> Iterator[float]:
    """Yield *base* seconds, doubling up to *ceiling*, for ever."""
    delay = min(base, ceiling)
    while True:
        yield delay
        delay = min(delay * 2, ceiling)


def jittered(delay: float, unit: float) -> float:
    """*delay* times a factor between 0.8 and 1.2; *unit* is a random number in [0, 1)."""
    return delay * (JITTER_LOW + (JITTER_HIGH - JITTER_LOW) * unit)
