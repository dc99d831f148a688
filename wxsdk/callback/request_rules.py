"""Decides what an HTTP request of the platform is: a verification, a message, a refresh, an event, or refused."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple, Union
from urllib.parse import parse_qsl

from ..aibot.callback_crypto import WecomCrypto
from ..aibot.frames import WsFrame
from ..aibot.inbound import EventType
from ..errors import DecryptError
from .config import CallbackOptions

TEXT = {"Content-Type": "text/plain; charset=utf-8"}  # for encrypted answers as well; docs/protocol/callback, 2
MESSAGES = ("text", "image", "mixed", "voice", "file", "video")  # docs/protocol/callback, 1
SYSTEM_USER = "sys"  # its messages are not a person's; docs/protocol/callback, 1
# Signed under several names (docs/protocol/callback, 1); the first that is there counts.
_SIGNATURES = ("msg_signature", "msgsignature", "signature")
_MAX_FIELDS = 32  # of a query; the platform sends four
_MAX_NUMBER = 15  # digits of a timestamp


@dataclass(frozen=True)
class CallbackResponse:
    """What to answer an HTTP request with, in whatever web framework."""

    status: int
    headers: Dict[str, str]
    body: bytes = field(repr=False)


class Verified(NamedTuple):
    """The administration page checks the address: answer with *echo* alone."""

    echo: str


class Called(NamedTuple):
    """A message or an event. nonce: goes back with the answer."""

    frame: WsFrame
    nonce: str


class Refresh(NamedTuple):
    """The platform asks for the newest snapshot of a stream."""

    stream_id: str
    nonce: str


class Ignored(NamedTuple):
    """Nothing to answer and nothing to handle, and why (for the log)."""

    reason: str


class Refused(NamedTuple):
    """Answer with *status* and the sentence *why*, which quotes nothing of the request."""

    status: int
    why: str


Request = Union[Verified, Called, Refresh, Ignored, Refused]
Query = Union[str, bytes, Mapping[str, Any]]


def read_request(
    method: str, query: Query, body: bytes, options: CallbackOptions, crypto: WecomCrypto, wall: float
) -> Request:
    """What the request is. Never raises, whatever a stranger sends. wall: seconds since 1970."""
    kind = str(method).upper()
    if kind not in ("GET", "POST"):
        return Refused(405, "Only GET and POST are answered here.")
    if len(body) > options.max_body_bytes:
        return Refused(413, f"The body has more than {options.max_body_bytes} bytes.")
    fields = read_query(query)
    signature = next((fields[name] for name in _SIGNATURES if fields.get(name)), "")
    timestamp, nonce = fields.get("timestamp", ""), fields.get("nonce", "")
    if not (signature and timestamp and nonce):
        return Refused(400, "msg_signature, timestamp or nonce is missing; does a proxy drop the query string?")
    sealed = _echostr(fields) if kind == "GET" else read_envelope(body)
    if isinstance(sealed, Refused):
        return sealed
    if not crypto.verify_signature(signature, timestamp, nonce, sealed):
        return Refused(403, "The signature is wrong: is the Token that of the bot's page?")
    if not _is_recent(timestamp, wall, options.max_request_age):
        return Refused(403, "The request was signed too long ago, or this machine's clock is wrong.")
    try:
        plain = crypto.decrypt(sealed)
    except DecryptError:
        return Refused(
            400,
            "The text does not decrypt: is the EncodingAESKey that of the bot's page, and receive_id empty, as AI bots"
            " need it?",
        )
    return Verified(plain) if kind == "GET" else _read_message(plain, nonce)


def read_query(query: Query) -> Dict[str, str]:
    """The fields of a query, given raw or as a mapping of str or lists of str; of several values the first."""
    if isinstance(query, (bytes, bytearray)):
        query = bytes(query).decode("latin-1")
    if isinstance(query, str):
        try:
            pairs = parse_qsl(query.lstrip("?"), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
        except ValueError:  # too many fields
            return {}
        query = dict(reversed(pairs))
    found: Dict[str, str] = {}
    for name in query:
        value = query[name]
        if isinstance(value, (list, tuple)):
            value = value[0] if value else ""
        if isinstance(name, str) and isinstance(value, (str, int)):
            found[name] = str(value)
    return found


def read_envelope(body: bytes) -> Union[str, Refused]:
    """The encrypted text of a POST's body."""
    try:
        envelope = json.loads(body.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        return Refused(400, "The body is not JSON.")
    for name in ("encrypt", "Encrypt"):  # docs/protocol/callback, 1
        if isinstance(envelope, dict) and isinstance(envelope.get(name), str) and envelope[name]:
            text: str = envelope[name]
            return text
    return Refused(400, "The body has no text named encrypt.")


def sealed_answer(crypto: WecomCrypto, plain: Dict[str, Any], timestamp: int, nonce: str) -> CallbackResponse:
    """*plain* encrypted and signed, as the platform takes it (docs/protocol/callback, 2)."""
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    sealed = crypto.encrypt(text, timestamp, nonce)
    # The timestamp is a number: some platforms of the vendor refuse a text there (docs/protocol/callback, 5).
    envelope = {
        "encrypt": sealed.encrypt,
        "msgsignature": sealed.signature,
        "timestamp": timestamp,
        "nonce": nonce,
    }
    return CallbackResponse(200, dict(TEXT), json.dumps(envelope).encode("ascii"))


def plain_response(status: int, text: str = "") -> CallbackResponse:
    """*text* as it is: a verification's answer, no answer (""), or a refusal."""
    headers = dict(TEXT)
    if status == 405:
        headers["Allow"] = "GET, POST"
    return CallbackResponse(status, headers, text.encode("utf-8"))


def _echostr(fields: Mapping[str, str]) -> Union[str, Refused]:
    # Base64 holds no space: where one stands, a "+" was not percent-encoded by somebody on the way.
    echo = fields.get("echostr", "").replace(" ", "+")
    return echo or Refused(400, "echostr is missing.")


def _is_recent(timestamp: str, wall: float, most: float) -> bool:
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= _MAX_NUMBER):
        return False
    return abs(wall - int(timestamp)) <= most


