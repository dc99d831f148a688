"""Sends frames that want an acknowledgement, and wakes the threads that wait for one.

Three kinds of thread meet here: callers, who wait; the reader, who brings acks and the end of the connection; the tick
thread, for frames that no caller waits for. One short lock guards the ledger (``ack_rules``), which alone decides whose
an ack is. Each req_id has one ``queue.Queue``; its callers take their turns at it, so an outcome has one road to one
caller. Writing happens outside the lock: the socket takes frames from many threads, and a req_id has one in flight at a
time.
"""

from __future__ import annotations

import queue
import threading
from typing import Callable, Dict, List, Optional

from ..errors import AckTimeout, ConnectionLost, NotSubscribed, ReplyQueueFull, WxError
from ..log import get_logger
from ..runtime.clock import Clock
from ..runtime.wsock import WsConnection
from .ack_calls import NOT_WRITTEN, Call, Line, OnOutcome, Outcome, Outcomes
from .ack_rules import Ack, AckLedger, Admission
from .config import WSClientOptions
from .errors import NOT_SUBSCRIBED, error_of
from .frames import WsFrame
from .ticker import Ticker, Timer

log = get_logger(__name__)

SPARE_LINES = 64  # kept for the next req_ids: making a queue.Queue costs as much as sending a frame


