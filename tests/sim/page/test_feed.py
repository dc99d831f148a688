"""The feed: what each reader gets, and in which order."""

from __future__ import annotations

from wxsdk.sim.page.feed import KEPT, Feed


def test_a_new_reader_gets_the_snapshot_and_then_what_happens() -> None:
    feed = Feed(lambda text: text.replace("secret", "•••"))
    feed.publish("entry", 1)
    reader = feed.read(None, lambda: {"all": "a secret"})
    assert next(reader).startswith("retry: ")
    hello = next(reader)
    assert 'event: hello\ndata: {"all":"a •••"}' in hello
    feed.publish("entry", "secret")
    feed.publish("status", 3)
    assert 'event: entry\ndata: "•••"' in next(reader)
    assert "event: status\ndata: 3" in next(reader)
    feed.close()
    assert list(reader) == []
    assert feed.readers == 0


def test_a_reader_that_was_away_gets_what_it_missed() -> None:
    feed = Feed(str)
    reader = feed.read(None, dict)
    next(reader)
    last_id = next(reader).partition("\n")[0][len("id: ") :]
    reader.close()
    feed.publish("entry", 1)
    back = feed.read(last_id, lambda: 1 / 0)
    next(back)
    assert "event: entry" in next(back)
    back.close()


def test_a_reader_that_is_too_slow_gets_everything_anew() -> None:
    feed = Feed(str)
    reader = feed.read(None, lambda: "anew")
    next(reader)
    next(reader)
    for number in range(KEPT + 5):
        feed.publish("entry", number)
    assert 'event: hello\ndata: "anew"' in next(reader)
    reader.close()


def test_the_number_of_another_process_means_nothing() -> None:
    feed = Feed(str)
    for last_id in ("", "x", "aaaa-0", "-1", "aaaa-x"):
        reader = feed.read(last_id, dict)
        next(reader)
        assert "event: hello" in next(reader)
        reader.close()
