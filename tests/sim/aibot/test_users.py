from __future__ import annotations

import threading

import pytest

from tests.sim.aibot.raw_bot import RawBot, button_card
from wxsdk.sim.aibot.simulator import AiBotSim, SimError, SimTimeout


def test_a_group_has_members_who_see_the_answer(sim: AiBotSim, bot: RawBot) -> None:
    alice, bob, carol = sim.user("a"), sim.user("b"), sim.user("c")
    group = sim.group("g", [alice, "b"])
    said = alice.says("hello all", chat=group)
    body = bot.read()["body"]
    assert (body["chattype"], body["chatid"], body["from"]) == ("group", "g", {"userid": "a"})
    bot.stream(said, "hello", finish=True)
    assert [viewer.expects() for viewer in (alice, bob, group)] == [sim.messages()[0]] * 3
    assert (carol.unread, carol.sees, len(bob.sees)) == (0, [], 1)
    carol.says("me too", chat="g")
    bot.read()
    assert group.members == ["a", "b", "c"]


def test_everything_is_expected_once_in_the_order_of_finishing(sim: AiBotSim, bot: RawBot) -> None:
    alice = sim.user("a")
    said = alice.says("x")
    bot.read()
    bot.stream(said, "slow", stream_id="1")
    bot.reply(said, {"msgtype": "markdown", "markdown": {"content": "quick"}})
    bot.stream(said, "slow, but done", stream_id="1", finish=True)
    assert [message.text for message in alice.sees] == ["slow, but done", "quick"]
    assert [alice.expects().text, alice.expects().text] == ["quick", "slow, but done"]


def test_a_message_can_quote_another(sim: AiBotSim, bot: RawBot) -> None:
    alice = sim.user("a")
    bot.send("a", {"msgtype": "markdown", "markdown": {"content": "original"}})
    alice.says("why?", quote=alice.expects())
    assert bot.read()["body"]["quote"] == {"msgtype": "text", "text": {"content": "original"}}
    alice.says("x", quote={"msgtype": "image", "image": {"url": "u"}})
    assert bot.read()["body"]["quote"]["msgtype"] == "image"


def test_a_voice_is_its_transcript(sim: AiBotSim, bot: RawBot) -> None:
    sim.user("a").speaks("good morning")
    assert bot.read()["body"]["voice"] == {"content": "good morning"}


def test_a_click_must_hit_a_button_of_the_card(sim: AiBotSim, bot: RawBot) -> None:
    alice = sim.user("a")
    bot.send("a", {"msgtype": "template_card", "template_card": button_card()})
    with pytest.raises(SimError, match="no button 'maybe'"):
        alice.clicks("t1", "maybe")
    alice.clicks("t1", "yes")
    assert bot.read()["body"]["event"]["eventtype"] == "template_card_event"
    alice.clicks("unknown-task", "anything", selected={"q": ["1"]})
    event = bot.read()["body"]["event"]["template_card_event"]
    chosen = [{"question_key": "q", "option_ids": {"option_id": ["1"]}}]
    assert event["selected_items"] == {"selected_item": chosen}
    bot.send("a", {"msgtype": "markdown", "markdown": {"content": "no card"}})
    alice.expects()
    with pytest.raises(SimError, match="no card"):
        alice.clicks(alice.expects(), "yes")


def test_a_vote_carries_what_was_chosen(sim: AiBotSim, bot: RawBot) -> None:
    alice = sim.user("a")
    options = [{"id": "1", "text": "one"}, {"id": "2", "text": "two"}]
    card = {
        "card_type": "vote_interaction",
        "checkbox": {"question_key": "q", "mode": 1, "option_list": options},
        "submit_button": {"text": "send", "key": "submit"},
        "task_id": "vote-1",
    }
    assert bot.send("a", {"msgtype": "template_card", "template_card": card}) == 0
    shown = alice.expects()
    with pytest.raises(SimError, match="no question"):
        alice.votes(shown, {"other": ["1"]})
    with pytest.raises(SimError, match="has the options"):
        alice.votes(shown, {"q": ["3"]})
    alice.votes(shown, {"q": ["1", "2"]})
    event = bot.read()["body"]["event"]["template_card_event"]
    chosen = [{"question_key": "q", "option_ids": {"option_id": ["1", "2"]}}]
    assert event == {
        "card_type": "vote_interaction",
        "event_key": "submit",
        "task_id": "vote-1",
        "selected_items": {"selected_item": chosen},
    }


