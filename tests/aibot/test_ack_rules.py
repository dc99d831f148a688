"""Who an acknowledgement belongs to: every sequence of late, lost, doubled and swapped acks."""

from __future__ import annotations

import random
from typing import Any, List, Tuple

import pytest

from wxsdk.aibot.ack_rules import Ack, AckLedger, Admission, TimedOut, Verdict

TIMEOUT = 5.0
PAID = Ack(Verdict.PAID)
UNKNOWN = Ack(Verdict.UNKNOWN)


class Desk:
    """A ledger with one req_id, driven in sentences."""

    def __init__(self, max_waiting: int = 500) -> None:
        self.ledger = AckLedger(max_waiting)

    def send(self, token: Any, now: float, req_id: str = "r") -> Admission:
        return self.ledger.enqueue(req_id, token, TIMEOUT, now)

    def ack(self, now: float, req_id: str = "r") -> Ack:
        return self.ledger.on_ack(req_id, now)

    def timeout(self, token: Any, now: float, req_id: str = "r") -> TimedOut:
        return self.ledger.on_timeout(req_id, token, now)


def answer(token: Any, then: Any = None) -> Ack:
    return Ack(Verdict.ANSWER, token, then)


def test_an_ack_answers_the_frame_in_flight() -> None:
    desk = Desk()
    assert desk.send("a", 0.0) is Admission.SEND
    assert desk.ack(0.1) == answer("a")
    assert len(desk.ledger) == 0


def test_one_frame_is_in_flight_and_the_others_follow_in_order() -> None:
    desk = Desk()
    assert [desk.send(token, 0.0) for token in ("a", "b", "c")] == [Admission.SEND, Admission.WAIT, Admission.WAIT]
    assert [desk.ack(1.0), desk.ack(2.0), desk.ack(3.0)] == [answer("a", "b"), answer("b", "c"), answer("c")]


def test_req_ids_do_not_wait_for_each_other() -> None:
    desk = Desk()
    assert desk.send("a", 0.0, "r1") is desk.send("b", 0.0, "r2") is Admission.SEND
    assert desk.ack(1.0, "r2") == answer("b")
    assert desk.ack(1.0, "r1") == answer("a")


def test_the_line_behind_a_frame_is_bounded() -> None:
    desk = Desk(max_waiting=2)
    assert [desk.send(token, 0.0) for token in ("a", "b", "c", "d")] == [
        Admission.SEND,
        Admission.WAIT,
        Admission.WAIT,
        Admission.FULL,
    ]
    assert desk.ack(1.0) == answer("a", "b")
    assert desk.send("e", 1.0) is Admission.WAIT


def test_a_late_ack_does_not_answer_the_next_reply() -> None:
    desk = Desk()
    desk.send("a", 0.0)
    desk.send("b", 0.0)
    assert desk.timeout("a", 5.0) == TimedOut(True, "b")
    assert desk.ack(6.0) == PAID
    assert desk.ack(7.0) == answer("b")


def test_a_late_ack_with_nobody_behind_is_swallowed() -> None:
    desk = Desk()
    desk.send("a", 0.0)
    desk.timeout("a", 5.0)
    assert desk.ack(6.0) == PAID
    desk.send("b", 6.5)
    assert desk.ack(7.0) == answer("b")


def test_two_late_acks_pay_two_debts() -> None:
    desk = Desk()
    for token in ("a", "b", "c"):
        desk.send(token, 0.0)
    desk.timeout("a", 5.0)
    desk.timeout("b", 9.9)  # written at 5.0
    assert [desk.ack(10.0), desk.ack(10.0), desk.ack(10.1)] == [PAID, PAID, answer("c")]


def test_a_debt_dies_two_timeouts_after_the_write() -> None:
    desk = Desk()
    desk.send("a", 0.0)
    desk.send("b", 0.0)
    desk.timeout("a", 5.0)
    assert desk.ack(10.01) == answer("b")


def test_a_debt_lives_until_then() -> None:
    desk = Desk()
    desk.send("a", 0.0)
    desk.send("b", 0.0)
    desk.timeout("a", 5.0)
    assert desk.ack(10.0) == PAID


def test_a_lost_ack_costs_the_next_frame_its_verdict_but_shifts_nothing_for_ever() -> None:
    desk = Desk()
    for token in ("a", "b", "c"):
        desk.send(token, 0.0)
    desk.timeout("a", 5.0)  # its ack is lost for good
    assert desk.ack(5.1) == PAID  # in truth that of b
    assert desk.timeout("b", 10.0) == TimedOut(True, "c")
    assert desk.ack(10.1) == answer("c")


def test_without_the_payment_rule_every_later_frame_would_time_out() -> None:
    desk = Desk()
    for number in range(20):
        desk.send(number, 0.0)
    desk.timeout(0, 5.0)
    now = 5.0
    verdicts: List[Ack] = [desk.ack(now)]
    desk.timeout(1, 10.0)
    for _ in range(2, 20):
        now = 10.0
        verdicts.append(desk.ack(now))
    assert verdicts[0] == PAID
    assert [verdict.token for verdict in verdicts[1:]] == list(range(2, 20))


def test_acks_lost_one_after_the_other_leave_each_its_debt() -> None:
    desk = Desk()
    for token in ("a", "b", "c"):
        desk.send(token, 0.0)
    desk.timeout("a", 5.0)
    desk.timeout("b", 10.0)
    # a's debt died at 10, b's lives until 15.
    assert [desk.ack(12.0), desk.ack(12.1)] == [PAID, answer("c")]


