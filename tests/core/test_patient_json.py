"""Odd fields of a JSON text cost nothing but themselves."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.core.patient_json import MAX_INTEGER_DIGITS, MAX_LEVELS, read_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_what_python_can_read_is_read_as_python_does(value):
    assert read_json(json.dumps(value)) == value


@given(values, st.sampled_from(["[" * 100_000 + "]" * 100_000, "9" * 20_000, '{"a":' * 5000 + "0" + "}" * 5000]))
def test_an_odd_neighbour_changes_nothing(value, odd):
    assert read_json(f"[{odd},{json.dumps(value)},{odd}]")[1] == value


@pytest.mark.parametrize(("digits", "kept"), [(MAX_INTEGER_DIGITS, int), (20_000, str)])
def test_a_number_beyond_measure_is_kept_as_text(digits, kept):
    assert type(read_json(f'{{"n": {"1" * digits}, "big": {"9" * 5000}}}')["n"]) is kept


def test_exactly_the_levels_that_fit_are_kept():
    value = read_json("[" * 100_000 + "]" * 100_000)
    for _ in range(MAX_LEVELS - 1):
        (value,) = value
    assert value == [None]


@pytest.mark.parametrize("text", ["", "[" * 100_000, "{" * 5000 + "}" * 5000, "[1", "nan", "9" * 20_000 + "x"])
def test_what_is_not_json_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        read_json(text)