class Replies:
    """The ack path of one client, over all its connections.

    *secrets*: values to keep out of the texts of errors. Any thread may call anything, unless it says otherwise.
    """

    def __init__(self, options: WSClientOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._secrets = (str(options.secret),)
        self._lock = threading.Lock()
        self._ready = threading.Condition(self._lock)
        self._ledger = AckLedger(options.max_reply_queue_size)
        self._lines: Dict[str, Line] = {}
        self._spare: List[Line] = []
        self._pending: List[Call] = []  # posted frames that wait for the next connection
        self._ws: Optional[WsConnection] = None  # set only while subscribed
        self._ticker: Optional[Ticker] = None
        self._closed: Optional[WxError] = None
        self.last_sent: Optional[float] = None  # on the clock

    # -- the connection's side ----------------------------------------

    def open(self, ticker: Ticker) -> None:
        """Let calls wait for readiness from now on: the client starts."""
        with self._lock:
            self._ticker = ticker
            self._closed = None

    def attach(self, ws: WsConnection) -> None:
        """Let the waiting calls go: *ws* is subscribed."""
        with self._lock:
            self._ws = ws
            self._ready.notify_all()
            pending, self._pending = self._pending, []
        for call in pending:
            self._post_pending(call, ws)

    def detach(self, reason: str) -> None:
        """Fail every call that waits on the connection, which ended, with *reason*, a sentence."""
        with self._lock:
            self._ws = None
            lost = self._ledger.on_loss()
        for call in lost:
            self._settle(call, self._loss(call, reason))

    def close(self, why: WxError) -> None:
        """Fail the calls that wait for readiness, and later ones, at once: the client ended."""
        with self._lock:
            self._closed = why
            self._ready.notify_all()
            pending, self._pending = self._pending, []
        for call in pending:
            self._settle(call, self._loss(call, "The client ended before the message could be sent."))

    def after_fork(self) -> None:
        """Forget the connection in a forked child: writing to it would break the parent's stream."""
        self._lock = threading.Lock()  # the old one may be held by a thread of the parent
        self._ready = threading.Condition(self._lock)
        self._ledger = AckLedger(self._options.max_reply_queue_size)
        self._lines, self._spare, self._pending = {}, [], []
        self._ws = self._ticker = None
        self._closed = ConnectionLost("The process that this one was forked from has the connection.", kind="tcp")

    def on_answer(self, frame: WsFrame, now: float) -> bool:
        """Give an ack to the call it belongs to. False when it says that the subscription is gone: drop the connection.

        Called by the reader.
        """
        gone = frame.errcode == NOT_SUBSCRIBED
        with self._lock:
            ack = self._ledger.on_ack(frame.req_id, now)
            self._after_ack(gone, ack.then, now)
        return self._answered(frame, gone, ack)

    def on_orphan_error(self, frame: WsFrame, now: float) -> bool:
        """Do the same for an error that lacks its req_id."""
        gone = frame.errcode == NOT_SUBSCRIBED
        with self._lock:
            ack = self._ledger.on_orphan_error(now)
            self._after_ack(gone, ack.then, now)
        return self._answered(frame, gone, ack)

    # -- the callers' side ----------------------------------------

    def call(self, req_id: str, cmd: str, text: str, timeout: float, *, unless_busy: bool = False) -> Optional[WsFrame]:
        """Send *text*, a whole frame, and return its ack; None when *unless_busy* and a frame is in flight.

        Waits for readiness up to request_timeout and then for its turn. Raises ConnectionLost, AckTimeout after
        *timeout* seconds, ReplyQueueFull, or the ApiError of the refusal. A frame refused because the subscription was
        gone is sent once more on the next connection.
        """
        repaired = False
        while True:
            outcome = self._outcome(Call(req_id, cmd, text, timeout, None), unless_busy)
            if outcome is None:
                return None
            if isinstance(outcome, WsFrame):
                error = error_of(outcome, cmd, self._secrets)
                if error is None:
                    return outcome
                error.req_id = req_id  # an error answer can lack it
                if repaired or not isinstance(error, NotSubscribed):
                    raise error
                repaired = True
            else:
                raise outcome

    def post(
        self, req_id: str, cmd: str, text: str, timeout: float, on_outcome: OnOutcome, patience: float = 0.0
    ) -> None:
        """Send *text* without waiting; *on_outcome* gets the ack, or the error, exactly once.

        It is called on an internal thread, and must be short and must not wait. While not subscribed, the frame is kept
        for the next connection for *patience* seconds. Raises ConnectionLost when there is no patience or the client
        has ended, and ReplyQueueFull; then *on_outcome* is not called. (After a Ctrl-C it may be.)
        """
        call = Call(req_id, cmd, text, timeout, on_outcome)
        try:
            with self._lock:
                ws = self._ws
                if ws is None and (patience <= 0 or self._closed is not None or self._ticker is None):
                    raise ConnectionLost("The client is not connected now.", kind="tcp")
                if ws is None:
                    self._pending.append(call)
                    begun = False
                else:
                    begun = self._enqueue(call, ws)
            if begun:
                self._write(call)
            elif ws is None:
                self.later(self._clock.now() + patience, lambda: self._forget_pending(call))
        except BaseException:
            self._give_up(call)
            raise

    def later(self, when: float, action: Callable[[], None]) -> Optional[Timer]:
        """Call *action* on the tick thread at *when*; None, and no call, when the client has ended."""
        ticker = self._ticker
        return None if ticker is None else ticker.at(when, action)

    def is_busy(self, req_id: str) -> bool:
        """True while a frame of *req_id* is in flight."""
        with self._lock:
            return self._ledger.is_busy(req_id)

    def to_error(self, outcome: Outcome, cmd: str) -> Optional[WxError]:
        """Return the error that an outcome of ``post`` stands for; None for success."""
        return error_of(outcome, cmd, self._secrets) if isinstance(outcome, WsFrame) else outcome

    def wait_ready(self, timeout: float) -> bool:
        """Wait until subscribed; False when *timeout* seconds passed, or the client ended, first."""
        with self._lock:
            self._clock.wait_for(self._ready, self._ready_or_closed, timeout)
            return self._ws is not None

    # -- inside ----------------------------------------

    def _ready_or_closed(self) -> bool:
        return self._ws is not None or self._closed is not None

    def _after_ack(self, gone: bool, then: Optional[Call], now: float) -> None:
        if gone:
            self._ws = None  # a retry must wait for the next connection
        elif then is not None:
            then.written_at = self.last_sent = now

    def _answered(self, frame: WsFrame, gone: bool, ack: Ack) -> bool:
        if ack.then is not None and not gone:
            self._write(ack.then)
        if ack.token is not None:
            self._settle(ack.token, frame)
        return not gone

    def _outcome(self, call: Call, unless_busy: bool) -> Optional[Outcome]:
        """Return what becomes of *call*; None when *unless_busy* and a frame is in flight."""
        try:
            outcome = self._await(call) if self._admit(call, unless_busy) else None
            self._leave(call)
        except BaseException:
            # A Ctrl-C can strike anywhere above. Nobody waits for the frame any more, so its ack must not answer the
            # next one, and the next one must not wait for it. Each step finds out by itself what is left to do.
            self._give_up(call)
            self._renew_queue(call)
            self._leave(call)
            raise
        return outcome

    def _admit(self, call: Call, unless_busy: bool) -> bool:
        """Put a waiting caller's frame in line, and write it when its turn is now. False: busy."""
        req_id = call.req_id
        with self._lock:
            ws = self._ws
            if ws is None:
                self._clock.wait_for(self._ready, self._ready_or_closed, self._options.request_timeout)
                ws = self._ws
                if ws is None:
                    raise self._not_ready()
            if unless_busy and self._ledger.is_busy(req_id):
                return False
            begun = self._enqueue(call, ws)
            line = self._lines.get(req_id)
            if line is None:
                line = self._lines[req_id] = self._spare.pop() if self._spare else Line()
            elif line.callers:
                call.turn = self._clock.event()
            call.line = line
            line.callers.append(call)
        if begun:
            self._write(call)
        return True

    def _not_ready(self) -> ConnectionLost:
        if self._closed is None:
            what = f"The client was not connected within {self._options.request_timeout:g} seconds."
            return ConnectionLost(what, kind="timeout")
        error = ConnectionLost("The client is not connected.", kind="tcp", remedy="Call connect() first.")
        error.__cause__ = self._closed
        return error

    def _enqueue(self, call: Call, ws: WsConnection) -> bool:
        """True when the frame is to be written now. Under the lock."""
        call.ws = ws
        now = self._clock.now()
        admission = self._ledger.enqueue(call.req_id, call, call.timeout, now)
        if admission is Admission.SEND:
            call.written_at = self.last_sent = now
            return True
        if admission is Admission.FULL:
            raise ReplyQueueFull(
                f"{self._options.max_reply_queue_size} frames wait behind one req_id already; this one was not sent.",
                remedy="Wait for the answers, or raise max_reply_queue_size.",
            )
        return False

    def _post_pending(self, call: Call, ws: WsConnection) -> None:
        try:
            with self._lock:
                if self._ws is not ws:
                    raise ConnectionLost("The connection ended again at once.", kind="tcp")
                begun = self._enqueue(call, ws)
        except WxError as exc:
            self._settle(call, exc)
        else:
            if begun:
                self._write(call)

    def _forget_pending(self, call: Call) -> None:
        with self._lock:
            if call not in self._pending:
                return
            self._pending.remove(call)
        self._settle(call, self._loss(call, "The client was not connected in time."))

    def _write(self, call: Call) -> None:
        try:
            call.ticket = call.ws.send(call.text)
        except ConnectionLost:
            call.ticket = NOT_WRITTEN  # the reader knows, or will in a moment, and fails the call
        call.text = ""  # written once; the chunk of an upload has 700 KB, and outlives its ack as long as its timer
        if call.on_outcome is not None and call.written_at is not None:
            call.timer = timer = self.later(call.written_at + call.timeout, lambda: self._expire_posted(call))
            if timer is not None and call.outcome is not None:  # settled before there was a timer to cancel
                timer.cancel()

    def _settle(self, call: Call, outcome: Outcome) -> None:
        call.outcome = outcome
        if call.on_outcome is None:
            if call.line is not None:  # else a Ctrl-C has ended the call meanwhile
                call.line.queue.put_nowait(call)
            return
        if call.timer is not None:
            call.timer.cancel()
        try:
            call.on_outcome(outcome)
        except Exception:  # it runs on the reader: no mistake in it may end the reading
            log.exception("the outcome of %s could not be handed over", call.cmd)

    def _await(self, call: Call) -> Outcome:
        """Wait for the caller's turn at the queue, and for the outcome."""
        line = call.line
        assert line is not None
        if call.turn is not None:
            call.turn.wait()
        while True:
            try:
                if self._clock.get(line.queue, self._time_left(call)) is call:
                    return call.outcome  # type: ignore[return-value]
            except queue.Empty:
                expired = self._expire(call)
                if expired is not None:
                    return expired

    def _time_left(self, call: Call) -> Optional[float]:
        if call.decided:
            return None
        # Not written yet: the frames before it have their own time, and it has all of its own from its write on.
        return call.timeout if call.written_at is None else call.written_at + call.timeout - self._clock.now()

    def _expire(self, call: Call) -> Optional[AckTimeout]:
        """Return the AckTimeout of a call whose time is over; None when it is not, or when its outcome has come."""
        if call.written_at is None or self._clock.now() < call.written_at + call.timeout:
            return None
        if not self._take_out(call):
            call.decided = True
            return None
        return AckTimeout(
            f"No acknowledgement of {call.cmd} within {call.timeout:g} seconds.", may_have_been_sent=call.was_written
        )

    def _take_out(self, call: Call) -> bool:
        """Let *call* wait no more, and write the frame behind it; False when it did not wait any more."""
        now = self._clock.now()
        with self._lock:
            known, then = self._ledger.on_timeout(call.req_id, call, now)
            if then is not None:
                then.written_at = self.last_sent = now
        if then is not None:
            self._write(then)
        return known

    def _give_up(self, call: Call) -> None:
        """Nobody wants the outcome of *call* any more, wherever it stands."""
        with self._lock:
            if call in self._pending:
                self._pending.remove(call)
        self._take_out(call)

    def _renew_queue(self, call: Call) -> None:
        """Ctrl-C amid a wait can spoil its queue (one who is gone would be woken instead); the next gets a new one."""
        with self._lock:
            line = call.line
            if line is not None and line.callers and line.callers[0] is call:  # those behind do not wait at it yet
                line.queue = Outcomes()

    def _expire_posted(self, call: Call) -> None:
        error = self._expire(call)
        if error is not None:
            self._settle(call, error)

    def _leave(self, call: Call) -> None:
        """Out of the line, where *call* stands in one; who is first then has its turn. A second time does no harm."""
        line = call.line
        if line is None:
            return
        with self._lock:
            if call in line.callers:
                line.callers.remove(call)
            following = line.callers[0] if line.callers else None
            if following is None and self._lines.get(call.req_id) is line:
                del self._lines[call.req_id]
                if len(self._spare) < SPARE_LINES and line.queue.empty():
                    self._spare.append(line)
        if following is not None and following.turn is not None:
            following.turn.set()

    def _loss(self, call: Call, reason: str) -> ConnectionLost:
        return ConnectionLost(reason, kind="tcp", may_have_been_sent=call.was_written)
