"""When to ping and when to give up."""

from __future__ import annotations

from typing import List, Optional, Tuple

import pytest

from wxsdk.aibot.heartbeat import Beat, Heartbeat


def run(heart: Heartbeat, until: float, answered_before: float = 0.0, step: float = 0.05) -> List[Tuple[float, Beat]]:
    """Tick in small steps; pings sent before *answered_before* are answered at once."""
    said: List[Tuple[float, Beat]] = []
    for tick in range(1, int(until / step) + 1):
        now = tick * step
        beat: Optional[Beat] = heart.tick(now)
        if beat is not None:
            said.append((round(now, 2), beat))
        if beat is Beat.PING and now < answered_before:
            heart.on_pong()
        if beat is Beat.DEAD:
            break
    return said


def test_a_ping_goes_out_every_interval_while_answers_come() -> None:
    said = run(Heartbeat(30.0, now=0.0), until=150.0, answered_before=1000.0)
    assert said == [(30.0, Beat.PING), (60.0, Beat.PING), (90.0, Beat.PING), (120.0, Beat.PING), (150.0, Beat.PING)]


def test_two_missed_answers_are_the_end() -> None:
    assert run(Heartbeat(10.0, now=0.0), until=100.0) == [(10.0, Beat.PING), (20.0, Beat.PING), (28.0, Beat.DEAD)]


@pytest.mark.parametrize("silent_from", [10.01, 12.5, 15.0, 19.99])
def test_a_half_open_connection_is_known_within_three_intervals(silent_from: float) -> None:
    said = run(Heartbeat(10.0, now=0.0), until=200.0, answered_before=silent_from)
    died, beat = said[-1]
    assert beat is Beat.DEAD
    assert died - silent_from < 30.0


def test_one_missed_answer_is_forgiven() -> None:
    heart = Heartbeat(10.0, now=0.0)
    assert heart.tick(10.0) is Beat.PING
    assert heart.tick(20.0) is Beat.PING
    heart.on_pong()
    assert heart.tick(28.0) is None
    assert heart.tick(30.0) is Beat.PING


def test_late_ticks_do_not_drift() -> None:
    heart = Heartbeat(10.0, now=0.0)
    assert heart.tick(12.0) is Beat.PING
    heart.on_pong()
    assert heart.due == 20.0


def test_a_long_pause_gives_one_ping_and_no_burst() -> None:
    heart = Heartbeat(10.0, now=0.0)
    assert heart.tick(1000.0) is Beat.PING
    heart.on_pong()
    assert heart.due == 1010.0
    assert heart.tick(1000.1) is None


def test_due_names_the_next_moment() -> None:
    heart = Heartbeat(10.0, now=5.0)
    assert heart.due == 15.0
    heart.tick(15.0)
    heart.tick(25.0)
    assert heart.due == 33.0


def test_a_missing_answer_is_late_long_before_the_end() -> None:
    heart = Heartbeat(30.0, now=0.0)
    assert heart.tick(30.0) is Beat.PING
    assert (heart.is_late(53.9), heart.is_late(54.0)) == (False, True)
    assert heart.tick(60.0) is Beat.PING
    assert heart.is_late(60.0)
    heart.on_pong()
    assert not heart.is_late(60.0)
