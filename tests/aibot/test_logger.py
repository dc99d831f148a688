from __future__ import annotations

import logging
from typing import List, Tuple

import pytest

from wxsdk.aibot.logger import BotLog, DefaultLogger

CANARY = "canary-secret-0123456789"


class Old:
    """A logger with warn, as the official client wants one."""

    def __init__(self) -> None:
        self.lines: List[Tuple[str, str]] = []

    def debug(self, message: str) -> None:
        self.lines.append(("debug", message))

    def info(self, message: str) -> None:
        self.lines.append(("info", message))

    def warn(self, message: str) -> None:
        self.lines.append(("warn", message))

    def error(self, message: str) -> None:
        self.lines.append(("error", message))


def test_each_level_reaches_its_method_as_a_finished_text() -> None:
    target = Old()
    log = BotLog(target, ())
    log.debug("a %s", 1)
    log.info("b %s", 2)
    log.warning("100%")
    log.error("d %s", 4)
    assert target.lines == [("debug", "a 1"), ("info", "b 2"), ("warn", "100%"), ("error", "d 4")]


def test_secrets_are_taken_out_of_texts_and_tracebacks() -> None:
    target = Old()
    log = BotLog(target, (CANARY,))
    log.warning("it said %s", CANARY)
    try:
        raise ValueError(f"bad secret {CANARY}")
    except ValueError as exc:
        log.error("a %s raised", "handler", exc=exc)
    assert CANARY not in str(target.lines)
    assert "Traceback" in target.lines[1][1]
    assert "a handler raised" in target.lines[1][1]


def test_a_standard_logger_will_do(caplog: pytest.LogCaptureFixture) -> None:
    BotLog(logging.getLogger("of the user"), ()).warning("100% sure")
    assert caplog.record_tuples == [("of the user", logging.WARNING, "100% sure")]


def test_without_a_logger_the_standard_one_speaks(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="wxsdk.aibot")
    log = BotLog(None, ())
    log.debug("quiet")
    log.error("loud")
    assert caplog.record_tuples == [
        ("wxsdk.aibot", logging.DEBUG, "quiet"),
        ("wxsdk.aibot", logging.ERROR, "loud"),
    ]


def test_a_logger_that_raises_does_not_stop_the_bot(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Old):
        def info(self, message: str) -> None:
            raise OSError("disk full")

    BotLog(Broken(), ()).info("told anyway")
    assert "told anyway" in caplog.text


def test_the_default_logger_can_be_used_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logger = DefaultLogger("wxsdk.test")
    logger.debug("secret=%s", CANARY)
    logger.info("i")
    logger.warn("w")
    logger.warning("w")
    logger.error("e")
    assert [level for _, level, _ in caplog.record_tuples] == [10, 20, 30, 30, 40]
    assert CANARY not in caplog.text
