"""The endpoints as a bot meets them: limits, typing, tokens, fields of an answer, mounted pages."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import requests

from wxsdk.sim import ILinkSim

from ..conftest import Now
from .fixtures import bot
from .fixtures import sim_with_alice as sim
from .speaker import Speaker

__all__ = ["bot", "sim"]  # fixtures


def test_the_eleventh_send_is_refused_until_the_user_writes_again(sim: ILinkSim, bot: Speaker) -> None:
    answers = [bot.send("alice", str(n)) for n in range(11)]
    assert ["ret" in one for one in answers] == [False] * 10 + [True]
    assert answers[-1] == {"ret": -2, "errmsg": "prepare failed"}
    assert sim.refusals == ["alice: quota: 10 messages were sent since the user's last one"]
    sim.user("alice").says("more")
    assert "ret" not in bot.send("alice", "again")
    assert sim.violations == []


def test_a_user_who_left_or_never_wrote_cannot_be_reached(sim: ILinkSim, bot: Speaker, now: Now) -> None:
    assert bot.send("bob", "x")["ret"] == -2
    sim.user("alice").leaves()
    assert bot.send("alice", "x")["ret"] == -2
    sim.user("alice").says("back")
    assert "ret" not in bot.send("alice", "x")
    now.time += 24 * 3600
    assert bot.send("alice", "x")["ret"] == -2


def test_limits_can_be_turned_off() -> None:
    with ILinkSim(quota_limit=None, window=None) as sim, Speaker(sim) as bot:
        assert not any("ret" in bot.send("bob", str(n)) for n in range(12))
        assert len(sim.user("bob").received) == 12


def test_a_burst_is_refused_when_the_rule_is_on(now: Now) -> None:
    with ILinkSim(burst=True, clock=now) as sim, Speaker(sim) as bot:
        sim.user("alice").says("hello")
        assert ["ret" in bot.send("alice", "x") for _ in range(3)] == [False, False, True]
        now.time += 2
        assert "ret" not in bot.send("alice", "x")


def test_a_text_over_sixteen_kibibytes_is_refused(sim: ILinkSim, bot: Speaker) -> None:
    assert "ret" not in bot.send("alice", "字" * 5461)
    assert bot.send("alice", "字" * 5462)["ret"] == -2
    assert sim.refusals == ["alice: text: 16386 bytes, 16384 are allowed"]


def test_a_foreign_context_token_is_refused(sim: ILinkSim, bot: Speaker) -> None:
    sim.user("bob").says("hello")
    assert bot.send("alice", "x", context_token=sim.user("bob").context_token)["ret"] == -2
    assert sim.refusals == ["alice: context_token: it was never given out for this user"]


def test_context_tokens_rotate_or_stay() -> None:
    for rotate in (True, False):
        with ILinkSim(rotate_tokens=rotate) as sim:
            alice = sim.user("alice")
            alice.says("one")
            first = alice.context_token
            alice.says("two")
            assert (alice.context_token != first) is rotate


def test_a_client_id_used_again_for_another_text_is_noted(sim: ILinkSim, bot: Speaker) -> None:
    bot.send("alice", "one", client_id="a:1234567890123-00000000")
    bot.send("alice", "two", client_id="a:1234567890123-00000000")
    assert [one.text for one in sim.user("alice").received] == ["one"]
    assert [one.text for one in sim.duplicates] == ["two"]
    assert sim.violations == ["sendmessage: a client_id was used again for another message"]


def test_tool_calls_are_answered_by_an_empty_body(sim: ILinkSim, bot: Speaker) -> None:
    start = {"tool_name": "search", "tool_call_id": "c1"}
    item = {"type": 11, "create_time_ms": 1, "is_completed": False, "tool_call_start_item": start}
    assert bot.send_item("alice", item, run_id="r1") is None
    result = {**start, "status": "completed"}
    item = {"type": 12, "create_time_ms": 2, "is_completed": True, "tool_call_result_item": result}
    assert bot.send_item("alice", item, run_id="r1") is None
    one, two = sim.user("alice").received
    assert (one.kind, one.content, one.run_id) == ("tool_call_start", start, "r1")
    assert (two.kind, two.content, two.text) == ("tool_call_result", result, "")
    assert sim.violations == []


def test_a_native_voice_is_accepted_and_never_shown(sim: ILinkSim, bot: Speaker) -> None:
    item = {"type": 3, "voice_item": {"playtime": 100}}
    assert bot.send_item("alice", item)["message_id"]
    assert sim.user("alice").received == []
    assert [one.kind for one in sim.dropped] == ["voice"]


@pytest.mark.parametrize(("ids", "kind"), [("number", int), ("string", str)])
def test_ids_are_numbers_or_strings(ids: str, kind: type) -> None:
    with ILinkSim(hold=0, message_ids=ids) as sim, Speaker(sim) as bot:
        sim.user("alice").says("hello")
        assert isinstance(bot.poll()["msgs"][0]["message_id"], kind)
        assert isinstance(bot.send("alice", "x")["message_id"], kind)


def test_a_send_can_stay_unconfirmed(sim: ILinkSim, bot: Speaker) -> None:
    sim.settings.confirms = False
    assert bot.send("alice", "x") == {}
    assert sim.user("alice").expects().text == "x"


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("get_updates_buf", {"get_updates_buf"}),
        ("sync_buf", {"sync_buf"}),
        ("both", {"get_updates_buf", "sync_buf"}),
    ],
)
def test_the_cursor_comes_under_either_name(field: str, names: Any) -> None:
    with ILinkSim(hold=0, cursor_field=field, announced_hold_ms=12_000) as sim, Speaker(sim) as bot:
        answer = bot.poll()
        assert set(answer) & {"get_updates_buf", "sync_buf"} == names
        assert answer["longpolling_timeout_ms"] == 12_000


def test_a_cursor_that_was_never_given_out_is_noted(sim: ILinkSim, bot: Speaker) -> None:
    assert bot.poll("made up")["ret"] == 0
    assert sim.violations == ["getupdates: a cursor that was never handed out"]


def test_a_server_that_forgets_gives_each_message_once() -> None:
    with ILinkSim(hold=0, cursor="forgets") as sim, Speaker(sim) as bot:
        sim.user("alice").says("hello")
        assert [len(bot.poll("")["msgs"]) for _ in range(2)] == [1, 0]


def test_a_revoked_token_gets_minus_fourteen_even_in_a_held_poll(sim: ILinkSim, bot: Speaker) -> None:
    sim.settings.hold = 30
    bot.poll()
    with bot.held_poll() as answers:
        sim.revoke_token(sim.token, may_send=True)
    assert answers[0]["ret"] == -14
    assert "ret" not in bot.send("alice", "x")
    sim.revoke_token()
    assert bot.send("alice", "x")["ret"] == -14
    with Speaker(sim, sim.mint_token()) as fresh:
        assert "ret" not in fresh.send("alice", "x")
    assert sim.violations == []


def test_typing_needs_a_ticket_and_shows_for_five_seconds(sim: ILinkSim, bot: Speaker, now: Now) -> None:
    alice = sim.user("alice")
    ticket = bot.call("getconfig", ilink_user_id="alice", context_token=alice.context_token)["typing_ticket"]
    bot.call("sendtyping", ilink_user_id="alice", typing_ticket=ticket, status=1)
    assert alice.is_typing
    now.time += 5
    assert not alice.is_typing
    bot.call("sendtyping", ilink_user_id="alice", typing_ticket=ticket, status=1)
    bot.call("sendtyping", ilink_user_id="alice", typing_ticket=ticket, status=2)
    assert not alice.is_typing
    assert sim.violations == []
    sim.expire_typing_tickets()
    assert bot.call("sendtyping", ilink_user_id="alice", typing_ticket=ticket, status=1)["ret"] == -3
    assert sim.violations == ["sendtyping: the typing_ticket is not this user's"]


def test_there_is_no_ticket_before_the_user_wrote(bot: Speaker) -> None:
    assert bot.call("getconfig", ilink_user_id="bob")["ret"] == -4


def test_start_and_stop_are_taken_note_of(sim: ILinkSim, bot: Speaker) -> None:
    assert bot.call("msg/notifystart")["ret"] == 0
    assert bot.call("msg/notifystop")["ret"] == 0
    assert (sim.count("notifystart"), sim.count("ilink/bot/msg/notifystop")) == (1, 1)


def test_two_polls_at_once_are_counted(sim: ILinkSim) -> None:
    sim.settings.hold = 30

    def poll() -> None:
        with Speaker(sim) as bot:
            bot.poll(cursor)

    with Speaker(sim) as bot:
        bot.poll()
        cursor = bot.cursor
    polls = [threading.Thread(target=poll) for _ in range(2)]
    for one in polls:
        one.start()
    sim.wait_for(lambda: sim.polls_in_flight == 2)
    sim.user("alice").says("go")
    for one in polls:
        one.join(5)
    assert (sim.polls_in_flight, sim.most_polls_in_flight) == (0, 2)


def test_a_page_can_be_mounted_on_the_same_port(sim: ILinkSim) -> None:
    def page(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        size = int(environ["CONTENT_LENGTH"])
        return [environ["PATH_INFO"].encode(), b" ", environ["wsgi.input"].read(size)]

    sim.mount("/look", page)
    with requests.Session() as session:
        for _ in range(2):
            assert session.post(f"{sim.base_url}/look/here", data="body", timeout=5).content == b"/look/here body"
        assert session.get(f"{sim.base_url}/lookout", timeout=5).status_code == 404
    assert {seen.connection for seen in sim.requests} == {1}


@pytest.mark.parametrize("strict", [True, False])
def test_half_a_character_is_refused_and_noted_wherever_it_stands(sim: ILinkSim, bot: Speaker, strict: bool) -> None:
    half = "a\ud800b"
    sim.settings.strict = strict
    answers = [
        bot.send("alice", half),
        bot.send(half, "x"),
        bot.send("alice", "x", context_token=half),
        bot.poll(half),
        bot.call("getconfig", ilink_user_id=half),
        bot.post("getconfig", {"base_info": {"channel_version": "2.4.9", "bot_agent": half}}).json(),
        bot.announce(b"data", filekey=half),
        bot.post("get_bot_qrcode?bot_type=3", {"local_token_list": [half]}, Authorization=None).json(),
    ]
    assert [answer["ret"] for answer in answers] == [-3] * len(answers)
    assert len([one for one in sim.violations if "half of a character" in one]) == len(answers)
    assert "ret" not in bot.send("alice", "a whole one: \U0001f600")
