"""The poll loop's decisions, played through without a clock."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ilink.test_wire import json_values
from wxsdk.errors import TokenStale, TransportError
from wxsdk.ilink.config import WeixinConfig
from wxsdk.ilink.poll_rules import (
    MAX_HOLD,
    MAX_UNHEARD,
    MIN_HOLD,
    MIN_SPACING,
    Kind,
    after_new_token,
    after_poll,
    first_state,
    judge_answer,
    judge_error,
)

CONFIG = WeixinConfig("t")
HALF = 0.5  # the random number that leaves a delay as it is


def answer(**fields):
    return judge_answer(200, json.dumps(fields).encode())


def play(*verdicts, elapsed=1.0, unit=HALF, config=CONFIG, state=None):
    """The steps that follow *verdicts*, one after the other."""
    state, steps = state or first_state(config, "start"), []
    for verdict in verdicts:
        steps.append(after_poll(state, verdict, elapsed=elapsed, unit=unit, config=config))
        state = steps[-1].state
    return steps


FAILED = judge_error(TransportError("x", kind="tcp"))
EMPTY = answer(ret=0)
STALE = answer(ret=-14, errmsg="session timeout")
CUT = judge_answer(524, b"<html>")


def test_messages_and_cursor_of_an_answer_are_handed_on():
    (step,) = play(answer(ret=0, msgs=[{"message_id": 1}, {"message_id": 2}], get_updates_buf="next"))
    assert [message.message_id for message in step.messages] == ["1", "2"]
    assert (step.cursor, step.state.cursor, step.delay, step.error) == ("next", "next", 0.0, None)


def test_the_old_name_of_the_cursor_is_a_fallback():
    assert play(answer(sync_buf="old"))[0].cursor == "old"
    assert play(answer(sync_buf="old", get_updates_buf="new"))[0].cursor == "new"
    assert play(answer(sync_buf="old", get_updates_buf=""))[0].cursor == "old"


@pytest.mark.parametrize("cursor", ["", None, 5, [], {}])
def test_an_absent_or_odd_cursor_keeps_the_last_one(cursor):
    (step,) = play(answer(get_updates_buf=cursor, msgs=[{"message_id": 1}]))
    assert (step.cursor, step.state.cursor, len(step.messages)) == (None, "start", 1)


def test_an_unchanged_cursor_is_not_stored_again():
    assert play(answer(get_updates_buf="start"))[0].cursor is None


def test_the_client_waits_longer_than_the_server_holds():
    assert first_state(CONFIG).deadline == 45.0
    assert play(answer(longpolling_timeout_ms=20000))[0].state.deadline == 30.0
    patient = first_state(WeixinConfig("t", poll_grace=3.0))
    assert (patient.deadline, after_new_token(patient).deadline) == (38.0, 38.0)


@pytest.mark.parametrize(
    ("asked", "hold"),
    [
        (0, 35.0),
        (-5, 35.0),
        (None, 35.0),
        ("x", 35.0),
        (1, MIN_HOLD),
        (10**300, MAX_HOLD),
        ("25000", 25.0),
        (1e300, MAX_HOLD),
    ],
)
def test_an_absurd_hold_is_clamped(asked, hold):
    assert play(answer(longpolling_timeout_ms=asked))[0].state.hold == hold


def test_failures_wait_2_2_30_seconds_and_the_count_restarts():
    assert [step.delay for step in play(*[FAILED] * 7)] == pytest.approx([2, 2, 30, 2, 2, 30, 2])


def test_a_success_restarts_the_count():
    assert [step.delay for step in play(FAILED, FAILED, EMPTY, FAILED)] == pytest.approx([2, 2, 0, 2])


def test_delays_are_jittered_by_a_fifth():
    assert play(FAILED, unit=0.0)[0].delay == pytest.approx(1.6)
    assert play(FAILED, unit=0.999999)[0].delay == pytest.approx(2.4, abs=0.001)


@pytest.mark.parametrize("unit", [0.0, 0.5, 0.999])
def test_an_outage_sees_at_most_4_requests_in_its_first_5_seconds(unit):
    begun, at = [0.0], 0.0
    for step in play(*[FAILED] * 10, elapsed=0.0, unit=unit):
        at += step.delay
        begun.append(at)
    assert len([time for time in begun if time <= 5.0]) <= 4


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, b""),
        (500, b'{"ret": 0}'),
        (403, b"no"),
        (200, b"<html>"),
        (200, b"{"),
        (200, b"[]"),
        (200, b"null"),
        (200, b""),
        (200, b'{"ret": -1}'),
        (200, b'{"errcode": 7}'),
        (200, b"[" * 100_000),
        (302, b""),
    ],
)
def test_every_bad_answer_is_a_failure_with_an_error(status, body):
    (step,) = play(judge_answer(status, body))
    assert step.error is not None
    assert (step.messages, step.cursor, step.state.cursor) == ((), None, "start")
    assert step.delay == pytest.approx(2.0)


def test_an_unreadable_code_does_not_cost_the_messages():
    (step,) = play(answer(ret="odd", msgs=[{"message_id": 1}], get_updates_buf="n"))
    assert (len(step.messages), step.cursor, step.error) == (1, "n", None)


def test_a_passed_deadline_is_an_empty_answer():
    timeout = judge_error(TransportError("x", kind="timeout", may_have_been_sent=True))
    assert timeout.kind is Kind.NOTHING
    (step,) = play(timeout, elapsed=45.0)
    assert (step.delay, step.error, step.state.failures) == (0.0, None, 0)
    assert (step.state.cursor, step.state.deadline) == ("start", 45.0)
    assert "45 seconds" in str(step.silence)  # health() tells


def test_a_connect_timeout_is_a_failure():
    assert judge_error(TransportError("x", kind="timeout", may_have_been_sent=False)).kind is Kind.FAILURE


def test_answers_at_once_are_asked_for_twice_a_second_at_most():
    for verdict in (EMPTY, CUT, answer(msgs=[{"message_id": 1}])):
        assert play(verdict, elapsed=0.1)[0].delay == pytest.approx(MIN_SPACING - 0.1)
    assert play(answer(msgs=[{"message_id": 1}], get_updates_buf="n"), elapsed=0.0)[0].delay == 0.0


def test_a_gateway_cut_shortens_the_hold_and_is_no_outage():
    steps = play(CUT, CUT, CUT, CUT, elapsed=17.0)
    assert [step.state.hold for step in steps] == [15.0] * 4
    assert [(step.delay, step.error, step.state.failures) for step in steps] == [(0.0, None, 0)] * 4


def test_an_instant_cut_says_nothing_about_the_hold():
    assert play(CUT, elapsed=0.2)[0].state.hold == 35.0


def silences(steps):
    return [step.silence is not None for step in steps]


def test_cuts_at_once_and_nothing_else_show_after_a_minute_at_an_unchanged_pace():
    steps = play(*[CUT] * 130, elapsed=0.1)
    first = silences(steps).index(True)
    assert MAX_UNHEARD <= first * MIN_SPACING + 0.1 < MAX_UNHEARD + MIN_SPACING  # 65 s is what health() promises
    assert all(silences(steps)[first:])
    assert {(round(step.delay, 9), step.error) for step in steps} == {(MIN_SPACING - 0.1, None)}
    assert "HTTP 524" in str(steps[-1].silence)
    assert "base_url" in str(steps[-1].silence)


@pytest.mark.parametrize("heard", [EMPTY, STALE])
def test_an_answer_between_cuts_at_once_is_a_sign_of_life(heard):
    steps = play(*[CUT] * 100, heard, *[CUT] * 100, elapsed=0.5)
    assert not any(silences(steps))
    assert any(silences(play(*[CUT] * 30, state=steps[-1].state, elapsed=0.5)))


def test_a_poll_held_until_a_gateway_cut_it_is_a_sign_of_life():
    walled_off = play(*[CUT] * 130, elapsed=0.5)[-1].state
    (held,) = play(CUT, state=walled_off, elapsed=17.0)
    assert (held.silence, held.state.unheard) == (None, 0.0)
    assert not any(silences(play(*[CUT] * 100, elapsed=17.0)))


def test_failures_between_cuts_at_once_are_no_sign_of_life():
    steps = play(*[FAILED, CUT] * 20, elapsed=0.5)
    assert silences(steps)[-1]


def test_the_hold_recovers_when_no_gateway_cuts_any_more():
    nothing = judge_error(TransportError("x", kind="timeout", may_have_been_sent=True))
    assert [step.state.hold for step in play(CUT, nothing, elapsed=17.0)] == [15.0, 35.0]


def test_a_stale_token_is_told_once_and_polling_pauses():
    first, second = play(STALE, STALE)
    assert isinstance(first.token_stale, TokenStale)
    assert second.token_stale is None
    assert (first.delay, second.delay, first.notify_start, second.notify_start) == (3600.0, 3600.0, True, True)
    assert first.state.cursor == "start"


def test_an_outage_while_stale_does_not_tell_again():
    assert [step.token_stale is not None for step in play(STALE, FAILED, CUT, STALE)] == [True, False, False, False]


def test_a_token_that_recovered_can_become_stale_again():
    assert [step.token_stale is not None for step in play(STALE, EMPTY, STALE)] == [True, False, True]


def test_a_stale_code_counts_wherever_it_stands():
    assert answer(errcode=-14).kind is Kind.STALE
    assert answer(ret=-1, errcode="-14").kind is Kind.STALE
    assert judge_answer(401, b'{"ret": -14}').kind is Kind.STALE


def test_a_new_token_starts_anew():
    stale = play(STALE)[0].state
    assert after_new_token(stale) == first_state(CONFIG)
    assert play(STALE, state=after_new_token(stale))[0].token_stale is not None


def test_a_server_that_echoes_the_token_does_not_put_it_into_the_error():
    body = b'{"ret": -1, "errmsg": "bad bearer canary-123456 given"}'
    verdict = judge_answer(200, body, secrets=["canary-123456"])
    assert "canary" not in str(verdict.error)
    assert "canary" not in repr(verdict)


def test_one_odd_message_does_not_cost_its_batch():
    nest: list = []
    for _ in range(500):
        nest = [nest]
    odd = [None, 3, "x", [], nest, {"item_list": nest}, {"item_list": [{"ref_msg": nest}]}, {"message_id": {}}]
    body = json.dumps({"msgs": [{"message_id": 1}, *odd, {"message_id": 2}], "get_updates_buf": "n"}).encode()
    (step,) = play(judge_answer(200, body))
    assert [message.message_id for message in step.messages if message.message_id] == ["1", "2"]


@given(st.lists(json_values, max_size=5), st.sampled_from([200, 200, 200, 502, 524, 401]), json_values)
def test_any_answer_leaves_the_loop_a_next_step(odd, status, field):
    good = {"message_id": 77, "message_type": 1}
    raw = {"msgs": [*odd, good], "longpolling_timeout_ms": field, "get_updates_buf": field, "errmsg": field}
    for body in (json.dumps(raw).encode(), json.dumps(field).encode(), json.dumps({"ret": field}).encode()):
        (step,) = play(judge_answer(status, body), elapsed=0.0)
        assert 0.0 <= step.delay <= 3600.0
        assert MIN_HOLD <= step.state.hold <= MAX_HOLD
        if step.delay == 0.0:
            assert step.messages
    (step,) = play(judge_answer(200, json.dumps(raw).encode()))
    assert any(message.message_id == "77" for message in step.messages)
