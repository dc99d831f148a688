"""Bursts never leave faster than allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.ilink.pacing import Pacer


def slots(pacer, *times):
    return [time + pacer.next_slot(time) for time in times]


def test_a_burst_goes_at_once_and_the_rest_waits():
    assert slots(Pacer(2.0, 2), 0.0, 0.0, 0.0, 0.0, 0.0) == [0.0, 0.0, 1.0, 1.0, 2.0]


def test_slow_senders_never_wait():
    pacer = Pacer(2.0, 2)
    assert [pacer.next_slot(time) for time in (0.0, 0.6, 1.2, 1.8)] == [0.0] * 4


def test_without_pacing_nothing_waits():
    pacer = Pacer(None, 2)
    assert [pacer.next_slot(5.0) for _ in range(100)] == [0.0] * 100


@given(
    st.floats(0.1, 50.0),
    st.integers(1, 5),
    st.lists(st.floats(0, 3.0), min_size=1, max_size=40),
)
def test_no_window_holds_more_than_a_burst_and_order_is_kept(rate, burst, gaps):
    pacer, now, taken = Pacer(rate, burst), 0.0, []
    for gap in gaps:
        now += gap
        taken.append(now + pacer.next_slot(now))
    assert taken == pytest.approx(sorted(taken))  # but for the last digit of a float
    for first, last in zip(taken, taken[burst:]):
        assert last - first >= burst / rate - 1e-6


def test_the_wait_is_no_longer_than_needed():
    pacer = Pacer(4.0, 1)
    assert [pacer.next_slot(0.0) for _ in range(4)] == pytest.approx([0.0, 0.25, 0.5, 0.75])
