"""Checks what goes out, builds its messages, and reads what became of them (docs/protocol/ilink, 4 and 5)."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

from ..core.redact import Secret
from ..errors import ConfigError, Unsupported
from .jsontext import check_whole_characters
from .media import kind_for
from .wire import MessageItemType, MessageState, MessageType, SendReply, UploadMediaType

MAX_ID_CHARS = 512  # of a user id or tool name; real ones have about 40
GROUP_ENDING = "@chatroom"
MAX_CLIENT_ID_CHARS = 128  # real ones have about 40; a choice of ours
_PLATFORM_ID = re.compile(r"([A-Za-z0-9_.-]{1,64}:[0-9]{13})-[0-9a-f]{8}")
_CLIENT_ID = re.compile(rf"[\x21-\x7e]{{1,{MAX_CLIENT_ID_CHARS}}}")
TOOL_STATUSES = ("completed", "failed", "blocked", "unknown")  # of tool_call_result_item
ENCRYPT_TYPE = 1  # of the media we send; docs/protocol/ilink, 5
_UPLOAD_TYPES = {"image": UploadMediaType.IMAGE, "video": UploadMediaType.VIDEO, "file": UploadMediaType.FILE}
_TOOL_ITEMS = (MessageItemType.TOOL_CALL_START, MessageItemType.TOOL_CALL_RESULT)


@dataclass(frozen=True)
class SendResult:
    """What became of a message.

    client_id: the id it was sent under. message_id: the platform's, None when it gave none. confirmed: whether the
    platform's answer says that it was taken in for delivery; a text without a message_id was accepted, no more.
    parts: the results of all messages of the call, in order; this is the last one's.
    """

    client_id: str
    message_id: Optional[str]
    confirmed: bool
    parts: Tuple[SendResult, ...] = ()


@dataclass(frozen=True)
class Uploaded:
    """A file in the CDN. download_param: what the CDN answered. key: 16 bytes. Sizes are bytes."""

    file_name: str
    size: int
    cipher_size: int
    download_param: Secret
    key: bytes

    def __repr__(self) -> str:
        return f"Uploaded(file_name={self.file_name!r}, size={self.size}, cipher_size={self.cipher_size})"


def check_recipient(to: object) -> str:
    """*to* when it can be a user's id; ConfigError when not, Unsupported for a group."""
    if not isinstance(to, str) or not to or len(to) > MAX_ID_CHARS or not to.isprintable() or " " in to:
        raise ConfigError("The recipient is not a user id.", remedy="Give the from_user_id of a message.")
    if to.endswith(GROUP_ENDING):
        raise Unsupported("iLink bots cannot write to groups.", remedy="Write to the user instead.")
    return to


def check_text(text: object, *, name: str = "text") -> str:
    """*text* when it can be sent; ConfigError when it is no str, has nothing to read, or cannot be UTF-8."""
    if not isinstance(text, str):
        raise ConfigError(f"The {name} is not a str but {type(text).__name__}.")
    if not text.strip():
        raise ConfigError(f"The {name} is empty.", remedy="The platform delivers no empty message.")
    check_whole_characters(text, name)
    return text


def check_context_token(token: object) -> Optional[Secret]:
    """*token* as a Secret, None for None; ConfigError for anything but text of a reasonable form."""
    if token is None:
        return None
    if not isinstance(token, str) or not token or not token.isprintable():
        raise ConfigError("The context_token is not usable.", remedy="Give the context_token of a message, or None.")
    return Secret(token)


def check_client_id(client_id: object) -> Optional[str]:
    """Return *client_id*, None for None; ConfigError unless it is text that the platform's ids could be."""
    if client_id is None:
        return None
    if not isinstance(client_id, str) or not _CLIENT_ID.fullmatch(client_id):
        raise ConfigError(
            "The client_id is not usable.", remedy=f"Give 1 to {MAX_CLIENT_ID_CHARS} printable ASCII characters."
        )
    return client_id


def check_kind(kind: object, file_name: str) -> str:
    """Return how a file of this name is sent: as *kind* where that is given; ConfigError when it is not a kind."""
    if kind is None:
        return kind_for(file_name)
    if kind not in _UPLOAD_TYPES:
        raise ConfigError("The kind of the file is not known.", remedy='Give "image", "video" or "file", or None.')
    return str(kind)


def part_id(client_id: str, index: int, prefix: str) -> str:
    """Return the id of message *index* of a call that was given *client_id*, of the platform's form.

    It follows from *client_id* alone, so that a repeat, after a restart too, sends the same one. An id that has the
    form (docs/protocol/ilink, 4) is sent as it is.
    """
    known = _PLATFORM_ID.fullmatch(client_id)
    if known and index == 0:
        return client_id
    digest = hashlib.blake2b(f"{client_id}#{index}".encode(), digest_size=10).digest()
    begin = known.group(1) if known else f"{prefix}:1{int.from_bytes(digest[4:], 'big') % 10**12:012d}"
    return f"{begin}-{digest[:4].hex()}"


