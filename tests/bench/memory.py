"""The memory a block of code takes over what the process held before, as the system sees it."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import Iterator

import psutil

SAMPLE_EVERY = 0.005  # seconds


@dataclass
class Peak:
    extra: int = 0
    """Bytes of resident memory over the start, at most."""

    def __str__(self) -> str:
        return f"{self.extra / 2**20:.1f} MiB"


@contextlib.contextmanager
def peak_memory() -> Iterator[Peak]:
    process, peak, stop = psutil.Process(), Peak(), threading.Event()
    base = process.memory_info().rss

    def sample() -> None:
        while not stop.wait(SAMPLE_EVERY):
            peak.extra = max(peak.extra, process.memory_info().rss - base)

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield peak
    finally:
        stop.set()
        sampler.join()
