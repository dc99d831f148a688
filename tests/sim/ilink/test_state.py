"""Mailbox, conversations, bursts: the platform's rules without a socket."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import wxsdk.sim
from wxsdk.sim.ilink.state import BURST, Bursts, Conversation, Limits, Mailbox, Tokens


def test_an_old_cursor_is_answered_again_where_the_server_replays() -> None:
    box = Mailbox("replays")
    box.put({"n": 1})
    box.put({"n": 2})
    first, cursor = box.take("")
    assert first == [{"n": 1}, {"n": 2}]
    assert box.take("")[0] == first
    assert box.waiting(cursor) == 0
    box.put({"n": 3})
    assert box.take(cursor)[0] == [{"n": 3}]
    assert box.take(cursor)[0] == [{"n": 3}]


def test_what_was_handed_out_is_gone_where_the_server_forgets() -> None:
    box = Mailbox("forgets")
    box.put({"n": 1})
    assert box.take("")[0] == [{"n": 1}]
    assert box.take("")[0] == []


def test_the_empty_cursor_starts_behind_what_a_client_confirmed_by_coming_back() -> None:
    box = Mailbox("replays")
    box.put({"n": 1})
    _, cursor = box.take("")
    box.put({"n": 2})
    box.take(cursor)
    assert box.take("")[0] == [{"n": 2}]


def test_a_batch_is_no_larger_than_it_may_be() -> None:
    box = Mailbox("replays", batch=2)
    for n in range(5):
        box.put({"n": n})
    cursor, sizes = "", []
    while box.waiting(cursor):
        batch, cursor = box.take(cursor)
        sizes.append(len(batch))
    assert sizes == [2, 2, 1]


def test_a_cursor_changes_only_with_new_messages() -> None:
    box = Mailbox()
    _, first = box.take("")
    assert box.take(first)[1] == first
    box.put({})
    assert box.take(first)[1] != first


def test_an_unknown_manner_is_refused() -> None:
    with pytest.raises(ValueError, match="replays, forgets"):
        Mailbox("guesses")


def test_the_window_opens_with_the_users_message_and_closes_after_a_day() -> None:
    talk, limits = Conversation("alice"), Limits()
    assert talk.refusal(0, None, limits) == "window: the user has never written"
    talk.hear(100, "t1")
    assert talk.refusal(100 + 86_399, None, limits) is None
    assert talk.refusal(100 + 86_400, None, limits) == "window: the user's last message is 86400 s old"
    assert Conversation("bob").refusal(0, None, Limits(window=None)) is None


def test_the_quota_is_full_again_with_the_users_next_message() -> None:
    talk, limits = Conversation("alice"), Limits(quota=2)
    talk.hear(0, "t1")
    talk.sent = 2
    assert talk.refusal(1, None, limits) == "quota: 2 messages were sent since the user's last one"
    talk.hear(2, "t2")
    assert talk.refusal(3, None, limits) is None


def test_an_old_token_of_the_user_is_good_unless_told_otherwise_and_a_foreign_one_never() -> None:
    talk = Conversation("alice")
    talk.hear(0, "t1")
    talk.hear(1, "t2")
    assert talk.refusal(2, "t1", Limits()) is None
    assert talk.refusal(2, "t1", Limits(stale_tokens="refuses")) == "context_token: it is not the newest"
    assert talk.refusal(2, "t2", Limits(stale_tokens="refuses")) is None
    assert talk.refusal(2, "other", Limits()) == "context_token: it was never given out for this user"


def test_the_third_send_within_a_second_is_a_burst() -> None:
    bursts, limits = Bursts(), Limits(burst=BURST)
    assert [bursts.refusal(at, limits) for at in (0.0, 0.5, 1.1)] == [None, None, None]
    assert bursts.refusal(1.2, limits) == "burst: 3 sends within 1 s"


def test_a_slow_row_of_sends_is_a_burst_at_the_eighteenth() -> None:
    bursts, limits = Bursts(), Limits(burst=BURST)
    verdicts = [bursts.refusal(n * 1.5, limits) for n in range(18)]
    assert verdicts == [None] * 17 + ["burst: 18 sends within 34 s"]


def test_a_burst_may_block_the_bot_for_a_while() -> None:
    bursts, limits = Bursts(), Limits(burst=[(2, 1.0)], burst_block=60)
    bursts.refusal(0, limits)
    bursts.refusal(0.5, limits)
    assert bursts.refusal(30, limits) == "burst: blocked for 30 s more"
    assert bursts.refusal(61, limits) is None


def test_typing_shows_for_its_time_only() -> None:
    talk = Conversation("alice", typing_since=10.0)
    assert talk.is_typing(14.9, ttl=5)
    assert not talk.is_typing(15, ttl=5)


def test_a_revoked_token_may_still_send_when_told_so() -> None:
    tokens = Tokens()
    one, two = tokens.mint(), tokens.mint()
    tokens.revoke(one, may_send=True)
    assert not tokens.accepts(one, polling=True)
    assert tokens.accepts(one, polling=False)
    tokens.revoke(None, may_send=False)
    assert tokens.valid == []
    assert not tokens.accepts(two, polling=False)


@pytest.mark.parametrize("module", ["state", "rules", "login"])
def test_the_deciding_modules_are_pure(module: str) -> None:
    source = (Path(wxsdk.sim.__file__).parent / "ilink" / f"{module}.py").read_text("utf-8")
    imported = {
        name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names])
    }
    assert imported & {"socket", "threading", "time", "queue", "requests", "werkzeug"} == set()
