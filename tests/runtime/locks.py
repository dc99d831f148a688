"""SQLite's locks as other programs take them."""

from __future__ import annotations

import contextlib
import pathlib
import sqlite3
from typing import Iterator


@contextlib.contextmanager
def write_lock_held(path: pathlib.Path) -> Iterator[None]:
    """Another connection writes to the store's file for as long as the block lasts, as another program would."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()
