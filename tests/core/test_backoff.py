"""Delays are numbers; nothing waits."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from wxsdk.core.backoff import exponential, jittered


def test_delays_double_up_to_the_ceiling() -> None:
    assert list(islice(exponential(1, 30), 8)) == [1, 2, 4, 8, 16, 30, 30, 30]
    assert list(islice(exponential(60, 30), 3)) == [30, 30, 30]


def test_the_sequence_outlives_any_outage() -> None:
    assert list(islice(exponential(0.5, 30.0), 5_000))[-1] == 30.0


@given(st.floats(0, 1e6), st.floats(0, 1, exclude_max=True))
def test_jitter_stays_within_a_fifth(delay: float, unit: float) -> None:
    assert 0.8 * delay <= jittered(delay, unit) <= 1.2 * delay * (1 + 1e-9)


def test_jitter_reaches_both_ends() -> None:
    assert jittered(10, 0.0) == 8
    assert jittered(10, 0.5) == 10
