from __future__ import annotations

from pathlib import Path

from tests.ilink.bots import Recorder, config_for
from tests.receivers import KeepingReceiver
from wxsdk.ilink.client import WeixinClient
from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.runtime.store import Put
from wxsdk.sim import ILinkSim


def test_a_receiver_gets_the_messages_in_place_of_the_handler(sim: ILinkSim) -> None:
    receiver, handler = KeepingReceiver(), Recorder()
    client = WeixinClient(config_for(sim), handler)
    client.set_receiver(receiver)
    with client:
        sim.user("alice").says("hello")
        receiver.wait_for(lambda: receiver.got)
        receiver.got[0].origin.reply_text("hi")
        receiver.got[0].finish()
        assert sim.user("alice").expects().text == "hi"
        handler.wait_for(lambda: "cursor" in handler.events)  # the cursor goes on by finish()
    assert [event for event in handler.events if event != "cursor"] == ["start", "shutdown"]


def test_finish_writes_its_changes_and_what_is_not_finished_comes_again(sim: ILinkSim, tmp_path: Path) -> None:
    path = tmp_path / "bot.db"
    receiver = KeepingReceiver()
    client = WeixinClient(config_for(sim), Recorder(), store=SQLiteStore(path))
    client.set_receiver(receiver)
    with client:
        sim.user("alice").says("one")
        sim.user("alice").says("two")
        receiver.wait_for(lambda: len(receiver.got) == 2)
        one, two = receiver.got
        one.finish([Put("mine", "k", "v", 1.0)])
        assert one.store.get("mine", "k") == "v"
    again = KeepingReceiver()
    client = WeixinClient(config_for(sim), Recorder(), store=SQLiteStore(path))
    client.set_receiver(again)
    with client:
        again.wait_for(lambda: again.got)
        assert [(each.key, each.redelivered, each.origin.text) for each in again.got] == [(two.key, True, "two")]


def test_the_text_is_without_the_quote_and_own_media_without_the_quoted_file(sim: ILinkSim) -> None:
    receiver = KeepingReceiver()
    client = WeixinClient(config_for(sim), Recorder())
    client.set_receiver(receiver)
    with client:
        alice = sim.user("alice")
        picture = alice.sends(b"\x89PNG\r\n\x1a\n" + b"x" * 20, name="a.png")
        alice.says("what is this?", quote=picture)
        receiver.wait_for(lambda: len(receiver.got) == 2)
        sent, asked = (each.origin for each in receiver.got)
        assert [media.kind for media in sent.own_media] == ["image"]
        assert (asked.text, asked.own_media, asked.media.kind) == ("what is this?", [], "image")
