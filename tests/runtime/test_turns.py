"""Callers of one key go one at a time, first come, first served."""

from __future__ import annotations

import threading
from typing import Any, Callable, List

import pytest

from wxsdk.runtime import turns as module
from wxsdk.runtime.turns import KeyedTurns

from .interrupts import Interrupter

SOON = 0.001  # seconds between two looks
PATIENCE = 10.0  # seconds after which a test gives up


def in_line(turns: KeyedTurns, work: Callable[[], Any], key: str = "key") -> threading.Thread:
    """A thread that stands in line, behind somebody, by the time this returns."""
    last = turns._last.get(key)
    thread = threading.Thread(target=turns.in_turn, args=(key, work), daemon=True)
    thread.start()
    looks = threading.Event()
    while turns._last.get(key) in (last, None):
        looks.wait(SOON)
    return thread


def test_callers_go_in_the_order_in_which_they_came() -> None:
    turns = KeyedTurns()
    order: List[int] = []
    threads: List[threading.Thread] = []

    def hold() -> None:
        for number in range(20):
            threads.append(in_line(turns, lambda number=number: order.append(number)))  # type: ignore[misc]
        assert turns.waiting("key") == 21
        assert order == []

    turns.in_turn("key", hold)
    for thread in threads:
        thread.join(PATIENCE)
    assert order == list(range(20))
    assert turns.waiting("key") == 0


def test_different_keys_do_not_wait_for_each_other() -> None:
    turns = KeyedTurns()
    found = turns.in_turn("a", lambda: turns.in_turn("b", lambda: [turns.waiting(key) for key in "abc"]))
    assert found == [1, 1, 0]


def test_a_turn_that_raises_passes_on_and_leaves_nothing_behind() -> None:
    turns = KeyedTurns()
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            turns.in_turn("key", lambda: 1 // 0)
    assert turns.in_turn("key", lambda: "went") == "went"
    assert turns._last == {}


def test_many_threads_never_share_a_turn() -> None:
    turns = KeyedTurns()
    inside = [0]
    worst: List[int] = []

    def work() -> None:
        inside[0] += 1
        worst.append(inside[0])
        inside[0] -= 1

    def call() -> None:
        for _ in range(30):
            turns.in_turn("key", work)

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(worst) == 600
    assert max(worst) == 1


def test_wherever_an_interrupt_strikes_the_turn_is_given_back() -> None:
    struck = 0
    for number in range(100):
        turns = KeyedTurns()
        try:
            with Interrupter(number, module):
                turns.in_turn("key", lambda: None)
        except KeyboardInterrupt:
            struck += 1
        else:
            break
        later = threading.Thread(target=turns.in_turn, args=("key", lambda: None), daemon=True)
        later.start()
        later.join(PATIENCE)
        assert not later.is_alive(), f"point {number}"
    assert struck > 5


def test_who_is_interrupted_while_it_waits_lets_those_behind_go_in_their_turn_and_no_earlier() -> None:
    def wait_interrupted_at(number: int) -> List[str]:
        turns = KeyedTurns()
        order: List[str] = []
        go_on = threading.Event()

        def wait_and_be_interrupted() -> None:
            try:
                with Interrupter(number, module):
                    turns.in_turn("key", lambda: order.append("second"))
            except KeyboardInterrupt:
                order.append("interrupted")

        first = in_line(turns, lambda: go_on.wait(PATIENCE) and order.append("first"))
        second = threading.Thread(target=wait_and_be_interrupted, daemon=True)
        second.start()
        looks = threading.Event()
        while turns.waiting("key") < 2 and second.is_alive():
            looks.wait(SOON)
        third = in_line(turns, lambda: order.append("third"))
        go_on.set()
        for thread in (first, second, third):
            thread.join(PATIENCE)
            assert not thread.is_alive(), f"point {number}"
        return order

    outcomes = [wait_interrupted_at(number) for number in range(40)]
    assert all(order.index("first") < order.index("third") for order in outcomes)
    assert sum("interrupted" in order for order in outcomes) > 5
    assert outcomes[-1] == ["first", "second", "third"]
