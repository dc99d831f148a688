from __future__ import annotations

from datetime import timezone

from wxsdk.errors import TransportError
from wxsdk.health import HealthState
from wxsdk.runtime.health_record import Vitals
from wxsdk.testing import FakeClock


def test_a_state_keeps_its_beginning_while_it_lasts() -> None:
    clock = FakeClock()
    vitals = Vitals(clock)
    run = vitals.of_run()
    run.enter(HealthState.RUNNING)
    since = vitals.snapshot().since
    clock.advance(5.0)
    run.enter(HealthState.RUNNING)
    assert vitals.snapshot().since == since
    run.enter(HealthState.RETRYING, TransportError("the line is dead", remedy="Plug it in."), retries=1)
    health = vitals.snapshot(queued=3, workers_busy=1, workers=16)
    assert (health.last_error, health.remedy, health.retries) == ("the line is dead", "Plug it in.", 1)
    assert health.since != since
    assert (health.queued, health.workers_busy, health.workers) == (3, 1, 16)
    run.enter(HealthState.RUNNING)
    assert (vitals.snapshot().last_error, vitals.snapshot().remedy) == (None, None)


def test_the_times_are_aware_and_the_text_of_foreign_errors_stays_out() -> None:
    vitals = Vitals(FakeClock())
    vitals.inbound()
    vitals.outbound()
    vitals.of_run().enter(HealthState.FAILED, RuntimeError("token=secret"))
    health = vitals.snapshot()
    assert health.last_inbound is not None
    assert health.last_inbound.tzinfo is timezone.utc
    assert health.last_outbound == health.last_inbound
    assert health.last_error == "RuntimeError was raised."


def test_after_a_stop_what_went_wrong_last_stays_readable() -> None:
    vitals = Vitals(FakeClock())
    run = vitals.of_run()
    run.enter(HealthState.RETRYING, TransportError("the line is dead"), retries=4)
    run.stopped()
    health = vitals.snapshot()
    assert (health.state, health.retries, health.last_error) == (HealthState.STOPPED, 0, "the line is dead")


def test_what_an_earlier_run_says_of_itself_is_not_heard_any_more() -> None:
    vitals = Vitals(FakeClock())
    earlier = vitals.of_run()
    earlier.enter(HealthState.RUNNING)
    assert vitals.snapshot().state is HealthState.RUNNING
    later = vitals.of_run()
    later.enter(HealthState.STARTING)
    earlier.stopped()
    earlier.enter(HealthState.FAILED, ValueError())
    assert vitals.snapshot().state is HealthState.STARTING
    later.stopped()
    assert vitals.snapshot().state is HealthState.STOPPED
