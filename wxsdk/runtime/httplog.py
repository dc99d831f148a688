"""Keeps what urllib3 logs of our requests free of secrets, and lets it log those of others as they are."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Iterator

from ..log import ScrubbingFilter

_exchanging = threading.local()


@contextlib.contextmanager
def own_exchange() -> Iterator[None]:
    """Within it, what urllib3 logs on this thread is about a request of ours."""
    _exchanging.ours = True
    try:
        yield
    finally:
        _exchanging.ours = False


class OwnRecordsFilter(ScrubbingFilter):
    """urllib3 logs each address at DEBUG, signed queries and all."""

    def filter(self, record: logging.LogRecord) -> bool:
        return super().filter(record) if getattr(_exchanging, "ours", False) else True


logging.getLogger("urllib3.connectionpool").addFilter(OwnRecordsFilter())
