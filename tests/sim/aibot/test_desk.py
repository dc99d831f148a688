"""The desk: what it makes of each text, whom it pushes to, and what it says when a wait fails."""

from __future__ import annotations

import json
from typing import Any, List

import pytest

from tests.sim.aibot.raw_bot import RawBot
from wxsdk.sim.aibot.desk import FrameDesk
from wxsdk.sim.aibot.errors import SimTimeout
from wxsdk.sim.aibot.simulator import AiBotSim
from wxsdk.sim.aibot.state import Settings


class Line:
    """A connection that remembers what was written to it."""

    def __init__(self, number: int = 1) -> None:
        from wxsdk.sim.aibot.connection import ConnectionRecord

        self.record = ConnectionRecord(number, 0.0)
        self.number = number
        self.written: List[bytes] = []

    def send(self, data: bytes) -> bool:
        self.written.append(data)
        return True

    def exclusively(self, action: Any) -> bool:
        action(self.send)
        return True


def desk() -> FrameDesk:
    made = FrameDesk(lambda: 1_000_000.0, Settings())
    made.world.bots["bot"] = "secret"
    return made


def frame(cmd: str, req_id: str = "r1", **body: Any) -> str:
    return json.dumps({"cmd": cmd, "headers": {"req_id": req_id}, **({"body": body} if body else {})})


SUBSCRIBE = frame("aibot_subscribe", bot_id="bot", secret="secret")


def test_a_subscribe_is_acked_before_anything_is_pushed() -> None:
    made, line = desk(), Line()
    made.texts(line, [SUBSCRIBE])  # type: ignore[arg-type]
    assert made.subscriber("bot") is line
    assert made.push("bot", b"pushed", 0)
    assert b'"errcode":0' in line.written[0]
    assert line.written[1] == b"pushed"


@pytest.mark.parametrize(
    ("bot_id", "secret", "errcode"), [("bot", "wrong", 853000), ("other", "secret", 93019), ("", "", 93019)]
)
def test_wrong_credentials_subscribe_nothing(bot_id: str, secret: str, errcode: int) -> None:
    made, line = desk(), Line()
    made.texts(line, [frame("aibot_subscribe", bot_id=bot_id, secret=secret)])  # type: ignore[arg-type]
    assert made.subscriber("bot") is None
    assert made.subscribes[0].errcode == errcode
    assert not made.push("bot", b"x", 0)


def test_each_frame_keeps_its_verdict_answer_and_breaches() -> None:
    made, line = desk(), Line()
    heard: List[Any] = []
    made.changed.listen(lambda what, thing: heard.append(thing) if what == "frame" else None)
    made.texts(line, [SUBSCRIBE])  # type: ignore[arg-type]
    made.texts(line, [frame("ping", "r2", extra=1), "not JSON"])  # type: ignore[arg-type]
    ping = made.pings[0]
    assert (ping.errcode, ping.number, ping.breaches) == (0, 2, ["unknown field: body"])
    assert ping.answered_at is not None
    assert [one.cmd for one in heard] == ["aibot_subscribe", "ping"]
    assert made.world.violations[-1].rule == "invalid frame"


def test_a_frame_hides_its_body() -> None:
    made, line = desk(), Line()
    made.texts(line, [SUBSCRIBE])  # type: ignore[arg-type]
    assert "secret" not in repr(made.frames[0])


def test_a_wait_that_fails_says_what_is_there() -> None:
    with AiBotSim() as sim:
        bot = RawBot(sim)
        with pytest.raises(SimTimeout, match=r"the moon: not within 0 s\. 1 connections, 1 open; subscribed: \['aib"):
            sim.wait_for(lambda: False, 0.0, "the moon")
        bot.close()
