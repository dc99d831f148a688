from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import pytest

from tests.receivers import KeepingReceiver
from wxsdk.aibot.client import WSClient
from wxsdk.aibot.config import WSClientOptions
from wxsdk.aibot.frames import WsFrame
from wxsdk.aibot.inbox import Inbox
from wxsdk.aibot.logger import BotLog
from wxsdk.aibot.seen import SeenIds
from wxsdk.errors import Overloaded
from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.runtime.store import MemoryStore, Put, Store
from wxsdk.sim.aibot.simulator import AiBotSim
from wxsdk.testing import FakeClock, no_leaks

OPTIONS = WSClientOptions("bot", "secret")


class DurableMemory(MemoryStore):
    """Counts as durable; fails on demand."""

    durable = True
    fails = False

    def write(self, changes: Any) -> None:
        if self.fails:
            raise OSError("disk full")
        super().write(changes)


def inbox_of(store: Store, clock: Optional[FakeClock] = None) -> Inbox:
    return Inbox(store, OPTIONS, clock or FakeClock(), BotLog(None, ()))


def frame(msgid: str) -> WsFrame:
    body = {"msgid": msgid, "msgtype": "text", "from": {"userid": "alice"}, "text": {"content": f"text {msgid}"}}
    return WsFrame({"cmd": "aibot_msg_callback", "headers": {"req_id": msgid}, "body": body})


def test_what_was_not_finished_is_left_over_in_order_and_marked() -> None:
    store = DurableMemory()
    first, second, third = inbox_of(store).accept([frame("1"), frame("2"), frame("3")])
    second.finish()
    left = inbox_of(store).left_over()
    assert [one.origin.raw for one in left] == [first.origin.raw, third.origin.raw]
    assert [(one.key, one.redelivered) for one in left] == [(first.key, True), (third.key, True)]
    assert not first.redelivered


def test_the_age_of_what_is_left_over_goes_on_by_the_time_of_day() -> None:
    store, clock = DurableMemory(), FakeClock()
    inbox_of(store, clock).accept([frame("1")])
    later = FakeClock(now=5.0, wall=clock.wall() + 60.0)
    (left,) = inbox_of(store, later).left_over()
    assert left.origin.received_at == 5.0 - 60.0


def test_finish_writes_the_changes_with_the_end_of_the_row() -> None:
    store = DurableMemory()
    (one,) = inbox_of(store).accept([frame("1")])
    one.finish([Put("state", "alice", "{}", 1.0)])
    assert store.items("state") == [("alice", "{}")]
    assert inbox_of(store).left_over() == []


def test_changes_that_a_failing_store_refused_are_written_with_the_next_ones() -> None:
    store = DurableMemory()
    first, second = inbox_of(store).accept([frame("1"), frame("2")])
    store.fails = True
    first.finish([Put("state", "alice", "1", 1.0)])
    store.fails = False
    assert store.items("state") == []
    second.finish([Put("state", "alice", "2", 1.0)])
    assert store.items("state") == [("alice", "2")]
    assert inbox_of(store).left_over() == []


def test_a_failing_store_loses_no_message_that_was_pushed(caplog: pytest.LogCaptureFixture) -> None:
    store = DurableMemory()
    store.fails = True
    (one,) = inbox_of(store).accept([frame("1")])
    assert one.origin.msgid == "1"
    assert "not in the store" in caplog.text


def test_without_a_durable_store_nothing_is_kept_but_changes_are_written() -> None:
    store = MemoryStore()
    (one,) = inbox_of(store).accept([frame("1")])
    one.finish([Put("state", "alice", "{}", 1.0)])
    assert (inbox_of(store).left_over(), store.items("state")) == ([], [("alice", "{}")])


def test_messages_seen_before_a_restart_are_recalled() -> None:
    store, seen = DurableMemory(), SeenIds(10)
    inbox_of(store).accept([frame("1")])
    inbox_of(store).recall(seen)
    assert (seen.is_new("1"), seen.is_new("2")) == (False, True)


def test_an_unreadable_row_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    store = DurableMemory()
    store.write([Put("aibot_inbox bot", "k", "no frame", 1.0)])
    assert inbox_of(store).left_over() == []
    assert store.items("aibot_inbox bot") == []
    assert "unreadable" in caplog.text


def client_of(sim: AiBotSim, receiver: KeepingReceiver, store: Optional[Store] = None, **settings: Any) -> WSClient:
    client = WSClient(WSClientOptions(sim.bot_id, sim.secret, ws_url=sim.ws_url, **settings), store=store)
    client.set_receiver(receiver)
    return client


def test_a_receiver_gets_messages_and_events_in_place_of_the_callbacks(sim: AiBotSim) -> None:
    receiver = KeepingReceiver()
    with client_of(sim, receiver) as client:
        client.on_message(lambda frame: pytest.fail("the callback was called"))
        sim.user("alice").says("hello")
        sim.user("alice").enters_chat()
        receiver.wait_for(lambda: len(receiver.got) == 2)
        client.reply_stream(receiver.got[0].origin, "s", "hi", True)
        assert sim.user("alice").expects().text == "hi"
    assert [one.origin.eventtype for one in receiver.got] == ["", "enter_chat"]


def test_a_message_is_on_the_disk_and_comes_again_until_it_is_finished(sim: AiBotSim, tmp_path: Path) -> None:
    path = tmp_path / "bot.db"
    receiver = KeepingReceiver()
    with client_of(sim, receiver, SQLiteStore(path)):
        sent = sim.user("alice").says("hello")
        receiver.wait_for(lambda: receiver.got)
    again = KeepingReceiver()
    with no_leaks(), client_of(sim, again, SQLiteStore(path)):
        again.wait_for(lambda: again.got)
        assert (again.got[0].origin.msgid, again.got[0].redelivered) == (sent.msgid, True)
        assert again.got[0].key == receiver.got[0].key
        sent.again()  # a repeat of the platform is no second message
        again.got[0].finish()
        sim.user("bob").says("mark")
        again.wait_for(lambda: len(again.got) == 2)
        assert again.got[1].origin.chat == "bob"


def test_what_the_receiver_has_no_room_for_is_dropped_with_a_word(sim: AiBotSim) -> None:
    class Full(KeepingReceiver):
        queued = 7  # type: ignore[assignment]

    receiver = Full()
    errors = []
    client = client_of(sim, receiver, max_queued_messages=7)
    client.on_error(errors.append)
    with client:
        sim.user("alice").says("hello")
        sim.wait_for(lambda: errors)
    assert isinstance(errors[0], Overloaded)
    assert receiver.got == []
