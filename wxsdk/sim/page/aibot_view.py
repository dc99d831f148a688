"""Turns what happens in the WeCom simulator into entries of the page."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Dict, Optional

from ..aibot.media import SimMedia
from ..aibot.simulator import AiBotSim
from ..aibot.state import visible_text as visible
from ..aibot.views import SimMessage, SimSent
from .ledger import Ledger
from .shelf import Shelf

PICTURE_NAME = "picture.png"

__all__ = ["AiBotView", "status", "visible"]


class AiBotView:
    """Fills the ledger. Its methods run on the watcher's thread."""

    def __init__(self, sim: AiBotSim, ledger: Ledger, shelf: Shelf) -> None:
        self._sim, self._ledger, self._shelf = sim, ledger, shelf

    def said(self, sent: SimSent) -> None:
        """Show what a user has done, as it went to the bot."""
        body = sent.frame["body"]
        user = str((body.get("from") or {}).get("userid", ""))
        self._ledger.add_user(user)
        event = body.get("event") if body.get("msgtype") == "event" else None
        fields = _event(event) if isinstance(event, dict) else self._message(sent)
        self._ledger.put(
            f"aibot-{sent.req_id}",
            side="aibot",
            chat=sent.chat,
            user=user,
            at=float(body.get("create_time") or time.time()),
            state="delivered" if sent.delivered else "lost",
            quote=_quote(body.get("quote")),
            **fields,
        )

    def bubble(self, message: SimMessage) -> None:
        """Show what the bot has said, as it stands now."""
        media = [self._shelf.put(PICTURE_NAME, len(data), partial(bytes, data)) for data in message.images]
        if message.data is not None:
            data = message.data
            media.append(self._shelf.put(message.name or message.kind, len(data), partial(bytes, data)))
        self._ledger.put(
            f"aibot-b{message.id}",
            side="aibot",
            chat=message.chat,
            who="bot",
            kind=message.kind,
            text=message.text,
            at=message.started_at,
            via=message.via,
            answers=f"aibot-{message.req_id}" if message.req_id else None,
            finished=message.finished,
            expired=message.expired,
            dropped=message.dropped_final,
            card=message.card,
            cards=message.cards,
            rateable=message.feedback_id is not None,
            media=media,
            title=message.title,
            description=message.description,
        )
        if message.req_id and self._ledger.get(f"aibot-{message.req_id}"):
            self._ledger.put(f"aibot-{message.req_id}", state="answered")

    def follow(self) -> None:
        """See which streams the platform has given up."""
        for message in self._sim.messages()[-50:]:
            if message.expired and self._ledger.get(f"aibot-b{message.id}"):
                self._ledger.put(f"aibot-b{message.id}", expired=True)

    def _message(self, sent: SimSent) -> Dict[str, Any]:
        body = sent.frame["body"]
        kind = str(body.get("msgtype", ""))
        part = body.get(kind)
        part = part if isinstance(part, dict) else {}
        text = str(part.get("content", ""))
        if kind == "mixed":
            items = part.get("msg_item") or []
            text = "\n".join(item["text"]["content"] for item in items if item.get("msgtype") == "text")
        media = [self._shelf.put(one.name, one.content.size, partial(_data, one)) for one in sent.media]
        return {"who": "user", "kind": kind, "text": text, "media": media}


def _data(media: SimMedia) -> bytes:
    return media.data


def status(sim: AiBotSim) -> Dict[str, Any]:
    """Return what the page shows of the WeCom side besides the messages."""
    calls = sim.callbacks[-1:]
    answers = sim.is_subscribed if sim.callback_url is None else bool(calls) and calls[0].status == 200
    return {
        "connected": answers,
        "callback": sim.callback_url,
        "violations": len(sim.violations),
        "thinking": len(sim.thinking()),
    }


def _event(event: Dict[str, Any]) -> Dict[str, Any]:
    name = str(event.get("eventtype", ""))
    return {"who": "event", "kind": "event", "text": name, "event": event.get(name) or {}}


def _quote(quote: Any) -> Optional[Dict[str, Any]]:
    if not isinstance(quote, dict):
        return None
    kind = str(quote.get("msgtype", ""))
    part = quote.get(kind)
    return {"text": str(part.get("content", "")) if isinstance(part, dict) else "", "kind": kind}
