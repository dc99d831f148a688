"""One frame on its way to its outcome, and the queue that brings it."""

from __future__ import annotations

import queue
import threading

import pytest

from tests.aibot.stubs import StubWs
from wxsdk.aibot.ack_calls import NOT_WRITTEN, Call, Line, Outcomes


def call() -> Call:
    made = Call("r", "aibot_respond_msg", "{}", 5.0, None)
    made.ws = StubWs()
    return made


def test_a_frame_that_was_never_begun_was_not_written() -> None:
    assert not call().was_written


def test_a_frame_that_is_being_written_may_be_out() -> None:
    begun = call()
    begun.written_at = 1.0
    assert begun.was_written


def test_a_frame_that_the_connection_refused_was_not_written() -> None:
    refused = call()
    refused.written_at, refused.ticket = 1.0, NOT_WRITTEN
    assert not refused.was_written


@pytest.mark.parametrize("out", [True, False])
def test_the_connection_says_whether_a_handed_over_frame_went_out(out: bool) -> None:
    handed = call()
    handed.written_at, handed.ticket = 1.0, 0
    handed.ws.writable = out
    assert handed.was_written is out


def test_outcomes_come_in_the_order_in_which_they_were_put() -> None:
    outcomes, calls = Outcomes(), [call(), call(), call()]
    assert outcomes.empty()
    for each in calls:
        outcomes.put_nowait(each)
    assert not outcomes.empty()
    assert [outcomes.get() for _ in calls] == calls


def test_an_empty_queue_is_reported_at_once_or_after_the_timeout() -> None:
    with pytest.raises(queue.Empty):
        Outcomes().get(block=False)
    with pytest.raises(queue.Empty):
        Outcomes().get(timeout=0.001)


def test_a_waiting_caller_is_woken_by_its_outcome() -> None:
    outcomes, mine, got = Outcomes(), call(), []
    waiter = threading.Thread(target=lambda: got.append(outcomes.get(timeout=10)))
    waiter.start()
    outcomes.put_nowait(mine)
    waiter.join(10)
    assert got == [mine]


def test_a_line_begins_without_callers() -> None:
    line = Line()
    assert not line.callers
    assert line.queue.empty()
