"""Scripts faults of the simulated WeCom gateway: ``sim.faults``.

Everything here takes effect on the connections that are open now, unless it says otherwise, and ends with the
simulator.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from . import wire
from .connection import Connection
from .desk import FrameDesk, SimFrame
from .media import MediaTrouble

Which = Union[None, str, Callable[[SimFrame], bool]]
_Held = Tuple[Connection, bytes, SimFrame]

NO_ACK_FAULT = ("aibot_subscribe", "ping")  # hold_acks() leaves these alone


class AckFault:
    """What shall happen to some answers, and the answers it holds back. Made by `AiBotFaults.ack`."""

    def __init__(self, desk: FrameDesk, which: Which, times: Optional[int], trouble: Dict[str, Any]) -> None:
        self._desk, self._which, self._left, self._trouble = desk, which, times, trouble
        self._waiting: List[_Held] = []
        self.hits = 0
        """How many answers it has met."""

    @property
    def holds(self) -> bool:
        """True when it keeps answers back."""
        return bool(self._trouble["late"])

    @property
    def errcode(self) -> Optional[int]:
        found: Optional[int] = self._trouble["errcode"]
        return found

    @property
    def errmsg(self) -> str:
        return str(self._trouble["errmsg"])

    @property
    def held(self) -> int:
        """The number of answers that it holds back now."""
        with self._desk.changed:
            return len(self._waiting)

    def release(self, count: Optional[int] = None) -> int:
        """Send the held answers, oldest first (all, or *count*); how many went out. Any thread."""
        with self._desk.changed:
            taken = len(self._waiting) if count is None else min(count, len(self._waiting))
            out, self._waiting = self._waiting[:taken], self._waiting[taken:]
        for connection, data, frame in out:
            connection.send(data)
            frame.answered_at = time.monotonic()
            self._desk.changed.tell("frame", frame)
        return len(out)

    def wait_held(self, count: int = 1, timeout: float = 5.0) -> None:
        """Return once *count* answers are held back; raises SimTimeout."""
        self._desk.wait_for(lambda: len(self._waiting) >= count, timeout, f"{count} held acks")

    def cancel(self) -> None:
        """Meet no further answer; what is held stays held until release()."""
        with self._desk.changed:
            self._left = 0

    # -- for the desk, under its lock ----------------------------------------

    def claims(self, frame: SimFrame) -> bool:
        """True when this fault is meant for the answer to *frame*; counts it."""
        if self._left == 0:
            return False
        if isinstance(self._which, str):
            met = frame.cmd == self._which
        elif self._which is None:
            met = frame.cmd not in NO_ACK_FAULT
        else:
            met = bool(self._which(frame))
        if met:
            self.hits += 1
            if self._left is not None:
                self._left -= 1
        return met

    def treat(self, connection: Connection, frame: SimFrame, made: Dict[str, Any]) -> List[bytes]:
        """Return what goes out now in place of *made*, the answer to *frame*."""
        if self._trouble["no_req_id"]:
            made = {**made, "headers": {}}
        data = wire.as_wire(made)
        if self._trouble["lost"]:
            return []
        if self._trouble["late"]:
            self._waiting += [(connection, data, frame)] * (2 if self._trouble["doubled"] else 1)
            return []
        return [data, data] if self._trouble["doubled"] else [data]


class AiBotFaults:
    """Every method may be called from any thread, at any time while the simulator runs."""

    def __init__(self, desk: FrameDesk) -> None:
        self._desk = desk
        self._drips: List[threading.Thread] = []

    # -- the connection ----------------------------------------

    def close(self, code: Optional[int] = 1000, reason: str = "") -> int:
        """Close frame with *code*, then FIN; how many connections. None or 1005: without a code. 1006: FIN
        alone.
        """
        connections = self._desk.live()
        for connection in connections:
            self._desk.unsubscribe(connection)
            connection.close(code, reason)
        return len(connections)

    def reset(self) -> int:
        """RST, with no warning; how many connections."""
        connections = self._desk.live()
        for connection in connections:
            self._desk.unsubscribe(connection)
            connection.end("sim reset")
        return len(connections)

    def half_open(self) -> int:
        """Read nothing and write nothing any more, while TCP stays up; how many connections. New ones work."""
        connections = self._desk.live()
        for connection in connections:
            connection.frozen = True
            self._desk.unsubscribe(connection)
        return len(connections)

    def refuse_connections(self) -> None:
        """From now on TCP refuses to connect; open connections stay. `restore` ends it, on the same port."""
        self._desk.gateway.refuse()

    def restore(self) -> None:
        """Listen again after refuse_connections()."""
        self._desk.gateway.restore()

    def silent_handshake(self, times: Optional[int] = 1) -> None:
        """Accept the next *times* connections (None: all) and never say a word."""
        self._desk.handshakes(lambda queue: queue.extend([("silent", times)]))

    def http_status(self, status: int = 502, times: Optional[int] = 1) -> None:
        """Answer the next *times* handshakes (None: all) with an HTML page of that HTTP status."""
        self._desk.handshakes(lambda queue: queue.extend([(status, times)]))

    # -- the subscription ----------------------------------------

    def refuse_auth(self, errcode: int = 853000, times: Optional[int] = 1) -> AckFault:
        """Answer the next *times* subscribes (None: all) with *errcode*: 853000 bad secret, 93019 bad bot_id,
        45009 flood.
        """
        return self.ack("aibot_subscribe", errcode=errcode, times=times)

    def lose_subscription(self) -> int:
        """Answer everything on the open connections with 846609, as long as they stay open; how many."""
        connections = self._desk.live()
        for connection in connections:
            self._desk.lose(connection)
        return len(connections)

    def kick(self, *, keep_open: bool = False, times: int = 1, bot: Optional[str] = None) -> int:
        """Tell the subscriber *times* times that another client has subscribed; it is closed then unless
        *keep_open*.

        Returns how many connections were told (0: no bot was subscribed).
        """
        connection = self._desk.subscriber(bot)
        if connection is None:
            return 0
        self._desk.send_kick(connection, times, keep_open=keep_open)
        return 1

    # -- answers ----------------------------------------

    def ack(
        self,
        which: Which = None,
        *,
        late: bool = False,
        lost: bool = False,
        doubled: bool = False,
        no_req_id: bool = False,
        errcode: Optional[int] = None,
        errmsg: str = "refused by the test",
        times: Optional[int] = 1,
    ) -> AckFault:
        """Trouble for the next *times* (None: all) answers to *which*: a cmd, a predicate on SimFrame, or
        None for any but subscribe and ping.

        *late*: held until ``release()`` of what this returns. *lost*: never sent, though the frame took
        effect. *doubled*: sent twice.
        *no_req_id*: without its req_id. *errcode*: the frame takes no effect and gets this error. They can be
        combined.
        """
        trouble = {
            "late": late,
            "lost": lost,
            "doubled": doubled,
            "no_req_id": no_req_id,
            "errcode": errcode,
            "errmsg": errmsg,
        }
        fault = AckFault(self._desk, which, times, trouble)
        self._desk.add_ack_fault(fault)
        return fault

    def hold_acks(self, which: Which = None) -> AckFault:
        """Hold every answer (but those to subscribe and ping, unless *which* names them) until
        release_acks().
        """
        return self.ack(which, late=True, times=None)

    def release_acks(self) -> int:
        """End every hold_acks() and ack(late=True), and send what they hold; how many answers."""
        released = 0
        for fault in self._desk.ack_faults():
            if fault.holds:
                fault.cancel()
                released += fault.release()
        return released

    # -- frames no sane server sends ----------------------------------------

    def hostile(self, *items: wire.Wire) -> int:
        """Send each of *items* to every open WebSocket: str and bytes as the payload of one text frame, Raw
        bytes as they are, anything else as JSON. Without *items*: one of every kind in `samples`. Returns how
        many connections got them.

        `wxsdk.sim.aibot.wire` builds Raw: binary(), masked(), fragmented(), frame().
        """
        data = b"".join(wire.as_wire(item) for item in (items or tuple(self.samples().values())))
        return sum(connection.send(data) for connection in self._desk.live() if connection.record.upgraded)

    def samples(self) -> Dict[str, wire.Wire]:
        """Hostile frames by name, each fit for `hostile`."""
        return wire.hostile_samples()

    def huge(self, size: int = 64 * 2**20) -> int:
        """Send one text frame of *size* bytes: valid JSON of an unknown command."""
        head, tail = b'{"cmd":"aibot_huge","headers":{"req_id":"huge"},"body":{"filler":"', b'"}}'
        return self.hostile(head + b"x" * max(0, size - len(head) - len(tail)) + tail)

    def drip(self, item: wire.Wire, *, every: float = 0.05, size: int = 1) -> threading.Thread:
        """Send one frame *size* bytes at a time, a piece each *every* seconds, in the background; nothing
        overtakes it.

        Returns the thread, which ends with the frame, the connection or the simulator.
        """
        connections, data = self._desk.live(), wire.as_wire(item)
        pieces = [data[start : start + size] for start in range(0, len(data), size)]

        def feed(connection: Connection, write: Callable[[bytes], bool]) -> None:
            for piece in pieces:
                if not write(piece) or connection.over.wait(every):
                    return

        def run() -> None:
            for connection in connections:
                connection.exclusively(lambda write, to=connection: feed(to, write))  # type: ignore[misc]

        thread = threading.Thread(target=run, name=f"wxsdk-sim-aibot-drip-{len(self._drips) + 1}", daemon=True)
        self._drips.append(thread)
        thread.start()
        return thread

    # -- media ----------------------------------------

    def media(
        self,
        *,
        status: Optional[int] = None,
        redirect_to: Optional[str] = None,
        cut_after: Optional[int] = None,
        stall_after: Optional[int] = None,
        slow: Optional[float] = None,
        piece: int = 1024,
        body: Optional[bytes] = None,
        times: Optional[int] = 1,
    ) -> MediaTrouble:
        """Trouble for the next *times* (None: all) downloads.

        *status*: that HTTP status. *redirect_to*: 302 to this URL. *cut_after*: the connection is reset
        behind so many bytes of the announced length. *stall_after*: silence behind so many bytes. *slow*:
        *piece* bytes each so many seconds. *body*: these bytes in place of the encrypted ones.
        """
        trouble = MediaTrouble(status, redirect_to, cut_after, stall_after, slow, piece, body, times)
        self._desk.media.add_trouble(trouble)
        return trouble

    def clear(self) -> None:
        """Forget every fault that has not happened yet; held answers are sent, the port listens again."""
        self.release_acks()
        self._desk.clear_faults()
        self.restore()

    def join(self, timeout: float) -> bool:
        """Wait for the threads of drip(); for stop()."""
        for thread in self._drips:
            thread.join(timeout)
        return not any(thread.is_alive() for thread in self._drips)
