"""Faults by one click: each can be made, undone, and cleared."""

from __future__ import annotations

from typing import Any, Iterator, Tuple

import pytest

from tests.sim.aibot.raw_bot import RawBot
from tests.sim.ilink.speaker import Speaker
from wxsdk.sim.page.trouble import Trouble


@pytest.fixture
def sims(ilink_sim: Any, aibot_sim: Any) -> Iterator[Tuple[Any, Any, Trouble]]:
    trouble = Trouble(ilink_sim, aibot_sim)
    yield ilink_sim, aibot_sim, trouble
    trouble.clear()


def test_every_fault_can_be_made_twice_and_undone(sims: Any) -> None:
    ilink, aibot, trouble = sims
    names = trouble.names
    for name in [*names["once"], *names["lasting"]]:
        trouble.make(name, "alice", True)
        trouble.make(name, "alice", True)
    assert trouble.active == sorted(names["lasting"])
    for name in names["lasting"]:
        trouble.make(name, "alice", False)
    assert trouble.active == []
    trouble.clear()
    ilink.user("alice").says("hello")
    with Speaker(ilink) as bot:
        assert bot.poll()["msgs"]
    raw = RawBot(aibot)
    assert raw.ask("ping")["errcode"] == 0
    raw.close()


def test_a_stale_token_is_good_again_when_the_fault_ends(sims: Any) -> None:
    ilink, _, trouble = sims
    with Speaker(ilink) as bot:
        trouble.make("ilink-stale", "alice", True)
        assert bot.call("getupdates", get_updates_buf="")["ret"] == -14
        trouble.make("ilink-stale", "alice", False)
        ilink.user("alice").says("hello")
        assert bot.poll()["msgs"]


def test_held_acks_come_when_the_fault_ends(sims: Any) -> None:
    _, aibot, trouble = sims
    bot = RawBot(aibot)
    trouble.make("aibot-slow", "alice", True)
    aibot.user("alice")
    bot.write("aibot_send_msg", {"chatid": "alice", "msgtype": "markdown", "markdown": {"content": "x"}}, "r1")
    aibot.user("alice").expects()
    assert aibot.frames[-1].answered_at is None
    trouble.make("aibot-slow", "alice", False)
    assert bot.read()["headers"]["req_id"] == "r1"
    bot.close()


def test_an_unknown_fault_is_refused(sims: Any) -> None:
    with pytest.raises(LookupError, match="no fault 'x'"):
        sims[2].make("x", "alice", True)
