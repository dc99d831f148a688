"""Keeps what urllib3 logs of our requests free of secrets, and lets it log those of others as they are."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Iterator

from ..log import ScrubbingFilter

# All modules of urllib3 that log, those of its other versions included; one that says nothing costs nothing.
LOGGERS = (
    "urllib3",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.contrib.pyopenssl",
    "urllib3.http2.connection",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
    "urllib3.util.ssl_",
    "urllib3.util.ssl_match_hostname",
)

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
    """urllib3 logs each address at DEBUG, signed queries and all, and at WARNING what a server sent in broken headers.

    Such an exception may repeat anything of the request, so its name is all that is shown of it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if not getattr(_exchanging, "ours", False):
            return True
        if isinstance(record.args, tuple):
            record.args = tuple(type(arg).__name__ if isinstance(arg, BaseException) else arg for arg in record.args)
        record.exc_info = record.exc_text = None
        return super().filter(record)


# A logger's filters see what is logged on itself and not what its children log, so each has it of its own.
for _name in LOGGERS:
    logging.getLogger(_name).addFilter(OwnRecordsFilter())
