"""One streamed answer: what to send next, and what it came to (docs/protocol/aibot, 4).

``StreamState`` decides; its shell asks ``next_action``, carries it out and reports ``on_result``, one at a time.

* The newest text wins: snapshots that nobody waits for are never queued, and one frame is in flight at most.
* Snapshots hold the last visible character back, since a final frame equal to the one before it is dropped.
* What exceeds one message goes on in the next, as a stream of its own; what was shown does not move.
* When the stream is over before the answer is (846608, 846604, or 9.5 minutes), the current message's text waits for
  ``finish`` and goes out as one push. Pictures cannot be rescued.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, List, Optional

from ..core.textsplit import split_text
from ..errors import (
    AckTimeout,
    ApiError,
    ConfigError,
    ConnectionLost,
    LimitExceeded,
    NotSubscribed,
    RateLimited,
    StreamExpired,
    WxError,
)
from .bodies import as_wire, stream_body
from .checks import MAX_CONTENT_BYTES, check_stream
from .errors import VERSION_CONFLICT
from .field_checks import need_feedback
from .stream_cuts import is_visible
from .stream_notices import NOTICE_LATER, closing_notice
from .stream_shown import Shown, sentence, worth
from .stream_steps import Action, Done, Push, SendFrame, StreamOutcome, WaitUntil
from .stream_text import Sealed, StreamText, noted

THINKING = "<think></think>"  # shows the animation; docs/protocol/aibot, 4
DEFAULT_KEEPALIVE = 240.0  # seconds without a frame; the platform's limit is 6 minutes; docs/protocol/aibot, 4
DEFAULT_LIFE = (
    570.0  # seconds from the first frame to the last; the platform's limit is 10 minutes; docs/protocol/aibot, 4
)
DEFAULT_INTERVAL = 0.3  # seconds between two frames: what an eye follows; ours
MAX_INTERVAL = 10.0  # seconds, after RateLimited; ours
RETRY_DELAYS = (1.0, 2.0)  # seconds before a final frame or a push goes again; ours
# Up to here snapshots grow; the bytes between here and the limit leave room for a good place to cut. Ours.
SHOWN_BYTES = MAX_CONTENT_BYTES - 4096
INVISIBLE = "\u200b"  # zero width space
_WAIT = WaitUntil(None)


class _Flight(Enum):
    """What is in flight."""

    UPDATE = "update"
    PART = "part"  # the last frame of a message that another one follows
    FINAL = "final"
    FAREWELL = "farewell"  # the last frame of a stream whose life runs out before the answer is complete
    PUSH = "push"


class StreamState:
    """The state of one streamed answer. Not thread-safe: the shell guards it with one lock.

    stream_id: of the first message; further ones add a number. chat: where a rescue goes, "" for nowhere.
    feedback: goes with the first frame. interval: least seconds between two frames; keepalive: most seconds. life:
    seconds from a message's first frame to its last. outcome: None until it is over. shown: what the chat shows of it.
    """

    def __init__(
        self,
        stream_id: str,
        chat: str = "",
        feedback: Any = None,
        interval: float = DEFAULT_INTERVAL,
        keepalive: float = DEFAULT_KEEPALIVE,
        life: float = DEFAULT_LIFE,
    ) -> None:
        self._feedback = None if feedback is None else as_wire(feedback)
        if self._feedback is not None:
            need_feedback(self._feedback, "feedback")
        self._id = stream_id
        self._chat = chat
        self._interval = interval
        self._keepalive = keepalive
        self._life = life
        self._text = StreamText(MAX_CONTENT_BYTES)
        self._part = 1
        self._thinking = False
        self._closing = False
        self._failed = False
        self._rounded_off = False
        self._notice_only = False  # the end of the current message is a notice and nothing else
        self._msg_item: Any = None
        self._flight: Optional[_Flight] = None
        self._shown = ""  # the newest snapshot of the current message
        self._shown_arrived = True
        self._opened = False  # the platform may know the current message's stream
        self._started_at = 0.0
        self._sent_at: Optional[float] = None
        self._sealed: Optional[Sealed] = None  # the PART in flight
        self._refusal: Optional[WxError] = None  # of an update; further ones would only meet it again
        self._tries = 0  # failed ones, of the final frame or push at hand
        self._not_before = 0.0
        self._unsure: Optional[WxError] = None  # the frame at hand may have arrived in an earlier try, which ended so
        self._doubt: Optional[WxError] = None  # why an earlier message may be missing
        self._gone: Optional[WxError] = None  # why no frame of a stream is taken any more
        self._pushes: Optional[List[str]] = None
        self._frames = 0
        self._worth = Shown.NOTHING  # what the chat shows once the frame in flight has arrived
        self.shown = Shown.NOTHING
        self.outcome: Optional[StreamOutcome] = None

    # -- what the user says ----------------------------------------

    def write(self, delta: str) -> None:
        """Append *delta*. Raises ConfigError for no str or after ``finish``; a failed delivery is in the outcome."""
        self._need_open(delta)
        if delta:
            self._text.write(delta)

    def replace(self, text: str) -> None:
        """Make *text* the whole answer; messages that are complete stay as they are. Raises as ``write``."""
        self._need_open(text)
        self._text.replace(text)

    def thinking(self) -> None:
        """Show the thinking animation until there is text. Raises ConfigError after ``finish``."""
        self._need_open("")
        self._thinking = True

    def finish(self, text: Optional[str] = None, msg_item: Any = None) -> None:
        """The answer is complete (*text* replaces it); *msg_item*: pictures at its end. Twice is once.

        Raises ConfigError or LimitExceeded for odd arguments; the stream is then open as before.
        """
        if self._closing:
            return
        if msg_item:
            check_stream(stream_body(self._id, "", True, msg_item))
            self._msg_item = as_wire(msg_item)
        if text is not None:
            self.replace(text)
        self._closing = True

    def fail(self) -> None:
        """The answer breaks off: end it with what there is and a short notice, or with nothing if there is nothing."""
        if not self._closing:
            self._closing = self._failed = True

    # -- what the shell asks and reports ----------------------------------------

    @property
    def in_flight(self) -> bool:
        """True from the SendFrame or Push of ``next_action`` until ``on_result``."""
        return self._flight is not None

    def next_action(self, now: float) -> Action:
        """What to do at *now*. A SendFrame or Push counts as under way until ``on_result``."""
        if self.outcome is not None:
            return Done(self.outcome)
        if self._flight is not None:
            return _WAIT
        if now < self._not_before:
            return WaitUntil(self._not_before)
        if self._closing and not self._rounded_off:
            self._round_off()
        if self._gone is not None:
            return self._rescue()
        while self._text.is_too_long():
            if self._text.fold_thoughts():
                continue
            if not self._tries or self._sealed is None:  # a second try sends the same again
                self._sealed = self._text.seal(self._shown)
            if self._opened or is_visible(self._sealed.part):
                return self._send(_Flight.PART, self._sealed.part, now)
            self._text.go_on_behind(self._sealed)  # a message of white space would say nothing
        return self._end(now) if self._closing else self._update(now)

    def on_result(self, error: Optional[WxError], now: float) -> None:
        """The frame under way was acknowledged (None), or failed."""
        flight, self._flight = self._flight, None
        if error is None or isinstance(error, ApiError) or getattr(error, "may_have_been_sent", False):
            self._opened = True
        else:
            self._frames -= 1
        if error is None:
            self.shown = max(self.shown, self._worth)
        elif getattr(error, "may_have_been_sent", False):
            self.shown = max(self.shown, Shown.PERHAPS)
        if flight is _Flight.UPDATE:
            self._after_update(error)
        elif error is not None and self._again(flight, error, now):
            return
        elif flight is _Flight.FAREWELL:
            self._tries, self._unsure = 0, None
            over = LimitExceeded("The life of a stream is over (in seconds).", limit=self._life, actual=self._life)
            self._gone = error or over
        elif error is None:
            self._arrived(flight)
        else:
            self._given_up(flight, error)

    # -- sending ----------------------------------------

    def _round_off(self) -> None:
        """Nothing more will be written, and what becomes of what was in flight is known."""
        self._rounded_off = True
        text = self._text.current(last=True)
        notice = closing_notice(text, self.shown, self._opened, failed=self._failed, pictures=bool(self._msg_item))
        if notice:
            self._notice_only = not is_visible(text)
            self._text.append(notice)

    def _update(self, now: float) -> Action:
        if self._opened and now >= self._started_at + self._life:
            shown = self._text.snapshot(SHOWN_BYTES)
            self._notice_only = not is_visible(shown)
            return self._send(_Flight.FAREWELL, noted(shown, NOTICE_LATER), now)
        wanted = self._wanted()
        if wanted and self._refusal is None:
            due = now if self._sent_at is None else self._sent_at + self._pause_before(wanted)
            if now >= due:
                return self._send(_Flight.UPDATE, wanted, now)
        else:
            due = self._started_at + self._life
        if not self._opened:
            return WaitUntil(due) if wanted and self._refusal is None else _WAIT
        return WaitUntil(min(due, self._started_at + self._life))

    def _wanted(self) -> str:
        """What should be seen now, "" for nothing."""
        shown = self._text.snapshot(SHOWN_BYTES)
        if shown:
            return shown
        return THINKING if self._thinking else self._shown

    def _pause_before(self, wanted: str) -> float:
        """Seconds from the last frame to the next one."""
        if not self._shown_arrived:
            return max(self._interval, RETRY_DELAYS[0])
        return self._interval if wanted != self._shown else self._keepalive

    def _end(self, now: float) -> Action:
        text = self._text.current(last=True)
        if not text.strip():
            return self._nothing_left()
        return self._send(_Flight.FINAL, text, now)

    def _send(self, flight: _Flight, content: str, now: float) -> SendFrame:
        final = flight is not _Flight.UPDATE
        if final and content == self._shown:
            content += INVISIBLE
        if not final:
            self._shown = content
        if not self._opened:
            self._started_at = now
        self._sent_at = now
        self._flight = flight
        self._frames += 1
        self._worth = worth(content, self.shown, self._notice_only and flight in (_Flight.FINAL, _Flight.FAREWELL))
        stream_id = self._id if self._part == 1 else f"{self._id}_{self._part}"
        feedback = self._feedback if self._part == 1 and not self._opened else None
        pictures = self._msg_item if flight is _Flight.FINAL else None
        return SendFrame(stream_body(stream_id, content, final, pictures, feedback), final)

    def _rescue(self) -> Action:
        if not self._closing:
            return _WAIT
        if self._pushes is None:
            text = self._text.current(last=True)
            self._pushes = split_text(text, MAX_CONTENT_BYTES) if is_visible(text) else []
            if self._pushes and not self._chat:
                return self._finish("failed", self._gone)
        if not self._pushes:
            return self._nothing_left()
        self._flight = _Flight.PUSH
        self._frames += 1
        self._worth = worth(self._pushes[0], self.shown, self._notice_only)
        return Push(self._chat, self._pushes[0])

    # -- results ----------------------------------------

    def _after_update(self, error: Optional[WxError]) -> None:
        self._shown_arrived = error is None
        if error is None or isinstance(error, (AckTimeout, ConnectionLost, NotSubscribed)):
            return
        if _is_over(error):
            self._gone = error
        elif isinstance(error, RateLimited):
            self._interval = min(self._interval * 2, MAX_INTERVAL)
        elif not _is_conflict(error):
            self._refusal = error

    def _again(self, flight: Optional[_Flight], error: WxError, now: float) -> bool:
        """Whether the final frame or push at hand goes once more: where a repeat is neither harmful nor pointless."""
        lost = isinstance(error, ConnectionLost)
        maybe_sent = lost and getattr(error, "may_have_been_sent", True)
        if not (lost or isinstance(error, (NotSubscribed, RateLimited)) or _is_conflict(error)):
            return False
        if self._tries >= len(RETRY_DELAYS) or (maybe_sent and flight in (_Flight.PUSH, _Flight.FAREWELL)):
            return False
        self._unsure = self._unsure or (error if maybe_sent else None)
        self._not_before = now + RETRY_DELAYS[self._tries]
        self._tries += 1
        return True

    def _arrived(self, flight: Optional[_Flight]) -> None:
        self._tries, self._unsure = 0, None
        if flight is _Flight.PART:
            self._next_message()
        elif flight is _Flight.FINAL:
            self._finish(None)
        elif self._pushes:
            del self._pushes[0]
            if not self._pushes:
                self._finish(None, rescued=True)

    def _given_up(self, flight: Optional[_Flight], error: WxError) -> None:
        # A refusal of the second try says nothing when the first one may have ended the stream.
        error = self._unsure or error
        unknown = isinstance(error, (AckTimeout, ConnectionLost)) and error.may_have_been_sent
        self._tries, self._unsure = 0, None
        if unknown and flight is _Flight.PART:
            self._doubt = error
            self._next_message()
        elif not unknown and flight is not _Flight.PUSH and _is_over(error):
            self._gone = error
        else:
            self._finish("unknown" if unknown else "failed", error, rescued=flight is _Flight.PUSH)

    def _next_message(self) -> None:
        if self._sealed is not None:
            self._text.go_on_behind(self._sealed)
        self._sealed = None
        self._part += 1
        self._shown, self._shown_arrived, self._opened = "", True, False

    def _nothing_left(self) -> Done:
        """There is nothing, or nothing more, to send; which is no success when it was refused or never written."""
        reason = self._gone or self._refusal
        if reason is None and self._failed:
            reason = WxError("The stream ended before anything was written to it; nothing was sent.")
        if reason is not None and self.shown is Shown.NOTHING:
            return self._finish("failed", reason)
        return self._finish(None)

    def _finish(self, state: Optional[str], error: Optional[WxError] = None, rescued: bool = False) -> Done:
        """End it; *state* None: delivered, as far as the earlier messages are known to be."""
        if state is None:
            state, error = ("unknown", self._doubt) if self._doubt else ("delivered", None)
        if error is not None:
            error.shown = sentence(self.shown, unknown=state == "unknown")
        self.outcome = StreamOutcome(state, rescued, self._frames, error)
        return Done(self.outcome)

    def _need_open(self, text: Any) -> None:
        if not isinstance(text, str):
            raise ConfigError("The text of a stream must be a str.")
        if self._closing:
            raise ConfigError("The stream is finished; nothing can be written to it any more.")


def _is_over(error: WxError) -> bool:
    """The stream, or the time to answer, is over: a push may still get through."""
    return isinstance(error, (StreamExpired, LimitExceeded))


def _is_conflict(error: WxError) -> bool:
    return isinstance(error, ApiError) and error.errcode == VERSION_CONFLICT
