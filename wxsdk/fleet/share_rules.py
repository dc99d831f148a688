"""Decides which bots a process should take and which it should give up, so that all processes have about as many."""

from __future__ import annotations

from typing import Collection, Dict, List, Mapping, NamedTuple


class Plan(NamedTuple):
    """What a process does now. take: names to try, in this order; give_up: at most one, which is drained first."""

    take: List[str]
    give_up: List[str]


def plan(
    me: str, accounts: Collection[str], owners: Mapping[str, str], mine: Collection[str], capacities: Mapping[str, int]
) -> Plan:
    """The plan of process *me*, which has the bots *mine*.

    owners: name -> process, as the store says; capacities: of every process that lives, *me* included.
    """
    goal = shares(len(accounts), capacities).get(me, 0)
    gone = [name for name in mine if name not in accounts]
    kept = [name for name in mine if name in accounts]
    if gone:
        return Plan([], gone)
    if len(kept) > goal:
        # A bot that nobody could take is better kept: there must be room elsewhere.
        return Plan([], kept[goal : goal + 1])
    free = [name for name in accounts if name not in mine and owners.get(name) not in capacities]
    return Plan(sorted(free)[: goal - len(kept)] if len(kept) < goal else [], [])


def shares(count: int, capacities: Mapping[str, int]) -> Dict[str, int]:
    """How many of *count* bots each process should have: as even as the capacities allow, the same for whoever asks."""
    left = count
    goals = dict.fromkeys(capacities, 0)
    open_ones = sorted(capacities)
    while left > 0 and open_ones:
        each, more = divmod(left, len(open_ones))
        if each == 0:
            each, open_ones = 1, open_ones[:more]
        for name in list(open_ones):
            given = min(each, capacities[name] - goals[name], left)
            goals[name] += given
            left -= given
        open_ones = [name for name in open_ones if goals[name] < capacities[name]]
    return goals
