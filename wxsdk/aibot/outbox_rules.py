"""Decides what follows when a try of a push that waits has failed.

A push has no id by which the platform could recognise a repeat, so one that may have arrived is never sent again: its
fate is reported to the user instead.
"""

from __future__ import annotations

from ..core.outbox_rules import LONGEST_DELAY, GiveUp, Retry, Verdict, after_network_failure, backoff
from ..errors import ConnectionLost, NotSubscribed, RateLimited, TransportError, WxError

RATE_FIRST = 5.0  # seconds; a chat takes 30 messages a minute (docs/protocol/aibot, 4)
RATE_LONGEST = 300.0  # seconds; and 1000 an hour (docs/protocol/aibot, 4)
NOT_CONNECTED = Retry(LONGEST_DELAY, pause=LONGEST_DELAY)  # for everybody; a new connection ends it


def after_failure(error: WxError, *, failures: int, row: int, unit: float) -> Verdict:
    """Decide what follows *error*. failures: of this message, row: of the network in a row, both with this one."""
    if isinstance(error, TransportError) and error.may_have_been_sent:
        return GiveUp(error)
    if isinstance(error, (TransportError, NotSubscribed)):
        return after_network_failure(failures, row, unit)
    if isinstance(error, RateLimited):
        return Retry(backoff(failures, unit, first=RATE_FIRST, longest=RATE_LONGEST))
    return GiveUp(error)


def broken_off() -> GiveUp:
    """Give a message up that the process before this one was sending when it ended."""
    return GiveUp(ConnectionLost("The process ended while the message was being sent.", may_have_been_sent=True))
