"""Both simulators, their users and random trouble, as a process of its own; the other half of ``soak``.

Prints what a client needs to know, makes traffic and trouble until a line comes in, then stops the trouble and prints
what was sent.
"""

from __future__ import annotations

import json
import random
import sys
import threading
from typing import Any, Callable, Dict, List

from wxsdk.sim import AiBotSim, ILinkSim
from wxsdk.sim.aibot.errors import SimTimeout

USERS = 6  # of each platform
ILINK_EVERY = 0.02  # seconds between two messages
AIBOT_EVERY = 0.01
TROUBLE_EVERY = (0.05, 0.8)  # seconds between two troubles
OUTAGE = (0.05, 0.6)  # seconds
SILENCE = 0.2  # seconds before a connection is ended, in which the bot reads what is on its way

Trouble = Callable[[], Any]


class Traffic:
    """Users who write numbers in turn, and a thread that makes trouble, of one simulator."""

    def __init__(self, name: str, every: float, say: Callable[[str, str], bool], troubles: List[Trouble]) -> None:
        self.sent: Dict[str, int] = {f"{name}-{number}": 0 for number in range(USERS)}
        self.troubles = 0
        self._every, self._say, self._kinds = every, say, troubles
        self._dice = random.Random(name)
        self.writing = threading.Lock()  # a trouble may hold it to make a silence
        self.stop = threading.Event()
        self._threads = [threading.Thread(target=self._write), threading.Thread(target=self._trouble)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def _write(self) -> None:
        turn = 0
        while not self.stop.wait(self._every):
            user = f"{next(iter(self.sent)).rpartition('-')[0]}-{turn % USERS}"
            with self.writing:
                if self._say(user, str(self.sent[user])):
                    self.sent[user] += 1
            turn += 1

    def _trouble(self) -> None:
        while not self.stop.wait(self._dice.uniform(*TROUBLE_EVERY)):
            self._dice.choice(self._kinds)()
            self.troubles += 1


def ilink_troubles(sim: ILinkSim, dice: random.Random) -> List[Trouble]:
    faults = sim.faults
    places = ("getupdates", "sendmessage")

    def outage() -> None:
        faults.refuse_connections()
        threading.Event().wait(dice.uniform(*OUTAGE))
        faults.restore()

    def held() -> None:
        with faults.hold(dice.choice(places)):
            threading.Event().wait(dice.uniform(*OUTAGE))

    return [
        outage,
        held,
        lambda: faults.next(dice.choice(places), status=dice.choice((301, 400, 403, 404, 429, 500, 502, 503, 524))),
        lambda: faults.next(dice.choice(places), body=dice.choice((b"", b"<html>", b"{", b"[]", b"\xff\xfe"))),
        lambda: faults.ret(dice.choice(places), dice.choice((-1, -2, -99)), times=dice.randint(1, 3)),
        lambda: faults.cut(dice.choice(places), at=dice.choice(("before_reading", "after_reading", "after_handling"))),
        lambda: faults.cut(dice.choice(places), at=dice.choice(("mid_headers", "mid_body")), reset=dice.random() < 0.5),
        lambda: faults.raw(dice.choice(places), dice.randbytes(dice.randint(0, 200))),
        lambda: faults.drip(dice.choice(places), interval=0.001, chunk=7),
        lambda: faults.slow(dice.choice(places), dice.uniform(0.0, 0.3)),
        lambda: faults.duplicate_messages(dice.randint(1, 5)),
    ]


def aibot_troubles(sim: AiBotSim, dice: random.Random, traffic: Callable[[], Traffic]) -> List[Trouble]:
    faults = sim.faults
    samples = list(faults.samples().values())

    def quietly(strike: Callable[[], Any]) -> Trouble:
        # What the platform pushes into a dying connection is lost by the protocol, so nothing is under way then.
        def act() -> None:
            with traffic().writing:
                threading.Event().wait(SILENCE)
                strike()

        return act

    def outage() -> None:
        faults.refuse_connections()
        faults.reset()
        threading.Event().wait(dice.uniform(*OUTAGE))
        faults.restore()

    return [
        quietly(lambda: faults.close(dice.choice((1000, 1001, 1005, 1006, 1011)))),
        quietly(faults.reset),
        quietly(faults.half_open),
        quietly(outage),
        quietly(faults.lose_subscription),
        quietly(lambda: (faults.http_status(dice.choice((301, 403, 500, 502))), faults.reset())),
        quietly(lambda: (faults.refuse_auth(dice.choice((853000, 45009))), faults.close())),
        lambda: faults.ack(late=True, times=1),
        faults.release_acks,
        lambda: faults.ack(lost=True, times=1),
        lambda: faults.ack(doubled=True, times=3),
        lambda: faults.ack(errcode=dice.choice((846604, 6000, 45009)), times=1),
        lambda: faults.hostile(dice.choice(samples)),
        lambda: faults.drip("[1, 2, 3]", every=0.001).join(),
    ]


def main() -> None:
    dice = random.Random(int(sys.argv[1]))
    with ILinkSim(hold=2, quota_limit=None, window=None) as ilink, AiBotSim(record_frames=False) as aibot:
        facts = {"token": ilink.token, "base_url": ilink.base_url, "ws_url": aibot.ws_url}
        print(json.dumps({**facts, "bot_id": aibot.bot_id, "secret": aibot.secret}), flush=True)

        def say_aibot(user: str, text: str) -> bool:
            try:
                return aibot.user(user).says(text, wait=1.0).delivered
            except SimTimeout:
                return False

        def say_ilink(user: str, text: str) -> bool:
            return bool(ilink.user(user).says(text))

        both: List[Traffic] = [Traffic("i", ILINK_EVERY, say_ilink, ilink_troubles(ilink, dice))]
        both.append(Traffic("a", AIBOT_EVERY, say_aibot, aibot_troubles(aibot, dice, lambda: both[1])))
        for traffic in both:
            traffic.start()
        sys.stdin.readline()
        for traffic in both:
            traffic.end()
        ilink.faults.clear()
        ilink.faults.restore()
        aibot.faults.clear()
        report = {
            "sent": {**both[0].sent, **both[1].sent},
            "troubles": [traffic.troubles for traffic in both],
            "violations": [*ilink.violations, *map(str, aibot.violations)],
            "connections": len(aibot.connections),
            "polls at once": ilink.most_polls_in_flight,
        }
        print(json.dumps(report), flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main()