def test_feedback_names_the_message_that_it_rates(sim: AiBotSim, bot: RawBot) -> None:
    alice = sim.user("a")
    said = alice.says("x", chat="g")
    bot.read()
    bot.stream(said, "answer", finish=True, feedback={"id": "f1"})
    alice.feedback(alice.expects(), "bad", "wrong", [1, 4])
    body = bot.read()["body"]
    assert body["chatid"] == "g"
    assert body["event"] == {
        "eventtype": "feedback_event",
        "feedback_event": {"id": "f1", "type": 2, "content": "wrong", "inaccurate_reason_list": [1, 4]},
    }
    alice.feedback("f9", 3)
    assert bot.read()["body"]["event"]["feedback_event"] == {"id": "f9", "type": 3}
    bot.stream(said, "unrated", finish=True, stream_id="s2")
    with pytest.raises(SimError, match="no feedback id"):
        alice.feedback(alice.expects())


def test_a_duplicate_is_the_very_same_frame(sim: AiBotSim, bot: RawBot) -> None:
    sent = sim.user("a").says("once")
    sent.again()
    assert bot.read() == bot.read() == sent.frame
    assert sent.msgid == sent.frame["body"]["msgid"]


def test_a_raw_body_can_be_anything_and_be_answered(sim: AiBotSim, bot: RawBot) -> None:
    sent = sim.user("a").raw({"msgtype": "hologram"})
    assert bot.read()["body"] == {"msgtype": "hologram"}
    assert bot.stream(sent, "fine", finish=True) == 0
    sim.user("a").raw({"event": {"eventtype": "x"}}, cmd="aibot_event_callback")
    assert bot.stream(bot.read(), "no") == 846605
    sim.user("a").raw({"msgtype": "text", "text": {"content": "x"}}, cmd="aibot_callback")
    assert bot.read()["cmd"] == "aibot_callback"


def test_any_frame_can_be_pushed(sim: AiBotSim, bot: RawBot) -> None:
    assert sim.push({"cmd": "new", "headers": {}})
    assert bot.read() == {"cmd": "new", "headers": {}}
    assert not sim.push("x", bot="absent", wait=0)


def test_a_flood_comes_whole_and_in_order(sim: AiBotSim, bot: RawBot) -> None:
    flood = sim.prepare_flood([sim.user("a"), sim.user("b")], 3000, 'say "字"')
    sender = threading.Thread(target=flood.go)
    sender.start()
    frames = [bot.read() for _ in range(3000)]
    sender.join()
    assert [frame["body"]["msgid"] for frame in frames] == flood.msgids
    assert [frame["headers"]["req_id"] for frame in frames] == flood.req_ids
    assert {frame["body"]["from"]["userid"] for frame in frames} == {"a", "b"}
    assert frames[0]["body"]["text"]["content"] == 'say "字"'
    assert bot.stream(frames[-1], "done", finish=True) == 0
    assert flood.ended_at >= flood.started_at > 0


def test_waiting_returns_what_the_predicate_found(sim: AiBotSim, bot: RawBot) -> None:
    bot.write("ping")
    assert sim.wait_for(lambda: len(sim.pings)) == 1
    with pytest.raises(SimTimeout, match=r"two pings: not within .* 1 connections, 1 open"):
        sim.wait_for(lambda: len(sim.pings) > 1, timeout=0.01, what="two pings")