def check_tool_call(name: object, call_id: object = None, status: object = "completed") -> None:
    """ConfigError unless these can stand in a tool-call item."""
    given = {"tool name": name} if call_id is None else {"tool name": name, "call_id": call_id}
    for what, value in given.items():
        if len(check_text(value, name=what)) > MAX_ID_CHARS:
            raise ConfigError(f"The {what} is longer than {MAX_ID_CHARS} characters.")
    if status not in TOOL_STATUSES:
        raise ConfigError("The status of a tool call is not known.", remedy=f"Give one of {', '.join(TOOL_STATUSES)}.")


def message(
    to: str,
    item: Dict[str, Any],
    *,
    client_id: str,
    context_token: Optional[str] = None,
    run_id: Optional[str] = None,
    message_id: Optional[int] = None,
) -> Dict[str, Any]:
    """``msg`` of sendMessage, with exactly one item and no field beyond those the platform knows."""
    msg: Dict[str, Any] = {
        "from_user_id": "",
        "to_user_id": to,
        "client_id": client_id,
        "message_type": int(MessageType.BOT),
        "message_state": int(MessageState.FINISH),
        "item_list": [item],
    }
    if context_token:
        msg["context_token"] = context_token
    if run_id:
        msg["run_id"] = run_id
    if message_id is not None:
        msg["message_id"] = message_id
    return msg


def text_item(text: str) -> Dict[str, Any]:
    return {"type": int(MessageItemType.TEXT), "text_item": {"text": text}}


def reference(message_id: object) -> Dict[str, Any]:
    """Return ``ref_msg`` for an answer to the message *message_id*; ConfigError when that is not an id.

    Experimental: no client of the platform's is known to send one, and WeChat may show nothing of it.
    """
    if not isinstance(message_id, str) or not _CLIENT_ID.fullmatch(message_id):
        raise ConfigError("reply_to is not a message id.", remedy="Give the message_id of a MessageContext.")
    return {"svr_id": message_id, "message_item": {"msg_id": message_id}}


def media_item(kind: str, uploaded: Uploaded) -> Dict[str, Any]:
    """The item of an uploaded file; *kind* is "image", "video" or "file", and a "voice" goes as a file."""
    media = {
        "encrypt_query_param": uploaded.download_param,
        "aes_key": wire_key(uploaded.key),
        "encrypt_type": ENCRYPT_TYPE,
    }
    if kind == "image":
        return {"type": int(MessageItemType.IMAGE), "image_item": {"media": media, "mid_size": uploaded.cipher_size}}
    if kind == "video":
        return {"type": int(MessageItemType.VIDEO), "video_item": {"media": media, "video_size": uploaded.cipher_size}}
    file = {"media": media, "file_name": uploaded.file_name, "len": str(uploaded.size)}
    return {"type": int(MessageItemType.FILE), "file_item": file}


def tool_start_item(name: str, call_id: Optional[str], now_ms: int) -> Dict[str, Any]:
    return _tool_item(MessageItemType.TOOL_CALL_START, "tool_call_start_item", now_ms, False, name, call_id)


def tool_result_item(name: str, call_id: Optional[str], status: str, now_ms: int) -> Dict[str, Any]:
    item = _tool_item(MessageItemType.TOOL_CALL_RESULT, "tool_call_result_item", now_ms, True, name, call_id)
    item["tool_call_result_item"]["status"] = status
    return item


def _tool_item(
    kind: MessageItemType, field: str, now_ms: int, completed: bool, name: str, call_id: Optional[str]
) -> Dict[str, Any]:
    call = {"tool_name": name}
    if call_id:
        call["tool_call_id"] = call_id
    return {"type": int(kind), "create_time_ms": now_ms, "is_completed": completed, field: call}


def wire_key(key: bytes) -> Secret:
    """aes_key of the media we send: base64 of the key's hex (docs/protocol/ilink, 5)."""
    return Secret(base64.b64encode(key.hex().encode()).decode())


def upload_request(
    kind: str, *, to: str, filekey: bytes, key: bytes, size: int, md5_hex: str, cipher_size: int
) -> Dict[str, Any]:
    """Return the body of getUploadUrl for a file that goes as *kind*.

    filekey, key: 16 random bytes each. Sizes are bytes.
    """
    return {
        "filekey": Secret(filekey.hex()),
        "media_type": int(_UPLOAD_TYPES[kind]),
        "to_user_id": to,
        "rawsize": size,
        "rawfilemd5": md5_hex,
        "filesize": cipher_size,
        "no_need_thumb": True,
        "aeskey": Secret(key.hex()),
    }


def is_tool_item(item: Dict[str, Any]) -> bool:
    """Whether an empty body is the platform's usual answer to *item*."""
    return item.get("type") in _TOOL_ITEMS


def send_result(reply: SendReply, item: Dict[str, Any], client_id: str) -> SendResult:
    """What a successful answer says of the message that held *item*."""
    given = (reply.message_id or "").strip()
    message_id = given if given and given != "0" else None
    return SendResult(client_id, message_id, message_id is not None or is_tool_item(item))
