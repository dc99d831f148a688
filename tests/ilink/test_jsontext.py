"""One odd character, number or nest costs nothing else; what cannot be written is refused without being shown."""

from __future__ import annotations

import contextlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.core.patient_json import MAX_LEVELS
from wxsdk.errors import ConfigError
from wxsdk.ilink.jsontext import dump_json, load_json
from wxsdk.ilink.wire import decode_updates

from .test_wire import json_values


def test_endless_nesting_is_an_ordinary_json_error():
    with pytest.raises(ValueError, match=r"."):
        load_json(b"[" * 200_000)


@pytest.mark.parametrize("depth", [500, 990, 2000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":[1,', "]}]")])
def test_one_endless_nest_does_not_cost_the_other_messages(depth, opening, closing):
    nest = (opening * depth + "1" + closing * depth).replace("[1,1", "[1")
    text = '"[{\\\\\\"[[" '
    body = (
        f'{{"msgs":[{{"message_id":1}},{{"message_id":2,"t":{text},"nest":{nest},"x":"\\ud83d"}},{{"message_id":3}}]}}'
    )
    value = load_json(body.encode())
    assert [message["message_id"] for message in value["msgs"]] == [1, 2, 3]
    assert (value["msgs"][1]["t"], value["msgs"][1]["x"]) == ('[{\\"[[', "\ufffd")
    reply = decode_updates(value)
    assert [message.message_id for message in reply.msgs or []] == ["1", "2", "3"]


@given(json_values, st.integers(0, 30))
def test_what_is_not_too_deep_is_kept_beside_an_endless_nest(value, spaces):
    nest = "[" * 100_000 + "]" * 100_000
    assert load_json(f"[{nest},{json.dumps(value, indent=spaces)}]".encode())[1:] == load_json(
        f"[{json.dumps(value)}]".encode()
    )


def test_exactly_the_levels_that_fit_are_kept():
    value = load_json(b"[" * 100_000 + b"]" * 100_000)
    for _ in range(MAX_LEVELS - 1):
        (value,) = value
    assert value == [None]


@pytest.mark.parametrize("body", [b"[" * 5000 + b"]" * 4999, b"[" * 5000 + b"]" * 4920 + b"}" * 80, b"[" * 5000 + b'"'])
def test_a_broken_text_is_an_error_however_deep(body):
    with pytest.raises(ValueError, match=r"."):
        load_json(body)


def test_a_byte_order_mark_is_passed_over():
    assert load_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


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
