from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, Dict, List

import pytest
import websocket

from tests.sim.aibot.raw_bot import RawBot, button_card
from wxsdk.sim.aibot.simulator import AiBotSim

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"


def picture(data: bytes = PNG, **more: Any) -> Dict[str, Any]:
    image = {"base64": base64.b64encode(data).decode(), "md5": hashlib.md5(data).hexdigest(), **more}
    return {"msgtype": "image", "image": image}


def rules_broken(sim: AiBotSim) -> List[str]:
    return [violation.rule for violation in sim.violations]


# -- streams ----------------------------------------


def test_a_final_frame_equal_to_the_last_is_acked_and_dropped(sim: AiBotSim, bot: RawBot) -> None:
    said = sim.user("a").says("x")
    bot.read()
    assert bot.stream(said, "same") == 0
    assert bot.stream(said, "same", finish=True) == 0
    assert [message.dropped_final for message in sim.thinking()] == [True]
    assert sim.user("a").unread == 0
    assert bot.stream(said, "same\u200b", finish=True) == 0
    shown = sim.user("a").expects()
    assert (shown.text, shown.visible_text) == ("same\u200b", "same")
    assert shown.snapshots == ["same", "same", "same\u200b"]


def test_the_dropping_of_an_equal_final_frame_can_be_switched_off(sim: AiBotSim, bot: RawBot) -> None:
    sim.settings.drops_equal_final = False
    said = sim.user("a").says("x")
    bot.read()
    bot.stream(said, "same")
    bot.stream(said, "same", finish=True)
    assert sim.user("a").expects().text == "same"


def test_a_first_frame_that_is_the_last_is_shown(sim: AiBotSim, bot: RawBot) -> None:
    said = sim.user("a").says("x")
    bot.read()
    assert bot.stream(said, "all at once", finish=True) == 0
    assert sim.user("a").expects().updates == 1


@pytest.mark.parametrize("content", ["", "<think></think>", "<think>deep", "<think>a</think> \u200b\n"])
def test_only_visible_text_ends_the_thinking(sim: AiBotSim, bot: RawBot, content: str) -> None:
    said = sim.user("a").says("x")
    bot.read()
    bot.stream(said, "<think></think> ")
    assert bot.stream(said, content, finish=True) == 0
    assert [message.thinking for message in sim.thinking()] == [True]
    assert bot.stream(said, "<think>a</think>done", finish=True) == 0
    assert sim.user("a").expects().visible_text == "done"


def test_content_may_have_20480_bytes_and_no_more(sim: AiBotSim, bot: RawBot) -> None:
    said = sim.user("a").says("x")
    bot.read()
    assert bot.stream(said, "字" * 6826 + "ab", finish=True) == 0
    assert bot.stream(said, "字" * 6827, stream_id="s2") == 40058
    assert rules_broken(sim) == ["content length"]


@pytest.mark.parametrize(("silences", "errcode"), [([359.0, 240.0], 0), ([361.0], 846608), ([300.0, 301.0], 846608)])
def test_a_stream_dies_of_silence_and_of_age(sim: AiBotSim, bot: RawBot, silences: List[float], errcode: int) -> None:
    said = sim.user("a").says("x")
    bot.read()
    verdicts = []
    for number, seconds in enumerate([0.0, *silences]):
        sim.advance(seconds)
        verdicts.append(bot.stream(said, f"still here {number}"))
    assert verdicts == [0] * len(silences) + [errcode]
    assert sim.messages()[0].expired == bool(errcode)
    assert len(sim.thinking()) == (0 if errcode else 1)


def test_a_stream_can_be_expired_by_hand(sim: AiBotSim, bot: RawBot) -> None:
    said = sim.user("a").says("x")
    bot.read()
    bot.stream(said, "1")
    bot.stream(said, "1", stream_id="s2")
    assert sim.expire_stream("s2") == 1
    assert bot.stream(said, "2", stream_id="s2") == 846608
    assert bot.stream(said, "2") == 0
    assert sim.expire_stream(sim.thinking()[0]) == 1
    assert bot.stream(said, "3") == 846608
    bot.stream(said, "1", stream_id="s3")
    assert sim.expire_stream() == 3


