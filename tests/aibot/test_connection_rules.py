"""The life of the connection, step by step."""

from __future__ import annotations

from typing import Any, List, Optional

import pytest

from wxsdk.aibot.config import WSClientOptions
from wxsdk.aibot.connection_rules import (
    NEXT,
    Connect,
    Drop,
    Effect,
    End,
    Policy,
    Ready,
    Session,
    State,
    Step,
    Subscribe,
    Wait,
)
from wxsdk.aibot.errors import error_for
from wxsdk.errors import AuthFailed, ConnectionLost, Kicked, ReconnectExhausted, WxError

LOST = ConnectionLost("The network went.")
REFUSED = error_for(853000, "invalid secret", "aibot_subscribe")
MIDDLE = 0.5  # a random number that makes the jitter factor 1.0


def session(**settings: Any) -> Session:
    return Session(Policy.of(WSClientOptions("bot", "secret", **settings)))


def ready(**settings: Any) -> Session:
    made = session(**settings)
    made.start()
    made.opened(1)
    made.answered(1, None, MIDDLE)
    assert made.state is State.READY
    return made


def waits(effects: List[Effect]) -> List[float]:
    return [round(effect.seconds, 6) for effect in effects if isinstance(effect, Wait)]


def ends(effects: List[Effect]) -> List[Any]:
    return [effect.error for effect in effects if isinstance(effect, End)]


def subscribe_again(life: Session) -> None:
    life.waited(life.number)
    life.opened(life.number)


def test_ready_means_subscribed() -> None:
    life = session()
    assert life.start() == [Connect(1)]
    assert life.opened(1) == [Subscribe(1)]
    assert life.state is State.SUBSCRIBING
    assert life.answered(1, None, MIDDLE) == [Ready(1)]
    assert life.state is State.READY


def test_a_second_start_changes_nothing() -> None:
    life = ready()
    assert life.start() == []
    assert life.state is State.READY


def test_a_lost_connection_is_dropped_and_tried_again_after_the_base_delay() -> None:
    life = ready()
    effects = life.lost(1, LOST, MIDDLE)
    assert effects == [Drop(1, LOST.what, was_open=True), Wait(1, 1.0, 1, LOST)]
    assert life.waited(1) == [Connect(2)]
    assert life.error is LOST


def test_delays_double_up_to_the_ceiling() -> None:
    life = ready(max_reconnect_attempts=-1)
    seen = waits(life.lost(1, LOST, MIDDLE))
    for _ in range(7):
        life.waited(life.number)
        seen += waits(life.lost(life.number, LOST, MIDDLE))
    assert seen == [1, 2, 4, 8, 16, 30, 30, 30]


def test_jitter_is_a_factor_between_0_8_and_1_2() -> None:
    assert waits(ready().lost(1, LOST, 0.0)) == [0.8]
    assert waits(ready().lost(1, LOST, 1.0)) == [1.2]


def test_a_subscribe_resets_delays_and_counters() -> None:
    life = ready()
    for _ in range(20):  # twice as many losses as failed tries are allowed
        effects = life.lost(life.number, LOST, MIDDLE)
        assert waits(effects) == [1.0]
        subscribe_again(life)
        life.answered(life.number, None, MIDDLE)
    assert (life.state, life.retries, life.error) == (State.READY, 0, None)


def test_ten_failed_connects_are_the_end() -> None:
    life = session()
    life.start()
    for _ in range(9):
        assert ends(life.lost(life.number, LOST, MIDDLE)) == []
        life.waited(life.number)
    (error,) = ends(life.lost(life.number, LOST, MIDDLE))
    assert isinstance(error, ReconnectExhausted)
    assert (error.attempts, error.last) == (10, LOST)
    assert (life.state, life.ended, life.number) == (State.FAILED, True, 10)


def test_the_end_says_the_remedy_that_the_last_failure_has() -> None:
    for last, remedy in ((LOST, "ws_url"), (ConnectionLost("Refused.", remedy="Check the password."), "the password")):
        life = session(max_reconnect_attempts=1)
        life.start()
        (error,) = ends(life.lost(life.number, last, MIDDLE))
        assert remedy in error.remedy


@pytest.mark.parametrize("code", [853000, 93019, 40058, 846605, 1234567, 40001])
def test_a_refusal_that_waiting_cannot_cure_uses_up_the_auth_attempts(code: int) -> None:
    life = session(max_auth_failure_attempts=3, max_reconnect_attempts=-1)
    life.start()
    life.opened(1)
    for _ in range(2):
        assert ends(life.answered(life.number, error_for(code, "no"), MIDDLE)) == []
        subscribe_again(life)
    (error,) = ends(life.answered(life.number, error_for(code, "no"), MIDDLE))
    assert isinstance(error, AuthFailed)
    assert error.remedy


@pytest.mark.parametrize("code", [45009, 45033, -1, None, 6000, 846609])
def test_a_refusal_that_waiting_may_cure_does_not(code: Optional[int]) -> None:
    life = session(max_auth_failure_attempts=1, max_reconnect_attempts=3)
    life.start()
    life.opened(1)
    for _ in range(2):
        assert ends(life.answered(life.number, error_for(code, "no"), MIDDLE)) == []
        subscribe_again(life)
    (error,) = ends(life.answered(life.number, error_for(code, "no"), MIDDLE))
    assert isinstance(error, ReconnectExhausted)


