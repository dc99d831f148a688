"""Wire types decode whatever comes, never fail, and give back what they did not know."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.core.redact import Secret
from wxsdk.core.wiretype import WireType, extra_field, renamed


@dataclass
class _Inner(WireType):
    name: Optional[str] = None
    token: Optional[Secret] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class _Outer(WireType):
    text: Optional[str] = None
    count: Optional[int] = None
    share: Optional[float] = None
    flag: Optional[bool] = None
    inner: Optional[_Inner] = None
    inners: Optional[List[_Inner]] = None
    names: Optional[List[str]] = None
    free: Optional[Dict[str, Any]] = None
    anything: Any = None
    from_: Optional[str] = renamed("from")
    quote: Optional[_Outer] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class _Bare(WireType):
    text: Optional[str] = None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
fields = ["text", "count", "share", "flag", "inner", "inners", "names", "free", "anything", "from", "quote", "x"]


def test_a_whole_message_makes_the_round_trip() -> None:
    wire = {
        "text": "hi",
        "count": 3,
        "share": 0.5,
        "flag": True,
        "inner": {"name": "n", "token": "t", "new": [1]},
        "inners": [{"name": "a"}, {"name": "b"}],
        "names": ["x", "y"],
        "free": {"k": {"deep": None}},
        "anything": [1, "two"],
        "from": "user",
        "quote": {"text": "older", "later": 1},
        "not known yet": {"a": 1},
    }
    made = _Outer.from_dict(wire)
    assert (made.from_, made.inner.name, made.quote.text) == ("user", "n", "older")  # type: ignore[union-attr]
    assert made.extra == {"not known yet": {"a": 1}}
    assert made.to_dict() == wire
    assert json.loads(made.to_json()) == wire
    assert _Outer.from_json(json.dumps(wire)) == made


@pytest.mark.parametrize(
    ("name", "value", "decoded"),
    [
        ("text", 12, "12"),
        ("text", 2**64 - 1, "18446744073709551615"),
        ("text", True, None),
        ("text", ["x"], None),
        ("count", "12", 12),
        ("count", "-7", -7),
        ("count", 12.0, 12),
        ("count", 12.5, None),
        ("count", "twelve", None),
        ("count", "1" * 21, None),
        ("count", True, None),
        ("count", float("inf"), None),
        ("share", 1, 1.0),
        ("share", "1", None),
        ("share", 10**400, None),
        ("flag", 1, True),
        ("flag", 0, False),
        ("flag", 2, None),
        ("flag", "yes", None),
        ("inner", "x", None),
        ("inners", {"name": "x"}, None),
        ("names", "x", None),
        ("free", [1], None),
    ],
)
def test_values_that_fit_are_converted_and_the_others_are_kept_aside(name: str, value: Any, decoded: Any) -> None:
    made = _Outer.from_dict({name: value})
    found = getattr(made, name)
    assert found == decoded
    assert type(found) is type(decoded)
    assert made.extra == ({name: value} if decoded is None else {})
    if decoded is None:
        assert made.to_dict() == {name: value}


def test_one_odd_element_does_not_cost_the_others() -> None:
    made = _Outer.from_dict({"inners": [{"name": "a"}, None, 7, "x", {"name": "b"}], "names": ["x", None, 3]})
    assert [inner.name for inner in made.inners or []] == ["a", "b"]
    assert made.names == ["x", "3"]


@pytest.mark.parametrize("odd", [None, 7, "text", [], [{}], True, 1.5])
def test_what_is_no_object_decodes_to_an_empty_one(odd: Any) -> None:
    assert _Outer.from_dict(odd) == _Outer()


def test_none_fields_are_absent_on_the_wire_and_nulls_decode_to_none() -> None:
    assert _Outer().to_dict() == {}
    assert _Outer(text="", count=0, names=[]).to_dict() == {"text": "", "count": 0, "names": []}
    assert _Outer.from_dict({"text": None, "inner": None}) == _Outer()


def test_a_set_field_wins_over_its_misfit() -> None:
    made = _Outer.from_dict({"count": "many"})
    made.count = 3
    assert made.to_dict() == {"count": 3}


def test_secrets_are_hidden_in_the_repr_and_whole_on_the_wire() -> None:
    made = _Outer.from_dict({"inner": {"token": "canary"}, "new": "canary too"})
    assert "canary" not in repr(made)
    assert made.to_dict()["inner"] == {"token": "canary"}


def test_a_class_without_room_for_extras_drops_them() -> None:
    assert _Bare.from_dict({"text": "x", "more": 1}).to_dict() == {"text": "x"}


@given(st.dictionaries(st.sampled_from(fields), json_values, max_size=6))
def test_decoding_never_fails_and_loses_no_unknown_field(wire: Dict[str, Any]) -> None:
    made = _Outer.from_dict(wire)
    again = made.to_dict()
    json.dumps(again)
    assert set(again) == {name for name, value in wire.items() if value is not None or name == "x"}
    assert _Outer.from_dict(again).to_dict() == again


def test_quotes_in_quotes_without_end_do_not_overflow() -> None:
    wire: Dict[str, Any] = {"text": "the innermost"}
    for _ in range(5_000):
        wire = {"quote": wire, "text": "one"}
    made = _Outer.from_dict(wire)
    assert made.quote is not None
    assert made.quote.text == "one"


def test_threads_that_compile_the_same_plan_agree() -> None:
    results: List[Any] = []
    gate = threading.Barrier(8)

    def decode() -> None:
        gate.wait()
        results.append(_Outer.from_dict({"text": "x", "inners": [{"name": "a"}]}))

    threads = [threading.Thread(target=decode) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(result == results[0] for result in results)
    assert len(results) == 8
