"""Listeners of a simulator, and what survives its restart."""

from __future__ import annotations

import json
from typing import Any, List, Tuple

import pytest

from tests.sim.aibot.raw_bot import RawBot
from tests.sim.ilink.speaker import Speaker
from wxsdk.sim import AiBotSim, ILinkSim
from wxsdk.sim.changes import Changes


def test_a_listener_hears_every_change_until_it_ends() -> None:
    heard: List[Tuple[str, Any]] = []
    changes = Changes()
    end = changes.listen(lambda what, thing: heard.append((what, thing)))
    changes.tell("said", 1)
    with changes:
        changes.notify_all()
    end()
    end()
    changes.tell("said", 2)
    assert heard == [("said", 1), ("changed", None)]
    assert not changes.heard


def test_both_directions_of_ilink_are_reported_with_their_answers() -> None:
    heard: List[Tuple[str, Any]] = []
    with ILinkSim() as sim:
        sim.listen(lambda what, thing: heard.append((what, thing)))
        sim.user("alice").says("hello")
        with Speaker(sim) as bot:
            bot.poll()
    assert [thing["from_user_id"] for what, thing in heard if what == "said"] == ["alice"]
    requests = [thing for what, thing in heard if what == "request"]
    assert len(requests) == 2
    assert requests[0] is requests[1]
    assert json.loads(requests[0].answer)["msgs"][0]["from_user_id"] == "alice"
    assert requests[0].ended_at >= requests[0].at
    assert requests[0].breaches == []


def test_a_breach_of_ilink_is_kept_with_its_request() -> None:
    with ILinkSim() as sim, Speaker(sim) as bot:
        bot.call("getupdates", get_updates_buf="", unheard_of=1)
        assert any("unheard_of" in each for each in sim.requests[-1].breaches)


def test_frames_bubbles_and_callbacks_are_reported() -> None:
    heard: List[Tuple[str, Any]] = []
    with AiBotSim() as sim:
        bot = RawBot(sim)
        sim.listen(lambda what, thing: heard.append((what, thing)))
        sent = sim.user("alice").says("hello")
        assert bot.read()["headers"]["req_id"] == sent.req_id
        bot.reply(sent, {"msgtype": "markdown", "markdown": {"content": "hi"}})
        bot.close()
    assert [thing.chat for what, thing in heard if what == "said"] == ["alice"]
    assert [thing.text for what, thing in heard if what == "bubble"] == ["hi"]
    (frame,) = [thing for what, thing in heard if what == "frame"]
    assert frame.answer["errcode"] == 0
    assert frame.answered_at >= frame.at


def test_an_ilink_simulator_goes_on_where_an_exported_one_was() -> None:
    with ILinkSim() as sim:
        sim.user("alice").says("hello")
        with Speaker(sim) as bot:
            first = bot.poll()
            bot.send("alice", "hi")
        state = json.loads(json.dumps(sim.export_state()))
        port, token = sim.base_url, sim.token
    again = ILinkSim()
    again.import_state(state)
    with again:
        assert (again.base_url, again.token) == (port, token)
        assert [one.text for one in again.user("alice").received] == ["hi"]
        again.user("alice").says("are you there?")
        with Speaker(again) as bot:
            answer = bot.poll(first["get_updates_buf"])
        assert [one["item_list"][0]["text_item"]["text"] for one in answer["msgs"]] == ["are you there?"]
        assert answer["msgs"][0]["message_id"] > first["msgs"][0]["message_id"]
        assert again.violations == []


def test_a_gateway_goes_on_where_an_exported_one_was() -> None:
    with AiBotSim() as sim:
        sim.group("g1", ["alice", "bob"])
        bot = RawBot(sim)
        sent = sim.user("alice").says("hello")
        bot.close()
        state = json.loads(json.dumps(sim.export_state()))
        url, secret = sim.ws_url, sim.secret
    again = AiBotSim()
    again.import_state(state)
    with again:
        assert (again.ws_url, again.secret) == (url, secret)
        assert again.group("g1").members == ["alice", "bob"]
        bot = RawBot(again)
        assert bot.reply(sent, {"msgtype": "markdown", "markdown": {"content": "late"}}) == 0
        assert [one.text for one in again.user("alice").sees] == ["late"]
        bot.close()


@pytest.mark.parametrize("state", [{}, {"version": 2}, {"version": 1, "bots": []}])
def test_a_foreign_state_is_refused(state: Any) -> None:
    for sim in (ILinkSim(), AiBotSim()):
        with pytest.raises(ValueError, match="this is not the state of"):
            sim.import_state(state)
