from __future__ import annotations

from typing import Any, List, Optional

import pytest

from wxsdk.ilink import inbox
from wxsdk.ilink.config import WeixinConfig
from wxsdk.ilink.inbox import Entry, Inbox
from wxsdk.ilink.state import Book
from wxsdk.ilink.wire import WeixinMessage, decode_message
from wxsdk.runtime.store import MemoryStore, Put, Store
from wxsdk.testing import FakeClock


class Setting:
    def __init__(self, store: Optional[Store] = None, clock: Optional[FakeClock] = None) -> None:
        self.clock = clock or FakeClock()
        self.store = store or MemoryStore()
        self.cursors: List[str] = []
        self.heard: List[str] = []
        config = WeixinConfig(token="t")
        self.book = Book(self.store, config, self.clock)
        self.book.claim("t")
        self.inbox = Inbox(
            self.book,
            config,
            self.clock,
            tell=self.cursors.append,
            heard=lambda user: self.heard.append(user) or [],  # type: ignore[func-returns-value]
        )

    def accept(self, *messages: WeixinMessage, cursor: Optional[str] = "c1") -> List[Entry]:
        return self.inbox.accept(list(messages), cursor, epoch=self.book.epoch)


def message(number: int, user: str = "alice", **fields: Any) -> WeixinMessage:
    raw = {
        "message_id": number,
        "from_user_id": user,
        "message_type": 1,
        "create_time_ms": 1_700_000_000_000 + number,
        "item_list": [{"type": 1, "text_item": {"text": f"text {number}"}}],
        "context_token": f"token {number}",
        "novel_field": {"kept": True},
        **fields,
    }
    return decode_message(raw)


def ids(entries: List[Entry]) -> List[Optional[str]]:
    return [entry.message.message_id for entry in entries]


def test_a_batch_is_in_the_store_before_it_is_handed_over() -> None:
    setting = Setting()
    entries = setting.accept(message(1), message(2))
    assert ids(entries) == ["1", "2"]
    assert len(setting.store.items("inbox")) == 2
    assert setting.book.cursor() == "c1"
    assert setting.store.get("context_token", "alice") == "token 2"
    assert setting.heard == ["alice"]


def test_unknown_fields_survive_the_store() -> None:
    setting = Setting()
    setting.accept(message(1))
    (left,) = Setting(setting.store).inbox.recover()
    assert left.redelivered
    assert left.message == message(1)
    assert left.message.extra == {"novel_field": {"kept": True}}


def test_what_is_finished_is_gone_and_its_cursor_is_told() -> None:
    setting = Setting()
    first, second = setting.accept(message(1), message(2))
    setting.inbox.finish(second)
    assert setting.cursors == []
    setting.inbox.finish(first)
    assert setting.cursors == ["c1"]
    assert setting.store.items("inbox") == []
    assert Setting(setting.store).inbox.recover() == []


def test_what_is_left_over_comes_in_order_and_holds_the_stored_cursor_back() -> None:
    first = Setting()
    first.accept(message(1), message(2))
    first.accept(message(3), cursor="c2")
    second = Setting(first.store)
    left = second.inbox.recover()
    assert ids(left) == ["1", "2", "3"]
    second.accept(cursor="c3")
    assert second.cursors == []
    for entry in left:
        second.inbox.finish(entry)
    assert second.cursors == ["c2", "c3"]


def test_duplicates_are_dropped_within_a_batch_later_and_after_a_restart() -> None:
    setting = Setting()
    assert ids(setting.accept(message(1), message(1))) == ["1"]
    assert setting.accept(message(1, context_token="newer")) == []
    assert setting.store.get("context_token", "alice") == "newer"
    restarted = Setting(setting.store, setting.clock)
    restarted.inbox.recover()
    assert restarted.accept(message(1)) == []


