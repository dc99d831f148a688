"""Killing bots with SIGKILL while messages stream in, and counting what became of every message.

Used by the tests with a few kills, and by ``kill.py`` with hundreds.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.sim import ILinkSim

USERS = 4
SENT_EVERY = 0.004  # seconds between two messages
LATEST_KILL = 0.09  # seconds from the fork to the kill, at most; the first handler runs after about 0.02
WAIT = 20.0  # seconds for what must happen

Message = Tuple[str, int]  # user, number


class Nursery:
    """The process that forks bots, and the bots of one simulator, whose store and logs are in *folder*."""

    def __init__(self, process: Any, sim: ILinkSim, folder: Path) -> None:
        self._process = process
        self._known = {"token": sim.token, "base_url": sim.base_url, "store": str(folder / "bot.db")}
        self.folder = folder

    def fork(self, log: str, die: Optional[Tuple[str, int]] = None, *, keeps_cursor: bool = False) -> int:
        """Start a bot that writes to the file *log*, and kills itself at *die*; its pid.

        keeps_cursor: it has no store, and keeps the cursor by itself.
        """
        cursor = str(self.folder / "cursor") if keeps_cursor else None
        pid: int = self._tell(do="fork", log=str(self.folder / log), die=die, cursor=cursor, **self._known)["pid"]
        return pid

    def kill(self, pid: int) -> None:
        """SIGKILL; returns when the bot is dead."""
        self._tell(do="kill", pid=pid)

    def wait(self, pid: int) -> int:
        """Wait for a bot that kills itself; the signal it died of."""
        number: int = self._tell(do="wait", pid=pid)["signal"]
        return number

    def _tell(self, **order: Any) -> Dict[str, Any]:
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the nursery died"
        answer: Dict[str, Any] = json.loads(line)
        return answer


@contextlib.contextmanager
def nursery_process(folder: Path) -> Iterator[Any]:
    """The process for ``Nursery``; the locks of its bots are in *folder*."""
    program = Path(__file__).with_name("nursery.py")
    paths = os.pathsep.join(filter(None, [str(program.parents[2]), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "XDG_STATE_HOME": str(folder), "PYTHONPATH": paths, "NO_PROXY": "*"}
    process = subprocess.Popen(
        [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    with process:
        yield process


def begun_and_ended(log: Path) -> Tuple[List[Tuple[Message, bool]], List[Message]]:
    """What one run handed over (and whether as redelivered), and what its handlers finished, in order."""
    begun, ended = [], []
    for line in log.read_text().splitlines() if log.exists() else ():
        kind, user, number, redelivered = line.split()
        if kind == "B":
            begun.append(((user, int(number)), redelivered == "1"))
        else:
            ended.append((user, int(number)))
    return begun, ended


@dataclass
class Tally:
    """What became of the messages of one series of kills. Every list names offenders, so all should be empty."""

    kills: int = 0
    sent: int = 0
    taken_in: int = 0  # of them, those that were ever committed to the store
    lost_from_store: List[Message] = field(default_factory=list)
    lost_on_the_way: int = 0  # handed out by a server that forgets, to a process that died before it had them
    again: int = 0  # messages handed over a second time
    most_again: int = 0  # of one message
    too_often: List[str] = field(default_factory=list)
    out_of_order: List[str] = field(default_factory=list)
    unmarked: List[str] = field(default_factory=list)  # came again and did not say so
    finished_again: int = 0  # handled to the end, and again: killed between the handler's end and its mark
    violations: List[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"kills {self.kills}, sent {self.sent}, in the store {self.taken_in}, lost {len(self.lost_from_store)}, "
            f"lost on the way {self.lost_on_the_way}, handed over again {self.again} (one message at most "
            f"{self.most_again} times, {self.finished_again} of them after their handler had ended), more than once "
            f"per user and kill {len(self.too_often)}, out of order {len(self.out_of_order)}, "
            f"unmarked {len(self.unmarked)}"
        )


class Stream:
    """Users who go on writing until ``stop``."""

    def __init__(self, sim: ILinkSim) -> None:
        self._sim = sim
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.sent: List[Message] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(SENT_EVERY):
            self.say()

    def say(self) -> str:
        """One more message; its id."""
        number = len(self.sent)
        user = f"user{number % USERS}"
        self.sent.append((user, number))
        return self._sim.user(user).says(str(number))


def kill_series(process: Any, manner: str, points: int, folder: Path, seed: int = 0) -> Tally:
    """Kill a bot at *points* random moments against a server of that *manner*, then let a last one finish."""
    dice = random.Random(seed)
    with ILinkSim(cursor=manner, hold=20, batch=50) as sim:
        bots = Nursery(process, sim, folder)
        stream = Stream(sim)
        stream.start()
        for point in range(points):
            pid = bots.fork(f"run-{point}")
            threading.Event().wait(dice.uniform(0.0, LATEST_KILL))
            bots.kill(pid)
        stream.stop()
        pid = bots.fork(f"run-{points}")
        store = SQLiteStore(folder / "bot.db")
        while not _is_taken_in(store, stream.say()):
            pass  # a server that forgets may have given it to a poll of the dead
        _wait_until_empty(store)
        taken_in = {_text_of(key) for key, _ in store.items("seen") if key.startswith("id:")}
        ids = dict(_ids(sim))
        store.close()
        bots.kill(pid)
        runs = [begun_and_ended(folder / f"run-{point}") for point in range(points + 1)]
        tally = judge(runs, stream.sent, {ids[one] for one in taken_in})
        tally.kills = points
        tally.violations = sim.violations
    return tally


def judge(
    runs: List[Tuple[List[Tuple[Message, bool]], List[Message]]], sent: List[Message], taken_in: Set[Message]
) -> Tally:
    """Compare what the *runs* did with what was *sent* and what the store once had."""
    tally = Tally(sent=len(sent), taken_in=len(taken_in))
    times: Counter[Message] = Counter()
    ended: Set[Message] = set()
    newest: Dict[str, int] = {}
    for number, (begun, finished) in enumerate(runs):
        repeated: Dict[str, List[Message]] = defaultdict(list)
        last: Dict[str, int] = {}
        for message, redelivered in begun:
            user, count = message
            if count <= last.get(user, -1):
                tally.out_of_order.append(f"run {number}: {user} {count} after {last[user]}")
            last[user] = count
            if times[message]:
                repeated[user].append(message)
                tally.finished_again += message in ended
                if not redelivered:
                    tally.unmarked.append(f"run {number}: {user} {count}")
            elif count < newest.get(user, -1):
                tally.out_of_order.append(f"run {number}: {user} {count} first, after {newest[user]} of another run")
            times[message] += 1
            newest[user] = max(newest.get(user, -1), count)
        tally.too_often += [f"run {number}: {user} {found}" for user, found in repeated.items() if len(found) > 1]
        ended.update(finished)
    tally.again = sum(count - 1 for count in times.values())
    tally.most_again = max(times.values(), default=1) - 1
    tally.lost_from_store = sorted(taken_in - ended)
    tally.lost_on_the_way = len(set(sent) - taken_in)
    return tally


def _text_of(key: str) -> str:
    return key.partition(":")[2]


def _ids(sim: ILinkSim) -> Iterator[Tuple[str, Message]]:
    for number in range(USERS):
        user = sim.user(f"user{number}")
        for message_id, message in user._said.items():
            yield message_id, (user.id, int(message["item_list"][0]["text_item"]["text"]))


def _is_taken_in(store: SQLiteStore, message_id: str) -> bool:
    """Whether the message gets into the store within a second; all before it are there then, or lost."""
    pause = threading.Event()
    for _ in range(100):
        if store.get("seen", f"id:{message_id}") is not None:
            return True
        pause.wait(0.01)
    return False


def _wait_until_empty(store: SQLiteStore) -> None:
    pause = threading.Event()
    for _ in range(int(WAIT / 0.01)):
        if not store.items("inbox"):
            return
        pause.wait(0.01)
    raise AssertionError(f"{len(store.items('inbox'))} messages were never handled")