def test_a_doubled_ack_of_an_idle_req_id_is_nobodys() -> None:
    desk = Desk()
    desk.send("a", 0.0)
    assert [desk.ack(0.1), desk.ack(0.1)] == [answer("a"), UNKNOWN]


def test_acks_of_two_req_ids_may_swap() -> None:
    desk = Desk()
    desk.send("a1", 0.0, "a")
    desk.send("b1", 0.0, "b")
    desk.timeout("a1", 5.0, "a")
    assert desk.ack(5.0, "b") == answer("b1")
    assert desk.ack(5.5, "a") == PAID


def test_the_second_outcome_finds_nothing() -> None:
    desk = Desk()
    desk.send("a", 0.0)
    assert desk.ack(5.0) == answer("a")
    assert desk.timeout("a", 5.0) == TimedOut(False)
    assert desk.ledger.on_loss() == []
    desk.send("b", 6.0)
    assert desk.timeout("b", 11.0).known
    assert desk.timeout("b", 11.0) == TimedOut(False)


def test_who_gives_up_in_line_leaves_no_debt() -> None:
    desk = Desk()
    for token in ("a", "b", "c"):
        desk.send(token, 0.0)
    assert desk.timeout("b", 1.0) == TimedOut(True, None)
    assert desk.ack(2.0) == answer("a", "c")
    assert desk.timeout("nobody", 2.0) == TimedOut(False)


def test_a_timeout_noticed_too_late_leaves_no_debt() -> None:
    desk = Desk()
    desk.send("a", 0.0)
    desk.timeout("a", 11.0)
    assert desk.ack(11.0) == UNKNOWN
    assert len(desk.ledger) == 0


def test_the_end_of_the_connection_reaches_everybody_once() -> None:
    desk = Desk()
    for token in ("a", "b"):
        desk.send(token, 0.0, "r1")
    desk.send("c", 0.0, "r2")
    desk.send("d", 0.0, "r3")
    desk.timeout("d", 5.0, "r3")
    assert desk.ledger.on_loss() == ["a", "b", "c"]
    assert desk.ledger.on_loss() == []
    assert desk.timeout("c", 6.0, "r2") == TimedOut(False)


def test_debts_do_not_outlive_the_connection() -> None:
    desk = Desk()
    desk.send("a", 0.0)
    desk.timeout("a", 5.0)
    desk.ledger.on_loss()
    desk.send("b", 5.5)
    assert desk.ack(6.0) == answer("b")


def test_an_error_without_req_id_is_of_the_only_call_in_flight() -> None:
    desk = Desk()
    desk.send("a", 0.0)
    desk.send("b", 0.0)
    assert desk.ledger.on_orphan_error(1.0) == answer("a", "b")


def test_an_error_without_req_id_is_nobodys_when_two_could_be_meant() -> None:
    desk = Desk()
    assert desk.ledger.on_orphan_error(1.0) == UNKNOWN
    desk.send("a", 0.0, "r1")
    desk.send("b", 0.0, "r2")
    assert desk.ledger.on_orphan_error(1.0) == UNKNOWN
    assert desk.ack(1.0, "r1") == answer("a")
    assert desk.ledger.on_orphan_error(1.0) == answer("b")


def test_is_busy_while_a_frame_is_in_flight() -> None:
    desk = Desk()
    assert not desk.ledger.is_busy("r")
    desk.send("a", 0.0)
    assert desk.ledger.is_busy("r")
    desk.timeout("a", 5.0)
    assert not desk.ledger.is_busy("r")


def test_idle_req_ids_are_forgotten() -> None:
    desk = Desk()
    for number in range(1000):
        req_id = f"r{number}"
        desk.send("a", float(number), req_id)
        desk.timeout("a", number + 5.0, req_id)
    assert len(desk.ledger) <= 12
    desk.send("z", 5000.0, "z")
    assert len(desk.ledger) == 1


@pytest.mark.parametrize("seed", range(40))
def test_every_token_gets_exactly_one_outcome(seed: int) -> None:
    chance = random.Random(seed)
    desk = Desk(max_waiting=5)
    outcomes: List[Tuple[Any, str]] = []
    waiting: List[Tuple[str, int]] = []
    now = 0.0
    for number in range(300):
        now += chance.random() * 2
        move = chance.random()
        req_id = chance.choice(["r1", "r2"])
        if move < 0.4:
            if desk.send(number, now, req_id) is Admission.FULL:
                outcomes.append((number, "full"))
            else:
                waiting.append((req_id, number))
        elif move < 0.7:
            read = desk.ack(now, req_id)
            if read.verdict is Verdict.ANSWER:
                outcomes.append((read.token, "answer"))
        elif move < 0.95 and waiting:
            req_id, token = waiting.pop(chance.randrange(len(waiting)))
            if desk.timeout(token, now, req_id).known:
                outcomes.append((token, "timeout"))
        else:
            outcomes += [(token, "lost") for token in desk.ledger.on_loss()]
    outcomes += [(token, "lost") for token in desk.ledger.on_loss()]
    tokens = [token for token, _ in outcomes]
    assert len(tokens) == len(set(tokens))
    assert {number for _, number in waiting} <= set(tokens)
