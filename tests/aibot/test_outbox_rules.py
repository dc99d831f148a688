"""What follows a failed try of a push that waits."""

from __future__ import annotations

import pytest

from wxsdk.aibot.outbox_rules import after_failure, broken_off
from wxsdk.core.outbox_rules import GiveUp, Retry, Verdict
from wxsdk.errors import (
    AckTimeout,
    ApiError,
    ConfigError,
    ConnectionLost,
    NotSubscribed,
    RateLimited,
    ReplyQueueFull,
    TransportError,
    WxError,
)


def follows(error: WxError, failures: int = 1, row: int = 1) -> Verdict:
    return after_failure(error, failures=failures, row=row, unit=0.5)


@pytest.mark.parametrize("error", [AckTimeout("No."), ConnectionLost("No.", may_have_been_sent=True)])
def test_what_may_have_arrived_is_never_sent_again(error: WxError) -> None:
    assert follows(error) == GiveUp(error)


@pytest.mark.parametrize(
    "error", [ConnectionLost("No."), AckTimeout("No.", may_have_been_sent=False), NotSubscribed(846609)]
)
def test_what_was_certainly_not_sent_waits_for_the_connection(error: WxError) -> None:
    assert follows(error) == Retry(1.0, pause=1.0)
    assert follows(error, failures=3, row=2) == Retry(4.0, pause=2.0)


def test_a_used_up_rate_holds_up_its_chat_alone() -> None:
    waits = [follows(RateLimited(45009), failures=n) for n in range(1, 9)]
    assert waits == [Retry(seconds) for seconds in (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0)]


@pytest.mark.parametrize(
    "error", [ApiError(93006), ApiError(40058), ApiError(-1), ConfigError("No."), ReplyQueueFull("No.")]
)
def test_other_refusals_are_for_good(error: WxError) -> None:
    assert follows(error) == GiveUp(error)


def test_what_a_killed_process_was_sending_may_have_arrived() -> None:
    error = broken_off().error
    assert isinstance(error, TransportError)
    assert error.may_have_been_sent
