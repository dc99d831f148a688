"""What a message quotes: whole, by title, by id alone, and which part of it was selected (docs/protocol/ilink, 3)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Callable, List, Optional

from .media import MediaInfo, choose_media, is_media, item_kind
from .wire import MessageItem, MessageItemType, PartialText, RefMessage, WeixinMessage

Lookup = Callable[[str], Optional[WeixinMessage]]
"""Finds a remembered message of the same conversation by its id."""


@dataclass(frozen=True)
class RefMessageInfo:
    """What a message quotes.

    title: the platform's summary. body: the quoted text (or transcript). message_id: of the quoted message.
    quote_text: the part of body that the user selected. media: the quoted file. Each is None when unknown.
    """

    title: Optional[str]
    body: Optional[str]
    message_id: Optional[str]
    quote_text: Optional[str]
    media: Optional[MediaInfo]


def quotable(message: WeixinMessage) -> WeixinMessage:
    """What to remember of *message*, so that a later quote by id finds its text and file; no context token."""
    return WeixinMessage(message_id=message.message_id, item_list=message.item_list)


def read_quote(ref: RefMessage, lookup: Lookup) -> RefMessageInfo:
    """What *ref* says, completed from the remembered messages when it carries little more than an id."""
    item = ref.message_item
    quoted: List[MessageItem] = [item] if item is not None else []
    message_id = _id(ref.svr_id) or (_id(item.msg_id) if item is not None else None)
    title = (ref.title or "").strip() or None
    body, media = body_of(quoted), choose_media(quoted)
    if message_id and body is None and media is None:
        remembered = lookup(message_id)
        items = (remembered.item_list or []) if remembered is not None else []
        body, media = body_of(items), choose_media(items)
    selected = select_part(body, ref.partial_text) if body and ref.partial_text is not None else None
    return RefMessageInfo(title, body, message_id, selected, media)


def prefix_of(ref: RefMessage, info: RefMessageInfo) -> str:
    """What goes before the text of a message that quotes text; "" when it quotes a file, or nothing known."""
    if (ref.message_item is not None and is_media(ref.message_item)) or (info.media is not None and info.body is None):
        return ""
    quoted = " | ".join(part for part in (info.title, info.body) if part)
    return f"[引用: {quoted}]\n" if quoted else ""


def body_of(items: List[MessageItem]) -> Optional[str]:
    """The first text, or the transcript of a voice, without any quote before it; None when there is neither."""
    item = spoken_item(items)
    return None if item is None else spoken_text(item)


def spoken_item(items: List[MessageItem]) -> Optional[MessageItem]:
    """The item whose words are the body: the first TEXT with a text, else the first VOICE with a transcript."""
    for wanted in (MessageItemType.TEXT, MessageItemType.VOICE):
        for item in items:
            if item_kind(item) == wanted and spoken_text(item):
                return item
    return None


def spoken_text(item: MessageItem) -> Optional[str]:
    holder = item.text_item if item_kind(item) == MessageItemType.TEXT else item.voice_item
    return None if holder is None else holder.text


def select_part(text: str, part: PartialText) -> Optional[str]:
    """The selected part of *text*, None when it cannot be told.

    It runs from the startindex-th *start* to the end of the endindex-th *end*, counted from 0. Clients count the ends
    over the whole text or from after the start; quotemd5 tells which, the whole text winning without it.
    """
    if not part.start or not part.end:
        return None
    first = _nth(text, part.start, part.startindex or 0, 0)
    if first is None:
        return None
    for begin in (0, first + len(part.start)):
        last = _nth(text, part.end, part.endindex or 0, begin)
        if last is not None and last >= first:
            selected = text[first : last + len(part.end)]
            if not part.quotemd5 or _md5(selected) == part.quotemd5.lower():
                return selected
    return None


def _nth(text: str, wanted: str, index: int, begin: int) -> Optional[int]:
    if index < 0:
        return None
    position = text.find(wanted, begin)
    while index and position >= 0:
        position = text.find(wanted, position + len(wanted))
        index -= 1
    return None if position < 0 else position


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def _id(value: Optional[str]) -> Optional[str]:
    """An id of the wire; empty and zero mean none."""
    stripped = (value or "").strip()
    return stripped if stripped and stripped != "0" else None
