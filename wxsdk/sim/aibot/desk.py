"""Takes the frames of the clients: records them, judges them by the rules, answers them through the faults.

One lock guards all state, and no socket is touched under it.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Callable, Deque, Dict, List, Optional, Protocol, Set, Tuple, Union

from ..changes import Changes
from . import errors as codes
from . import wire
from .connection import Connection, Desk
from .errors import Refused, SimError, SimTimeout
from .gateway import Gateway
from .media import MediaServer
from .rules import Rules
from .state import Request, Settings, Violation, World

log = logging.getLogger("wxsdk.sim.aibot.simulator")

_Handshakes = Deque[Tuple[Union[str, int], Optional[int]]]
_FRAME_FIELDS = {"cmd", "headers", "body"}
_SUBSCRIBE = "\0subscribe"  # stands among the req_ids of one read
_Answers = Tuple[List[bytes], Optional[str]]  # and the bot that has just subscribed


@dataclass(repr=False)
class SimFrame:
    """One frame as the client wrote it."""

    at: float
    """time.monotonic() of its arrival."""
    connection: int
    """Number of the connection, from 1."""
    data: Dict[str, Any]
    """The whole frame, parsed."""
    cmd: str = ""
    req_id: str = ""
    body: Dict[str, Any] = field(default_factory=dict)
    errcode: Optional[int] = None
    """The gateway's verdict, whether or not its answer went out."""
    answer: Dict[str, Any] = field(default_factory=dict)
    """The answer, whether or not it went out."""
    answered_at: Optional[float] = None
    """time.monotonic() of the answer; None as long as a fault holds it back, and when a fault lost it."""
    number: int = 0
    """Counts the frames from 1."""
    breaches: List[str] = field(default_factory=list)
    """The rules of the protocol that it broke."""

    def __repr__(self) -> str:  # without the body: it may hold a secret
        where = f"connection={self.connection}, errcode={self.errcode}"
        return f"SimFrame({self.cmd}, req_id={self.req_id!r}, {where})"


class AckTrouble(Protocol):
    """What the desk asks of a fault in the answers; `AckFault` is one."""

    @property
    def errcode(self) -> Optional[int]: ...

    @property
    def errmsg(self) -> str: ...

    @property
    def holds(self) -> bool: ...

    def claims(self, frame: SimFrame) -> bool: ...

    def treat(self, connection: Connection, frame: SimFrame, made: Dict[str, Any]) -> List[bytes]: ...

    def cancel(self) -> None: ...

    def release(self, count: Optional[int] = None) -> int: ...


class Caller(Protocol):
    """What the desk asks of callback mode; `Webhook` is one."""

    def deliver(self, request: Request, body: Dict[str, Any]) -> None: ...

    def join(self) -> bool: ...


