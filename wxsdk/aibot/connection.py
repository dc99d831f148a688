"""Runs the connections of one client, one after the other, on a reading thread.

The session machine (``session``) decides; the reader carries out what it says, in order. Other threads never touch the
connection's life: they note a reason and cut the socket, and the reader finds the end.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from functools import partial
from typing import Callable, Deque, Dict, List, Optional, Tuple

from ..core.redact import Secret
from ..errors import ConnectionLost, TransportError, WxError
from ..runtime.worker import Joinable, Worker
from ..runtime.wsock import TEXT, WsConnection
from . import frames_out
from .connection_rules import Connect, Drop, Effect, End, Policy, Ready, Session, State, Subscribe, Wait
from .errors import NOT_SUBSCRIBED, error_of
from .frames import FrameKind, Skipped, WsCmd, WsFrame, classify, is_kick, parse_frame
from .heartbeat import Beat, Heartbeat
from .ids import generate_req_id
from .parts import Parts
from .ticker import Ticker, Timer

SKIPS_LOGGED = 20  # odd frames of one run that are worth a warning; a hostile server must not fill the disk

SUBSCRIBE, PING = WsCmd.SUBSCRIBE.value, WsCmd.HEARTBEAT.value


class RunListener:
    """Hears what happens to a connection; by default does nothing. Called on the reader, so nothing here may wait."""

    def connected(self) -> None:
        """Hear that the socket is open."""

    def authenticated(self) -> None:
        """Subscribed."""

    def disconnected(self, reason: str) -> None:
        """Hear that an open socket ended."""

    def reconnecting(self, attempt: int) -> None:
        """Hear that a pause before the next try begins."""

    def failed(self, error: WxError) -> None:
        """Hear that the run ended by itself."""

    def pushed(self, frames: List[WsFrame]) -> None:
        """Messages and events, in the order of their arrival, duplicates included."""

    def over(self) -> None:
        """Hear that the run ended, by itself or not; nothing follows."""


class Connection:
    """From ``start`` to the end of the run. *number* is in the threads' names; *unit* gives the jitter."""

    def __init__(
        self,
        parts: Parts,
        listener: RunListener,
        number: int,
        unit: Callable[[], float] = random.random,
    ) -> None:
        self._options = parts.options
        self._clock = parts.clock
        self._door = parts.door
        self._replies = parts.replies
        self._log = parts.log
        self._listener = listener
        self._unit = unit
        self._session = Session(Policy.of(parts.options))
        self._changed = threading.Condition(threading.Lock())  # guards the session
        self._last_effects: List[Effect] = []
        self._ws: Optional[WsConnection] = None
        self._reason: Optional[Tuple[WsConnection, WxError]] = None  # why another thread cut the socket
        self._subscribe_id = ""
        self._subscribe_timer: Optional[Timer] = None
        self._skipped = 0
        self._beat: Optional[Heartbeat] = None
        self._beat_lock = threading.Lock()
        self._reader = Worker(f"wxsdk-aibot-read-{number}", self._run, self._crashed)
        self.ticker = Ticker(parts.clock)
        self.ended_by: Optional[WxError] = None
        self.since = parts.clock.wall()
        self._do: Dict[type, Callable[..., List[Effect]]] = {
            Connect: self._connect,
            Subscribe: self._subscribe,
            Drop: self._drop,
            Wait: self._wait,
            End: self._end,
        }

    @property
    def state(self) -> State:
        return self._session.state

    @property
    def error(self) -> Optional[WxError]:
        """The last failure, None after a successful subscribe."""
        return self._session.error

    @property
    def retries(self) -> int:
        return self._session.retries

    @property
    def is_late(self) -> bool:
        """True when a ping was not answered in time: nothing is known of the other side at the moment."""
        beat = self._beat
        return beat is not None and beat.is_late(self._clock.now())

    @property
    def workers(self) -> List[Joinable]:
        """The reading thread, and what this connection has of the tick thread."""
        return [self._reader, self.ticker]

    def start(self) -> None:
        """Start the threads."""
        self._replies.open(self.ticker)
        self.ticker.start()
        self._reader.start()

    def stop(self) -> None:
        """End the connection, whatever it is doing, and let the threads end. Does not wait for them."""
        with self._changed:
            self._last_effects += self._session.stop()
            ws = self._ws
            self._changed.notify_all()
        if ws is not None:
            ws.close()  # with a good-bye; what follows is silent
        self._door.interrupt()

    def wait_subscribed(self, timeout: float) -> bool:
        """Wait until subscribed; False when *timeout* seconds passed, or the run ended, first."""
        session = self._session
        with self._changed:
            self._clock.wait_for(
                self._changed,
                lambda: session.state in (State.READY, State.STOPPED) or self.ended_by is not None,
                timeout,
            )
            return session.state is State.READY

    # -- the reader ----------------------------------------

    def _run(self) -> None:
        todo: Deque[Effect] = deque(self._step(self._session.start))
        while todo:
            effect = todo.popleft()
            todo.extend(self._do[type(effect)](effect))
            if not todo:
                with self._changed:
                    todo.extend(self._last_effects)
                    self._last_effects.clear()
        self._finish()

    def _finish(self) -> None:
        self.ticker.stop()
        self._replies.close(self.ended_by or ConnectionLost("The client was disconnected.", kind="tcp"))
        self._listener.over()

    def _crashed(self, exc: BaseException) -> None:
        """End the run after a defect: no thread may wait for a reader that is gone."""
        error = WxError(
            f"The reading thread ended by an unexpected error ({type(exc).__name__}).",
            remedy="Report it with the log's traceback: it is a defect of wxsdk or of a library under it.",
        )
        error.__cause__ = exc
        for effect in self._step(lambda: self._session.broken(error)):
            self._do[type(effect)](effect)
        self._finish()

    def _step(self, step: Callable[[], List[Effect]]) -> List[Effect]:
        with self._changed:
            before = self._session.state
            effects = step()
            if self._session.state is not before:
                self.since = self._clock.wall()
                self._changed.notify_all()
        return effects

    def _connect(self, effect: Connect) -> List[Effect]:
        number, options = effect.number, self._options
        self._log.debug("connection %d: connecting", number)
        try:
            ws = self._door.open(
                options.ws_url, timeout=options.request_timeout, max_message_bytes=options.max_frame_bytes
            )
        except TransportError as exc:
            lost = exc  # the name of an except clause ends with it
            return self._step(lambda: self._session.lost(number, lost, self._unit()))
        with self._changed:
            self._ws = ws
        return self._step(lambda: self._session.opened(number))

    def _subscribe(self, effect: Subscribe) -> List[Effect]:
        ws, options = self._ws, self._options
        assert ws is not None
        self._listener.connected()
        self._subscribe_id = generate_req_id(SUBSCRIBE)
        first = frames_out.subscribe(self._subscribe_id, options)
        silent = TransportError("The subscribe was not answered in time.", kind="timeout", may_have_been_sent=True)
        self._subscribe_timer = self.ticker.at(
            self._clock.now() + options.request_timeout, partial(self._cut, ws, silent)
        )
        try:
            ws.send(Secret(first.encoded()))
            while True:
                effects = self._handle(ws.receive())
                if effects:
                    return effects
        except ConnectionLost as exc:
            error = self._reason[1] if self._reason is not None and self._reason[0] is ws else exc
            return self._step(lambda: self._session.lost(effect.number, error, self._unit()))

    def _drop(self, effect: Drop) -> List[Effect]:
        with self._changed:
            ws, self._ws = self._ws, None
        self._beat = None
        if self._subscribe_timer is not None:
            self._subscribe_timer.cancel()
        if ws is not None:
            ws.close()
        # After the socket's end: what the waiting calls hear about their frames can no longer change.
        self._replies.detach(effect.reason)
        if ws is not None:
            ws.dispose()
        if effect.was_open:
            self._log.info("connection %d ended: %s", effect.number, effect.reason)
            self._listener.disconnected(effect.reason)
        return []

    def _wait(self, effect: Wait) -> List[Effect]:
        why = effect.error.what if effect.error is not None else "The connection ended."
        self._log.warning("%s Try %d follows in %.1f seconds.", why, effect.attempt, effect.seconds)
        self._listener.reconnecting(effect.attempt)
        with self._changed:
            self._clock.wait_for(self._changed, lambda: self._session.ended, effect.seconds)
        return self._step(lambda: self._session.waited(effect.number))

    def _end(self, effect: End) -> List[Effect]:
        with self._changed:
            self.ended_by = effect.error
            self._changed.notify_all()
        self._log.error("the client gives up: %s", effect.error)
        self._replies.close(effect.error)
        self._listener.failed(effect.error)
        return []

    # -- what is read ----------------------------------------

    def _handle(self, messages: List[Tuple[int, bytes]]) -> List[Effect]:
        """Sort one block of frames. The result is empty unless the connection is to end.

        What stands behind the frame that ends it still counts: it was sent while all was well.
        """
        now = self._clock.now()
        pushes: List[WsFrame] = []
        effects: List[Effect] = []
        for opcode, payload in messages:
            if opcode != TEXT:
                self._skip(payload.decode("ascii"))
                continue
            frame = parse_frame(payload, now)
            if isinstance(frame, Skipped):
                self._skip(frame.reason)
                continue
            try:
                kind = classify(frame)
                if kind is FrameKind.MESSAGE:
                    pushes.append(frame)
                elif kind is FrameKind.EVENT:
                    pushes.append(frame)
                    if is_kick(frame):
                        effects += self._step(lambda: self._session.kicked(self._session.number))
                else:
                    effects += self._answer(kind, frame, now)
            except Exception as exc:  # noqa: BLE001  a defect that one frame found must not cost the others
                self._log.error("a frame could not be handled", exc=exc)
        if pushes:
            self._listener.pushed(pushes)
        return effects

    def _skip(self, reason: str) -> None:
        self._skipped += 1
        if self._skipped <= SKIPS_LOGGED:
            self._log.warning("a frame was skipped: %s", reason)
        else:
            self._log.debug("a frame was skipped: %s", reason)

    def _answer(self, kind: FrameKind, frame: WsFrame, now: float) -> List[Effect]:
        kept = True
        if kind is FrameKind.ACK:
            kept = self._replies.on_answer(frame, now)
        elif kind is FrameKind.PONG:
            beat = self._beat
            if beat is not None:
                with self._beat_lock:
                    beat.on_pong()
            kept = frame.errcode != NOT_SUBSCRIBED
        elif kind is FrameKind.SUBSCRIBE_ANSWER or self._session.state is State.SUBSCRIBING:
            if kind is FrameKind.ORPHAN_ERROR or frame.req_id == self._subscribe_id:
                return self._subscribed(frame)
        elif kind is FrameKind.ORPHAN_ERROR:
            kept = self._replies.on_orphan_error(frame, now)
        else:
            self._skip("nothing is known about its kind")
        if kept:
            return []
        gone = error_of(frame, "a frame", (str(self._options.secret),)) or WxError(
            "The subscription is gone.", remedy="The client subscribes anew by itself."
        )
        return self._step(lambda: self._session.lost(self._session.number, gone, self._unit()))

    def _subscribed(self, frame: WsFrame) -> List[Effect]:
        refusal = error_of(frame, SUBSCRIBE, (str(self._options.secret),))
        if self._subscribe_timer is not None:
            self._subscribe_timer.cancel()
        number = self._session.number
        effects = self._step(lambda: self._session.answered(number, refusal, self._unit()))
        if not effects or not isinstance(effects[0], Ready):
            return effects
        ws = self._ws
        if ws is not None:
            self._beat = Heartbeat(self._options.heartbeat_interval, self._clock.now())
            self._arm(ws, self._beat)
            self._replies.attach(ws)
            self._log.info("connection %d: subscribed", number)
            self._listener.authenticated()
        return []

    # -- the tick thread ----------------------------------------

    def _arm(self, ws: WsConnection, beat: Heartbeat) -> None:
        self.ticker.at(beat.due, lambda: self._tick(ws, beat))

    def _tick(self, ws: WsConnection, beat: Heartbeat) -> None:
        if self._beat is not beat:
            return  # of an older connection
        with self._beat_lock:
            verdict = beat.tick(self._clock.now())
        if verdict is Beat.DEAD:
            self._cut(ws, ConnectionLost("The gateway did not answer two pings in a row.", kind="timeout"))
            return
        if verdict is Beat.PING:
            try:
                ws.send(frames_out.ping(generate_req_id(PING)).encoded())
            except ConnectionLost:
                return  # the reader has seen it
        self._arm(ws, beat)

    def _cut(self, ws: WsConnection, why: WxError) -> None:
        self._reason = (ws, why)
        ws.abort()
