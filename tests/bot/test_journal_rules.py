from __future__ import annotations

from typing import Any

import pytest

from wxsdk.bot.journal_rules import ANSWERED, SENT, Row, check_same, decode_row, row_key
from wxsdk.bot.results import dump_result, load_result
from wxsdk.errors import ConfigError
from wxsdk.ilink.frames_out import SendResult


def test_a_row_survives_the_store() -> None:
    row = Row("ask", ANSWERED, {"answer": "微"})
    assert decode_row(row.encode()) == row
    assert row_key("abc", 3) == "abc|3"


@pytest.mark.parametrize("text", [None, "", "{}", "[1]", '["ask", 5, null]', "no json"])
def test_what_is_no_row_is_none(text: Any) -> None:
    assert decode_row(text) is None


def test_a_handler_that_takes_another_way_hears_of_it() -> None:
    check_same(Row("reply", SENT), "reply", "form")
    with pytest.raises(ConfigError, match="form called ask where it had called reply"):
        check_same(Row("reply", SENT), "ask", "form")


def test_a_result_survives_the_journal_with_its_parts() -> None:
    result = SendResult("c2", None, False, (SendResult("c1", "m1", True), SendResult("c2", None, False)))
    assert load_result(dump_result(result)) == result
