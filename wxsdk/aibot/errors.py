"""Turns the platform's error codes into typed errors with a remedy (docs/protocol/aibot, 4)."""

from __future__ import annotations

from typing import Dict, Iterable, NamedTuple, Optional, Type

from ..core.redact import scrub
from ..errors import ApiError, InvalidReqId, NotSubscribed, RateLimited, StreamExpired
from .frames import WsFrame

VERSION_CONFLICT = 6000
BAD_MEDIA_ID = 40007
BAD_MSGTYPE = 40008
BAD_PARAMETER = 40058
ANTI_SPAM = 40201
RATE_LIMIT = 45009
CONCURRENCY_LIMIT = 45033
NO_CHATID = 86201
BAD_CHATID = 93006
BAD_BOT_ID = 93019
STREAM_UNSUPPORTED = 600039
REQUEST_WINDOW_OVER = 846604
INVALID_REQ_ID = 846605
STREAM_EXPIRED = 846608
NOT_SUBSCRIBED = 846609
BAD_SECRET = 853000
SYSTEM_BUSY = -1  # of all WeCom interfaces
NO_ERRCODE = -1  # also the ApiError.errcode of an answer that has none


class Known(NamedTuple):
    """What is known of a code: the error it becomes and the advice."""

    error: Type[ApiError]
    remedy: str


CODES: Dict[int, Known] = {
    SYSTEM_BUSY: Known(ApiError, "The platform is busy: try again in a while."),
    VERSION_CONFLICT: Known(
        ApiError, "Two frames of one stream met: send the next one only when the one before was acknowledged."
    ),
    BAD_MEDIA_ID: Known(ApiError, "The media_id is unknown or older than 3 days: upload the file again."),
    BAD_MSGTYPE: Known(ApiError, "This command does not take this msgtype: push markdown, a card or media, not text."),
    BAD_PARAMETER: Known(ApiError, "A field is missing, misspelt or out of range: compare the body with the protocol."),
    ANTI_SPAM: Known(ApiError, "The content looks like spam to the platform: change it, or send less of the same."),
    RATE_LIMIT: Known(RateLimited, "A chat takes 30 messages a minute and 1000 an hour: send less, and later."),
    CONCURRENCY_LIMIT: Known(RateLimited, "Too many calls at once: wait for answers before sending more."),
    NO_CHATID: Known(ApiError, "Give the chatid of the group, or the userid for a single chat."),
    BAD_CHATID: Known(
        ApiError, "This bot knows no such chat: upper and lower case matter, and it must be in the group."
    ),
    BAD_BOT_ID: Known(ApiError, "The bot_id is unknown: copy it again from the administration page of the bot."),
    STREAM_UNSUPPORTED: Known(ApiError, "The user's client cannot show streams: answer with markdown."),
    REQUEST_WINDOW_OVER: Known(
        StreamExpired, "The time to answer this message is over: push with send_message instead."
    ),
    INVALID_REQ_ID: Known(
        InvalidReqId,
        "Answer with the frame that the callback got; an event takes a welcome, a card update or a push, no stream.",
    ),
    STREAM_EXPIRED: Known(
        StreamExpired, "A stream lives 6 minutes without an update and 10 in all: push the rest with send_message."
    ),
    NOT_SUBSCRIBED: Known(NotSubscribed, "The subscription was lost; the client subscribes anew, then try again."),
    BAD_SECRET: Known(ApiError, "The secret is wrong: copy it again from the administration page of the bot."),
}
# Refusals that waiting can cure. The others, a wrong id or secret above all, say that the next try will fail as well.
PASSING = frozenset({SYSTEM_BUSY, VERSION_CONFLICT, RATE_LIMIT, CONCURRENCY_LIMIT, NOT_SUBSCRIBED})
_NO_ANSWER = Known(ApiError, "The answer had no error code; whether the platform acted is unknown.")
_UNKNOWN = Known(ApiError, "")


def error_for(
    errcode: Optional[int],
    errmsg: Optional[str],
    cmd: Optional[str] = None,
    req_id: Optional[str] = None,
    secrets: Iterable[str] = (),
) -> ApiError:
    """Return the typed error of one refusal, with *secrets* and everything that looks like one taken out of *errmsg*.

    *errcode* None: the answer had none; the error has NO_ERRCODE.
    """
    known = _NO_ANSWER if errcode is None else CODES.get(errcode, _UNKNOWN)
    code = NO_ERRCODE if errcode is None else errcode
    return known.error(code, scrub(errmsg or "", secrets), cmd=cmd and str(cmd), req_id=req_id, remedy=known.remedy)


def error_of(answer: WsFrame, cmd: str, secrets: Iterable[str] = ()) -> Optional[ApiError]:
    """Return the error that *answer* to a *cmd* stands for; None for success."""
    if answer.ok:
        return None
    return error_for(answer.errcode, answer.errmsg, cmd, answer.req_id or None, secrets)
