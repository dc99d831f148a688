"""Bursts never leave faster than allowed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.ilink.pacing import Pacer


def slots(pacer, *times):
    """When those who come at *times* go, each after the one before."""
    gone = []
    for time in times:
        now = max([time, *gone[-1:]])
        wait = pacer.next_slot(now)
        while wait:
            now += wait
            wait = pacer.next_slot(now)
        gone.append(now)
    return gone


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
    taken = slots(Pacer(rate, burst), *itertools.accumulate(gaps))
    assert taken == pytest.approx(sorted(taken))  # but for the last digit of a float
    for first, last in zip(taken, taken[burst:]):
        assert last - first >= burst / rate - 1e-6


def test_the_wait_is_no_longer_than_needed():
    assert slots(Pacer(4.0, 1), *[0.0] * 4) == pytest.approx([0.0, 0.25, 0.5, 0.75])


def test_a_slot_that_is_only_waited_for_is_not_taken():
    pacer = Pacer(1.0, 1)
    assert pacer.next_slot(0.0) == 0.0
    assert [pacer.next_slot(0.25) for _ in range(16)] == [0.75] * 16
    assert pacer.next_slot(1.0) == 0.0
