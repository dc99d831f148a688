"""Holds a received message as it came, and decodes it when it is read.

Most of what a message says is not needed to store it, to tell it from others and to find its lane, and decoding costs
more than all of that together.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Dict, Iterable, List, Optional, Union

from ..core.wiretype import as_int, as_text
from .inbound import MessageKeys, is_for_handler, keys_of, message_id_of
from .wire import MAX_DEPTH, MessageState, MessageType, WeixinMessage, decode_message, deeper_than, pruned


class RawMessage:
    """One message of getupdates: the JSON object *raw*. What is nested deeper than wire.MAX_DEPTH is cut off."""

    __slots__ = ("_keys", "_message", "raw", "user_id")

    def __init__(self, raw: Dict[str, Any], message: Optional[WeixinMessage] = None) -> None:
        self.raw = raw
        self.user_id: str = as_text(raw.get("from_user_id")) or ""
        self._message = message
        self._keys: Optional[MessageKeys] = None

    @classmethod
    def of(cls, message: Union[RawMessage, WeixinMessage]) -> RawMessage:
        """*message* as one of these."""
        return message if isinstance(message, RawMessage) else cls(message.to_dict(), message)

    @property
    def message(self) -> WeixinMessage:
        """All of it, decoded."""
        if self._message is None:
            self._message = decode_message(self.raw)
        return self._message

    @property
    def keys(self) -> MessageKeys:
        """What it is recognised by when it comes again; see ``inbound.keys_of``."""
        if self._keys is None:
            self._keys = self._text_keys() or keys_of(self.message)
        return self._keys

    @property
    def is_for_handler(self) -> bool:
        """See the function of that name in ``inbound``."""
        raw = self.raw
        kind = raw.get("message_type")
        if type(kind) is int and kind == MessageType.USER and not raw.get("delete_time_ms"):
            return as_int(raw.get("message_state")) != MessageState.GENERATING
        return is_for_handler(self.message)  # another type, or one that is not written as a number

    @property
    def context_token(self) -> str:
        """The token that came with it, "" for none."""
        token = self.raw.get("context_token")
        return token if isinstance(token, str) else ""

    @property
    def message_id(self) -> str:
        """Its id, or that of an item; see ``inbound.message_id_of``."""
        return self.keys.by_id[3:] or message_id_of(self.message)

    def row(self) -> str:
        """What the inbox keeps of it."""
        try:
            text = _dumped(self.raw)
        except RecursionError:
            text = ""
        # Each level takes a bracket, so few messages need the closer look.
        if (not text or text.count("{") + text.count("[") > MAX_DEPTH) and deeper_than(self.raw, MAX_DEPTH):
            self.raw = pruned(self.raw, MAX_DEPTH)
            text = _dumped(self.raw)
        return text

    def quote_row(self) -> str:
        """What is remembered for quotes that carry only its id, no context token; to be called after ``row``."""
        return _dumped({name: self.raw[name] for name in ("message_id", "item_list") if name in self.raw})

    def _text_keys(self) -> Optional[MessageKeys]:
        """The keys of a message that is nothing but texts, without decoding it; None for any other."""
        raw = self.raw
        created, items = raw.get("create_time_ms"), raw.get("item_list")
        if type(created) is not int or not created or type(items) is not list or not items:
            return None
        parts: List[object] = [as_text(raw.get("from_user_id")), created]
        for item in items:
            if type(item) is not dict or len(item) != 2 or type(item.get("type")) is not int:
                return None
            held = item.get("text_item")
            text = held.get("text") if type(held) is dict else None
            if type(text) is not str:
                return None
            parts += (item["type"], text)
        top_id = (as_text(raw.get("message_id")) or "").strip()
        digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode("utf-8", "replace"), digest_size=16)
        return MessageKeys(f"id:{top_id}" if top_id and top_id != "0" else "", f"content:{digest.hexdigest()}")


def raw_messages(found: Any) -> Iterable[RawMessage]:
    """The messages in the field ``msgs`` of an answer; elements that are not objects are left out."""
    return [RawMessage(each) for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
