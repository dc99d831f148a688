"""The loggers of wxsdk: the standard ones, with secrets taken out of every record."""

from __future__ import annotations

import logging

from .core.redact import scrub


class ScrubbingFilter(logging.Filter):
    """Takes secrets out of a record's text and traceback before any handler sees it."""

    _formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            text = record.getMessage()
        except Exception as exc:  # noqa: BLE001  a __str__ of the user's: logging must not raise into the caller
            text = f"{record.msg} (its arguments cannot be shown: {type(exc).__name__})"
        record.msg = scrub(text)
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = scrub(self._formatter.formatException(record.exc_info))
        if record.stack_info:
            record.stack_info = scrub(record.stack_info)
        return True


_FILTER = ScrubbingFilter()


def get_logger(name: str) -> logging.Logger:
    """The logger *name* (a child of ``wxsdk``) with the scrubbing filter on it. Call it once, at import."""
    logger = logging.getLogger(name)
    logger.addFilter(_FILTER)
    return logger
