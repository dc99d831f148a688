"""Sends a streamed answer that is written like a file.

``stream_rules`` decides what to send and when; here its decisions are carried out. Only ``finish`` waits: a frame is
posted by the thread that finds it due (a writer, the reader after an ack, the tick thread after a pause).
"""

from __future__ import annotations

import threading
import weakref
from functools import partial
from typing import Any, Callable, List, Optional

from ..errors import AckTimeout, ConnectionLost, WxError
from ..runtime import hooks
from ..runtime.clock import Clock
from . import frames_out
from .ack_calls import Outcome
from .acks import Replies
from .bodies import markdown_body
from .config import WSClientOptions
from .frames import WsCmd, WsFrame, encode_frame, req_id_of
from .ids import generate_req_id
from .stream_notices import sentence
from .stream_rules import Done, Pace, Push, StreamOutcome, StreamState, WaitUntil
from .ticker import Timer

_RESPONSE, _SEND = WsCmd.RESPONSE.value, WsCmd.SEND_MSG.value


class OpenStreams:
    """The streams of one client that have no outcome yet. Any thread."""

    def __init__(
        self, options: WSClientOptions, replies: Replies, clock: Clock, on_trouble: Callable[[WxError], None]
    ) -> None:
        self._options = options
        self._replies = replies
        self._clock = clock
        self._on_trouble = on_trouble
        self._lock = threading.Lock()
        self.trouble: Optional[WxError] = None  # of the stream that ended last
        # Weak: one that its user has forgotten lives on by its timers until its message has been ended for good.
        self._open: weakref.WeakSet[ReplyStream] = weakref.WeakSet()

    def open(self, frame: WsFrame, feedback: Any) -> ReplyStream:
        """Open a stream that answers *frame*. Sends nothing yet; raises as reply_stream does."""
        stream_id = generate_req_id("stream")
        frames_out.reply_stream(frame, stream_id, "", False, None, feedback, self._clock.now())
        chat = frame.chat if isinstance(frame, WsFrame) else ""
        options = self._options
        pace = Pace(options.stream_interval, options.stream_keepalive, options.stream_life)
        state = StreamState(stream_id, chat, feedback, pace, options.stream_notices)
        stream = ReplyStream(state, req_id_of(frame), self._options, self._replies, self._clock, self._ended)
        with self._lock:
            self._open.add(stream)
        return stream

    def wait(self, deadline: float) -> None:
        """Wait until every open stream has its outcome, or until *deadline*."""
        for stream in self._snapshot():
            stream._done.wait(max(deadline - self._clock.now(), 0.0))

    def break_off(self, deadline: float) -> None:
        """End every open stream with what it has, since the client stops, and wait for that until *deadline*."""
        for stream in self._snapshot():
            stream._break_off()
        self.wait(deadline)

    def abandon(self) -> None:
        """Give every open stream its outcome: the client has ended, so nothing can be sent any more."""
        for stream in self._snapshot():
            stream._break_off()

    def after_fork(self) -> None:
        """Forget what is open, in a forked child: it is the parent's."""
        self._lock = threading.Lock()
        self._open = weakref.WeakSet()

    def _snapshot(self) -> List[ReplyStream]:
        with self._lock:
            return list(self._open)

    def _ended(self, stream: ReplyStream) -> None:
        """Forget a stream that has its outcome, and report one that was refused or lost: its writer may not look."""
        with self._lock:
            self._open.discard(stream)
        self.trouble = stream._state.trouble
        if self.trouble is not None:
            self._on_trouble(self.trouble)