class FrameDesk(Desk):
    """The gateway's mind. `changed` guards everything and is notified of every change."""

    def __init__(self, clock: Callable[[], float], settings: Settings) -> None:
        self.clock = clock
        self.changed = Changes()
        self.settings = settings
        self.world = World(settings)
        self.media = MediaServer(clock)
        self.gateway: Gateway
        self.webhook: Optional[Caller] = None
        self.frames: List[SimFrame] = []
        self.pings: List[SimFrame] = []
        self.subscribes: List[SimFrame] = []
        self.record_frames = True
        self.stopped = threading.Event()
        self._subscribers: Dict[str, Connection] = {}
        self._lost: Set[Connection] = set()
        self._ack_faults: List[AckTrouble] = []
        self._handshakes: _Handshakes = deque()
        self._frame_count = 0

    # -- waiting and looking ----------------------------------------

    def wait_for(self, predicate: Callable[[], Any], timeout: float, what: str) -> Any:
        """Return the first true value of *predicate*, asked again after each change; raises SimTimeout."""
        with self.changed:
            self.changed.wait_for(lambda: self.stopped.is_set() or predicate(), timeout)
            found = predicate()
            if not found:
                reason = "the simulator was stopped" if self.stopped.is_set() else f"not within {timeout:g} s"
                raise SimTimeout(f"{what}: {reason}. {self.summary()}")
            return found

    def summary(self) -> str:
        """Return in words what is there, for the text of a failure."""
        open_now = sum(record.open for record in self.gateway.records)
        thinking = self.world.thinking(self.clock())
        parts = [
            f"{len(self.gateway.records)} connections, {open_now} open",
            f"subscribed: {sorted(self._subscribers) or 'none'}",
            f"{len(self.frames)} frames, the last: {self.frames[-3:]}",
        ]
        if thinking:
            parts.append(f"{len(thinking)} streams not finished")
        if any(bubble.dropped_final for bubble in thinking):
            parts.append("a final stream frame equal to the one before it was dropped")
        if self.world.violations:
            parts.append(f"the last violation: {self.world.violations[-1]}")
        return "; ".join(parts) + "."

    def live(self) -> List[Connection]:
        return self.gateway.live()

    def subscriber(self, bot: Optional[str]) -> Optional[Connection]:
        """The connection that gets the pushes of *bot* (None: of the first bot)."""
        with self.changed:
            return self._subscribers.get(bot if bot is not None else next(iter(self.world.bots)))

    # -- the gateway calls: Desk ----------------------------------------

    def handshake_trouble(self) -> Union[str, int, None]:
        with self.changed:
            if not self._handshakes:
                return None
            kind, times = self._handshakes[0]
            if times is not None:
                self._handshakes.popleft()
                if times > 1:
                    self._handshakes.appendleft((kind, times - 1))
            return kind

    def accepted(self, connection: Connection) -> None:
        self.notify()

    def opened(self, connection: Connection) -> None:
        self.changed.tell("connection", connection.record)
        self.notify()

    def ended(self, connection: Connection) -> None:
        self.unsubscribe(connection)
        self.changed.tell("connection", connection.record)
        self.notify()

    def misbehaved(self, connection: Connection, rule: str, detail: str) -> None:
        self.note(connection, rule, detail)
        self.notify()

    def texts(self, connection: Connection, texts: List[str]) -> None:
        replied: Set[str] = set()
        out: List[bytes] = []
        for text in texts:
            with self.changed:
                data, bot_id = self._take(connection, text, replied)
                self.changed.notify_all()
            out += data
            if bot_id is not None:
                self._subscribed(connection, bot_id, b"".join(out))
                out.clear()
        if out:
            connection.send(b"".join(out))

    def _subscribed(self, connection: Connection, bot_id: str, answers: bytes) -> None:
        """Make *connection* the subscriber. From now on pushes go there, but behind the ack in *answers*."""
        replaced: List[Connection] = []

        def act(write: Callable[[bytes], bool]) -> None:
            with self.changed:
                old = self._subscribers.get(bot_id)
                if old is not None and old is not connection:
                    replaced.append(old)
                self._subscribers[bot_id] = connection
                self.changed.notify_all()
            write(answers)

        if connection.exclusively(act):
            for old in replaced:
                self.send_kick(old, 1, keep_open=self.settings.kick_keeps_open)

    # -- one frame, under the lock ----------------------------------------

    def _take(self, connection: Connection, text: str, replied: Set[str]) -> _Answers:
        try:
            frame = self._parsed(connection, text)
        except Refused as refused:  # no frame, so no req_id to answer to
            self.note(connection, "invalid frame", refused.errmsg)
            return [wire.as_wire(wire.answer(None, refused.errcode, refused.errmsg))], None
        noted = len(self.world.violations)
        self._unexpected(connection, frame)
        fault = next((one for one in self._ack_faults if one.claims(frame)), None)
        subscribed: Optional[str] = None
        try:
            if fault is not None and fault.errcode:
                raise Refused(fault.errcode, fault.errmsg)
            body = self._judge(connection, frame, replied)
            made = wire.answer(frame.req_id, body=body)
            if frame.cmd == "aibot_subscribe":
                subscribed = str(frame.body["bot_id"])
                connection.record.bot_id, connection.record.subscribed = subscribed, True
        except Refused as refused:
            if refused.violation:
                self.note(connection, refused.violation, refused.errmsg, frame.cmd)
            made = wire.answer(frame.req_id, refused.errcode, refused.errmsg)
            if self.settings.errors_without_req_id:
                made["headers"] = {}
        frame.errcode, frame.answer = made["errcode"], made
        out = [wire.as_wire(made)] if fault is None else fault.treat(connection, frame, made)
        if out:
            frame.answered_at = time.monotonic()
        frame.breaches = [f"{one.rule}: {one.detail}" for one in self.world.violations[noted:]]
        self.changed.tell("frame", frame)
        return out, subscribed

    def _parsed(self, connection: Connection, text: str) -> SimFrame:
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Refused(codes.BAD_PARAMETER, "not JSON") from error
        headers = data.get("headers") if isinstance(data, dict) else None
        req_id = headers.get("req_id") if isinstance(headers, dict) else None
        cmd = data.get("cmd") if isinstance(data, dict) else None
        if not isinstance(req_id, str) or not isinstance(cmd, str):
            raise Refused(codes.BAD_PARAMETER, "not an object with a cmd and a headers.req_id")
        body = data.get("body")
        frame = SimFrame(time.monotonic(), connection.number, data, cmd, req_id, body if isinstance(body, dict) else {})
        self._frame_count += 1
        frame.number = self._frame_count
        if self.record_frames:
            self.frames.append(frame)
        if cmd == "ping":
            self.pings.append(frame)
        elif cmd == "aibot_subscribe":
            self.subscribes.append(frame)
        return frame

    def _unexpected(self, connection: Connection, frame: SimFrame) -> None:
        """Note what stands in a frame and does not belong there; the platform overlooks it."""
        body, extra = frame.data.get("body"), list(frame.data.keys() - _FRAME_FIELDS)
        extra += [f"headers.{name}" for name in frame.data["headers"].keys() - {"req_id"}]
        if body is not None and frame.cmd == "ping":
            extra.append("body")
        elif body is not None and not isinstance(body, dict):
            self.note(connection, "invalid frame", "body is not an object", frame.cmd)
        for name in sorted(extra):
            self.note(connection, "unknown field", name, frame.cmd)

    def _judge(self, connection: Connection, frame: SimFrame, replied: Set[str]) -> Optional[Dict[str, Any]]:
        if connection in self._lost:
            raise Refused(codes.NOT_SUBSCRIBED, "not subscribed")
        if frame.cmd == "aibot_subscribe":
            self._check_credentials(connection, frame)
            replied.add(_SUBSCRIBE)
            return None
        bot_id = connection.record.bot_id
        if bot_id is None:
            raise Refused(codes.NOT_SUBSCRIBED, "not subscribed", violation="frame before subscribe")
        if _SUBSCRIBE in replied:
            self.note(connection, "frame before subscribe", "its answer was still in progress", frame.cmd)
        if frame.cmd == "ping":
            return None
        if not connection.record.subscribed:
            raise Refused(codes.NOT_SUBSCRIBED, "not subscribed")
        racing = frame.req_id in replied
        if racing:
            self.note(connection, "two frames in flight", "the one before was still unanswered", frame.cmd)
        replied.add(frame.req_id)
        rules = Rules(
            self.world,
            bot_id,
            self.clock(),
            lambda rule, detail: self.note(connection, rule, detail, frame.cmd),
        )
        return rules.apply(frame.cmd, frame.req_id, frame.body, racing=racing)

    def _check_credentials(self, connection: Connection, frame: SimFrame) -> None:
        for name in sorted(set(frame.body) - {"bot_id", "secret", "scene", "plug_version", "device_id"}):
            self.note(connection, "unknown field", f"body.{name}", frame.cmd)
        secret = self.world.bots.get(str(frame.body.get("bot_id")))
        if secret is None:
            raise Refused(codes.BAD_BOT_ID, "invalid bot_id")
        if frame.body.get("secret") != secret:
            raise Refused(codes.BAD_SECRET, "invalid secret")

    # -- for faults and users ----------------------------------------

    def note(self, connection: Connection, rule: str, detail: str, cmd: Optional[str] = None) -> None:
        with self.changed:
            self.world.violations.append(Violation(rule, detail, connection.number, cmd))

    def notify(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def unsubscribe(self, connection: Connection) -> None:
        """Push nothing to *connection* any more."""
        with self.changed:
            connection.record.subscribed = False
            for bot_id, subscriber in list(self._subscribers.items()):
                if subscriber is connection:
                    del self._subscribers[bot_id]
            self.changed.notify_all()

    def lose(self, connection: Connection) -> None:
        """846609 for everything on *connection* from now on."""
        with self.changed:
            self._lost.add(connection)
        self.unsubscribe(connection)

    def send_kick(self, connection: Connection, times: int, *, keep_open: bool) -> None:
        self.unsubscribe(connection)
        bot_id = connection.record.bot_id or ""
        for _ in range(times):
            body = {
                "msgid": secrets.token_hex(12),
                "create_time": int(self.clock()),
                "aibotid": bot_id,
                "msgtype": "event",
                "event": {"eventtype": "disconnected_event"},
            }
            frame = {
                "cmd": "aibot_event_callback",
                "headers": {"req_id": secrets.token_hex(12)},
                "body": body,
            }
            connection.send(wire.as_wire(frame))
            self.changed.tell("pushed", frame)
        if not keep_open:
            connection.close(1000)

    def await_subscriber(self, bot: Optional[str], wait: float) -> Optional[Connection]:
        """The subscriber of *bot*, waiting at most *wait* seconds for one, then SimTimeout; with 0, None at
        once.
        """
        if self.stopped.is_set():
            raise SimError("the simulator is not running")
        if not wait:
            return self.subscriber(bot)
        found: Connection = self.wait_for(lambda: self.subscriber(bot), wait, "no bot subscribed")
        return found

    def push(self, bot: Optional[str], data: bytes, wait: float) -> bool:
        """Write *data* to the subscriber of *bot*; False when there is none and *wait* is 0. See
        await_subscriber.
        """
        connection = self.await_subscriber(bot, wait)
        return connection is not None and connection.send(data)

    def handshakes(self, change: Callable[[_Handshakes], None]) -> None:
        with self.changed:
            change(self._handshakes)

    def add_ack_fault(self, fault: AckTrouble) -> None:
        with self.changed:
            self._ack_faults.append(fault)

    def ack_faults(self) -> List[AckTrouble]:
        with self.changed:
            return list(self._ack_faults)

    def clear_faults(self) -> None:
        with self.changed:
            self._ack_faults.clear()
            self._handshakes.clear()
            self.media.clear_troubles()
