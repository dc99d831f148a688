"""Logs what a WSClient does, to the standard logger or to an object of the user."""

from __future__ import annotations

import logging
import traceback
from typing import Any, Iterable, Optional

from ..core.redact import scrub
from ..log import get_logger

LOGGER_NAME = "wxsdk.aibot"


class DefaultLogger:
    """The logger used when WSClientOptions has none: the standard logger *name*, with secrets taken out.

    Any object with debug, info, warning (or warn) and error, each taking one text, can stand in its place.
    """

    def __init__(self, name: str = LOGGER_NAME) -> None:
        self._logger = get_logger(name)

    def debug(self, message: str, *args: Any) -> None:
        self._logger.debug(message, *args)

    def info(self, message: str, *args: Any) -> None:
        self._logger.info(message, *args)

    def warning(self, message: str, *args: Any) -> None:
        self._logger.warning(message, *args)

    warn = warning

    def error(self, message: str, *args: Any) -> None:
        self._logger.error(message, *args)


class BotLog:
    """What the modules of the client log through: *target* gets finished texts without *secrets*.

    A logger that raises is replaced by the standard one for that text: a log line must never stop the bot.
    """

    def __init__(self, target: Optional[Any], secrets: Iterable[str]) -> None:
        self._target = target if target is not None else DefaultLogger()
        self._secrets = tuple(secrets)
        self._fallback = get_logger(LOGGER_NAME)

    def debug(self, message: str, *args: Any) -> None:
        if isinstance(self._target, DefaultLogger) and not self._fallback.isEnabledFor(logging.DEBUG):
            return
        self._say(("debug",), message, args)

    def info(self, message: str, *args: Any) -> None:
        self._say(("info",), message, args)

    def warning(self, message: str, *args: Any) -> None:
        self._say(("warning", "warn"), message, args)

    def error(self, message: str, *args: Any, exc: Optional[BaseException] = None) -> None:
        """Log an error; with *exc*, its traceback too."""
        if exc is not None:
            trace = "".join(traceback.format_exception(type(exc), exc, exc.__traceback__)).rstrip()
            message, args = "%s\n%s", (message % args if args else message, trace)
        self._say(("error",), message, args)

    def _say(self, methods: Iterable[str], message: str, args: Any) -> None:
        text = scrub(message % args if args else message, self._secrets)
        speak = next(filter(None, (getattr(self._target, method, None) for method in methods)))
        try:
            speak(text)
        except Exception:  # noqa: BLE001  it is logged where logging works
            self._fallback.exception("the logger of the options raised when it was given: %s", text)
