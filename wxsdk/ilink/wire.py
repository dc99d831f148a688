"""The iLink messages as they are on the wire (docs/protocol/ilink, 2, 3, 5 and 6).

Every field is optional and every object keeps what it does not know in ``extra``, so any answer whatever decodes. What
is a secret is typed ``Secret`` and never shows in a repr; ``errmsg`` stays out of reprs too, since servers echo.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Dict, List, Optional

from ..core.redact import Secret
from ..core.wiretype import WireType, extra_field

MAX_DEPTH = 64  # levels of nesting kept of a message; real ones have 8, and Python's own limit is near 1,000


class MessageType(IntEnum):
    """Who wrote a message."""

    NONE = 0
    USER = 1
    BOT = 2


class MessageState(IntEnum):
    """How far a message is."""

    NEW = 0
    GENERATING = 1
    FINISH = 2


class MessageItemType(IntEnum):
    """What an item is; more will come, so compare and never convert."""

    NONE = 0
    TEXT = 1
    IMAGE = 2
    VOICE = 3
    FILE = 4
    VIDEO = 5
    TOOL_CALL_START = 11
    TOOL_CALL_RESULT = 12


class UploadMediaType(IntEnum):
    """media_type of getUploadUrl; numbered unlike the items."""

    IMAGE = 1
    VIDEO = 2
    FILE = 3
    VOICE = 4


class TypingStatus(IntEnum):
    """status of sendTyping."""

    TYPING = 1
    CANCEL = 2


@dataclass
class CDNMedia(WireType):
    """Where a file lies in the CDN, and its key (base64 of 16 bytes or of 32 hex characters)."""

    encrypt_query_param: Optional[Secret] = None
    aes_key: Optional[Secret] = None
    encrypt_type: Optional[int] = None
    full_url: Optional[Secret] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class TextItem(WireType):
    text: Optional[str] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class ImageItem(WireType):
    """aeskey is hex and wins over media.aes_key; sizes are bytes, width and height pixels."""

    media: Optional[CDNMedia] = None
    thumb_media: Optional[CDNMedia] = None
    aeskey: Optional[Secret] = None
    url: Optional[Secret] = None
    mid_size: Optional[int] = None
    thumb_size: Optional[int] = None
    thumb_height: Optional[int] = None
    thumb_width: Optional[int] = None
    hd_size: Optional[int] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class VoiceItem(WireType):
    """encode_type: 1 pcm, 2 adpcm, 3 feature, 4 speex, 5 amr, 6 silk, 7 mp3, 8 ogg-speex. playtime: milliseconds.

    sample_rate: Hz. text: the transcript, when WeChat made one.
    """

    media: Optional[CDNMedia] = None
    encode_type: Optional[int] = None
    bits_per_sample: Optional[int] = None
    sample_rate: Optional[int] = None
    playtime: Optional[int] = None
    text: Optional[str] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class FileItem(WireType):
    """len: bytes of the plain file, as a decimal string. md5: of the plain file, hex."""

    media: Optional[CDNMedia] = None
    file_name: Optional[str] = None
    md5: Optional[str] = None
    len: Optional[str] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class VideoItem(WireType):
    media: Optional[CDNMedia] = None
    video_size: Optional[int] = None
    play_length: Optional[int] = None
    video_md5: Optional[str] = None
    thumb_media: Optional[CDNMedia] = None
    thumb_size: Optional[int] = None
    thumb_height: Optional[int] = None
    thumb_width: Optional[int] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class ToolCallStartItem(WireType):
    tool_name: Optional[str] = None
    tool_call_id: Optional[str] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class ToolCallResultItem(WireType):
    tool_name: Optional[str] = None
    tool_call_id: Optional[str] = None
    status: Optional[str] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class PartialText(WireType):
    """Which part of the quoted text was selected: from one occurrence of *start* to one of *end*, counted from 0."""

    start: Optional[str] = None
    end: Optional[str] = None
    startindex: Optional[int] = None
    endindex: Optional[int] = None
    quotemd5: Optional[str] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class RefMessage(WireType):
    """The message that an item quotes: whole, by title, or by id alone."""

    message_item: Optional[MessageItem] = None
    title: Optional[str] = None
    svr_id: Optional[str] = None
    partial_text: Optional[PartialText] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class MessageItem(WireType):
    type: Optional[int] = None
    create_time_ms: Optional[int] = None
    update_time_ms: Optional[int] = None
    is_completed: Optional[bool] = None
    msg_id: Optional[str] = None
    ref_msg: Optional[RefMessage] = None
    text_item: Optional[TextItem] = None
    image_item: Optional[ImageItem] = None
    voice_item: Optional[VoiceItem] = None
    file_item: Optional[FileItem] = None
    video_item: Optional[VideoItem] = None
    tool_call_start_item: Optional[ToolCallStartItem] = None
    tool_call_result_item: Optional[ToolCallResultItem] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class WeixinMessage(WireType):
    """One message, in either direction. Times are milliseconds since 1970; message_id is a uint64 kept as text."""

    seq: Optional[int] = None
    message_id: Optional[str] = None
    from_user_id: Optional[str] = None
    to_user_id: Optional[str] = None
    client_id: Optional[str] = None
    create_time_ms: Optional[int] = None
    update_time_ms: Optional[int] = None
    delete_time_ms: Optional[int] = None
    session_id: Optional[str] = None
    group_id: Optional[str] = None
    message_type: Optional[int] = None
    message_state: Optional[int] = None
    item_list: Optional[List[MessageItem]] = None
    context_token: Optional[Secret] = None
    run_id: Optional[str] = None
    extra: Dict[str, Any] = extra_field()


@dataclass
class Answer(WireType):
    """What every answer has: ret and errcode, both to be read (docs/protocol/ilink, 1)."""

    ret: Optional[int] = None
    errcode: Optional[int] = None
    errmsg: Optional[str] = dataclasses.field(default=None, repr=False)
    extra: Dict[str, Any] = extra_field()


@dataclass
class UpdatesReply(Answer):
    """Answer of getupdates. sync_buf is the old name of get_updates_buf."""

    msgs: Optional[List[WeixinMessage]] = None
    get_updates_buf: Optional[str] = None
    sync_buf: Optional[str] = None
    longpolling_timeout_ms: Optional[int] = None


@dataclass
class SendReply(Answer):
    """Answer of sendmessage; empty for tool-call items."""

    message_id: Optional[str] = None


@dataclass
class UploadUrlReply(Answer):
    """Answer of getuploadurl: a parameter to build the address from, or the address itself."""

    upload_param: Optional[Secret] = None
    thumb_upload_param: Optional[Secret] = None
    upload_full_url: Optional[Secret] = None


@dataclass
class ConfigReply(Answer):
    """Answer of getconfig."""

    typing_ticket: Optional[Secret] = None


@dataclass
class QrCodeReply(Answer):
    """Answer of get_bot_qrcode. Who has the code's id can ask for the token, so it is a secret."""

    qrcode: Optional[Secret] = None
    qrcode_img_content: Optional[Secret] = None