def test_a_finished_stream_takes_no_more(sim: AiBotSim, bot: RawBot) -> None:
    said = sim.user("a").says("x")
    bot.read()
    bot.stream(said, "done", finish=True)
    assert bot.stream(said, "more") == 846608
    assert sim.user("a").expects().text == "done"


def test_two_frames_of_one_stream_in_flight_conflict(sim: AiBotSim, bot: RawBot) -> None:
    said = sim.user("a").says("x")
    bot.read()
    bot.stream(said, "0")
    body = {"msgtype": "stream", "stream": {"id": "s1", "finish": False, "content": "1"}}
    frame = {"cmd": "aibot_respond_msg", "headers": {"req_id": said.req_id}, "body": body}
    payload = json.dumps(frame).encode()
    one = websocket.ABNF.create_frame(payload, websocket.ABNF.OPCODE_TEXT).format()
    bot.ws.sock.sendall(one + one)
    assert [bot.read()["errcode"], bot.read()["errcode"]] == [0, 6000]
    assert rules_broken(sim) == ["two frames in flight"]
    assert sim.thinking()[0].updates == 2


def test_feedback_belongs_into_the_first_frame(sim: AiBotSim, bot: RawBot) -> None:
    said = sim.user("a").says("x")
    bot.read()
    assert bot.stream(said, "1", feedback={"id": "f" * 257}) == 40058
    assert bot.stream(said, "1", feedback={"id": "f" * 256}) == 0
    assert bot.stream(said, "2", feedback={"id": "f"}) == 40058
    bot.stream(said, "3", finish=True)
    assert sim.user("a").expects().feedback_id == "f" * 256


def test_pictures_go_only_with_the_end(sim: AiBotSim, bot: RawBot) -> None:
    said = sim.user("a").says("x")
    bot.read()
    assert bot.stream(said, "1", msg_item=[picture()]) == 40058
    for wrong in ([picture(md5="0" * 32)], [picture(b"GIF")], [picture()] * 11, [{"msgtype": "text"}], "no"):
        assert bot.stream(said, "1", finish=True, msg_item=wrong) == 40058
    assert bot.stream(said, "1", finish=True, msg_item=[picture(), picture(b"\xff\xd8\xffjpg")]) == 0
    assert sim.user("a").expects().images == [PNG, b"\xff\xd8\xffjpg"]


@pytest.mark.parametrize(
    "stream", [{}, {"id": ""}, {"id": 5}, {"id": "s", "finish": "true"}, {"id": "s", "content": 5}, [], None]
)
def test_a_malformed_stream_is_refused(sim: AiBotSim, bot: RawBot, stream: Any) -> None:
    said = sim.user("a").says("x")
    bot.read()
    assert bot.reply(said, {"msgtype": "stream", "stream": stream}) == 40058
    assert not sim.messages()


def test_unknown_fields_are_taken_and_noted(sim: AiBotSim, bot: RawBot) -> None:
    said = sim.user("a").says("x")
    bot.read()
    assert bot.stream(said, "1", colour="red") == 0
    assert bot.reply(said, {"msgtype": "markdown", "markdown": {"content": "# hi"}, "to": "you"}) == 0
    assert [violation.detail for violation in sim.violations] == ["stream.colour", "body.to"]


def test_a_stream_may_bring_one_card(sim: AiBotSim, bot: RawBot) -> None:
    said = sim.user("a").says("x")
    bot.read()
    stream = {"id": "s", "finish": True, "content": "see below"}
    body = {"msgtype": "stream_with_template_card", "stream": stream, "template_card": button_card()}
    assert bot.reply(said, {**body, "stream": {**stream, "finish": False, "content": "see"}}) == 0
    assert bot.reply(said, {**body, "template_card": button_card("t2")}) == 40058
    assert bot.reply(said, {**body, "template_card": None}) == 0
    shown = sim.user("a").expects()
    assert (shown.kind, shown.text, shown.card) == ("stream", "see below", button_card())


# -- windows and requests ----------------------------------------


