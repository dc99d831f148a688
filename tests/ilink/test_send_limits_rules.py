"""What is left for a user, and what exceeding it gives."""

from __future__ import annotations

from wxsdk.ilink import send_limits_rules as quota_module
from wxsdk.ilink.send_limits_rules import Quota, QuotaLedger, Tally

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
