"""Writes the bytes of the WeCom gateway: JSON frames, WebSocket frames around them, and frames that no sane server
sends.

Pure. What a server writes is built by hand here (it is a header and a payload) because the hostile frames
cannot be made by a library that obeys RFC 6455. What a client writes is parsed by wsproto, in
`connection`.
"""

from __future__ import annotations

import json
import os
import secrets
import struct
from typing import Any, Dict, List, Optional, Union

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA  # RFC 6455, 5.2

# The private-use block that stands in for control characters while json.dumps runs, which would escape them.
_STAND_IN = 0xE000
_TO_STAND_IN = {code: _STAND_IN + code for code in range(0x20)}
_FROM_STAND_IN = {_STAND_IN + code: code for code in range(0x20)}


class Raw(bytes):
    """Bytes that go onto the socket exactly as they are, WebSocket header included."""


Wire = Union[Raw, bytes, str, Dict[str, Any], List[Any], int, float, None]


def frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True, mask: bool = False) -> Raw:
    """One WebSocket frame. *mask* is what a client must do and a server must not."""
    size = len(payload)
    first, mask_bit = opcode | (0x80 if fin else 0), 0x80 if mask else 0
    if size < 126:
        header = bytes((first, mask_bit | size))
    elif size < 1 << 16:
        header = struct.pack("!BBH", first, mask_bit | 126, size)
    else:
        header = struct.pack("!BBQ", first, mask_bit | 127, size)
    if not mask:
        return Raw(header + payload)
    key = os.urandom(4)
    return Raw(header + key + bytes(byte ^ key[index % 4] for index, byte in enumerate(payload)))


def dumps(value: Any) -> bytes:
    """*value* as compact JSON in UTF-8, Chinese characters unescaped, as the platform writes it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can carry as an escape only
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def dumps_raw_controls(value: Any) -> bytes:
    """Like `dumps`, but the control characters U+0000-001F stand raw inside the strings, which strict JSON
    forbids.
    """
    return dumps(_translated(value)).decode("utf-8").translate(_FROM_STAND_IN).encode("utf-8")


def _translated(value: Any) -> Any:
    if isinstance(value, str):
        return value.translate(_TO_STAND_IN)
    if isinstance(value, dict):
        return {key: _translated(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_translated(item) for item in value]
    return value


def as_wire(item: Wire) -> bytes:
    """Return *item* as it goes onto the socket: Raw stays, str and bytes become one text frame unchanged, anything else
    goes through JSON.
    """
    if isinstance(item, Raw):
        return item
    if isinstance(item, bytes):
        return frame(item)
    if isinstance(item, str):
        return frame(item.encode("utf-8"))
    return frame(dumps(item))


def binary(payload: bytes) -> Raw:
    """A binary frame, which this protocol never uses."""
    return frame(payload, BINARY)


def masked(item: Wire) -> Raw:
    """A text frame with a mask, which RFC 6455 forbids a server."""
    payload = item if isinstance(item, bytes) else item.encode("utf-8") if isinstance(item, str) else dumps(item)
    return frame(payload, mask=True)


def fragmented(item: Wire, pieces: int = 3) -> Raw:
    """One text message in *pieces* fragments, with a ping in between; legal, and rarely tested."""
    payload = item if isinstance(item, bytes) else item.encode("utf-8") if isinstance(item, str) else dumps(item)
    step = max(1, -(-len(payload) // max(1, pieces)))
    parts = [payload[start : start + step] for start in range(0, len(payload), step)] or [b""]
    out = bytearray()
    for index, part in enumerate(parts):
        out += frame(part, CONTINUATION if index else TEXT, fin=index == len(parts) - 1)
        if index == 0 and len(parts) > 1:
            out += frame(b"between", PING)
    return Raw(out)


def close_frame(code: Optional[int], reason: str = "") -> Raw:
    """A Close frame; *code* None or 1005 means: without a code."""
    if code is None or code == 1005:
        return frame(b"", CLOSE)
    return frame(struct.pack("!H", code) + reason.encode("utf-8")[:123], CLOSE)


def answer(req_id: Any, errcode: int = 0, errmsg: str = "ok", body: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
    """An answer as the gateway gives it: no cmd, the req_id echoed (docs/protocol/aibot, 1). *req_id* None leaves
    it out.
    """
    headers = {} if req_id is None else {"req_id": req_id}
    made: Dict[str, Any] = {"headers": headers, "errcode": errcode, "errmsg": errmsg}
    if body is not None:
        made["body"] = body
    return made


def hostile_samples() -> Dict[str, Wire]:
    """One of each kind of frame that a client must skip or survive (docs/protocol/aibot, 1), by name."""
    return {
        "an array": "[]",
        "an array of frames": '[{"cmd":"ping"}]',
        "a string": '"x"',
        "a number": "17",
        "null": "null",
        "an empty object": "{}",
        "an empty text": "",
        "not JSON": "{'cmd': ping",
        "half a frame": '{"cmd":"aibot_msg_callback","headers":{"req_id":"r',
        "null headers": {
            "cmd": "aibot_msg_callback",
            "headers": None,
            "body": {"msgid": "h1", "msgtype": "text"},
        },
        "headers as a list": {"cmd": "aibot_msg_callback", "headers": ["req_id"], "body": {"msgid": "h2"}},
        "a number for a req_id": {
            "cmd": "aibot_msg_callback",
            "headers": {"req_id": 5},
            "body": {"msgid": "h3"},
        },
        "no headers": {"cmd": "aibot_msg_callback", "body": {"msgid": "h4", "msgtype": "text"}},
        "null body": {"cmd": "aibot_msg_callback", "headers": {"req_id": "hostile-5"}, "body": None},
        "body as a string": {
            "cmd": "aibot_event_callback",
            "headers": {"req_id": "hostile-6"},
            "body": "event",
        },
        "event as a list": {
            "cmd": "aibot_event_callback",
            "headers": {"req_id": "hostile-7"},
            "body": {"msgid": "h7", "msgtype": "event", "event": []},
        },
        "an unknown command": {
            "cmd": "aibot_from_the_future",
            "headers": {"req_id": "hostile-8"},
            "body": {},
        },
        "an answer to no request": answer("hostile-9"),
        "an answer with a text errcode": {
            "headers": {"req_id": "hostile-10"},
            "errcode": "0",
            "errmsg": None,
        },
        "a very deep array": "[" * 2000 + "]" * 2000,
        "a number too large": '{"cmd":"ping","headers":{"req_id":"h"},"errcode":1e999}',
        "binary": binary(b"\x00\x01\x02"),
        "bad UTF-8": frame(b'{"cmd":"\xff\xfe"}'),
        "a masked frame": masked("{}"),
        "an unasked pong": frame(b"?", PONG),
    }


def mint(prefix: str) -> str:
    """Make a fresh name that cannot be guessed."""
    return f"{prefix}-{secrets.token_hex(16)}"
