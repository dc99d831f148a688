"""Turns what happens in the iLink simulator into entries of the page."""

from __future__ import annotations

import secrets
from typing import Any, Dict, List, Optional

from ..ilink.people import SimMessage
from ..ilink.rules import FILE, IMAGE, KINDS, TEXT, TOOL_CALLS, VIDEO, VOICE
from ..ilink.simulator import ILinkSim
from .ledger import Ledger
from .shelf import Shelf

MEDIA = (IMAGE, VOICE, FILE, VIDEO)
STATES = {(False, False): "queued", (True, False): "taken", (True, True): "delivered"}


class ILinkView:
    """Fills the ledger. Its methods run on the watcher's thread."""

    def __init__(self, sim: ILinkSim, ledger: Ledger, shelf: Shelf) -> None:
        self._sim, self._ledger, self._shelf = sim, ledger, shelf
        self._waiting: Dict[str, Any] = {}
        for entry in ledger.entries("ilink"):
            if entry["who"] == "user" and entry.get("state") in ("queued", "taken"):
                self._waiting[entry["id"]] = entry["message_id"]

    def said(self, message: Dict[str, Any]) -> None:
        """Show what a user has sent, as it went to the bot."""
        user = str(message.get("from_user_id", ""))
        message_id = str(message.get("message_id") or f"without-{secrets.token_hex(6)}")
        items = message.get("item_list")
        item = items[0] if isinstance(items, list) and items and isinstance(items[0], dict) else {}
        self._ledger.add_user(user)
        self._ledger.put(
            f"ilink-{message_id}",
            side="ilink",
            chat=user,
            who="user",
            user=user,
            at=_seconds(message.get("create_time_ms")),
            message_id=message_id,
            state="queued",
            quote=_quote(item.get("ref_msg")),
            **self._shown(item),
        )
        self._waiting[f"ilink-{message_id}"] = message.get("message_id")

    def delivered(self, message: SimMessage) -> None:
        """Show what a user got from the bot."""
        kind = message.item["type"]
        fields: Dict[str, Any] = {"kind": message.kind, "text": message.text}
        if kind in TOOL_CALLS:
            tool = message.content
            fields = {"kind": "tool", "text": str(tool.get("tool_name", "")), "status": tool.get("status")}
        elif message.stored is not None:
            name = message.file_name or {IMAGE: "picture", VIDEO: "video.mp4", VOICE: "voice"}.get(kind, "file")
            fields["media"] = [self._shelf.put(name, message.size, lambda: message.data)]
        self._ledger.put(
            f"ilink-{message.message_id}",
            side="ilink",
            chat=message.to,
            who="bot",
            at=message.at,
            message_id=message.message_id,
            run=message.run_id,
            **fields,
        )

    def follow(self) -> None:
        """See how far the messages of users have come."""
        for entry_id, message_id in list(self._waiting.items()):
            state = STATES[self._sim.progress(message_id)]
            self._ledger.put(entry_id, state=state)
            if state == "delivered":
                del self._waiting[entry_id]

    def _shown(self, item: Dict[str, Any]) -> Dict[str, Any]:
        kind = item.get("type", 0)
        content = item.get(f"{KINDS[kind]}_item") if kind in KINDS else None
        if not isinstance(content, dict):
            return {"kind": "other", "text": ""}
        shown: Dict[str, Any] = {"kind": KINDS[kind], "text": str(content.get("text", ""))}
        if kind == VOICE:
            shown["seconds"] = round(int(content.get("playtime") or 0) / 1000)
        if kind in MEDIA:
            shown["media"] = self._media(content, str(content.get("file_name") or shown["kind"]))
        return shown

    def _media(self, content: Dict[str, Any], name: str) -> List[Dict[str, Any]]:
        param = str((content.get("media") or {}).get("encrypt_query_param", ""))
        stored = self._sim.cdn.find(param)
        return [] if stored is None else [self._shelf.put(name, stored.size, stored.data)]


def status(sim: ILinkSim) -> Dict[str, Any]:
    """Return what the page shows of the iLink side besides the messages."""
    talks = sim.conversations
    limits = sim.settings.limits
    return {
        "typing": sorted(talk.user_id for talk in talks if sim.user(talk.user_id).is_typing),
        "quota": {talk.user_id: {"sent": talk.sent, "last": _finite(talk.last_inbound)} for talk in talks},
        "limit": limits.quota,
        "window": limits.window,
        "token_valid": sim.token_valid,
        "violations": len(sim.violations),
        "refusals": sim.refusals[-3:],
        "login": _login(sim),
    }


def _login(sim: ILinkSim) -> Optional[Dict[str, Any]]:
    """Return the newest QR code's number and state; its content goes out as a picture alone."""
    codes = sim.logins
    if not codes:
        return None
    code = codes[-1]
    return {
        "number": len(codes),
        "state": code.state,
        "user": code.user,
        "wrong": code.wrong_codes,
        "demanded": code.verify_code if code.state == "need_verifycode" else None,  # the phone shows it to the person
        "steps": sorted(code.possible()),
        "born": code.born,
    }


def _seconds(milliseconds: Any) -> float:
    return milliseconds / 1000 if isinstance(milliseconds, (int, float)) else 0.0


def _finite(moment: Optional[float]) -> Optional[float]:
    return moment if moment is not None and moment > 0 else None


def _quote(ref: Any) -> Optional[Dict[str, Any]]:
    if not isinstance(ref, dict):
        return None
    item = ref.get("message_item")
    item = item if isinstance(item, dict) else {}
    kind = KINDS.get(item.get("type", 0), "")
    text = (item.get("text_item") or {}).get("text") if item.get("type") == TEXT else None
    return {"text": str(text or ref.get("title") or ""), "kind": kind}
