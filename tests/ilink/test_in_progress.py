from __future__ import annotations

import threading
from typing import List

from wxsdk.ilink.in_progress import Desk
from wxsdk.ilink.inbox import Entry
from wxsdk.ilink.wire import WeixinMessage


def entry(key: str) -> Entry:
    return Entry(key, WeixinMessage(from_user_id="alice"), 0)


def test_a_run_that_was_taken_over_begins_nothing_more() -> None:
    desk = Desk()
    assert desk.begin("first", entry("a")) is None
    assert desk.take_over("first") == {}
    assert desk.begin("first", entry("a")) is not None
    desk.take_over("second")
    assert desk.begin("first", entry("b")) is None
    assert desk.begin("second", entry("b")) is not None


def test_what_is_under_way_is_told_to_the_next_run_and_how_it_ends() -> None:
    desk = Desk()
    desk.take_over("first")
    for key in ("done", "broken off"):
        desk.begin("first", entry(key))
    turns = desk.take_over("second")
    assert [turn.user_id for turn in turns.values()] == ["alice", "alice"]
    assert turns["done"].thread == threading.get_ident()
    followed: List[str] = []
    desk.after(turns["done"], lambda: followed.append("later"))
    assert followed == []
    desk.end(entry("done"), handled=True)
    desk.end(entry("broken off"), handled=False)
    desk.after(turns["done"], lambda: followed.append("now"))
    assert followed == ["later", "now"]
    assert (turns["done"].handled, turns["broken off"].handled) == (True, False)
    assert desk.take_over("third") == {}
