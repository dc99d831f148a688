from __future__ import annotations

from typing import Any

import pytest

from wxsdk.bot.state_rules import check_state, dump_state, load_state, merged
from wxsdk.errors import ConfigError


def test_a_state_survives_its_row_until_it_is_too_old() -> None:
    row = dump_state({"count": 1, "list": [None, True, 1.5, "微"], "deep": {"a": {}}}, 100.0)
    assert load_state(row, 100.0, None) == {"count": 1, "list": [None, True, 1.5, "微"], "deep": {"a": {}}}
    assert load_state(row, 109.0, 10.0)["count"] == 1
    assert load_state(row, 111.0, 10.0) == {}


@pytest.mark.parametrize(
    "text", [None, "", "[]", "5", '{"state": 1}', '{"at": "x", "state": {}}', '{"at":1,"state":[]}']
)
def test_what_is_no_state_is_an_empty_one(text: Any) -> None:
    assert load_state(text, 0.0, None) == {}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"a": {1}}, r"message.state\['a'\] is of type set"),
        ({"a": [1, (2,)]}, r"message.state\['a'\]\[1\] is of type tuple"),
        ({"a": {"b": b""}}, r"message.state\['a'\]\['b'\] is of type bytes"),
        ({"a": {1: 2}}, r"message.state\['a'\] has the key 1"),
        ({1: 2}, "has the key 1"),
        ({"a": float("nan")}, r"message.state\['a'\] is nan"),
    ],
)
def test_what_json_cannot_carry_is_refused_with_its_path(state: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_state(state)


def test_only_what_a_handler_changed_is_written_over_what_others_wrote() -> None:
    before = {"kept": 1, "changed": 1, "removed": 1}
    after = {"kept": 1, "changed": 2, "added": 3}
    current = {"kept": 9, "changed": 8, "removed": 7, "other": 6}
    assert merged(current, before, after) == {"kept": 9, "changed": 2, "other": 6, "added": 3}


def test_what_another_handler_cleared_meanwhile_does_not_come_back() -> None:
    assert merged({}, {"history": [1]}, {"history": [1]}) == {}