@dataclass
class QrStatusReply(Answer):
    """Answer of get_qrcode_status."""

    status: Optional[str] = None
    bot_token: Optional[Secret] = None
    ilink_bot_id: Optional[str] = None
    baseurl: Optional[str] = None
    ilink_user_id: Optional[str] = None
    redirect_host: Optional[str] = None


def decode_message(raw: Any) -> WeixinMessage:
    """One message out of anything; what is nested deeper than MAX_DEPTH is cut off."""
    return WeixinMessage.from_dict(pruned(raw, MAX_DEPTH) if deeper_than(raw, MAX_DEPTH) else raw)


def decode_updates(raw: Dict[str, Any]) -> UpdatesReply:
    """An answer of getupdates, each message decoded by itself; elements of msgs that are no objects are left out."""
    raw = dict(raw)
    messages = raw.pop("msgs", None)
    for name in ("get_updates_buf", "sync_buf"):
        if not isinstance(raw.get(name), str):
            raw.pop(name, None)  # a number would decode to a text that is no cursor
    if deeper_than(raw, MAX_DEPTH):
        raw = pruned(raw, MAX_DEPTH)
    reply = UpdatesReply.from_dict(raw)
    if isinstance(messages, list):
        reply.msgs = [decode_message(one) for one in messages if isinstance(one, dict)]
    return reply


def deeper_than(value: Any, levels: int) -> bool:
    """Whether *value* is nested more than *levels* deep."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in inner:  # noqa: SIM110 - a generator would cost more than the look itself, on every message
        if isinstance(part, (dict, list)) and (levels <= 0 or deeper_than(part, levels - 1)):
            return True
    return False


def pruned(value: Any, levels: int) -> Any:
    """*value* without what is nested more than *levels* deep."""
    if not isinstance(value, (dict, list)):
        return value
    if levels < 0:
        return None
    if isinstance(value, dict):
        return {name: pruned(part, levels - 1) for name, part in value.items()}
    return [pruned(part, levels - 1) for part in value]
