"""Reads, classifies and writes frames (docs/protocol/aibot, 1).

Nothing that a server sends makes ``parse_frame`` raise. Bodies become typed objects on first access only, since most
frames of a busy bot are acknowledgements whose body is never read.
"""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import Any, Dict, NamedTuple, Optional, Tuple, Union

from ..core.patient_json import read_json
from ..core.redact import scrub
from ..errors import ConfigError
from .inbound import AnswerBody, EventType, InboundBody, WireEnum


class WsCmd(WireEnum):
    """The commands of the protocol (docs/protocol/aibot, 1)."""

    SUBSCRIBE = "aibot_subscribe"
    HEARTBEAT = "ping"
    RESPONSE = "aibot_respond_msg"
    RESPONSE_WELCOME = "aibot_respond_welcome_msg"
    RESPONSE_UPDATE = "aibot_respond_update_msg"
    SEND_MSG = "aibot_send_msg"
    UPLOAD_MEDIA_INIT = "aibot_upload_media_init"
    UPLOAD_MEDIA_CHUNK = "aibot_upload_media_chunk"
    UPLOAD_MEDIA_FINISH = "aibot_upload_media_finish"
    CALLBACK = "aibot_msg_callback"
    EVENT_CALLBACK = "aibot_event_callback"
    OLD_CALLBACK = "aibot_callback"
    ENTER_EVENT = "ww_ai_robot_enter_event"


class FrameKind(Enum):
    """What a frame is to the client."""

    MESSAGE = "message"
    EVENT = "event"
    SUBSCRIBE_ANSWER = "subscribe answer"
    PONG = "pong"
    ACK = "ack"
    ORPHAN_ERROR = "error without req_id"  # 40058 does this; of the only call in flight, if there is just one
    UNKNOWN = "unknown"


class WsHeaders(NamedTuple):
    """The headers of a frame. raw: as received, further headers included."""

    req_id: str
    raw: Dict[str, Any]


class Skipped(NamedTuple):
    """A text that is not a frame, and why (never quoting it)."""

    reason: str


_UNREAD: Any = object()
_PUSHES = (WsCmd.CALLBACK.value, WsCmd.EVENT_CALLBACK.value, WsCmd.OLD_CALLBACK.value)
_EVENT_CALLBACK = WsCmd.EVENT_CALLBACK.value  # a member's value costs 0.15 µs a time
_URGENT = (EventType.ENTER_CHAT.value, EventType.TEMPLATE_CARD_EVENT.value)
_SUBSCRIBE_PREFIX = WsCmd.SUBSCRIBE.value + "_"
_PING_PREFIX = WsCmd.HEARTBEAT.value + "_"
_NO_DICT: Dict[str, Any] = {}
_MAX_NUMERIC_ID = 10**40  # far above any; Python refuses to write out a number of thousands of digits
_NUMBER = re.compile(r"-?[0-9]{1,11}")


