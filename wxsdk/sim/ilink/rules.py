"""Checks the requests to the simulated iLink platform. Pure: each check returns sentences about what is
wrong, none when all is well.

Sources: docs/protocol/ilink, 1 (headers, base_info, bodies), 4 (messages), 5 (uploads).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any, Callable, Dict, List, Mapping, Optional

MAX_BOT_AGENT_BYTES = 256  # docs/protocol/ilink, 1
MAX_TEXT_BYTES = 16 * 1024  # UTF-8; docs/protocol/ilink, 4
MAX_LOCAL_TOKENS = 10  # docs/protocol/ilink, 1
CLIENT_ID = re.compile(r"[^\s:]+:\d{10,16}-[0-9a-f]{8}")
HEX_16 = re.compile(r"[0-9a-f]{32}")
VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_PRODUCT = r"[A-Za-z0-9_.\-]{1,32}/[A-Za-z0-9_.+\-]{1,32}(?: \([\x20-\x27\x2a-\x7e]{1,64}\))?"
UNNAMED = "OpenClaw"  # what the vendor's client calls itself without a name of its own; it has no version
BOT_AGENT = re.compile(f"{_PRODUCT}(?: {_PRODUCT})*|{UNNAMED}")

TEXT, IMAGE, VOICE, FILE, VIDEO, TOOL_CALL_START, TOOL_CALL_RESULT = 1, 2, 3, 4, 5, 11, 12
KINDS = {
    TEXT: "text",
    IMAGE: "image",
    VOICE: "voice",
    FILE: "file",
    VIDEO: "video",
    TOOL_CALL_START: "tool_call_start",
    TOOL_CALL_RESULT: "tool_call_result",
}
TOOL_CALLS = (TOOL_CALL_START, TOOL_CALL_RESULT)

MSG_FIELDS: Dict[str, type] = {
    "from_user_id": str,
    "to_user_id": str,
    "client_id": str,
    "message_type": int,
    "message_state": int,
    "item_list": list,
    "context_token": str,
    "run_id": str,
}
ITEM_FIELDS: Dict[int, Dict[str, type]] = {
    TEXT: {"text": str},
    IMAGE: {"media": dict, "mid_size": int},
    VOICE: {
        "media": dict,
        "encode_type": int,
        "bits_per_sample": int,
        "sample_rate": int,
        "playtime": int,
        "text": str,
    },
    FILE: {"media": dict, "file_name": str, "len": str},
    VIDEO: {"media": dict, "video_size": int},
    TOOL_CALL_START: {"tool_name": str, "tool_call_id": str},
    TOOL_CALL_RESULT: {"tool_name": str, "tool_call_id": str, "status": str},
}
MEDIA_FIELDS: Dict[str, type] = {"encrypt_query_param": str, "aes_key": str, "encrypt_type": int}
UPLOAD_FIELDS: Dict[str, type] = {
    "filekey": str,
    "media_type": int,
    "to_user_id": str,
    "rawsize": int,
    "rawfilemd5": str,
    "filesize": int,
    "no_need_thumb": bool,
    "aeskey": str,
}


def client_version(version: str) -> Optional[int]:
    """The iLink-App-ClientVersion that belongs to a channel version: major<<16 | minor<<8 | patch."""
    found = VERSION.fullmatch(version)
    if found is None:
        return None
    major, minor, patch = (int(part) for part in found.groups())
    return major << 16 | minor << 8 | patch


def check_app_headers(headers: Mapping[str, str]) -> List[str]:
    """The two headers of every request; a request without them is answered -14."""
    wrong = []
    if headers.get("iLink-App-Id") != "bot":
        wrong.append('iLink-App-Id is not "bot"')
    version = headers.get("iLink-App-ClientVersion", "")
    if not version.isdecimal() or int(version) >= 2**32:
        wrong.append("iLink-App-ClientVersion is not a decimal uint32")
    return wrong


def check_post_headers(headers: Mapping[str, str]) -> List[str]:
    """The headers that every POST adds."""
    wrong = []
    if headers.get("Content-Type", "").split(";")[0].strip() != "application/json":
        wrong.append("Content-Type is not application/json")
    if headers.get("AuthorizationType") != "ilink_bot_token":
        wrong.append("AuthorizationType is not ilink_bot_token")
    if not is_wechat_uin(headers.get("X-WECHAT-UIN", "")):
        wrong.append("X-WECHAT-UIN is not base64 of the decimal string of a uint32")
    return wrong


def check_characters(body: Any) -> List[str]:
    """The texts of a body: JSON can spell half of a character, which no UTF-8 can carry on to a user."""
    try:
        json.dumps(body, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return ["the body has half of a character (a lone surrogate)"]
    return []


def is_wechat_uin(value: str) -> bool:
    """Whether *value* is base64 of the decimal string of a uint32."""
    try:
        number = base64.b64decode(value, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return False
    return number.isdecimal() and str(int(number)) == number and int(number) < 2**32


def check_base_info(body: Mapping[str, Any], headers: Mapping[str, str]) -> List[str]:
    """The base_info of every POST body but the QR code's."""
    info = body.get("base_info")
    if not isinstance(info, dict):
        return ["base_info is missing"]
    wrong = _fields(info, {"channel_version": str, "bot_agent": str}, "base_info")
    if wrong:
        return wrong
    number = client_version(info["channel_version"])
    if number is None:
        wrong.append("base_info.channel_version is not of the form 1.2.3")
    elif str(number) != headers.get("iLink-App-ClientVersion"):
        wrong.append("base_info.channel_version and iLink-App-ClientVersion differ")
    agent = info["bot_agent"]
    if len(agent.encode()) > MAX_BOT_AGENT_BYTES or not BOT_AGENT.fullmatch(agent):
        wrong.append("base_info.bot_agent does not follow its grammar")
    return wrong


