"""What is kept of an iLink message that waits, and what follows when a try of it failed. Decides only.

The platform drops a repeated client_id, so a try with an unknown end is simply made again: under the same client_id
and, to be the same message in every byte, with the same context token and the same uploaded file.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from ..core.outbox_rules import GiveUp, Retry, Verdict, WaitForUser, after_network_failure, backoff
from ..errors import ApiError, LimitExceeded, SendRejected, TokenStale, TransportError, UploadFailed, WxError
from .errors import BUSY, NO_INBOUND_YET, UNREADABLE_CODE

REOPEN_FIRST = 600.0  # seconds after a rejection that our own count cannot explain; a burst blocks for minutes to an
REOPEN_LONGEST = 3600.0  # hour, and every further send makes it longer (docs/protocol/ilink, 4)
UPLOAD_REFUSALS = 5  # of one file by the CDN, then it is given up; a choice

Payload = Dict[str, Any]


def payload_of(items: Sequence[Dict[str, Any]], client_ids: Sequence[str], path: Optional[str] = None) -> Payload:
    """What is kept: one step for each message of *items*, then one for the file at *path*, which is not uploaded yet.

    A step: client_id; item, or the path in its place; once it was tried, the context token it was tried with ("" for
    none).
    """
    steps: List[Payload] = [{"client_id": id, "item": item} for id, item in zip(client_ids, items)]
    if path is not None:
        steps.append({"client_id": client_ids[len(items)], "path": path})
    return {"steps": steps}


class Attempt(NamedTuple):
    """What is known about a try that failed.

    failures: of this message, row: of the network in a row, both with this one. closed: by our own count the user can
    get nothing more now. outdated: it went out with another context token than the newest. unit: random, in [0, 1).
    """

    failures: int
    row: int
    closed: bool
    outdated: bool
    unit: float


def is_refusal(error: WxError) -> bool:
    """Whether *error* proves that the message was not taken in, so that it may change before the next try."""
    return isinstance(error, (ApiError, LimitExceeded))


def after_failure(error: WxError, attempt: Attempt, *, retry_delay: float, stale_token_pause: float) -> Verdict:
    """What follows *error*. retry_delay: seconds before the second try of what failed on the way. stale_token_pause:
    seconds in which a stale token is not tried again."""
    code = error.errcode if isinstance(error, ApiError) else None
    if isinstance(error, TokenStale):
        return Retry(stale_token_pause, pause=stale_token_pause)
    if isinstance(error, TransportError) or code in (BUSY, UNREADABLE_CODE):
        return after_network_failure(attempt.failures, attempt.row, attempt.unit, retry_delay)
    if isinstance(error, (SendRejected, LimitExceeded)) or code == NO_INBOUND_YET:
        return _until_user_writes(attempt)
    if isinstance(error, UploadFailed) and not isinstance(error.__cause__, OSError):  # that is: the file can be read
        if isinstance(error.__cause__, TransportError):
            return after_network_failure(attempt.failures, attempt.row, attempt.unit, retry_delay)
        if attempt.failures < UPLOAD_REFUSALS:
            return Retry(backoff(attempt.failures, attempt.unit, first=retry_delay))
    return GiveUp(error)


def _until_user_writes(attempt: Attempt) -> Verdict:
    if attempt.outdated:
        return Retry(0.0)  # a newer token came since: the refusal says nothing about that one
    if attempt.closed:
        return WaitForUser()
    return WaitForUser(backoff(attempt.failures, attempt.unit, first=REOPEN_FIRST, longest=REOPEN_LONGEST))
