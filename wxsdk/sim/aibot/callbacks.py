"""Builds callbacks as the gateway writes them: the part that every body begins with, and very many texts at once."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any, Dict, Iterable, List, Optional, Sequence

from . import wire
from .desk import FrameDesk
from .errors import SimError
from .views import SUBSCRIBER_SECONDS, Viewer


def callback_body(desk: FrameDesk, bot_id: str, user: str, chatid: Optional[str]) -> Dict[str, Any]:
    """Return the part that every callback begins with (docs/protocol/aibot, 3)."""
    body: Dict[str, Any] = {"msgid": secrets.token_hex(12), "aibotid": bot_id}
    if chatid is not None:
        body["chatid"] = chatid
    body["chattype"] = "single" if chatid is None else "group"
    body["from"] = {"userid": user}
    body["create_time"] = int(desk.clock())
    body["response_url"] = f"https://sim.invalid/aibot/response?response_code={secrets.token_hex(16)}"
    return body


class Flood:
    """Very many texts, built beforehand. `go` writes them; made by AiBotSim.prepare_flood."""

    WRITE_BYTES = 256 * 1024

    def __init__(self, desk: FrameDesk, users: Sequence[Viewer], count: int, text: str, bot: Optional[str]) -> None:
        self._desk, self._bot = desk, bot
        self.req_ids: List[str] = []
        self.msgids: List[str] = []
        self.started_at = self.ended_at = 0.0
        self._chunks = [b"".join(chunk) for chunk in self._built(users, count, text)]

    def _built(self, users: Sequence[Viewer], count: int, text: str) -> Iterable[List[bytes]]:
        bot_id = self._bot or next(iter(self._desk.world.bots))
        now, content = self._desk.clock(), json.dumps(text, ensure_ascii=False)
        chunk: List[bytes] = []
        size = 0
        for number in range(count):
            user = users[number % len(users)]
            with self._desk.changed:
                request = self._desk.world.open_request(bot_id, "message", user.id, user.id, now)
            body = callback_body(self._desk, bot_id, user.id, None)
            self.req_ids.append(request.req_id)
            self.msgids.append(body["msgid"])
            head = wire.dumps(
                {
                    "cmd": "aibot_msg_callback",
                    "headers": {"req_id": request.req_id},
                    "body": {**body, "msgtype": "text"},
                }
            )
            chunk.append(wire.frame(head[:-2] + f',"text":{{"content":{content}}}}}}}'.encode()))
            size += len(chunk[-1])
            if size >= self.WRITE_BYTES:
                yield chunk
                chunk, size = [], 0
        yield chunk

    def go(self, wait: float = SUBSCRIBER_SECONDS) -> Flood:
        """Write everything to the subscribed bot, in big writes; returns when the last byte is with the
        kernel.
        """
        self.started_at = time.monotonic()
        for chunk in self._chunks:
            if not self._desk.push(self._bot, chunk, wait):
                raise SimError("the connection ended during the flood")
        self.ended_at = time.monotonic()
        return self
