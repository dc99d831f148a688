"""Names the refusals of the gateway, and the errors of the simulator itself."""

from __future__ import annotations

from typing import Optional

# docs/protocol/aibot, 4
VERSION_CONFLICT = 6000
BAD_MEDIA_ID = 40007
BAD_MSGTYPE = 40008
BAD_PARAMETER = 40058
RATE_LIMITED = 45009
NO_CHATID = 86201
BAD_CHATID = 93006
BAD_BOT_ID = 93019
WINDOW_OVER = 846604
INVALID_REQ_ID = 846605
STREAM_EXPIRED = 846608
NOT_SUBSCRIBED = 846609
BAD_SECRET = 853000


class Refused(Exception):
    """The gateway answers a frame with an error.

    *violation* names the rule a careful client would have kept before sending; None when no client could have
    known.
    """

    def __init__(self, errcode: int, errmsg: str, *, violation: Optional[str] = None) -> None:
        super().__init__(f"{errcode} {errmsg}")
        self.errcode, self.errmsg, self.violation = errcode, errmsg, violation


class SimError(Exception):
    """The simulator was asked for something that cannot be, such as a click on a button the card does not
    have.
    """


class SimTimeout(AssertionError):
    """What a test waited for did not come; the text says what is there instead."""
