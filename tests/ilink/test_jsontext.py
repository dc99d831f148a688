"""One odd character, number or nest costs nothing else; what cannot be written is refused without being shown."""

from __future__ import annotations

import contextlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.errors import ConfigError
from wxsdk.ilink.jsontext import dump_json, load_json

from .test_wire import json_values


def test_endless_nesting_is_an_ordinary_json_error():
    with pytest.raises(ValueError, match=r"."):
        load_json(b"[" * 200_000)


def test_raw_control_characters_are_kept():
    text = "".join(map(chr, range(32)))
    body = json.dumps({"t": "@"}).replace("@", text.replace('"', "").replace("\\", "")).encode()
    assert load_json(body) == {"t": text}


def test_lone_surrogates_become_replacement_characters_and_pairs_stay():
    assert load_json(rb'{"a": "x\ud83d y", "b": "\ud83d\ude00", "c": "\\ud800"}') == {
        "a": "x\ufffd y",
        "b": "\U0001f600",
        "c": "\\ud800",
    }


def test_broken_utf8_costs_one_character():
    assert load_json(b'{"a": "x\xffy"}') == {"a": "x\ufffdy"}


@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_loading_fails_with_a_value_error_or_not_at_all(body):
    with contextlib.suppress(ValueError):
        assert load_json(body) is not load_json


def test_dumping_is_compact_utf8():
    assert dump_json({"t": "中", "n": 1}) == '{"t":"中","n":1}'.encode()


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"msg": {"run_id": "\ud800", "context_token": "canary-token"}}, "msg.run_id "),
        ({"msg": {"context_token": "canary-token\udfff"}}, "msg.context_token "),
        ({"msg": {"context_token": "canary-token", "item_list": [{}, {"a": "\ud83d"}]}}, "msg.item_list[1].a "),
        ({"msg": {"\ud800": "canary-token"}}, "A name in msg "),
    ],
)
def test_half_a_character_cannot_be_dumped_and_no_exception_shows_the_rest(value, place):
    with pytest.raises(ConfigError, match=re.escape(place)) as caught:
        dump_json(value)
    assert caught.value.__context__ is None
    assert "canary" not in f"{caught.value!r} {vars(caught.value)}"


@pytest.mark.parametrize("odd", [object(), {1, 2}, b"bytes"])
def test_what_is_no_json_cannot_be_dumped(odd):
    with pytest.raises(ConfigError):
        dump_json({"msg": odd})


def test_what_holds_itself_cannot_be_dumped():
    value: dict = {}
    value["again"] = value
    with pytest.raises(ConfigError):
        dump_json(value)