def test_a_reply_has_a_day(sim: AiBotSim, bot: RawBot) -> None:
    said = sim.user("a").says("x")
    bot.read()
    sim.advance(24 * 3600 - 10)
    assert bot.stream(said, "just in time") == 0
    sim.advance(20)
    assert bot.reply(said, {"msgtype": "markdown", "markdown": {"content": "late"}}) == 846604
    assert not sim.violations


def test_a_request_can_be_ended_by_hand(sim: AiBotSim, bot: RawBot) -> None:
    said = sim.user("a").says("x")
    bot.read()
    sim.expire_request(said)
    assert bot.stream(said, "1") == 846604


def test_a_welcome_has_five_seconds_and_one_try(sim: AiBotSim, bot: RawBot) -> None:
    alice = sim.user("a")
    welcome = {"msgtype": "text", "text": {"content": "welcome"}}
    entered = alice.enters_chat()
    assert bot.read()["body"]["event"] == {"eventtype": "enter_chat"}
    assert bot.reply(entered, welcome, "aibot_respond_welcome_msg") == 0
    assert bot.reply(entered, welcome, "aibot_respond_welcome_msg") == 846605
    shown = alice.expects()
    assert (shown.kind, shown.via, shown.text) == ("text", "welcome", "welcome")
    again = alice.enters_chat()
    bot.read()
    sim.advance(5.5)
    assert bot.reply(again, welcome, "aibot_respond_welcome_msg") == 846604


def test_a_welcome_can_be_a_card_and_nothing_else(sim: AiBotSim, bot: RawBot) -> None:
    entered = sim.user("a").enters_chat()
    bot.read()
    markdown = {"msgtype": "markdown", "markdown": {"content": "hi"}}
    assert bot.reply(entered, markdown, "aibot_respond_welcome_msg") == 40008
    card = {"msgtype": "template_card", "template_card": button_card()}
    assert bot.reply(entered, card, "aibot_respond_welcome_msg") == 0
    assert (sim.user("a").expects().kind, sim.messages()[0].via) == ("card", "welcome")


def test_an_event_takes_no_message(sim: AiBotSim, bot: RawBot) -> None:
    entered = sim.user("a").enters_chat()
    bot.read()
    assert bot.stream(entered, "hello") == 846605
    said = sim.user("a").says("x")
    bot.read()
    assert bot.reply(said, {"msgtype": "text", "text": {"content": "hi"}}, "aibot_respond_welcome_msg") == 846605
    assert bot.stream({"headers": {"req_id": "invented"}}, "hello") == 846605
    assert rules_broken(sim) == ["reply to an event", "welcome to something else"]


def test_the_check_event_is_answered_with_a_version(sim: AiBotSim, bot: RawBot) -> None:
    asked = sim.user("a").event("enter_check_update", {})
    bot.read()
    assert bot.reply(asked, {}, "ww_ai_robot_enter_event") == 40058
    assert bot.reply(asked, {"version": "1"}, "ww_ai_robot_enter_event") == 0
    said = sim.user("a").says("x")
    bot.read()
    assert bot.reply(said, {"version": "1"}, "ww_ai_robot_enter_event") == 846605
    assert bot.reply(said, {}, "aibot_from_the_future") == 40058


# -- cards ----------------------------------------


def test_a_click_updates_the_card_within_five_seconds(sim: AiBotSim, bot: RawBot) -> None:
    alice = sim.user("a")
    assert bot.send("a", {"msgtype": "template_card", "template_card": button_card()}) == 0
    shown = alice.expects()
    clicked = alice.clicks(shown, "yes")
    event = bot.read()["body"]["event"]["template_card_event"]
    assert event == {"card_type": "button_interaction", "event_key": "yes", "task_id": "t1"}
    new = {**button_card(), "main_title": {"title": "thanks"}}
    update = {"response_type": "update_template_card", "template_card": new}
    other = {**update, "template_card": button_card("t9")}
    assert bot.reply(clicked, other, "aibot_respond_update_msg") == 40058
    assert bot.reply(clicked, {**update, "response_type": "x"}, "aibot_respond_update_msg") == 40058
    assert bot.reply(clicked, {**update, "userids": "a"}, "aibot_respond_update_msg") == 40058
    assert bot.reply(clicked, update, "aibot_respond_update_msg") == 0
    assert shown.card == new
    assert shown.updates == 2
    sim.advance(6)
    assert bot.reply(clicked, update, "aibot_respond_update_msg") == 846604


