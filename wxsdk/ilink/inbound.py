"""From a WeixinMessage to what a handler gets: which messages, told apart how, with what body, file and quote.

Facts from docs/protocol/ilink, 2 and 3. Decides only; the client turns an ``Inbound`` into a MessageContext.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Iterable, List, NamedTuple, Optional

from ..core.redact import Secret
from .media import MediaInfo, choose_media
from .quotes import Lookup, RefMessageInfo, prefix_of, read_quote, spoken_item, spoken_text
from .wire import MessageItem, MessageState, MessageType, WeixinMessage

MAX_TIME_MS = 1 << 53  # ms since 1970; above it, it is no time
CONTENT_WINDOW = (
    60.0  # s; duplicates come 1–11 s later (docs/protocol/ilink, 2), and the same words again mean it later
)


@dataclass(frozen=True)
class Inbound:
    """One message for the handler. Absent texts are "", an absent time is 0."""

    message_id: str
    from_user_id: str
    to_user_id: str
    create_time_ms: int
    session_id: str
    context_token: Optional[Secret]
    body: Optional[str]
    media: Optional[MediaInfo]
    ref_message: Optional[RefMessageInfo]
    message: WeixinMessage
    text: str = ""  # the body without what it quotes


def is_for_handler(message: WeixinMessage) -> bool:
    """Written by a user, not deleted, and not still being written."""
    return (
        message.message_type == MessageType.USER
        and not message.delete_time_ms
        and message.message_state != MessageState.GENERATING
    )


def message_id_of(message: WeixinMessage) -> str:
    """The message's id, else that of its first item which has one, else ""."""
    candidates = [message.message_id, *(item.msg_id for item in message.item_list or [])]
    return next((one.strip() for one in candidates if one and one.strip() not in ("", "0")), "")


def to_inbound(message: WeixinMessage, lookup: Lookup = lambda _: None) -> Inbound:
    """What the handler gets of *message*. *lookup* finds a remembered message by its id, for quotes of only an id."""
    items = message.item_list or []
    spoken = spoken_item(items)
    quoting = spoken if spoken is not None and spoken.ref_msg is not None else _first_quoting(items)
    ref = quoting.ref_msg if quoting is not None else None
    info = read_quote(ref, lookup) if ref is not None else None
    body = text = None if spoken is None else spoken_text(spoken)
    if body and ref is not None and info is not None:
        body = prefix_of(ref, info) + body
    media = choose_media(items) or (info.media if info is not None else None)
    time_ms = message.create_time_ms or 0
    return Inbound(
        message_id=message_id_of(message),
        from_user_id=message.from_user_id or "",
        to_user_id=message.to_user_id or "",
        create_time_ms=time_ms if 0 <= time_ms <= MAX_TIME_MS else 0,
        session_id=message.session_id or "",
        context_token=message.context_token or None,
        body=body,
        media=media,
        ref_message=info,
        message=message,
        text=text or "",
    )


def _first_quoting(items: List[MessageItem]) -> Optional[MessageItem]:
    return next((item for item in items if item.ref_msg is not None), None)


class MessageKeys(NamedTuple):
    """By what a message is recognised when it comes again; "" where it has no such key."""

    by_id: str
    by_content: str


def keys_of(message: WeixinMessage) -> MessageKeys:
    """The keys of *message*. Without id and time it has none: the same words twice are then two messages."""
    top_id = (message.message_id or "").strip()
    by_id = f"id:{top_id}" if top_id and top_id != "0" else ""
    if not message.create_time_ms or not message.item_list:
        return MessageKeys(by_id, "")
    digest = hashlib.blake2b(_content(message).encode("utf-8", "replace"), digest_size=16)
    return MessageKeys(by_id, f"content:{digest.hexdigest()}")


def _content(message: WeixinMessage) -> str:
    """All that stays the same in a duplicate; addresses are left out, since they may be signed anew."""
    parts: List[object] = [message.from_user_id, message.create_time_ms]
    for item in message.item_list or []:
        parts.append(item.type)
        if item.text_item is not None:
            parts.append(item.text_item.text)
        for held in (item.image_item, item.voice_item, item.file_item, item.video_item):
            if held is not None:
                media = held.media
                parts += [str(media.aes_key) if media is not None else "", getattr(held, "file_name", "")]
    return "\x1f".join(map(str, parts))


class SeenMessages:
    """The messages of late, bounded in number and age. Not thread-safe: the poll loop owns it.

    A duplicate may come without the id of the first, or the first without the id of the duplicate.
    """

    def __init__(self, window: float, max_ids: int) -> None:
        self._window = window
        self._max = max_ids
        self._ids: OrderedDict[str, float] = OrderedDict()
        self._contents: OrderedDict[str, tuple[float, bool]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ids)

    def knows(self, keys: MessageKeys, now: float) -> bool:
        """Whether a message with these *keys* was added within the window (seconds, of the clock that *now* is of)."""
        if keys.by_id and now - self._ids.get(keys.by_id, float("-inf")) <= self._window:
            return True
        at, had_id = self._contents.get(keys.by_content, (float("-inf"), True))
        # Two ids mean two messages, whatever they say.
        return now - at <= min(CONTENT_WINDOW, self._window) and not (had_id and keys.by_id)

    def add(self, keys: MessageKeys, now: float) -> None:
        """Remember a message."""
        self.add_many((keys,), now)

    def add_many(self, messages: Iterable[MessageKeys], now: float) -> None:
        """Remember several messages that came together."""
        ids, contents = self._ids, self._contents
        for keys in messages:
            if keys.by_id:
                ids[keys.by_id] = now
                ids.move_to_end(keys.by_id)
            if keys.by_content:
                contents[keys.by_content] = (now, bool(keys.by_id))
                contents.move_to_end(keys.by_content)
        self._forget(now)

    def is_new(self, message: WeixinMessage, now: float) -> bool:
        """Whether *message* comes for the first time; it is remembered either way."""
        keys = keys_of(message)
        known = self.knows(keys, now)
        self.add(keys, now)
        return not known

    def _forget(self, now: float) -> None:
        while self._ids and (len(self._ids) > self._max or now - next(iter(self._ids.values())) > self._window):
            self._ids.popitem(last=False)
        while self._contents and (
            len(self._contents) > self._max or now - next(iter(self._contents.values()))[0] > CONTENT_WINDOW
        ):
            self._contents.popitem(last=False)
