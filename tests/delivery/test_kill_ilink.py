"""kill -9 at random and at chosen points: nothing that was taken in is lost, and little comes twice."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any, Callable, Iterator, List, Tuple

import pytest

from tests.bench.killing import Nursery, begun_and_ended, kill_series, nursery_process
from wxsdk.sim import ILinkSim

from .conftest import Figure
from .waiting import until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the bots are forked")

POINTS = 12
MANNERS = ("replays", "forgets")


@pytest.mark.parametrize("manner", MANNERS)
def test_kill_9_at_random_points_loses_nothing_that_was_taken_in(
    manner: str, process: Any, tmp_path: Path, record_property: Callable[[str, Any], None]
) -> None:
    tally = kill_series(process, manner, POINTS, tmp_path, seed=len(manner))
    print(f"a server that {manner}: {tally}")
    record_property("kill", str(tally))
    assert tally.sent > 50
    assert tally.lost_from_store == []
    assert tally.too_often == []  # of each user, the one message that was being handled
    assert tally.out_of_order == []
    assert tally.unmarked == []
    assert tally.violations == []
    if manner == "replays":
        assert tally.lost_on_the_way == 0


# Where the first life ends, and what the handlers of the first and the second life then began; ! marks redelivered.
POINTS_IN_TIME: List[Tuple[str, int, str, str]] = [
    ("before commit", 1, "", "1 2 3"),
    ("after commit", 1, "", "1! 2! 3!"),
    ("before handler", 1, "", "1! 2! 3!"),
    ("before handler", 2, "1", "2! 3!"),
    ("after handler", 1, "1", "1! 2! 3!"),
    ("after handler", 3, "1 2 3", "3!"),
    ("before finish", 2, "1 2", "2! 3!"),
    ("after finish", 2, "1 2", "3!"),
    ("after finish", 3, "1 2 3", ""),
]


@pytest.mark.parametrize(("place", "times", "first", "second"), POINTS_IN_TIME)
@pytest.mark.parametrize("manner", MANNERS)
def test_a_kill_at_a_chosen_point(
    manner: str, place: str, times: int, first: str, second: str, process: Any, tmp_path: Path
) -> None:
    if manner == "forgets" and place == "before commit":
        second = ""  # the server knows them no more, and the store did not have them yet
    with ILinkSim(cursor=manner, hold=20) as sim:
        nest = Nursery(process, sim, tmp_path)
        for text in "123":
            sim.user("alice").says(text)
        assert nest.wait(nest.fork("first", (place, times))) == signal.SIGKILL
        begun, _ = begun_and_ended(tmp_path / "first")
        assert _told(begun) == first
        pid = nest.fork("second")
        sim.user("alice").says("4")  # goes behind all that is left, and shows that it was handed over
        _wait_for_end(tmp_path / "second", 4)
        nest.kill(pid)
        begun, _ = begun_and_ended(tmp_path / "second")
        assert _told(begun) == f"{second} 4".strip()


def test_a_bot_that_keeps_the_cursor_by_itself_loses_nothing_either(
    process: Any, tmp_path: Path, figure: Figure
) -> None:
    users, handled, again = 3, set(), 0
    with ILinkSim(cursor="replays", hold=20, batch=4) as sim:
        nest, number = Nursery(process, sim, tmp_path), 0
        # Without any cursor a server begins where it thinks the bot was, so there must be a first one.
        sim.user("alice").says("998")
        pid = nest.fork("prime", keeps_cursor=True)
        until((tmp_path / "cursor").exists)
        nest.kill(pid)
        for point in range(8):
            for _ in range(9):
                sim.user(f"u{number % users}").says(str(number))
                number += 1
            nest.wait(nest.fork(f"run-{point}", ("before handler", 2 + point), keeps_cursor=True))
        pid = nest.fork("last", keeps_cursor=True)
        logs = [tmp_path / name for name in ("prime", *(f"run-{point}" for point in range(8)), "last")]
        wanted = {*range(number), 998}
        until(lambda: {count for log in logs for _, count in begun_and_ended(log)[1]} == wanted, "the last message")
        nest.kill(pid)
    for log in logs:
        begun, ended = begun_and_ended(log)
        again += sum(message in handled for message, _ in begun)
        handled.update(ended)
    figure("kill -9 with a cursor of one's own", f"lost {len(wanted) - len(handled)}, handled again {again}")
    assert again <= 8 * 4 * 2  # what stands between the last cursor and the kill: a batch, and the one being handled


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with nursery_process(tmp_path_factory.mktemp("locks")) as process:
        yield process


def _told(begun: List[Tuple[Tuple[str, int], bool]]) -> str:
    return " ".join(f"{number}{'!' if redelivered else ''}" for (_, number), redelivered in begun)


def _wait_for_end(log: Path, number: int) -> None:
    pause = threading.Event()
    for _ in range(2000):
        if log.exists() and f"E alice {number} " in log.read_text():
            return
        pause.wait(0.005)
    raise AssertionError(f"{number} was never handled; {log.read_text() if log.exists() else 'nothing was'}")
