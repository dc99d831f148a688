"""No record of a wxsdk logger shows a secret, and no record makes its caller fail."""

from __future__ import annotations

import io
import logging
from typing import Iterator

import pytest

from wxsdk.log import get_logger

CANARY = "canary-0123456789abcdef"


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger("wxsdk")
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def test_secrets_are_taken_out_of_texts_arguments_and_tracebacks(output: io.StringIO) -> None:
    log = get_logger("wxsdk.test")
    log.info("sent %s with %r", {"token": CANARY}, "/path?sig=" + CANARY)
    try:
        raise ValueError(f"Authorization: Bearer {CANARY}")
    except ValueError:
        log.exception("it failed", stack_info=True)
    text = output.getvalue()
    assert "canary" not in text
    assert "it failed" in text
    assert "ValueError" in text
    assert "Stack (most recent call last)" in text


def test_percent_signs_in_a_value_do_not_matter(output: io.StringIO) -> None:
    get_logger("wxsdk.test").info("%s", "100 %s %d")
    assert output.getvalue() == "100 %s %d\n"


def test_an_argument_that_cannot_be_shown_does_not_reach_the_caller(output: io.StringIO) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no")

    get_logger("wxsdk.test").warning("got %s", Odd())
    assert "got %s" in output.getvalue()
    assert "RuntimeError" in output.getvalue()


def test_asking_twice_filters_once() -> None:
    assert get_logger("wxsdk.twice") is get_logger("wxsdk.twice")
    assert len(get_logger("wxsdk.twice").filters) == 1
