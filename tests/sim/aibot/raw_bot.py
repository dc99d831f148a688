"""A bare client for the tests of AiBotSim: websocket-client and JSON, nothing of wxsdk's own clients."""

from __future__ import annotations

import json
from typing import Any, Dict, Optional

import websocket

from wxsdk.sim.aibot.simulator import AiBotSim

Frame = Dict[str, Any]


class RawBot:
    """One WebSocket. `ask` writes a command and returns the next frame, which is its answer when nothing else
    is under way.
    """

    def __init__(self, sim: AiBotSim, *, subscribe: bool = True, **options: Any) -> None:
        self.sim = sim
        self.ws = websocket.create_connection(sim.ws_url, timeout=5, **options)
        self._count = 0
        if subscribe:
            assert self.subscribe()["errcode"] == 0

    def subscribe(self, bot_id: Optional[str] = None, secret: Optional[str] = None) -> Frame:
        return self.ask("aibot_subscribe", {"bot_id": bot_id or self.sim.bot_id, "secret": secret or self.sim.secret})

    def write(self, cmd: str, body: Any = None, req_id: Optional[str] = None) -> str:
        self._count += 1
        req_id = req_id or f"{cmd}_{self._count}"
        frame = {"cmd": cmd, "headers": {"req_id": req_id}}
        if body is not None:
            frame["body"] = body
        self.ws.send(json.dumps(frame))
        return req_id

    def read(self) -> Frame:
        found: Frame = json.loads(self.ws.recv(), strict=False)
        return found

    def ask(self, cmd: str, body: Any = None, req_id: Optional[str] = None) -> Frame:
        req_id = self.write(cmd, body, req_id)
        answer = self.read()
        assert answer["headers"].get("req_id") in (req_id, None)
        return answer

    def reply(self, to: Any, body: Frame, cmd: str = "aibot_respond_msg") -> int:
        """Answer a callback (its frame or what the simulated user's action returned); the errcode."""
        req_id = to["headers"]["req_id"] if isinstance(to, dict) else to.req_id
        errcode: int = self.ask(cmd, body, req_id)["errcode"]
        return errcode

    def stream(self, to: Any, content: str, *, finish: bool = False, stream_id: str = "s1", **more: Any) -> int:
        part = {"id": stream_id, "finish": finish, "content": content, **more}
        return self.reply(to, {"msgtype": "stream", "stream": part})

    def send(self, chatid: str, body: Frame) -> int:
        errcode: int = self.ask("aibot_send_msg", {"chatid": chatid, **body})["errcode"]
        return errcode

    def ended(self) -> bool:
        """Read until the connection is over; True when it is."""
        try:
            while True:
                opcode, _ = self.ws.recv_data(control_frame=True)
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    return True
        except (websocket.WebSocketConnectionClosedException, ConnectionError):
            return True

    def close(self) -> None:
        self.ws.shutdown()


def button_card(task_id: str = "t1") -> Frame:
    """A card that breaks no rule."""
    return {
        "card_type": "button_interaction",
        "main_title": {"title": "Lunch?"},
        "button_list": [{"text": "Yes", "key": "yes"}, {"text": "No", "key": "no", "style": 2}],
        "task_id": task_id,
    }