class ReplyStream:
    """One answer that grows while it is written; made by ``WSClient.open_stream``.

    Writing never waits for the network: the newest text wins, one frame is in flight at a time, and a few go out per
    second. What exceeds 20,480 bytes continues in further messages. As a context manager it finishes at the end of the
    block, and when the block raises it ends the message with a notice, so that no chat is left thinking; when nothing
    had been shown or written by then, it says nothing. Several threads may use it at once.
    """

    def __init__(
        self,
        state: StreamState,
        req_id: str,
        options: WSClientOptions,
        replies: Replies,
        clock: Clock,
        on_done: Callable[[ReplyStream], None],
    ) -> None:
        self._state = state
        self._req_id = req_id
        self._options = options
        self._replies = replies
        self._clock = clock
        self._on_done = on_done
        self._lock = threading.Lock()  # guards the state
        self._done = clock.event()
        self._timer: Optional[Timer] = None
        self._number = 0  # of the frame in flight, whose result will look at the state again
        self._sender = 0  # the thread that is about to send it
        self._look_again = 0.0  # before this the pacing would say no
        self._closing = False
        self._broken_off = False

    def __repr__(self) -> str:
        return f"ReplyStream({self._state.outcome.state if self._state.outcome else 'open'})"

    @property
    def outcome(self) -> Optional[StreamOutcome]:
        """What became of the answer, None as long as it is not finished."""
        return self._state.outcome

    def write(self, delta: str) -> None:
        """Append *delta*. Raises ConfigError for no str or after finish(), ConnectionLost when the client has stopped
        and ended the stream."""
        with self._lock:
            self._need_client()
            self._state.write(delta)
            if self._state.in_flight or self._clock.now() < self._look_again:
                return
        self._drive()

    def replace(self, text: str) -> None:
        """Make *text* the whole answer; messages that are complete stay as they are. Raises as write()."""
        with self._lock:
            self._need_client()
            self._state.replace(text)
        self._drive()

    def thinking(self) -> None:
        """Show the thinking animation until there is text. Raises as write()."""
        with self._lock:
            self._need_client()
            self._state.thinking()
        self._drive()

    def finish(self, text: Optional[str] = None, msg_item: Any = None) -> StreamOutcome:
        """End the answer, wait until its fate is known, and return it; twice is once.

        *text* replaces what was written. *msg_item*: up to 10 pictures (``ReplyMsgItem.of(bytes)``) at its end. Raises
        ConfigError or LimitExceeded for odd arguments only, never for a failed delivery: read the outcome.
        """
        with self._lock:
            self._state.finish(text, msg_item)
            self._closing = True
        self._drive()
        self._done.wait()
        outcome = self._state.outcome
        assert outcome is not None
        return outcome

    def __enter__(self) -> ReplyStream:
        return self

    def __exit__(self, kind: Optional[type], *_: object) -> None:
        if kind is not None:
            with self._lock:
                self._state.fail()
                self._closing = True
        self.finish()

    # -- inside ----------------------------------------

    def _need_client(self) -> None:
        if self._broken_off:
            error = ConnectionLost("The client was disconnected and has ended this stream.", kind="tcp")
            error.shown = sentence(self._state.shown)
            raise error

    def _break_off(self) -> None:
        with self._lock:
            self._broken_off = self._closing = True
            self._state.fail()
        self._drive()

    def _drive(self) -> None:
        """Carry out what is due, until there is something to wait for."""
        try:
            self._carry_out()
        except BaseException:
            self._withdraw()
            raise

    def _carry_out(self) -> None:
        hurry: Optional[float] = None
        while True:
            with self._lock:
                if self._state.in_flight:
                    return
                now = self._clock.now() if hurry is None else hurry
                self._sender = threading.get_ident()
                action = self._state.next_action(now)
                if isinstance(action, WaitUntil):
                    hurry = self._schedule(action.at, now)
                    if hurry is None:
                        return
                    continue
                self._number = number = self._number + 1
            if isinstance(action, Done):
                self._end()
                return
            error = self._post(action, number)
            if error is None:
                self._sender = 0
                return
            with self._lock:
                self._state.on_result(error, now)

    def _withdraw(self) -> None:
        """Give the frame that this thread was about to send a result: a Ctrl-C struck, and none will come."""
        with self._lock:
            if self._sender != threading.get_ident() or not self._state.in_flight:
                return
            self._sender = 0
            self._number += 1  # should a result come after all, it is of no frame that is known
            struck = AckTimeout("The program was interrupted while it sent this.", may_have_been_sent=True)
            self._state.on_result(struck, self._clock.now())

    def _schedule(self, at: Optional[float], now: float) -> Optional[float]:
        """Plan another look *at* that time; return the time when no thread is left to look."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._look_again = 0.0
        if at is None:
            return None
        if at - now <= self._options.stream_interval:
            self._look_again = at
        self._timer = self._replies.later(at, self._drive)
        # Without a client every try fails at once, so there is no reason to wait before it.
        return at if self._timer is None and self._closing else None

    def _post(self, action: Any, number: int) -> Optional[WxError]:
        """Send without waiting; the error when that is impossible now."""
        try:
            if isinstance(action, Push):
                req_id = generate_req_id(_SEND)
                out = frames_out.push(req_id, action.chat, markdown_body(action.text))
                cmd, text, patience = _SEND, out.encoded(), self._options.request_timeout
            else:
                req_id, cmd = self._req_id, _RESPONSE
                text = encode_frame(cmd, req_id, action.body)
                patience = self._options.request_timeout if action.final else 0.0
            on_outcome = partial(self._on_outcome, number, cmd)
            self._replies.post(req_id, cmd, text, self._options.ack_timeout, on_outcome, patience)
        except WxError as exc:
            return exc
        return None

    def _on_outcome(self, number: int, cmd: str, outcome: Outcome) -> None:
        with self._lock:
            if number != self._number:
                return
            self._state.on_result(self._replies.to_error(outcome, cmd), self._clock.now())
        self._drive()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        outcome = self._state.outcome
        if outcome is not None:
            hooks.emit("refused" if outcome.state == "failed" else "sent", "aibot", error=outcome.error)
        try:
            self._on_done(self)
        finally:
            self._done.set()
