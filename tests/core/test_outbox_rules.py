"""Whose turn it is among messages that wait, and what follows a try."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any, Dict, List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.core.outbox_rules import (
    LONGEST_DELAY,
    Entry,
    Expired,
    GiveUp,
    Idle,
    Lines,
    Retry,
    Sent,
    Try,
    WaitForUser,
    after_network_failure,
    backoff,
)
from wxsdk.errors import LimitExceeded, TransportError

LOST = GiveUp(TransportError("Gone."))


def entry(id: str, to: str = "alice", born: float = 0.0) -> Entry:
    return Entry(id, to, "text", 1_700_000_000.0, {"n": id}, born=born)


def lines(*entries: Entry, max_age: float = 1000.0) -> Lines:
    made = Lines(max_age)
    for each in entries:
        made.add(each)
    return made


def taken(box: Lines, now: float = 0.0) -> Entry:
    step = box.take(now)
    assert isinstance(step, Try), step
    return step.entry


def test_an_empty_outbox_waits_for_nothing() -> None:
    assert lines().take(0.0) == Idle(None)


def test_messages_to_one_recipient_go_in_order_one_at_a_time() -> None:
    box = lines(entry("1"), entry("2"))
    first = taken(box)
    assert first.id == "1"
    assert box.take(0.0) == Idle(1000.0)  # the second waits for the first
    box.settle(first, Sent(), 0.0)
    assert taken(box).id == "2"


def test_a_failed_message_goes_again_before_the_next_one() -> None:
    box = lines(entry("1"), entry("2"))
    box.settle(taken(box), Retry(5.0), 0.0)
    assert box.take(1.0) == Idle(4.0)
    assert taken(box, 5.0).id == "1"


def test_a_line_that_waits_holds_up_no_other() -> None:
    box = lines(entry("1"), entry("2", "bob"))
    box.settle(taken(box), WaitForUser(), 0.0)
    assert taken(box).id == "2"


def test_lines_take_turns() -> None:
    box = lines(*(entry(f"{to}{n}", to) for n in range(3) for to in ("a", "b")))
    order = []
    for _ in range(6):
        one = taken(box)
        order.append(one.id)
        box.settle(one, Sent(), 0.0)
    assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_a_pause_holds_up_everybody() -> None:
    box = lines(entry("1"), entry("2", "bob"))
    box.settle(taken(box), Retry(8.0, pause=3.0), 0.0)
    assert box.take(1.0) == Idle(2.0)
    assert taken(box, 3.0).id == "2"


def test_a_message_that_waits_for_its_user_goes_when_the_user_writes() -> None:
    box = lines(entry("1"))
    box.settle(taken(box), WaitForUser(), 0.0)
    assert box.take(500.0) == Idle(500.0)  # no hour but that of its end
    box.heard("bob")
    assert isinstance(box.take(500.0), Idle)
    box.heard("alice")
    assert taken(box, 500.0).id == "1"


def test_it_goes_at_the_latest_hour_as_well() -> None:
    box = lines(entry("1"))
    box.settle(taken(box), WaitForUser(600.0), 0.0)
    assert box.take(0.0) == Idle(600.0)
    assert taken(box, 600.0).id == "1"


def test_a_user_who_writes_during_the_try_is_not_missed() -> None:
    box = lines(entry("1"))
    one = taken(box)
    box.heard("alice")
    box.settle(one, WaitForUser(), 0.0)
    assert taken(box).id == "1"


def test_a_user_who_writes_does_not_shorten_the_wait_for_the_network() -> None:
    box = lines(entry("1"))
    box.settle(taken(box), Retry(60.0, pause=60.0), 0.0)
    box.heard("alice")
    assert box.take(0.0) == Idle(60.0)


def test_the_connection_that_is_back_ends_every_wait() -> None:
    box = lines(entry("1"), entry("2", "bob"))
    box.settle(taken(box), WaitForUser(), 0.0)
    box.settle(taken(box), Retry(60.0, pause=60.0), 0.0)
    box.wake(users_too=True)
    assert {taken(box).id, taken(box).id} == {"1", "2"}


def test_the_connection_that_is_back_leaves_alone_who_waits_for_a_word_that_is_not_missed() -> None:
    box = lines(entry("1"), entry("2", "bob"))
    box.settle(taken(box), WaitForUser(), 0.0)
    box.settle(taken(box), Retry(60.0, pause=60.0), 0.0)
    box.wake(users_too=False)
    assert taken(box).id == "2"
    assert isinstance(box.take(0.0), Idle)
    box.heard("alice")
    assert taken(box).id == "1"


@pytest.mark.parametrize("users_too", [True, False])
def test_a_connection_that_comes_back_during_the_try_is_not_missed(users_too: bool) -> None:
    box = lines(entry("1"))
    one = taken(box)
    box.wake(users_too=users_too)
    box.settle(one, Retry(60.0, pause=60.0), 0.0)
    assert taken(box).id == "1"


@pytest.mark.parametrize("users_too", [True, False])
def test_a_refusal_that_came_while_the_connection_came_back_counts_where_no_word_is_missed(users_too: bool) -> None:
    box = lines(entry("1"))
    one = taken(box)
    box.wake(users_too=users_too)
    box.settle(one, WaitForUser(), 0.0)
    assert isinstance(box.take(0.0), Try if users_too else Idle)


def test_a_message_that_waits_too_long_expires_wherever_it_stands() -> None:
    box = lines(entry("1", born=0.0), entry("2", born=50.0), max_age=100.0)
    box.settle(taken(box), WaitForUser(), 0.0)
    step = box.take(100.0)
    assert isinstance(step, Expired)
    assert step.entry.id == "1"
    assert (step.error.limit, step.error.actual) == (100.0, 100.0)
    assert "outbox_max_age" in str(step.error)
    assert taken(box, 100.0).id == "2"  # what waited behind it is free


def test_a_message_that_is_being_tried_does_not_expire() -> None:
    box = lines(entry("1"), max_age=100.0)
    one = taken(box)
    assert box.take(200.0) == Idle(None)
    box.settle(one, Sent(), 200.0)
    assert len(box) == 0


def test_what_is_given_up_makes_room_for_the_next() -> None:
    box = lines(entry("1"), entry("2"))
    box.settle(taken(box), LOST, 0.0)
    assert [each.id for each in box.entries()] == ["2"]
    assert taken(box).id == "2"


def test_a_message_that_is_being_tried_cannot_be_taken_out() -> None:
    box = lines(entry("1"), entry("2"))
    assert taken(box) is not None
    assert box.waiting("1") is None
    second = box.waiting("2")
    assert second is not None
    box.remove(second)
    assert box.waiting("2") is None
    assert box.waiting("never") is None


def test_a_full_outbox_takes_nothing_more() -> None:
    box = lines(entry("1"), entry("2"))
    box.check_room(3)
    with pytest.raises(LimitExceeded, match="outbox_max_count") as caught:
        box.check_room(2)
    assert (caught.value.limit, caught.value.actual) == (2, 3)


def test_the_delays_double_up_to_the_longest_and_survive_any_number() -> None:
    assert [backoff(n, 0.5) for n in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert backoff(10**9, 0.5) == LONGEST_DELAY
    assert [backoff(n, 0.5, first=600.0, longest=3600.0) for n in (1, 2, 3, 4, 5)] == [600, 1200, 2400, 3600, 3600]


def test_a_message_that_never_gets_through_slows_down_itself_alone() -> None:
    box = lines(entry("poison"), *(entry(str(n), "bob") for n in range(200)), max_age=1e9)
    now, tries, pauses = 0.0, 0, []
    while len(box) > 1:
        step = box.take(now)
        if isinstance(step, Idle):
            assert step.seconds is not None
            pauses.append(step.seconds)
            now += step.seconds
        elif isinstance(step, Try) and step.entry.id == "poison":
            tries += 1
            box.settle(step.entry, after_network_failure(step.entry.failures + 1, step.row + 1, 0.5), now)
        else:
            assert isinstance(step, Try)
            box.settle(step.entry, Sent(), now)
            now += 0.5
    assert tries <= 8
    assert max(pauses) == 1.0


def test_an_outage_slows_down_everybody() -> None:
    box = lines(*(entry(str(n), f"user{n}") for n in range(1000)), max_age=1e9)
    now, tries = 0.0, 0
    while now < 3600:
        step = box.take(now)
        if isinstance(step, Try):
            tries += 1
            box.settle(step.entry, after_network_failure(step.entry.failures + 1, step.row + 1, 0.5), now)
        else:
            assert isinstance(step, Idle)
            assert step.seconds is not None
            now += step.seconds
    assert tries < 70  # once a minute, whoever's turn it is


def test_a_row_gives_back_what_was_written() -> None:
    before = Entry("id", "微信", "text", 1_700_000_000.25, {"steps": [{"item": {"text": "\ud800\0"}}]}, attempts=3)
    after = Entry.decode("id", before.encode())
    assert after == before
    assert before.item().created.timestamp() == 1_700_000_000.25
    assert "steps" not in repr(before)


GOOD: Dict[str, Any] = {"to": "a", "kind": "text", "created": 1.0, "attempts": 0, "payload": {}}


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{}", "7", '{"to": "a"}']
    + [
        repr({**GOOD, **wrong}).replace("'", '"').replace("None", "null")
        for wrong in (
            {"to": 7},
            {"kind": None},
            {"payload": []},
            {"created": "x"},
            {"created": 1e300},
            {"attempts": []},
        )
    ],
)
def test_what_is_no_row_is_no_message(text: str) -> None:
    assert Entry.decode("id", text) is None


@given(st.integers(), st.integers(1, 5), st.integers(1, 40))
def test_whatever_happens_nothing_is_lost_or_overtaken(seed: int, users: int, count: int) -> None:
    dice = random.Random(seed)
    box = Lines(1e9)
    put: Dict[str, List[str]] = defaultdict(list)
    gone: Dict[str, List[str]] = defaultdict(list)
    busy: List[Entry] = []
    now = 0.0
    for number in range(count):
        one = entry(str(number), f"user{dice.randrange(users)}", born=now)
        put[one.to].append(one.id)
        box.add(one)
    while len(box):
        step = box.take(now)
        if isinstance(step, Try):
            assert step.entry.to not in [each.to for each in busy]
            busy.append(step.entry)
        elif not busy:
            assert isinstance(step, Idle)
            now += step.seconds or 0.0
        if busy and (dice.random() < 0.5 or isinstance(step, Idle)):
            done = busy.pop(dice.randrange(len(busy)))
            verdict = dice.choice([Sent(), Sent(), LOST, Retry(dice.random()), Retry(1.0, 1.0), WaitForUser(5.0)])
            if isinstance(verdict, (Sent, GiveUp)):
                gone[done.to].append(done.id)
            box.settle(done, verdict, now)
        if dice.random() < 0.1:
            box.wake(users_too=dice.random() < 0.5)
        if dice.random() < 0.1:
            box.heard("user0")
    assert gone == put
