"""Stand-ins for the socket, so that tests decide what is read and when."""

from __future__ import annotations

import json
import queue
from typing import Any, Dict, List, Union

from wxsdk.errors import ConnectionLost, TransportError
from wxsdk.runtime.wsock import TEXT

Wire = Union[str, bytes, Dict[str, Any]]


class StubWs:
    """A WsConnection without a network. ``sent`` holds the frames, parsed."""

    def __init__(self, *, answers: bool = True) -> None:
        self.sent: List[Dict[str, Any]] = []
        self.answers = answers  # whether subscribes and pings are answered
        self.writable = True
        self.disposed = False
        self._inbound: queue.Queue[Any] = queue.Queue()
        self._ended = False

    def send(self, text: str) -> int:
        if self._ended:
            raise ConnectionLost("The connection is closed.", kind="tcp")
        frame = json.loads(text)
        self.sent.append(frame)
        if self.answers and frame.get("cmd") in ("aibot_subscribe", "ping"):
            self.pushes({"headers": frame["headers"], "errcode": 0, "errmsg": "ok"})
        return len(self.sent) - 1

    def was_written(self, ticket: int) -> bool:
        return self.writable

    def pushes(self, *frames: Wire) -> None:
        """Let the reader read these, in one block."""
        texts = [frame if isinstance(frame, (str, bytes)) else json.dumps(frame) for frame in frames]
        self._inbound.put([(TEXT, text if isinstance(text, bytes) else text.encode()) for text in texts])

    def ends(self, what: str = "The connection was cut.") -> None:
        self._inbound.put(ConnectionLost(what, kind="tcp"))

    def receive(self) -> Any:
        block = self._inbound.get(timeout=30)
        if isinstance(block, ConnectionLost):
            raise block
        return block

    def abort(self) -> None:
        self._ended = True
        self.ends()

    close = abort

    def dispose(self) -> None:
        self.disposed = True


class StubDoor:
    """Opens the given connections one after the other; a TransportError among them is raised."""

    def __init__(self, *outcomes: Union[StubWs, TransportError]) -> None:
        self._outcomes = list(outcomes)
        self.opened = 0

    def open(self, url: str, *, timeout: float, max_message_bytes: int) -> StubWs:
        self.opened += 1
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if isinstance(outcome, TransportError):
            raise TransportError(outcome.what, kind=outcome.kind)
        return outcome

    def interrupt(self) -> None:
        """Nothing waits in here."""

    resume = interrupt


def ack(req_id: str, errcode: int = 0) -> Dict[str, Any]:
    return {"headers": {"req_id": req_id}, "errcode": errcode, "errmsg": "said the stub"}
