from __future__ import annotations

import threading
from typing import Any, List

import pytest

from tests.runtime.interrupts import Interrupter
from wxsdk.errors import ConnectionLost, LimitExceeded
from wxsdk.ilink import send_limits as allowance_module
from wxsdk.ilink.config import WeixinConfig
from wxsdk.ilink.send_limits import Allowance
from wxsdk.runtime import clock as clock_module
from wxsdk.runtime import turns
from wxsdk.runtime.clock import Clock
from wxsdk.runtime.store import MemoryStore, Put, Store
from wxsdk.testing import FakeClock


def allowance_on(clock: FakeClock, store: Store, **settings: Any) -> Allowance:
    return Allowance(store, WeixinConfig("t", **settings), clock)


def test_the_quota_survives_in_the_store() -> None:
    clock, store = FakeClock(), MemoryStore()
    first = allowance_on(clock, store)
    store.write(first.heard("alice"))
    store.write(first.sent("alice"))
    store.write(first.sent("alice"))
    clock.advance(3600.0)
    quota = allowance_on(clock, store).quota("alice")
    assert (quota.sent, quota.remaining, quota.window_left) == (2, 8, 82800.0)


def test_an_odd_row_in_the_store_is_left_out() -> None:
    store = MemoryStore()
    store.write([Put("quota", "alice", "odd", 0.0), Put("quota", "bob", "3 ", 0.0)])
    allowance = allowance_on(FakeClock(), store)
    assert allowance.quota("alice").sent == 0
    assert (allowance.quota("bob").sent, allowance.quota("bob").window_left) == (3, None)


def test_the_policy_decides_between_a_line_in_the_log_and_an_error(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    for policy in ("warn", "refuse"):
        allowance = allowance_on(clock, MemoryStore(), quota_policy=policy, quota_limit=1)
        allowance.heard("alice")
        allowance.check("alice")
        allowance.sent("alice")
        if policy == "warn":
            allowance.check("alice")
            allowance.check("alice")
            assert len(caplog.records) == 1
        else:
            with pytest.raises(LimitExceeded):
                allowance.check("alice")


def test_sends_beyond_the_burst_wait_for_their_slot() -> None:
    clock = FakeClock()
    allowance = allowance_on(clock, MemoryStore(), sends_per_second=2.0, send_burst=2)
    allowance.await_slot("1")
    allowance.await_slot("2")
    waiter = threading.Thread(target=allowance.await_slot, args=("3",), name="third")
    waiter.start()
    clock.wait_parked(name="third")
    assert clock.next_deadline() == 1.0
    clock.advance(1.0)
    waiter.join(10)
    assert not waiter.is_alive()


def test_a_shutdown_ends_the_waits_with_the_client_id_and_resume_allows_sends_again() -> None:
    clock = FakeClock()
    allowance = allowance_on(clock, MemoryStore(), sends_per_second=0.001, send_burst=1)
    allowance.await_slot("1")
    errors: List[ConnectionLost] = []

    def wait() -> None:
        with pytest.raises(ConnectionLost) as caught:
            allowance.await_slot("2")
        errors.append(caught.value)

    waiter = threading.Thread(target=wait, name="second")
    waiter.start()
    clock.wait_parked(name="second")
    allowance.interrupt()
    waiter.join(10)
    assert (errors[0].client_id, errors[0].may_have_been_sent) == ("2", False)
    assert not allowance.pause(5.0)
    allowance.resume()
    unpaced = allowance_on(clock, MemoryStore(), sends_per_second=None)
    for number in range(100):
        unpaced.await_slot(str(number))


def test_who_gave_up_waiting_holds_nobody_up_after_the_next_start() -> None:
    clock = FakeClock()
    allowance = allowance_on(clock, MemoryStore(), sends_per_second=1.0, send_burst=1)
    allowance.await_slot("0")
    ended: List[str] = []

    def wait(client_id: str) -> None:
        with pytest.raises(ConnectionLost):
            allowance.await_slot(client_id)
        ended.append(client_id)

    waiters = [threading.Thread(target=wait, args=(str(number),), name="waiter") for number in range(16)]
    for waiter in waiters:
        waiter.start()
    clock.wait_parked(name="waiter")
    line = threading.Event()
    while allowance._line.waiting("") < 16:
        line.wait(0.001)
    allowance.interrupt()
    allowance.resume()  # at once: whoever has not noticed yet is ended all the same
    for waiter in waiters:
        waiter.join(10)
    assert len(ended) == 16
    clock.advance(1.0)
    later = threading.Thread(target=allowance.await_slot, args=("later",), daemon=True)
    later.start()
    later.join(10)
    assert not later.is_alive()


def test_wherever_an_interrupt_strikes_a_wait_the_others_go_on_and_a_shutdown_ends() -> None:
    outcomes: List[str] = []
    for number in range(200):
        allowance = Allowance(MemoryStore(), WeixinConfig("t", sends_per_second=100.0, send_burst=1), Clock())
        allowance.await_slot("1")
        try:
            with Interrupter(number, allowance_module, turns, clock_module, threading):
                allowance.await_slot("2")
        except (KeyboardInterrupt, RuntimeError) as exc:  # RuntimeError: from within Condition.wait, which is not ours
            outcomes.append(type(exc).__name__)
        else:
            outcomes.append("went")

        def go_on(allowance: Allowance = allowance) -> None:
            allowance.await_slot("3")
            allowance.interrupt()
            allowance.resume()
            allowance.await_slot("4")

        later = threading.Thread(target=go_on, daemon=True)
        later.start()
        later.join(10)
        assert not later.is_alive(), f"point {number}"
        if outcomes[-3:] == ["went"] * 3:
            break
    assert outcomes.count("KeyboardInterrupt") > 20
    assert outcomes.count("RuntimeError") <= 3
    assert outcomes[-1] == "went"
