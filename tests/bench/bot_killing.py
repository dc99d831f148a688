"""Kills a Bot with SIGKILL while users talk to it, and compares what it counted and asked with what was said.

    python tests/bench/bot_killing.py [--kills 100]

Used by a test with a few kills, too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.sim import AiBotSim, ILinkSim

LATEST_KILL = 0.12  # seconds from the fork to the kill, at most; the first handler runs after about 0.03
WAIT = 30.0  # seconds for what must happen
STEPS = ("question 0", "question 1", "question 2", "nearly", "done")


@dataclass
class Tally:
    """What became of a series of kills on one platform."""

    platform: str
    kills: int = 0
    said: int = 0  # messages that reached the store
    counted: int = 0
    twice: List[str] = field(default_factory=list)  # counted a second time
    missing: List[str] = field(default_factory=list)  # in the store once, and never counted
    forms: int = 0
    lost_steps: List[str] = field(default_factory=list)
    repeated: Counter[str] = field(default_factory=Counter)  # bot's sends seen more than once, by step

    def __str__(self) -> str:
        repeats = ", ".join(f"{step} {count}" for step, count in self.repeated.items()) or "none"
        return (
            f"{self.platform}: kills {self.kills}, said {self.said}, counted {self.counted}, twice {len(self.twice)}, "
            f"missing {len(self.missing)}; forms {self.forms}, steps lost {len(self.lost_steps)}, "
            f"repeated sends: {repeats}"
        )


@contextlib.contextmanager
def bot_process(folder: Path) -> Iterator[Callable[..., Dict[str, Any]]]:
    """A function that gives an order to the nursery and returns its answer."""
    program = Path(__file__).with_name("bot_nursery.py")
    paths = os.pathsep.join(filter(None, [str(program.parents[2]), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "XDG_STATE_HOME": str(folder), "PYTHONPATH": paths, "NO_PROXY": "*"}
    process = subprocess.Popen(
        [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )

    def tell(**order: Any) -> Dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, "the nursery died"
        answer: Dict[str, Any] = json.loads(line)
        return answer

    with process:
        yield tell
        assert process.stdin is not None
        process.stdin.close()


def kill_bots(kills: int, folder: Path, platform: str, seed: int = 0) -> Tally:
    """Kill a Bot *kills* times at random moments while one user counts and another fills forms, then let it finish."""
    dice = random.Random(seed)
    tally = Tally(platform, kills)
    store_path = folder / f"{platform}.db"
    with contextlib.ExitStack() as stack:
        tell = stack.enter_context(bot_process(folder))
        sim, order = _simulated(stack, platform)
        order["store"] = str(store_path)
        talk = _Talk(sim, platform)
        for _ in range(kills):
            pid = tell(do="fork", **order)["pid"]
            talk.go_on()
            threading.Event().wait(dice.uniform(0.0, LATEST_KILL))
            talk.go_on()
            tell(do="kill", pid=pid)
            talk.after_kill(store_path)
        pid = tell(do="fork", **order)["pid"]
        talk.finish()
        store = SQLiteStore(store_path)
        _wait_until(lambda: not _inbox(store, platform, sim.bot_id))
        tell(do="kill", pid=pid)
        _judge(tally, talk, store)
        store.close()
    return tally


def _simulated(stack: contextlib.ExitStack, platform: str) -> Any:
    if platform == "ilink":
        ilink = stack.enter_context(ILinkSim(hold=20, quota_limit=None, window=None))
        return ilink, {"ilink": {"token": ilink.token, "base_url": ilink.base_url}}
    aibot = stack.enter_context(AiBotSim())
    return aibot, {"aibot": {"bot_id": aibot.bot_id, "secret": aibot.secret, "ws_url": aibot.ws_url}}


class _Talk:
    """A user who counts, and one who fills one form after the other."""

    def __init__(self, sim: Any, platform: str) -> None:
        self._sim = sim
        self._is_aibot = platform == "aibot"
        self.counter, self.form_filler = sim.user("counter"), sim.user("filler")
        self._number = 0
        self._form = 0
        self._answered = 0  # questions of the current form
        self.forms_begun = 0
        self._last = ""  # msgid of what the filler said last
        self._take_back: Callable[[], None] = lambda: None
        self.said_by_counter: Dict[str, str] = {}  # by msgid, on WeCom

    def go_on(self) -> None:
        """Say what is due: a number, and the next answer if its question is there."""
        self._say(self.counter, str(self._number))
        self._number += 1
        self._fill()

    def after_kill(self, store_path: Path) -> None:
        """What the filler said last, and the dead bot never had in its store, is to be said again."""
        if not self._is_aibot or not self._last:
            return
        store = SQLiteStore(store_path)
        if store.get(f"aibot/aibot_seen {self._sim.bot_id}", self._last) is None:
            self._take_back()
        store.close()
        self._last, self._take_back = "", lambda: None

    def finish(self) -> None:
        """Fill the last form to its end."""
        _wait_until(self._last_form_is_done, every=0.05, meanwhile=self._fill)

    def _fill(self) -> None:
        said = self.bot_said()
        if self._answered == 0 and not self._has_begun():
            self.forms_begun = self._form + 1
            self._say(self.form_filler, f"/form f{self._form}", self._not_begun)
            return
        if any(text.startswith(f"f{self._form} done") for text in said):
            self._form += 1
            self._answered = 0
            return
        if self._answered < 3 and f"f{self._form} question {self._answered}" in said:
            self._answered += 1
            self._say(self.form_filler, f"a{self._answered}", self._not_answered)

    def _not_begun(self) -> None:
        self.forms_begun -= 1

    def _not_answered(self) -> None:
        self._answered -= 1

    def _has_begun(self) -> bool:
        return self.forms_begun > self._form

    def _last_form_is_done(self) -> bool:
        return any(text.startswith(f"f{self.forms_begun - 1} done") for text in self.bot_said())

    def bot_said(self) -> List[str]:
        """What the filler sees."""
        if self._is_aibot:
            return [message.visible_text.strip() for message in self.form_filler.sees]
        return [message.text for message in self.form_filler.received]

    def _say(self, user: Any, text: str, take_back: Callable[[], None] = lambda: None) -> None:
        if not self._is_aibot:
            user.says(text)
            return
        sent = user.says(text, wait=5)
        if user is self.counter:
            self.said_by_counter[sent.msgid] = text
        else:
            self._last, self._take_back = sent.msgid, take_back


def _judge(tally: Tally, talk: _Talk, store: SQLiteStore) -> None:
    texts = _seen_numbers(store, tally.platform, talk)
    state = json.loads(store.get(f"{tally.platform}/bot_state", "counter") or "{}").get("state", {})
    counted = Counter(state.get("said", []))
    tally.said = len(texts)
    tally.counted = state.get("count", 0)
    tally.twice = [text for text, times in counted.items() if times > 1]
    tally.missing = [text for text in texts if text not in counted]
    if len(state.get("said", [])) != tally.counted:
        tally.twice.append("the count and the list differ")
    said = Counter(text.partition(":")[0] for text in talk.bot_said())
    for number in range(talk.forms_begun):
        for step in STEPS:
            times = said[f"f{number} {step}"]
            if times == 0:
                tally.lost_steps.append(f"f{number} {step}")
            elif times > 1:
                tally.repeated[step] += times - 1
    forms = json.loads(store.get(f"{tally.platform}/bot_state", "filler") or "{}").get("state", {})
    tally.forms = forms.get("forms", 0)
    if tally.forms != talk.forms_begun:
        tally.lost_steps.append(f"{talk.forms_begun} forms were begun, and {tally.forms} are in the state")


def _seen_numbers(store: SQLiteStore, platform: str, talk: _Talk) -> List[str]:
    """The numbers of the counter that were ever in the store."""
    if platform == "ilink":
        ids = {key.partition(":")[2] for key, _ in store.items("ilink/seen") if key.startswith("id:")}
        said = talk.counter._said
        return [said[one]["item_list"][0]["text_item"]["text"] for one in said if one in ids]
    bot_id = talk._sim.bot_id
    ids = {key for key, _ in store.items(f"aibot/aibot_seen {bot_id}")}
    return [text for msgid, text in talk.said_by_counter.items() if msgid in ids]


def _inbox(store: SQLiteStore, platform: str, bot_id: str) -> bool:
    return bool(store.items("ilink/inbox" if platform == "ilink" else f"aibot/aibot_inbox {bot_id}"))


def _wait_until(
    predicate: Callable[[], bool], every: float = 0.02, meanwhile: Callable[[], None] = lambda: None
) -> None:
    pause = threading.Event()
    for _ in range(int(WAIT / every)):
        if predicate():
            return
        meanwhile()
        pause.wait(every)
    raise AssertionError("it did not come about in time")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    options = parser.parse_args()
    for platform in ("ilink", "aibot"):
        with tempfile.TemporaryDirectory() as folder:
            print(kill_bots(options.kills, Path(folder), platform), flush=True)


if __name__ == "__main__":
    main()