def _read_message(plain: str, nonce: str) -> Request:
    try:
        message = json.loads(plain, strict=False)  # raw control characters occur; docs/protocol/aibot, 1
    except (ValueError, RecursionError):
        return Refused(400, "The decrypted text is not JSON.")
    if not isinstance(message, dict):
        return Refused(400, "The decrypted text is not a JSON object.")
    msgtype = message.get("msgtype")
    if msgtype == "stream":
        stream = message.get("stream")
        stream_id = stream.get("id") if isinstance(stream, dict) else None
        return Refresh(stream_id, nonce) if isinstance(stream_id, str) else Ignored("a refresh without a stream id")
    if msgtype == "event":
        return Called(_frame("aibot_event_callback", message), nonce)
    if msgtype not in MESSAGES:
        return Ignored("a message of an unknown type")
    why = _not_a_persons(message)
    return Ignored(why) if why else Called(_frame("aibot_msg_callback", message), nonce)


def _frame(cmd: str, message: Dict[str, Any]) -> WsFrame:
    """*message* in the frame that a long connection would bring it in; there is no req_id in this mode."""
    return WsFrame({"cmd": cmd, "headers": {}, "body": message})


def _not_a_persons(message: Dict[str, Any]) -> str:
    """Why *message* is not handed over, "" when it is (docs/protocol/callback, 1)."""
    sender = message.get("from")
    userid = sender.get("userid") if isinstance(sender, dict) else None
    if not isinstance(userid, str) or not userid.strip():
        return "a message without a sender"
    if userid.strip().lower() == SYSTEM_USER:
        return "a message of the system"
    if message.get("chattype") == "group" and not message.get("chatid"):
        return "a group's message without its chatid"
    return ""


def window_of(frame: WsFrame) -> Tuple[bool, Optional[str]]:
    """Whether the answer to *frame* must be in the response to it, and the event's name (None for a message)."""
    if frame.msgtype != "event":
        return False, None
    return frame.eventtype in (EventType.ENTER_CHAT.value, EventType.TEMPLATE_CARD_EVENT.value), frame.eventtype