class WsFrame:
    """One frame as received.

    cmd: the command, None in answers. headers.req_id: "" when there is none. body: typed, None when there is none.
    errcode, errmsg: of answers. raw: the dict as received. raw_body: its body, {} when there is none; reading it costs
    nothing, unlike ``body``. msgtype: "" when there is none. received_at: the client's clock at arrival, None if
    unknown. Any thread may read it, and it can be copied and pickled. The repr shows no content, keys or URLs.
    """

    __slots__ = ("_body", "cmd", "msgtype", "raw", "raw_body", "received_at", "req_id")

    def __init__(self, raw: Dict[str, Any], received_at: Optional[float] = None) -> None:
        self.raw = raw
        self.received_at = received_at
        cmd = raw.get("cmd")
        self.cmd: Optional[str] = cmd if cmd and isinstance(cmd, str) else None
        headers = raw.get("headers")
        req_id = headers.get("req_id") if isinstance(headers, dict) else None
        self.req_id: str = req_id if isinstance(req_id, str) else ""
        body = raw.get("body")
        self.raw_body: Dict[str, Any] = body if isinstance(body, dict) else _NO_DICT
        msgtype = self.raw_body.get("msgtype")
        self.msgtype: str = msgtype if isinstance(msgtype, str) else ""
        self._body: Any = _UNREAD

    def __reduce__(self) -> Tuple[Any, ...]:
        # What a copy needs; the mark of an unread body would be another object in a copy, and be taken for a body.
        return WsFrame, (self.raw, self.received_at)

    @property
    def headers(self) -> WsHeaders:
        """The headers; ``headers.req_id`` is what an answer must carry."""
        headers = self.raw.get("headers")
        return WsHeaders(self.req_id, headers if isinstance(headers, dict) else _NO_DICT)

    @property
    def body(self) -> InboundBody:
        """The typed body of a push. Of an answer, an AnswerBody. None, when the frame has none.

        A callback's frame always has one, so type checkers know of no other case.
        """
        body = self._body
        if body is _UNREAD:
            raw = self.raw.get("body")
            wanted = InboundBody if self.cmd in _PUSHES else AnswerBody
            # Two threads may both decode; both results are equal and the later one stays.
            body = self._body = wanted.from_dict(raw) if isinstance(raw, dict) else None
        return body  # type: ignore[no-any-return]

    @property
    def errcode(self) -> Optional[int]:
        """The error code, 0 for success; None when the frame has none that is a number."""
        code = self.raw.get("errcode")
        if isinstance(code, int) and not isinstance(code, bool):
            return code
        return int(code) if isinstance(code, str) and _NUMBER.fullmatch(code) else None

    @property
    def errmsg(self) -> Optional[str]:
        """The platform's words for the error code."""
        text = self.raw.get("errmsg")
        return text if isinstance(text, str) else None

    @property
    def ok(self) -> bool:
        """True for an answer that says success."""
        return self.errcode == 0

    @property
    def msgid(self) -> Optional[str]:
        """The id by which duplicates are recognised; None when there is none."""
        msgid = self.raw_body.get("msgid")
        if isinstance(msgid, int) and not isinstance(msgid, bool) and abs(msgid) < _MAX_NUMERIC_ID:
            return str(msgid)  # as body.msgid has it
        return msgid if msgid and isinstance(msgid, str) else None

    @property
    def eventtype(self) -> str:
        """The event type, "" for a message."""
        event = self.raw_body.get("event")
        name = event.get("eventtype") if isinstance(event, dict) else None
        return name if isinstance(name, str) else ""

    @property
    def chat(self) -> str:
        """The group's chatid, else the userid, else "": where a push goes, and the lane this frame is handled in."""
        body = self.raw_body
        chatid = body.get("chatid")
        if chatid and isinstance(chatid, str):
            return chatid
        sender = body.get("from")
        userid = sender.get("userid") if isinstance(sender, dict) else None
        return userid if isinstance(userid, str) else ""

    def __repr__(self) -> str:
        facts = {
            "cmd": self.cmd,
            "req_id": self.req_id or None,
            "msgtype": self.msgtype or None,
            "eventtype": self.eventtype or None,
            "msgid": self.msgid,
            "chat": self.chat or None,
            "errcode": self.errcode,
            "errmsg": scrub(self.errmsg) if self.errmsg else None,
        }
        return f"WsFrame({', '.join(f'{name}={value!r}' for name, value in facts.items() if value is not None)})"


# Raw control characters inside strings do occur (docs/protocol/aibot, 1); strict=False lets them through.
_decoder = json.JSONDecoder(strict=False)


def _decode(text: str) -> Any:
    """Decode as ``JSONDecoder.decode``, whose search for white space costs as much as reading a short value."""
    try:
        value, end = _decoder.raw_decode(text)
        if end == len(text) or text[end:].isspace():
            return value
    except (ValueError, RecursionError):
        pass
    # Rare, so it may be slow: a byte order mark, or one field that Python's reader refuses.
    return read_json(text.lstrip("\ufeff"))


