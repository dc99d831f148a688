"""Decides what is posted to a response_url (docs/protocol/callback, 4)."""

from __future__ import annotations

import json
from typing import Any, Dict, Optional

from ..aibot.bodies import markdown_body
from ..core.redact import scrub
from ..errors import ApiError, LimitExceeded, Unsupported, WxError

URL_LIFE = 3600.0  # seconds after the message; docs/protocol/callback, 4
HEADERS = {"Content-Type": "application/json"}

Body = Dict[str, Any]


def late_body(text: str, card: Optional[Body]) -> Optional[Body]:
    """The one POST for what is left: the text, else the card; None when there is nothing."""
    if text:
        return markdown_body(text)
    return None if card is None else {"msgtype": "template_card", "template_card": card}


def encode(body: Body) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")


def no_url() -> Unsupported:
    return Unsupported(
        "The message has no response_url, and nothing can be pushed in callback mode: it was not sent.",
        remedy="Answer while the handler runs, or use a long connection (WSClientOptions).",
    )


def used_up() -> LimitExceeded:
    return LimitExceeded(
        "The message's response_url was used before: it was not sent.",
        limit=1,
        actual=2,
        remedy="Say it while the handler runs: all of that goes into one bubble.",
    )


def too_late(age: float) -> LimitExceeded:
    return LimitExceeded(
        "The message's response_url is over (in seconds): it was not sent.", limit=URL_LIFE, actual=round(age, 1)
    )


def judge_reply(status: int, body: bytes) -> Optional[WxError]:
    """The error that an answer to the POST says, None for success."""
    try:
        answer = json.loads(body.decode("utf-8")) if body.strip() else {}
    except (UnicodeDecodeError, ValueError, RecursionError):
        answer = {}
    code = answer.get("errcode", 0) if isinstance(answer, dict) else 0
    if status == 200 and not code:
        return None
    said = scrub(str(answer.get("errmsg", "")))[:200] if isinstance(answer, dict) else ""
    number = code if isinstance(code, int) and code else status
    return ApiError(number, said, endpoint="response_url", remedy="It takes one answer, within an hour.")