def test_an_update_can_be_for_some_users_only(sim: AiBotSim, bot: RawBot) -> None:
    alice, bob = sim.user("a"), sim.user("b")
    sim.group("g", [alice, bob])
    bot.send("g", {"msgtype": "template_card", "template_card": button_card()})
    at_alice, at_bob = alice.expects(), bob.expects()
    clicked = alice.clicks(at_alice, "no")
    assert bot.read()["body"]["chatid"] == "g"
    new = {**button_card(), "main_title": {"title": "thanks"}}
    update = {"response_type": "update_template_card", "template_card": new, "userids": ["a"]}
    assert bot.reply(clicked, update, "aibot_respond_update_msg") == 0
    assert (at_alice.card, at_bob.card) == (new, button_card())
    del update["userids"]
    assert bot.reply(clicked, update, "aibot_respond_update_msg") == 0
    assert at_bob.card == new


def test_a_task_id_is_used_once_by_each_bot(sim: AiBotSim, bot: RawBot) -> None:
    sim.user("a")
    card = {"msgtype": "template_card", "template_card": button_card()}
    assert bot.send("a", card) == 0
    assert bot.send("a", card) == 40058
    assert rules_broken(sim) == ["task_id twice"]


def test_a_bad_card_is_refused_with_every_rule_it_breaks(sim: AiBotSim, bot: RawBot) -> None:
    sim.user("a")
    bad = {**button_card(), "task_id": "a b", "main_title": {}}
    assert bot.send("a", {"msgtype": "template_card", "template_card": bad}) == 40058
    rules = sim.violations[0].rule
    assert rules.startswith("card: ")
    assert "needs main_title" in rules
    assert "task_id may hold only" in rules
    assert not sim.messages()


# -- pushes ----------------------------------------


def test_a_push_needs_a_known_chat_and_a_possible_type(sim: AiBotSim, bot: RawBot) -> None:
    sim.user("Alice")
    sim.group("g1", ["Alice"])
    hello = {"msgtype": "markdown", "markdown": {"content": "hello"}}
    assert bot.send("Alice", hello) == 0
    assert bot.send("alice", hello) == 93006
    assert bot.send("", hello) == 86201
    assert bot.ask("aibot_send_msg", hello)["errcode"] == 86201
    assert bot.send("Alice", {"msgtype": "text", "text": {"content": "x"}}) == 40008
    assert bot.send("Alice", {"msgtype": "stream", "stream": {"id": "s"}}) == 40008
    assert bot.send("Alice", {"msgtype": "markdown", "markdown": {"content": ""}}) == 40058
    assert [bot.send("g1", {**hello, "chat_type": kind}) for kind in (0, 1, 2, 3)] == [0, 93006, 0, 40058]
    assert [sim.user("Alice").expects().chat for _ in range(3)] == ["Alice", "g1", "g1"]
    assert sim.group("g1").unread == 2


def test_rates_are_refused_when_switched_on(sim: AiBotSim, bot: RawBot) -> None:
    sim.settings.enforce_rates = True
    sim.user("a"), sim.user("b")
    hello = {"msgtype": "markdown", "markdown": {"content": "hello"}}
    assert [bot.send("a", hello) for _ in range(31)] == [0] * 30 + [45009]
    assert bot.send("b", hello) == 0
    sent = 30
    while sent < 1000:
        sim.advance(61)
        for _ in range(min(30, 1000 - sent)):
            assert bot.send("a", hello) == 0
            sent += 1
    sim.advance(61)
    assert bot.send("a", hello) == 45009
    sim.advance(3600)
    assert bot.send("a", hello) == 0


def test_rates_are_free_by_default(sim: AiBotSim, bot: RawBot) -> None:
    sim.user("a")
    hello = {"msgtype": "markdown", "markdown": {"content": "hello"}}
    assert [bot.send("a", hello) for _ in range(40)] == [0] * 40