def parse_frame(data: Union[str, bytes], received_at: Optional[float] = None) -> Union[WsFrame, Skipped]:
    """Read the frame in *data*, or say why there is none. Never raises, whatever a server sends.

    received_at: the client's clock, from which the platform's time windows are counted.
    """
    try:
        raw = _decode(data if isinstance(data, str) else bytes(data).decode("utf-8"))
    except UnicodeDecodeError:
        return Skipped("it is not UTF-8")
    except ValueError:
        return Skipped("it is not JSON")
    if type(raw) is not dict:
        return Skipped(f"it is a JSON {type(raw).__name__}, not an object")
    cmd = raw.get("cmd")
    if cmd:
        if not isinstance(cmd, str):
            return Skipped("its command is not a string")
        if not isinstance(raw.get("headers"), dict):
            return Skipped("it has a command and no headers")
    return WsFrame(raw, received_at)


def classify(frame: WsFrame) -> FrameKind:
    """Classify *frame*. An ACK may still be one that no call waits for: the ledger knows."""
    cmd = frame.cmd
    if cmd in _PUSHES:
        return _classify_push(frame)
    if cmd is not None and frame.errcode is None:
        return FrameKind.UNKNOWN
    req_id = frame.req_id
    if not req_id:
        return FrameKind.ORPHAN_ERROR if frame.errcode else FrameKind.UNKNOWN
    # Answers to the two routine requests are recognised by the prefix of their req_id (docs/protocol/aibot, 1).
    if req_id.startswith(_SUBSCRIBE_PREFIX):
        return FrameKind.SUBSCRIBE_ANSWER
    if req_id.startswith(_PING_PREFIX):
        return FrameKind.PONG
    return FrameKind.ACK


def _classify_push(frame: WsFrame) -> FrameKind:
    if not frame.raw_body:
        return FrameKind.UNKNOWN
    if frame.cmd == _EVENT_CALLBACK or frame.msgtype == "event":
        return FrameKind.EVENT
    return FrameKind.MESSAGE if frame.msgtype else FrameKind.UNKNOWN


def is_kick(frame: WsFrame) -> bool:
    """True for the event that says that another client connected with this bot."""
    return frame.cmd in _PUSHES and frame.eventtype == EventType.DISCONNECTED_EVENT.value


def is_urgent(frame: WsFrame) -> bool:
    """True for the events that must be answered within 5 seconds."""
    return frame.eventtype in _URGENT


# NaN and Infinity are no JSON; JSON.stringify of the reference never writes them.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def encode_frame(cmd: str, req_id: str, body: Optional[Dict[str, Any]] = None) -> str:
    """Write one outgoing frame: compact JSON, non-ASCII characters as they are.

    Raises ConfigError when the body holds something that JSON or UTF-8 cannot carry.
    """
    frame: Dict[str, Any] = {"cmd": cmd, "headers": {"req_id": req_id}}
    if body is not None:
        frame["body"] = body
    try:
        text = _encode(frame)
        if not text.isascii():
            text.encode("utf-8")
    except UnicodeEncodeError:
        raise ConfigError("The message holds half a character (a lone surrogate), which UTF-8 cannot carry.") from None
    except (TypeError, ValueError, RecursionError):
        raise ConfigError("The message holds a value that JSON cannot carry.") from None
    return text


def make_req_id(prefix: str, now_ms: int, entropy: str) -> str:
    """Make ``<prefix>_<milliseconds>_<8 hex digits>``, the habit of the official clients (docs/protocol/aibot, 1)."""
    return f"{prefix}_{now_ms}_{entropy}"


def req_id_of(frame: Any) -> str:
    """Return the req_id that an answer to *frame* must carry: of a WsFrame, of anything with ``headers``, or of a dict.

    Raises ConfigError when there is none, since the platform would answer 846605.
    """
    if isinstance(frame, WsFrame):
        req_id: Any = frame.req_id
    else:
        headers = frame.get("headers") if isinstance(frame, dict) else getattr(frame, "headers", None)
        req_id = headers.get("req_id") if isinstance(headers, dict) else getattr(headers, "req_id", None)
    if not isinstance(req_id, str) or not req_id:
        raise ConfigError("The frame to answer has no headers.req_id.", remedy="Pass the frame that the callback got.")
    return req_id