def test_a_remembered_id_is_forgotten_after_the_window_whatever_the_wall_clock_did() -> None:
    setting = Setting()
    setting.accept(message(1))
    setting.clock.jump_wall(-50_000.0)
    restarted = Setting(setting.store, setting.clock)
    restarted.inbox.recover()
    assert restarted.accept(message(1)) == []
    setting.clock.advance(90_000.0)
    assert ids(restarted.accept(message(1))) == ["1"]


def test_messages_that_are_not_for_the_handler_leave_only_their_token() -> None:
    setting = Setting()
    assert setting.accept(message(1, message_type=2), message(2, message_state=1), message(3, delete_time_ms=5)) == []
    assert setting.cursors == ["c1"]
    assert ids(setting.accept(message(2))) == ["2"]  # now it is finished


class Failing(MemoryStore):
    broken = False
    keeps_all = False

    def trim(self, table: str, **limits: Any) -> int:
        if self.keeps_all:
            raise OSError(5, "Input/output error")
        return super().trim(table, **limits)

    def write(self, changes: Any) -> None:
        if self.broken:
            raise OSError(28, "No space left on device")
        super().write(changes)


def test_a_store_that_fails_takes_nothing_in_and_forgets_nothing() -> None:
    store = Failing()
    setting = Setting(store)
    store.broken = True
    with pytest.raises(OSError, match="No space"):
        setting.accept(message(1))
    store.broken = False
    assert setting.book.cursor() == ""
    assert ids(setting.accept(message(1))) == ["1"]  # not taken for a duplicate


def test_a_message_that_cannot_be_taken_out_does_not_stop_the_cursor(caplog: pytest.LogCaptureFixture) -> None:
    store = Failing()
    setting = Setting(store)
    (entry,) = setting.accept(message(1))
    store.broken = True
    setting.inbox.finish(entry)
    assert setting.cursors == ["c1"]
    assert "comes again if the process ends" in caplog.text
    store.broken = False
    setting.accept(message(2), cursor="c2")
    assert len(store.items("inbox")) == 1
    setting.clock.advance(3600)
    assert setting.book.store.end(1)


def test_a_clean_up_that_fails_holds_no_batch_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(inbox, "TRIM_EVERY", 2)
    store = Failing()
    setting = Setting(store)
    store.keeps_all = True
    taken = [ids(setting.accept(message(number), cursor=f"c{number}")) for number in (1, 2, 3)]
    assert taken == [["1"], ["2"], ["3"]]
    assert setting.book.cursor() == "c3"
    assert caplog.text.count("could not be cleaned up") == 1


def test_a_batch_that_was_asked_for_with_an_older_token_brings_only_its_messages() -> None:
    setting = Setting()
    epoch = setting.book.epoch
    setting.book.claim("another")
    entries = setting.inbox.accept([message(1)], "old cursor", epoch=epoch)
    assert ids(entries) == ["1"]
    assert setting.book.cursor() == ""
    assert setting.store.items("context_token") == []
    setting.inbox.finish(entries[0])
    assert setting.cursors == []


def test_an_unreadable_row_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    setting = Setting()
    setting.store.write([Put("inbox", "x", "{not json", 0.0)])
    setting.accept(message(1))
    assert ids(Setting(setting.store).inbox.recover()) == ["1"]
    assert "unreadable" in caplog.text


@pytest.mark.parametrize("damaged", ["", "soon", "1e400", "nan", "-inf", None, [1]])
def test_a_damaged_row_of_what_was_seen_does_not_stop_the_bot_from_starting(
    damaged: Any, caplog: pytest.LogCaptureFixture
) -> None:
    setting = Setting()
    entries = setting.accept(message(1), message(2))
    for entry in entries:
        setting.inbox.finish(entry)
    setting.store.write([Put("seen", "id:8", damaged, 0.0), Put("seen", "id:9", damaged, 0.0)])
    restarted = Setting(setting.store, setting.clock)
    assert restarted.inbox.recover() == []
    assert restarted.accept(message(1), message(2)) == []  # the good rows are recalled
    assert ids(restarted.accept(message(9))) == ["9"]
    assert caplog.text.count("2 message(s) seen before cannot be recalled") == 1
