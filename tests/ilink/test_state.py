from __future__ import annotations

from wxsdk.ilink.config import WeixinConfig
from wxsdk.ilink.state import Book
from wxsdk.ilink.wire import decode_message
from wxsdk.runtime.store import MemoryStore, Put
from wxsdk.testing import FakeClock


def book_on(store: MemoryStore, **settings: int) -> Book:
    return Book(store, WeixinConfig("t", **settings), FakeClock())  # type: ignore[arg-type]


def test_the_same_token_finds_its_state_again() -> None:
    store = MemoryStore()
    book_on(store).claim("token-a")
    store.write([Put("state", "cursor", "c1", 0.0), Put("context_token", "alice", "x", 0.0)])
    again = book_on(store)
    again.claim("token-a")
    assert again.cursor() == "c1"
    assert store.get("context_token", "alice") == "x"


def test_another_token_forgets_cursor_context_tokens_and_quotas_but_no_message() -> None:
    store = MemoryStore()
    book = book_on(store)
    book.claim("token-a")
    store.write(
        [Put("state", "cursor", "c1", 0.0), Put("context_token", "alice", "x", 0.0), Put("inbox", "1", "{}", 0)]
    )
    store.write([Put("quota", "alice", "3 5.0", 0.0)])
    before = book.epoch
    book.claim("token-b")
    assert book.cursor() == ""
    assert store.items("quota") == []
    assert store.items("context_token") == []
    assert len(store.items("inbox")) == 1
    assert book.epoch == before + 1


def test_the_store_never_holds_the_bot_token() -> None:
    store = MemoryStore()
    book_on(store).claim("the-bot-token")
    assert "the-bot-token" not in str(store.items("state"))


def test_tokens_imported_before_the_first_claim_stay() -> None:
    store = MemoryStore()
    store.write([Put("context_token", "alice", "x", 0.0)])
    book_on(store).claim("token-a")
    assert store.get("context_token", "alice") == "x"


def test_a_quoted_message_is_found_in_its_own_conversation_only() -> None:
    store = MemoryStore()
    book = book_on(store)
    raw = {"message_id": "7", "context_token": "secret", "item_list": [{"type": 1, "text_item": {"text": "words"}}]}
    store.write(book.quote_changes("alice", decode_message(raw)))
    found = book.quoted("alice", "7")
    assert found is not None
    assert found.item_list is not None
    assert found.item_list[0].text_item is not None
    assert found.item_list[0].text_item.text == "words"
    assert found.context_token is None
    assert book.quoted("bob", "7") is None


def test_quotes_are_bounded_and_can_be_turned_off() -> None:
    store = MemoryStore()
    book = book_on(store, max_quotes=3)
    for number in range(10):
        store.write(book.quote_changes("alice", decode_message({"message_id": str(number + 1), "item_list": []})))
    book.trim()
    assert [key for key, _ in store.items("quote")] == ["alice|8", "alice|9", "alice|10"]
    assert book_on(store, max_quotes=0).quote_changes("alice", decode_message({"message_id": "1"})) == []


def test_sends_alone_keep_the_quotes_bounded_and_clean_up_after_programs_that_send_once() -> None:
    store = MemoryStore()

    def send(book: Book, number: int) -> int:
        message = decode_message({"message_id": str(number), "item_list": []})
        store.write(book.quote_changes("alice", message))
        book.trim_after_send()
        return len(store.items("quote"))

    book = book_on(store, max_quotes=40)
    assert max(send(book, number) for number in range(1, 300)) <= 44
    assert max(send(book_on(store, max_quotes=40), number) for number in range(300, 330)) <= 44
    assert store.items("quote")[-1][0] == "alice|329"


def test_sends_alone_drop_the_quotas_of_users_who_got_nothing_for_a_whole_window() -> None:
    store, clock = MemoryStore(), FakeClock()
    book = Book(store, WeixinConfig("t"), clock)
    store.write([Put("quota", "long ago", "1 ", clock.wall())])
    clock.advance(86401.0)
    store.write([Put("quota", "now", "1 ", clock.wall())])
    book.trim_after_send()
    assert [user for user, _ in store.items("quota")] == ["now"]
