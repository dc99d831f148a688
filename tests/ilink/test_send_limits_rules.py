"""What is left for a user, and what exceeding it gives."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.ilink import send_limits_rules as quota_module
from wxsdk.ilink.send_limits_rules import Pacer, Quota, QuotaLedger, Tally

DAY = 86400.0


def ledger(limit=3):
    return QuotaLedger(limit, DAY)


def test_a_call_of_several_messages_is_judged_as_a_whole():
    book = QuotaLedger(3, DAY)
    book.on_inbound("u", 0.0)
    book.on_sent("u")
    assert book.excess("u", 1.0, 2) is None
    excess = book.excess("u", 1.0, 3)
    assert (excess.limit, excess.actual) == (3, 4)
    assert book.warning("u", 1.0, 3) is not None


def test_a_user_never_heard_from_has_no_window_and_is_not_refused():
    book = ledger()
    for _ in range(5):
        book.on_sent("u")
    assert book.quota("u", 0.0) == Quota(5, 3, 0, None)
    assert book.excess("u", 0.0) is None


def test_a_message_of_the_user_frees_all_sends():
    book = ledger()
    book.on_inbound("u", 100.0)
    book.on_sent("u")
    assert book.quota("u", 110.0) == Quota(1, 3, 2, DAY - 10)
    book.on_inbound("u", 120.0)
    assert book.quota("u", 120.0) == Quota(0, 3, 3, DAY)


def test_one_send_too_many_is_an_excess():
    book = ledger()
    book.on_inbound("u", 0.0)
    for _ in range(3):
        assert book.excess("u", 1.0) is None
        book.on_sent("u")
    found = book.excess("u", 1.0)
    assert found is not None
    assert (found.limit, found.actual) == (3, 4)
    assert book.excess("v", 1.0) is None


def test_a_send_after_the_window_is_an_excess():
    book = ledger()
    book.on_inbound("u", 0.0)
    assert book.excess("u", DAY) is None
    found = book.excess("u", DAY + 5)
    assert found is not None
    assert (found.limit, found.actual) == (DAY, DAY + 5)
    assert book.quota("u", DAY + 5).window_left == 0.0


def test_a_warning_comes_once_per_message_of_the_user():
    book = ledger(limit=1)
    book.on_inbound("u", 0.0)
    book.on_sent("u")
    assert [book.warning("u", 1.0) is not None for _ in range(3)] == [True, False, False]
    book.on_inbound("u", 2.0)
    book.on_sent("u")
    assert book.warning("u", 3.0) is not None


def test_an_older_message_changes_nothing():
    book = ledger()
    book.on_inbound("u", 100.0)
    book.on_sent("u")
    book.on_inbound("u", 50.0)
    assert book.tally("u") == Tally(1, 100.0)


def test_a_clock_set_back_does_not_lengthen_the_window():
    book = ledger()
    book.on_inbound("u", 1000.0)
    assert book.quota("u", 0.0).window_left == DAY


def test_a_tally_can_be_stored_and_restored():
    book = ledger()
    book.restore("u", Tally(2, 50.0))
    assert book.quota("u", 60.0) == Quota(2, 3, 1, DAY - 10)
    book.clear()
    assert book.tally("u") == Tally()


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(quota_module, "MAX_USERS", 2)
    book = ledger(limit=1)
    for number in range(5):
        book.on_inbound(str(number), 0.0)
        book.on_sent(str(number))
        book.warning(str(number), 0.0)
    assert [book.tally(str(number)).sent for number in range(5)] == [0, 0, 0, 1, 1]


# --- pacing: bursts never leave faster than allowed


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