def check_qrcode_request(body: Any, headers: Mapping[str, str]) -> List[str]:
    """get_bot_qrcode: no Authorization, no base_info, at most ten known tokens."""
    wrong = ["the QR request carries Authorization"] if "Authorization" in headers else []
    if not isinstance(body, dict):
        return [*wrong, "the body is not a JSON object"]
    wrong += [f"the QR request carries {name}" for name in body if name != "local_token_list"]
    tokens = body.get("local_token_list")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        wrong.append("local_token_list is not a list of strings")
    elif len(tokens) > MAX_LOCAL_TOKENS:
        wrong.append(f"local_token_list has {len(tokens)} tokens, {MAX_LOCAL_TOKENS} are allowed")
    return wrong


def check_body(body: Mapping[str, Any], fields: Mapping[str, type], optional: Mapping[str, type]) -> List[str]:
    """The fields of a call's body besides base_info."""
    rest = {name: value for name, value in body.items() if name != "base_info"}
    return _fields(rest, fields, "the body", optional)


def check_upload(body: Mapping[str, Any]) -> List[str]:
    """getuploadurl (docs/protocol/ilink, 5)."""
    wrong = check_body(body, UPLOAD_FIELDS, {})
    if wrong:
        return wrong
    for name in ("filekey", "rawfilemd5", "aeskey"):
        if not HEX_16.fullmatch(body[name]):
            wrong.append(f"{name} is not 32 lower-case hex characters")
    if body["media_type"] not in (1, 2, 3, 4):
        wrong.append(f"media_type {body['media_type']} is none of 1 to 4")
    if body["filesize"] != (body["rawsize"] // 16 + 1) * 16:
        wrong.append(f"filesize {body['filesize']} is not the cipher size of rawsize {body['rawsize']}")
    if body["no_need_thumb"] is not True:
        wrong.append("no_need_thumb is not true")
    return wrong


def check_message(body: Mapping[str, Any]) -> List[str]:
    """The parts of a sendmessage body whose absence is refused."""
    msg = body.get("msg")
    if not isinstance(msg, dict):
        return ["msg is missing"]
    known = {name: value for name, value in msg.items() if name in MSG_FIELDS}
    wrong = _fields(known, MSG_FIELDS, "msg", optional=("context_token", "run_id"))
    if wrong:
        return wrong
    if msg["from_user_id"] != "":
        wrong.append("msg.from_user_id is not empty")
    if (msg["message_type"], msg["message_state"]) != (2, 2):
        wrong.append("msg.message_type and msg.message_state are not 2 and 2")
    if not CLIENT_ID.fullmatch(msg["client_id"]):
        wrong.append("msg.client_id is not <prefix>:<ms>-<8 hex>")
    if len(msg["item_list"]) != 1:
        wrong.append(f"msg.item_list has {len(msg['item_list'])} items, not exactly one")
    else:
        wrong += check_item(msg["item_list"][0])
    return wrong


def check_item(item: Any) -> List[str]:
    """The one item of a message to be sent; unknown extra fields are not its business (see extra_fields)."""
    if not isinstance(item, dict):
        return ["the item is not an object"]
    kind = item.get("type")
    if kind not in KINDS:
        return [f"the item has type {kind!r}"]
    name = item_name(kind)
    inner = item.get(name)
    if not isinstance(inner, dict):
        return [f"{name} is missing"]
    required = ITEM_FIELDS[kind]
    optional = {
        VOICE: tuple(required),
        TOOL_CALL_START: ("tool_call_id",),
        TOOL_CALL_RESULT: ("tool_call_id",),
    }.get(kind, ())
    wrong = _fields({k: v for k, v in inner.items() if k in required}, required, name, optional)
    if kind == TEXT and not wrong and not inner["text"]:
        wrong.append("text_item.text is empty")
    if kind in TOOL_CALLS:
        wrong += _check_tool_call(kind, item)
    elif kind not in (TEXT, VOICE) and not wrong:
        media = {k: v for k, v in inner["media"].items() if k in MEDIA_FIELDS}
        wrong += _fields(media, MEDIA_FIELDS, f"{name}.media")
        if not wrong and media["encrypt_type"] != 1:
            wrong.append(f"{name}.media.encrypt_type is not 1")
    return wrong


def extra_fields(body: Mapping[str, Any]) -> List[str]:
    """Return the unknown fields: the platform accepts such a message and silently drops it (docs/protocol/ilink,
    4).
    """
    msg = body["msg"]
    item = msg["item_list"][0]
    kind = item["type"]
    name = item_name(kind)
    allowed = {"type", name} | ({"create_time_ms", "is_completed"} if kind in TOOL_CALLS else set())
    extra = [f"{k}" for k in body if k not in ("msg", "base_info")]
    extra += [f"msg.{k}" for k in msg if k not in MSG_FIELDS]
    extra += [f"item.{k}" for k in item if k not in allowed]
    extra += [f"{name}.{k}" for k in item[name] if k not in ITEM_FIELDS[kind]]
    extra += [f"{name}.media.{k}" for k in item[name].get("media", ()) if k not in MEDIA_FIELDS]
    return extra


def item_name(kind: int) -> str:
    """The field that holds an item's content, such as "text_item"."""
    return f"{KINDS[kind]}_item"


def _check_tool_call(kind: int, item: Mapping[str, Any]) -> List[str]:
    wrong = []
    if not _is(item.get("create_time_ms"), int):
        wrong.append("the tool-call item has no create_time_ms")
    if item.get("is_completed") is not (kind == TOOL_CALL_RESULT):
        wrong.append(f"is_completed of a {KINDS[kind]} item is {item.get('is_completed')!r}")
    return wrong


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


def _fields(found: Mapping[str, Any], wanted: Mapping[str, type], place: str, optional: Any = ()) -> List[str]:
    """Every field of *wanted* must be there, unless *optional* names it, and be of its type; nothing else may
    be.
    """
    types = {**wanted, **(optional if isinstance(optional, dict) else {})}
    missing: Callable[[str], bool] = lambda name: name not in found and name not in optional  # noqa: E731
    wrong = [f"{place} has no {name}" for name in wanted if missing(name)]
    wrong += [f"{place} has an unknown field {name}" for name in found if name not in types]
    return wrong + [
        f"{name} in {place} is no {types[name].__name__}"
        for name in found
        if name in types and not _is(found[name], types[name])
    ]
