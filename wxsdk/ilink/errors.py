"""What an HTTP answer means: an object, or a typed error with a remedy; and whether a send may be tried again.

HTTP 200 says nothing: ``ret`` and ``errcode`` are read on every answer, missing is 0 (docs/protocol/ilink, 1).
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, Optional

from ..core.backoff import jittered
from ..core.redact import scrub
from ..errors import ApiError, SendRejected, TokenStale, TransportError, WxError
from .jsontext import load_json
from .wire import Answer

STALE_TOKEN = -14  # docs/protocol/ilink, 2
REJECTED = -2  # docs/protocol/ilink, 4
BUSY = -1  # docs/protocol/ilink, 4
UNKNOWN_USER = -3  # docs/protocol/ilink, 7
NO_INBOUND_YET = -4  # docs/protocol/ilink, 4
UNREADABLE_CODE = -1_000_000  # ours: ret or errcode is there and is no number
MAX_ERRMSG_CHARS = 500  # of the server's text that an error repeats

REMEDIES = {
    STALE_TOKEN: "The bot was probably bound elsewhere: log in again by QR code and give the token to set_token().",
    REJECTED: "The platform allows about 10 messages within 24 h of the user's last one and blocks bursts: "
    "wait for the user to write, and send less often (sends_per_second).",
    UNKNOWN_USER: "The platform does not know this user: ids are case-sensitive, so give from_user_id as it came.",
    BUSY: "The platform is busy: try again in a few seconds.",
    NO_INBOUND_YET: "The platform knows no conversation with this user: the user must write to the bot first.",
    UNREADABLE_CODE: "The answer's code is not a number: check that base_url leads to the iLink API.",
}
_WAIT_FOR_USER = "Wait for the user to write; some users report that resend_without_context_token=True helps at times."
# Of -2, by what its errmsg says (docs/protocol/ilink, 7).
REJECTIONS = (
    (
        "prepare failed",
        f"The context_token is missing or too old, or the user wrote more than 24 h ago. {_WAIT_FOR_USER}",
    ),
    (
        "unknown error",
        f"The conversation's session is stale. {_WAIT_FOR_USER}",
    ),
    ("invalid arguments", "The platform refuses this combination of items: send text and media as messages apart."),
)
TOKEN_CAUSES = ("prepare failed", "unknown error")  # what a send without context_token is reported to get past
UNAUTHORIZED = 401  # HTTP; docs/protocol/ilink, 7
DEAD_TOKEN = (
    "Users report it for a bot token that is no longer valid: log in again by QR code and give the token to "
    "set_token(). Otherwise check base_url, and any proxy in between."
)
UNKNOWN_REMEDY = "The code is not a documented one: check the arguments, and the token if it goes on."


def decode_answer(
    status: int, body: bytes, *, endpoint: str, client_id: Optional[str] = None, empty_ok: bool = False
) -> Dict[str, Any]:
    """The object in an answer.

    Raises TransportError (kind "http") for a status outside 200–299, a body that is no JSON object, HTML. An answer
    with a bad status is still returned when it is an object with a code, since the code says more. empty_ok: an empty
    body is an empty object, as the answer to a tool-call item is.
    """
    good = 200 <= status <= 299
    if good and empty_ok and not body.strip():
        return {}
    try:
        parsed = load_json(body)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict) and (good or code_of(Answer.from_dict(parsed))):
        return parsed
    del parsed  # a server may echo secrets, and error reporters show locals
    what = "the answer is not a JSON object" if good else f"HTTP {status}"
    raise TransportError(
        f"{endpoint}: {what}.",
        kind="http",
        may_have_been_sent=good or status >= 500,
        client_id=client_id,
        status=status,
        remedy=_status_remedy(status),
    )


def _status_remedy(status: int) -> str:
    if status == UNAUTHORIZED:
        return DEAD_TOKEN
    return (
        "The platform has trouble: try again later." if status >= 500 else "Check base_url, and any proxy in between."
    )


def remedy_for(code: int, errmsg: str) -> str:
    """Return what to do about a refusal with *code*; of -2, by the cause that *errmsg* names."""
    if code == REJECTED:
        said = errmsg.lower()
        return next((remedy for words, remedy in REJECTIONS if words in said), REMEDIES[REJECTED])
    return REMEDIES.get(code, UNKNOWN_REMEDY)


def misses_token(error: ApiError) -> bool:
    """Return whether *error* refuses a send for its context_token, by what it says."""
    return error.errcode == REJECTED and any(words in error.errmsg.lower() for words in TOKEN_CAUSES)


def code_of(answer: Answer) -> int:
    """0 for success, else the code: -14 wherever it stands, then ret, then errcode."""
    if STALE_TOKEN in (answer.ret, answer.errcode):
        return STALE_TOKEN
    if answer.ret or answer.errcode:
        return answer.ret or answer.errcode or 0
    odd = (answer.extra.get("ret"), answer.extra.get("errcode"))
    return UNREADABLE_CODE if any(odd) else 0


def error_for(
    answer: Answer, *, endpoint: str, client_id: Optional[str] = None, secrets: Iterable[str] = ()
) -> Optional[ApiError]:
    """The typed error of an answer, None for success. *secrets* of the request are taken out of the server's text."""
    code = code_of(answer)
    if not code:
        return None
    kind = {STALE_TOKEN: TokenStale, REJECTED: SendRejected}.get(code, ApiError)
    return kind(
        code,
        scrub(answer.errmsg or "", secrets)[:MAX_ERRMSG_CHARS],
        endpoint=endpoint,
        client_id=client_id,
        remedy=remedy_for(code, answer.errmsg or ""),
    )


def retry_delay(error: WxError, failures: int, *, retries: int, base: float, unit: float) -> Optional[float]:
    """Seconds to wait before sending the same message (same client_id) again, None when that is pointless.

    failures: how many tries have failed, this one included. retries: how many more than one are allowed. base: seconds
    before the first retry, doubling. unit: a random number in [0, 1). A rejection is never repeated, since more sends
    make the platform's block longer.
    """
    if failures > retries or not _passes(error):
        return None
    return jittered(base * min(1 << (failures - 1), 1 << 10), unit)


def _passes(error: WxError) -> bool:
    if isinstance(error, TransportError):
        refused = error.status is not None and 400 <= error.status <= 499 and error.status not in (408, 429)
        return not refused
    return isinstance(error, ApiError) and error.errcode == BUSY
