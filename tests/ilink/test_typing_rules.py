"""Tickets are kept, refreshed within a day, and fetched ever more rarely when that fails."""

from __future__ import annotations

from wxsdk.ilink import typing_rules as typing_ticket
from wxsdk.ilink.typing_rules import TicketChoice, TypingTickets


def test_the_first_use_fetches():
    assert TypingTickets().choose("u", 0.0) == TicketChoice(None, True)


def test_a_ticket_serves_until_its_random_time():
    tickets = TypingTickets()
    tickets.fetched("u", "t", now=100.0, unit=0.5)
    assert tickets.choose("u", 100.0 + 43199) == TicketChoice("t", False)
    assert tickets.choose("u", 100.0 + 43200) == TicketChoice("t", True)
    assert tickets.choose("v", 100.0) == TicketChoice(None, True)


def test_failures_wait_2_seconds_doubling_to_an_hour():
    tickets, now, waits = TypingTickets(), 0.0, []
    for _ in range(14):
        tickets.failed("u", now)
        wait = next(step for step in range(1, 4000) if tickets.choose("u", now + step).fetch)
        waits.append(wait)
        now += wait
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600, 3600]


def test_a_failed_refresh_keeps_the_old_ticket_and_success_resets_the_waits():
    tickets = TypingTickets()
    tickets.fetched("u", "old", 0.0, 0.0)
    tickets.failed("u", 0.0)
    tickets.failed("u", 2.0)
    assert tickets.choose("u", 3.0) == TicketChoice("old", False)
    tickets.fetched("u", "new", 6.0, 0.0)
    tickets.failed("u", 7.0)
    assert tickets.choose("u", 9.0) == TicketChoice("new", True)


def test_a_refused_ticket_is_forgotten_but_not_asked_for_in_a_storm():
    tickets = TypingTickets()
    tickets.fetched("u", "t", 0.0, 0.9)
    tickets.refused("u", 10.0)
    assert tickets.choose("u", 11.0) == TicketChoice(None, False)
    assert tickets.choose("u", 12.0) == TicketChoice(None, True)


def test_an_empty_ticket_is_none_and_is_not_fetched_at_once_again():
    tickets = TypingTickets()
    tickets.fetched("u", "", 0.0, 0.5)
    assert tickets.choose("u", 1.0) == TicketChoice(None, False)


def test_a_ticket_does_not_show():
    tickets = TypingTickets()
    tickets.fetched("u", "canary", 0.0, 0.5)
    assert "canary" not in repr(tickets.choose("u", 0.0))


def test_memory_is_bounded_and_can_be_cleared(monkeypatch):
    monkeypatch.setattr(typing_ticket, "MAX_TICKETS", 2)
    tickets = TypingTickets()
    for user in "abc":
        tickets.fetched(user, user, 0.0, 0.5)
    assert [tickets.choose(user, 1.0).ticket for user in "abc"] == [None, "b", "c"]
    tickets.clear()
    assert tickets.choose("c", 1.0).fetch
