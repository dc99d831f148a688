"""Callers of one key go one at a time, first come, first served."""

from __future__ import annotations

import threading

import pytest

from wxsdk.runtime.clock import Clock
from wxsdk.runtime.turns import KeyedTurns
from wxsdk.testing import FakeClock


def test_callers_go_in_the_order_in_which_they_came() -> None:
    clock = FakeClock()
    turns = KeyedTurns(clock)
    order: list[int] = []

    def call(number: int) -> None:
        with turns.turn("key"):
            order.append(number)

    threads = [threading.Thread(target=call, args=(number,), name=f"caller-{number}") for number in range(20)]
    with turns.turn("key"):
        for number, thread in enumerate(threads):
            thread.start()
            clock.wait_parked(number + 1, name="caller-")
        assert turns.waiting("key") == 21
        assert order == []
    for thread in threads:
        thread.join(10)
    assert order == list(range(20))
    assert turns.waiting("key") == 0


def test_different_keys_do_not_wait_for_each_other() -> None:
    turns = KeyedTurns(Clock())
    with turns.turn("a"), turns.turn("b"):
        assert (turns.waiting("a"), turns.waiting("b"), turns.waiting("c")) == (1, 1, 0)


def test_a_turn_that_raises_passes_on() -> None:
    turns = KeyedTurns(Clock())
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), turns.turn("key"):
            _ = 1 // 0
    with turns.turn("key"):
        pass
    assert turns._lines == {}


def test_many_threads_never_share_a_turn() -> None:
    turns = KeyedTurns(Clock())
    inside = [0]
    worst: list[int] = []

    def call() -> None:
        for _ in range(30):
            with turns.turn("key"):
                inside[0] += 1
                worst.append(inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(worst) == 600
    assert max(worst) == 1
