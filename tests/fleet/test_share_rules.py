"""How bots are spread over processes."""

from __future__ import annotations

from typing import Dict, List

from hypothesis import given
from hypothesis import strategies as st

from wxsdk.fleet.share_rules import plan, shares


def test_shares_are_even_as_far_as_capacities_allow() -> None:
    assert shares(6, {"a": 10, "b": 10, "c": 10}) == {"a": 2, "b": 2, "c": 2}
    assert shares(7, {"a": 10, "b": 10, "c": 10}) == {"a": 3, "b": 2, "c": 2}
    assert shares(7, {"a": 1, "b": 10, "c": 10}) == {"a": 1, "b": 3, "c": 3}
    assert shares(7, {"a": 1, "b": 1}) == {"a": 1, "b": 1}
    assert shares(0, {"a": 1}) == {"a": 0}
    assert shares(3, {}) == {}


@given(st.integers(0, 200), st.dictionaries(st.text(max_size=3), st.integers(0, 60), max_size=6))
def test_every_bot_has_a_place_while_there_is_room(count: int, capacities: Dict[str, int]) -> None:
    goals = shares(count, capacities)
    assert sum(goals.values()) == min(count, sum(capacities.values()))
    assert all(0 <= goals[name] <= capacities[name] for name in capacities)
    free = [goals[name] for name in capacities if goals[name] < capacities[name]]
    assert not free or max(goals.values(), default=0) - min(free) <= 1 or max(goals.values()) <= min(free) + 1


def test_a_process_takes_what_nobody_has_up_to_its_share() -> None:
    accounts = ["x1", "x2", "x3", "x4"]
    assert plan("a", accounts, {}, [], {"a": 10, "b": 10}).take == ["x1", "x2"]
    assert plan("a", accounts, {"x1": "b", "x2": "dead"}, [], {"a": 10, "b": 10}).take == ["x2", "x3"]
    assert plan("a", accounts, {}, ["x1", "x2"], {"a": 10, "b": 10}).take == []


def test_it_gives_up_one_at_a_time_when_others_join_and_all_that_were_removed() -> None:
    accounts = ["x1", "x2", "x3", "x4"]
    assert plan("a", accounts, {}, accounts, {"a": 10, "b": 10}) == ([], ["x3"])
    assert plan("a", accounts, {}, [*accounts, "y1", "y2"], {"a": 10}) == ([], ["y1", "y2"])


@given(st.integers(1, 30), st.integers(1, 5))
def test_processes_that_follow_their_plans_come_to_rest_with_every_bot_owned(bots: int, processes: int) -> None:
    accounts = [f"x{number}" for number in range(bots)]
    capacities = {f"p{number}": 100 for number in range(processes)}
    mine: Dict[str, List[str]] = {name: [] for name in capacities}
    mine["p0"] = list(accounts)  # it was alone until now
    for _ in range(bots * 3 + 5):
        for name in capacities:
            owners = {one: owner for owner, names in mine.items() for one in names}
            todo = plan(name, accounts, owners, mine[name], capacities)
            mine[name] = [one for one in mine[name] if one not in todo.give_up]
            mine[name] += [one for one in todo.take if one not in owners]
    sizes = [len(names) for names in mine.values()]
    assert sum(sizes) == bots
    assert max(sizes) - min(sizes) <= 1
