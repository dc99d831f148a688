"""What follows a failed try of a message that waits."""

from __future__ import annotations

import pytest

from wxsdk.core.outbox_rules import GiveUp, Retry, Verdict, WaitForUser
from wxsdk.errors import (
    ApiError,
    ConfigError,
    ConnectionLost,
    LimitExceeded,
    SendRejected,
    TokenStale,
    TransportError,
    Unsupported,
    UploadFailed,
    WxError,
)
from wxsdk.ilink.outbox_rules import UPLOAD_REFUSALS, Attempt, after_failure, is_refusal, payload_of

FIRST = Attempt(failures=1, row=1, closed=False, outdated=False, unit=0.5)
CLOSED = FIRST._replace(closed=True)


def follows(error: WxError, attempt: Attempt) -> Verdict:
    return after_failure(error, attempt, retry_delay=1.0, stale_token_pause=3600.0)


@pytest.mark.parametrize(
    "error",
    [
        TransportError("No.", kind="dns"),
        TransportError("No.", kind="timeout", may_have_been_sent=True),
        TransportError("No.", kind="http", status=404),
        ConnectionLost("No."),
        ApiError(-1, "busy"),
        ApiError(-1_000_000),
    ],
)
def test_trouble_on_the_way_is_tried_again_and_holds_up_everybody(error: WxError) -> None:
    assert follows(error, FIRST) == Retry(1.0, pause=1.0)
    assert follows(error, FIRST._replace(failures=3, row=2)) == Retry(4.0, pause=2.0)


@pytest.mark.parametrize("error", [SendRejected(-2), LimitExceeded("No.", limit=10, actual=11), ApiError(-4)])
def test_a_closed_window_waits_for_the_user(error: WxError) -> None:
    assert follows(error, CLOSED) == WaitForUser()


def test_a_rejection_that_our_count_cannot_explain_may_pass_by_itself() -> None:
    waits = [follows(SendRejected(-2), FIRST._replace(failures=n)) for n in (1, 2, 3, 4, 5)]
    assert waits == [WaitForUser(seconds) for seconds in (600.0, 1200.0, 2400.0, 3600.0, 3600.0)]


def test_a_rejection_of_an_older_context_token_says_nothing_about_the_newest() -> None:
    assert follows(SendRejected(-2), CLOSED._replace(outdated=True)) == Retry(0.0)


def test_a_stale_token_is_left_alone_for_its_pause() -> None:
    assert follows(TokenStale(-14), FIRST) == Retry(3600.0, pause=3600.0)


def upload_failed(cause: BaseException) -> UploadFailed:
    error = UploadFailed("No.")
    error.__cause__ = cause
    return error


def test_an_upload_that_the_network_broke_is_made_again() -> None:
    many = FIRST._replace(failures=UPLOAD_REFUSALS + 1)
    assert isinstance(follows(upload_failed(TransportError("No.")), many), Retry)


def test_an_upload_that_the_cdn_refuses_is_given_up_after_some_tries() -> None:
    error = UploadFailed("No.")
    assert follows(error, FIRST) == Retry(1.0)
    assert follows(error, FIRST._replace(failures=UPLOAD_REFUSALS)) == GiveUp(error)


@pytest.mark.parametrize(
    "error", [ConfigError("No."), Unsupported("No."), ApiError(-99), upload_failed(FileNotFoundError())]
)
def test_what_can_never_work_is_given_up(error: WxError) -> None:
    assert follows(error, FIRST) == GiveUp(error)


def test_only_an_answer_of_the_platform_or_of_our_own_count_is_a_refusal() -> None:
    assert is_refusal(SendRejected(-2))
    assert is_refusal(LimitExceeded("No.", limit=1, actual=2))
    assert not is_refusal(TransportError("No."))


def test_the_file_comes_after_its_caption() -> None:
    assert payload_of([{"type": 1}], ["a", "b"], "/file") == {
        "steps": [{"client_id": "a", "item": {"type": 1}}, {"client_id": "b", "path": "/file"}]
    }
    assert payload_of([], ["a"], "/file") == {"steps": [{"client_id": "a", "path": "/file"}]}