def test_five_refusals_are_the_end_and_gaps_do_not_shrink() -> None:
    life = session()
    life.start()
    life.opened(1)
    seen: List[float] = []
    for _ in range(4):
        seen += waits(life.answered(life.number, REFUSED, MIDDLE))
        subscribe_again(life)
    (error,) = ends(life.answered(life.number, REFUSED, MIDDLE))
    assert isinstance(error, AuthFailed)
    assert (error.attempts, error.last) == (5, REFUSED)
    assert seen == [1, 2, 4, 8]
    assert "secret" in str(error)


def test_gaps_of_refused_subscribes_do_not_shrink_at_the_ceiling_either() -> None:
    life = session(max_auth_failure_attempts=-1)
    life.start()
    life.opened(1)
    seen: List[float] = []
    for number in range(20):
        seen += waits(life.answered(life.number, REFUSED, unit=number % 2 * 0.99))
        subscribe_again(life)
    assert seen == sorted(seen)
    assert seen[-1] <= 36.0


def test_network_and_auth_failures_are_counted_apart() -> None:
    life = session(max_reconnect_attempts=3, max_auth_failure_attempts=3)
    life.start()
    seen = []
    for _ in range(2):
        life.opened(life.number)
        seen += waits(life.answered(life.number, REFUSED, MIDDLE))
        life.waited(life.number)
        seen += waits(life.lost(life.number, LOST, MIDDLE))
        life.waited(life.number)
    assert seen == [1, 1, 2, 2]
    assert life.retries == 4
    (error,) = ends(life.lost(life.number, LOST, MIDDLE))
    assert isinstance(error, ReconnectExhausted)


def test_a_rate_limited_subscribe_says_nothing_about_the_secret() -> None:
    life = session(max_auth_failure_attempts=1)
    life.start()
    life.opened(1)
    assert ends(life.answered(1, error_for(45009, "too fast"), MIDDLE)) == []
    assert life.state is State.WAITING


def test_five_thousand_failures_and_still_trying() -> None:
    life = session(max_reconnect_attempts=-1, max_auth_failure_attempts=-1)
    life.start()
    for _ in range(5000):
        (seconds,) = waits(life.lost(life.number, LOST, 0.99))
        assert seconds <= 36.0
        life.waited(life.number)
    assert (life.state, life.retries, life.number) == (State.CONNECTING, 5000, 5001)


def test_a_kick_ends_it_once() -> None:
    life = ready()
    effects = life.kicked(1)
    assert isinstance(effects[0], Drop)
    (error,) = ends(effects)
    assert isinstance(error, Kicked)
    for _ in range(7):
        assert life.kicked(1) == []
    assert life.lost(1, LOST, MIDDLE) == []
    assert life.state is State.KICKED


def test_a_kick_with_a_cooldown_stays_away_that_long() -> None:
    life = ready(kick_cooldown=60.0)
    effects = life.kicked(1)
    assert waits(effects) == [60.0]
    assert ends(effects) == []
    assert life.kicked(1) == []
    assert isinstance(life.error, Kicked)
    assert life.waited(1) == [Connect(2)]


def test_what_an_old_connection_says_is_noise() -> None:
    life = ready()
    life.lost(1, LOST, MIDDLE)
    life.waited(1)
    assert life.number == 2
    said = [life.opened(1), life.answered(1, None, MIDDLE), life.lost(1, LOST, MIDDLE), life.kicked(1), life.waited(1)]
    assert said == [[]] * 5
    assert life.state is State.CONNECTING


def in_state(state: State) -> Session:
    life = session()
    life.start()
    if state is not State.CONNECTING:
        life.opened(1)
    if state is State.READY:
        life.answered(1, None, MIDDLE)
    if state is State.WAITING:
        life.lost(1, LOST, MIDDLE)
    assert life.state is state
    return life


LIVE = [State.CONNECTING, State.SUBSCRIBING, State.READY, State.WAITING]


@pytest.mark.parametrize("state", LIVE)
def test_a_fault_of_ours_is_the_end_in_every_live_state_and_is_told_once(state: State) -> None:
    life, bug = in_state(state), WxError("The reading thread ended.")
    assert life.broken(bug) == [Drop(1, bug.what, state in (State.SUBSCRIBING, State.READY)), End(bug)]
    assert (life.state, life.error) == (State.FAILED, bug)
    assert life.broken(bug) == []


@pytest.mark.parametrize("state", LIVE)
def test_stop_works_in_every_live_state_and_twice_is_once(state: State) -> None:
    life = in_state(state)
    (drop,) = life.stop()
    assert isinstance(drop, Drop)
    assert drop.was_open is (state in (State.SUBSCRIBING, State.READY))
    assert life.stop() == []
    assert [life.lost(1, LOST, MIDDLE), life.waited(1), life.opened(1)] == [[]] * 3


def test_a_stopped_session_starts_anew() -> None:
    life = session(max_reconnect_attempts=2)
    life.start()
    life.lost(1, LOST, MIDDLE)
    life.stop()
    assert life.start() == [Connect(2)]
    assert ends(life.lost(2, LOST, MIDDLE)) == []


def test_stopping_what_never_started_is_fine() -> None:
    life = session()
    life.stop()
    assert life.state is State.STOPPED


def test_the_table_reaches_every_state_and_leaves_no_live_one_without_a_stop() -> None:
    assert set(NEXT.values()) | {State.CLOSED} == set(State)
    for state in (State.CONNECTING, State.SUBSCRIBING, State.READY, State.WAITING):
        assert NEXT[state, Step.STOP] is State.STOPPED


def test_an_illegal_step_names_state_and_event() -> None:
    life = session()
    with pytest.raises(AssertionError, match="'opened' is illegal in state 'closed'"):
        life._move(Step.OPENED)
