"""The text of a stream over its messages."""

from __future__ import annotations

from wxsdk.aibot.stream_text import MAX_THOUGHT, StreamText, noted


def written(text: str, max_bytes: int = 100) -> StreamText:
    made = StreamText(max_bytes)
    made.write(text)
    return made


def test_pieces_add_up() -> None:
    text = written("你")
    text.write("好")
    assert text.current() == "你好"


def test_a_pair_of_halves_may_come_in_two_pieces() -> None:
    text = written("a\ud83d")
    assert text.current() == "a"
    text.write("\ude00b")
    assert text.current() == "a\U0001f600b"


def test_a_half_that_stays_alone_is_replaced_at_the_end() -> None:
    text = written("a\ud83d")
    assert text.current(last=True) == "a\ufffd"


def test_the_next_message_begins_behind_the_sealed_one() -> None:
    text = written("word " * 30)
    assert text.is_too_long()
    sealed = text.seal("word word")
    text.go_on_behind(sealed)
    assert not text.is_too_long()
    assert sealed.part + " " + text.current() == "word " * 30


def test_a_code_block_goes_on_in_the_next_message() -> None:
    text = written("```py\n" + "x = 1\n" * 200, max_bytes=600)
    sealed = text.seal("")
    text.go_on_behind(sealed)
    assert text.current().startswith("```py\nx = 1\n")
    again = text.seal("")
    text.go_on_behind(again)
    assert sealed.part.count("x = 1") + again.part.count("x = 1") + text.current().count("x = 1") == 200


def test_text_replaced_by_a_longer_form_of_itself_goes_on() -> None:
    text = written("word " * 30)
    text.go_on_behind(text.seal(""))
    text.replace("word " * 30 + "more")
    assert text.current().endswith("more")
    assert len(text.current()) < 100


def test_text_replaced_by_another_begins_anew() -> None:
    text = written("word " * 30)
    sealed = text.seal("")
    text.replace("another")
    text.go_on_behind(sealed)
    assert text.current() == "another"
    text = written("word " * 30)
    text.go_on_behind(text.seal(""))
    text.replace("another")
    assert text.current() == "another"


def test_long_thoughts_are_folded_and_nothing_else() -> None:
    text = written("<think>" + "hm " * 2000 + "</think>answer")
    assert text.fold_thoughts()
    assert not text.fold_thoughts()
    assert text.current().endswith("</think>answer")
    assert len(text.current()) == MAX_THOUGHT + len("<think></think>answer")


def test_notices_stand_outside_of_code_and_thoughts() -> None:
    assert noted("", "n") == "n"
    assert noted("text", "n") == "text\n\nn"
    assert noted("```\ncode", "n") == "```\ncode\n```\n\nn"
    assert noted("<think>hm", "n") == "<think>hm</think>\n\nn"
