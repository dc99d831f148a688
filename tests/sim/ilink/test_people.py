"""The pretend users: quotes, repetitions, odd messages, waiting."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

import pytest

from wxsdk.sim import ILinkSim
from wxsdk.sim.ilink.people import partial_text

from .fixtures import bot, sim
from .speaker import Speaker

__all__ = ["bot", "sim"]  # fixtures


def last_item(bot: Speaker) -> Any:
    return bot.poll()["msgs"][-1]["item_list"][0]


def test_a_quote_carries_what_is_quoted_or_only_its_id(sim: ILinkSim, bot: Speaker) -> None:
    alice = sim.user("alice")
    own = alice.says("the original")
    alice.quotes(own, "look", title="a title")
    ref = last_item(bot)["ref_msg"]
    assert (ref["title"], ref["svr_id"], ref["message_item"]["msg_id"]) == ("a title", own, own)
    assert ref["message_item"]["text_item"]["text"] == "the original"
    alice.quotes(own, "look", by_id=True)
    assert last_item(bot)["ref_msg"] == {"svr_id": own}
    alice.says("look", quote=own)
    assert last_item(bot)["ref_msg"]["message_item"]["text_item"]["text"] == "the original"


def test_a_message_of_the_bot_can_be_quoted(sim: ILinkSim, bot: Speaker) -> None:
    alice = sim.user("alice")
    alice.says("hello")
    bot.send("alice", "from the bot")
    message = alice.expects()
    alice.quotes(message, "this?", by_id=True)
    assert last_item(bot)["ref_msg"]["svr_id"] == message.message_id
    alice.quotes(message, "this?")
    assert last_item(bot)["ref_msg"]["message_item"]["text_item"]["text"] == "from the bot"


def test_an_unknown_message_cannot_be_quoted(sim: ILinkSim) -> None:
    with pytest.raises(ValueError, match="alice has sent no message 17"):
        sim.user("alice").quotes("17", "x")


@pytest.mark.parametrize(
    ("full", "part"),
    [
        ("one two three two one", "two one"),
        ("aaaa", "aa"),
        ("字字 你好 字", "你好"),
        ("x", "x"),
        ("abcabcabc", "cabca"),
    ],
)
def test_a_marked_part_can_be_found_again(full: str, part: str) -> None:
    mark = partial_text(full, part)
    starts = [n for n in range(len(full)) if full.startswith(mark["start"], n)]
    ends = [n for n in range(len(full)) if full.startswith(mark["end"], n)]
    assert full.find(part) in starts
    assert full.find(part) + len(part) - len(mark["end"]) in ends
    assert mark["quotemd5"] == hashlib.md5(part.encode()).hexdigest()


def test_a_part_that_is_not_there_cannot_be_marked() -> None:
    with pytest.raises(ValueError, match="not in the quoted text"):
        partial_text("one", "two")


def test_fields_can_be_laid_over_a_message(sim: ILinkSim, bot: Speaker) -> None:
    sim.user("alice").says("x", message_state=1, delete_time_ms=5)
    (message,) = bot.poll()["msgs"]
    assert (message["message_state"], message["delete_time_ms"]) == (1, 5)


def test_anything_at_all_can_be_sent_raw(sim: ILinkSim, bot: Speaker) -> None:
    odd = {"message_id": None, "item_list": [None, 3], "more": {"x": []}}
    sim.user("alice").raw(odd)
    assert bot.poll()["msgs"] == [odd]


def test_a_repetition_may_carry_a_newer_token(sim: ILinkSim, bot: Speaker) -> None:
    alice = sim.user("alice")
    message_id = alice.says("hello")
    alice.repeats(message_id, context_token="newer", message_id="")
    first, again = bot.poll()["msgs"]
    assert again["item_list"] == first["item_list"]
    assert (again["message_id"], again["context_token"], alice.context_token) == ("", "newer", "newer")
    assert "ret" not in bot.send("alice", "x", context_token="newer")


def test_waiting_for_a_certain_message_leaves_the_order_alone(sim: ILinkSim, bot: Speaker) -> None:
    alice = sim.user("alice")
    alice.says("hello")

    def send() -> None:
        bot.send("alice", "one")
        bot.send("alice", "two")

    sending = threading.Thread(target=send)
    sending.start()
    assert alice.waits_for(lambda message: message.text == "two").text == "two"
    sending.join(5)
    assert alice.expects().text == "one"
    with pytest.raises(AssertionError, match="no such message"):
        alice.waits_for(lambda message: message.text == "three", timeout=0.01)


def test_waiting_for_what_never_happens_names_the_last_requests(sim: ILinkSim, bot: Speaker) -> None:
    bot.poll()
    with pytest.raises(AssertionError, match="getupdates -> 200"):
        sim.wait_for(lambda: sim.count("sendmessage"), timeout=0.01)
