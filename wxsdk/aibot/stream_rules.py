"""Decides what a streamed answer sends next, and what became of it (docs/protocol/aibot, 4).

``StreamState`` decides; its shell asks ``next_action``, carries it out and reports ``on_result``, one at a time.

* The newest text wins: snapshots that no caller waits for are never queued, and one frame is in flight at most.
* While text is written, snapshots hold the last visible character back, since a final frame equal to the one before it
  is dropped. After a pause all of it is shown, and the final frame then differs by an invisible character.
* What exceeds one message goes on in the next, as another stream; what was shown does not move.
* When the platform takes no frame of the stream any more (it expired, or was refused), the current message's text waits
  for ``finish`` and goes out as Markdown: as a reply where that may work, else as a push. Pictures cannot be rescued.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from enum import Enum
from typing import Any, Callable, ClassVar, Dict, List, NamedTuple, Optional, Tuple, Union

from ..core.textsplit import split_text
from ..errors import (
    AckTimeout,
    ApiError,
    ConfigError,
    ConnectionLost,
    InvalidReqId,
    LimitExceeded,
    NotSubscribed,
    RateLimited,
    StreamExpired,
    TransportError,
    WxError,
)
from .bodies import as_wire, markdown_body, stream_body
from .checks import MAX_CONTENT_BYTES, check_stream
from .errors import ANTI_SPAM, STREAM_UNSUPPORTED, SYSTEM_BUSY, VERSION_CONFLICT
from .field_checks import need_feedback
from .stream_notices import MAX_NOTICE_BYTES, Shown, StreamNotices, closing_notice, sentence, worth
from .stream_text import Sealed, StreamText, is_visible, noted, told_apart

THINKING = "<think></think>"  # shows the animation; docs/protocol/aibot, 4
MAX_INTERVAL = 10.0  # seconds, after RateLimited; ours
PAUSE = 1.0  # seconds without new text after which all of it is shown; ours: a writer that thinks looks finished
RETRY_DELAYS = (1.0, 2.0)  # seconds before a final frame or a message goes again; ours
RATE_DELAYS = (2.0, 8.0, 20.0, 40.0)  # the same after RateLimited: more than the minute the platform counts in
# Up to here snapshots grow; the bytes between here and the limit leave room for a good place to cut. Ours.
SHOWN_BYTES = MAX_CONTENT_BYTES - 4096


# -- what a stream asks its shell to do, and what it came to ----------------------------------------


@dataclass(frozen=True)
class StreamOutcome:
    """What became of a stream.

    state: "delivered", "unknown" (it may have been) or "failed". rescued: the text went out as Markdown, since the
    stream had expired or was refused. frames: how many were sent, those messages included. error: why it failed or is
    unknown, else None; its text also says what the chat shows all the same.
    """

    state: str
    rescued: bool = False
    frames: int = 0
    error: Optional[WxError] = None


class SendFrame(NamedTuple):
    """Send *body* as aibot_respond_msg, then report ``on_result``. final: the message ends with it."""

    body: Dict[str, Any]
    final: bool


class Push(NamedTuple):
    """Send *text* as Markdown by aibot_send_msg to *chat*, then report ``on_result``."""

    chat: str
    text: str


class WaitUntil(NamedTuple):
    """Nothing to do before *at* (None: before a result, new text or ``finish``)."""

    at: Optional[float]


class Done(NamedTuple):
    """It is over."""

    outcome: StreamOutcome


Action = Union[SendFrame, Push, WaitUntil, Done]
_WAIT = WaitUntil(None)


class Pace(NamedTuple):
    """interval: least seconds between two frames. keepalive: most. life: from a message's first frame to its last."""

    interval: float = 0.3  # what an eye follows; ours
    keepalive: float = 240.0  # the platform's limit is 6 minutes; docs/protocol/aibot, 4
    life: float = 570.0  # the platform's limit is 10 minutes; docs/protocol/aibot, 4


# -- the state ----------------------------------------


class _Flight(Enum):
    """What is in flight."""

    UPDATE = "update"
    PART = "part"  # the last frame of a message that another one follows
    FINAL = "final"
    FAREWELL = "farewell"  # the last frame of a stream whose life runs out before the answer is complete
    REPLY = "reply"  # Markdown in place of the stream
    PUSH = "push"  # the same, without the req_id
    CLOSE = "close"  # the last frame of a stream whose text went out as Markdown


@dataclass
class _Message:
    """The message that is being written."""

    number: int = 1
    opened: bool = False  # the platform may know its stream
    started_at: float = 0.0
    shown: str = ""  # the newest snapshot
    arrived: bool = True  # that snapshot did
    accepted: bool = False  # a snapshot was, so the chat shows the stream until it ends
    sealed: Optional[Sealed] = None  # the PART in flight, or to be tried again
    notice_only: bool = False  # its end is a notice and nothing else


@dataclass
class _Ending:
    """How the answer ends, as far as the user has said so."""

    begun: bool = False
    failed: bool = False
    rounded_off: bool = False
    pictures: Any = None


@dataclass
class _Attempt:
    """The final frame or message at hand, which may take several tries."""

    failures: int = 0
    not_before: float = 0.0
    unsure: Optional[WxError] = None  # it may have arrived in an earlier try, which ended so


class StreamState:
    """The state of one streamed answer. Not thread-safe: the shell guards it with one lock.

    stream_id: of the first message; further ones add a number. chat: where a rescue goes, "" for nowhere.
    feedback: goes with the first frame. outcome: None until it is over. shown: what the chat shows of it.
    """

    def __init__(
        self,
        stream_id: str,
        chat: str = "",
        feedback: Any = None,
        pace: Pace = Pace(),  # noqa: B008  a tuple of numbers
        notices: StreamNotices = StreamNotices(),  # noqa: B008  frozen
    ) -> None:
        self._feedback = None if feedback is None else as_wire(feedback)
        if self._feedback is not None:
            need_feedback(self._feedback, "feedback")
        self._id = stream_id
        self._chat = chat
        self._pace = pace
        self._notices = notices
        self._text = StreamText(MAX_CONTENT_BYTES)
        self._thinking = False
        self._revision = 0  # of the text, when it was looked at last
        self._changed_at = 0.0
        self._sent_at: Optional[float] = None
        self._flight: Optional[_Flight] = None
        self._frames = 0
        self._worth = Shown.NOTHING  # what the chat shows once the frame in flight has arrived
        self._message = _Message()
        self._ending = _Ending()
        self._attempt = _Attempt()
        self._rescue_texts: Optional[List[str]] = None
        self._routes: List[_Flight] = []  # ways that are left for them
        self._to_close = False  # they are out, and the stream is still to be ended
        self._refusal: Optional[WxError] = None  # of an update; further ones would only meet it again
        self._limited: Optional[WxError] = None  # by it a last frame was delayed
        self._doubt: Optional[WxError] = None  # why an earlier message may be missing
        self._gone: Optional[WxError] = None  # why no frame of a stream is taken any more
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
        """Complete the answer (*text* replaces it); *msg_item*: pictures at its end. Twice is once.

        Raises ConfigError or LimitExceeded for odd arguments; the stream is then open as before.
        """
        if self._ending.begun:
            return
        if msg_item:
            check_stream(stream_body(self._id, "", True, msg_item))
            self._ending.pictures = as_wire(msg_item)
        if text is not None:
            self.replace(text)
        self._ending.begun = True

    def fail(self) -> None:
        """Break the answer off: end it with what there is and a short notice, or with nothing if there is nothing."""
        if not self._ending.begun:
            self._ending.begun = self._ending.failed = True

    # -- what the shell asks and reports ----------------------------------------

    @property
    def in_flight(self) -> bool:
        """True from the SendFrame or Push of ``next_action`` until ``on_result``."""
        return self._flight is not None

    @property
    def trouble(self) -> Optional[WxError]:
        """Of a stream that is over: the error to report, whose text names the chat; None when all went as planned.

        That an expired stream is followed by a push is planned.
        """
        outcome = self.outcome
        if outcome is None:
            return None
        error = self._gone or self._limited or outcome.error
        if outcome.state == "delivered" and isinstance(error, (StreamExpired, LimitExceeded)):
            return None
        if not isinstance(error, (ApiError, TransportError, LimitExceeded)):
            return None
        reported = copy.copy(error)
        reported.shown = f"It was met by the streamed answer to {self._chat or 'a chat without a name'}. {self._fate()}"
        return reported

    def next_action(self, now: float) -> Action:
        """Decide what to do at *now*. A SendFrame or Push counts as in flight until ``on_result``."""
        if self.outcome is not None:
            return Done(self.outcome)
        if self._flight is not None:
            return _WAIT
        if now < self._attempt.not_before:
            return WaitUntil(self._attempt.not_before)
        if self._ending.begun and not self._ending.rounded_off:
            self._round_off()
        if self._gone is not None:
            return self._rescue()
        self._look_at_text(now)
        while self._must_cut(now):
            part = self._part(now)
            if part is not None:
                return part
        return self._end(now) if self._ending.begun else self._update(now)

    def on_result(self, error: Optional[WxError], now: float) -> None:
        """Take note that the frame in flight was acknowledged (None), or failed."""
        flight, self._flight = self._flight, None
        if flight is None:
            return
        self._note_fate(error)
        if flight is not _Flight.UPDATE:
            if error is not None:
                if self._again(flight, error, now):
                    return
                # A refusal of the second try says nothing when the first one may have ended the stream.
                error = self._attempt.unsure or error
            self._attempt = _Attempt()
        self._AFTER[flight](self, error)

    # -- the text ----------------------------------------

    def _round_off(self) -> None:
        """Add what must stand at the end: nothing more will be written, and the fate of what was in flight is known."""
        self._ending.rounded_off = True
        text = self._text.current(last=True)
        notice = closing_notice(
            self._notices,
            text,
            self.shown,
            self._message.opened,
            failed=self._ending.failed,
            pictures=bool(self._ending.pictures),
        )
        if notice:
            self._message.notice_only = not is_visible(text)
            self._text.append(notice)

    def _look_at_text(self, now: float) -> None:
        if self._revision != self._text.revision:
            self._revision, self._changed_at = self._text.revision, now

    def _pauses(self, now: float) -> bool:
        """True when the writer pauses, so that all of the text should be seen."""
        return now >= self._changed_at + PAUSE

    def _must_cut(self, now: float) -> bool:
        if self._attempt.failures and self._message.sealed is not None:
            return True  # a second try of a part
        shows_all = not self._ending.begun and self._refusal is None and self._pauses(now)
        return self._text.is_too_long(to_be_shown=shows_all)

    def _wanted(self, now: float) -> str:
        """Return what should be seen now, "" for nothing."""
        text, shown = self._text.current(), self._message.shown
        wanted = text.rstrip() if self._pauses(now) else self._text.snapshot(SHOWN_BYTES)
        if len(wanted) < len(shown) and text.startswith(shown):
            return shown  # what a pause has shown stays
        if wanted:
            return wanted
        return THINKING if self._thinking else shown

    # -- sending ----------------------------------------

    def _part(self, now: float) -> Optional[SendFrame]:
        """End the current message, which is too long; None when it holds nothing that is worth a message."""
        if self._text.fold_thoughts():
            return None
        message = self._message
        if not self._attempt.failures or message.sealed is None:  # a second try sends the same again
            message.sealed = self._text.seal(message.shown)
        if message.opened or is_visible(message.sealed.part):
            return self._send(_Flight.PART, message.sealed.part, now)
        self._text.go_on_behind(message.sealed)
        message.sealed = None
        return None

    def _update(self, now: float) -> Action:
        message = self._message
        moments = [message.started_at + self._pace.life] if message.opened else []
        if moments and now >= moments[0]:
            return self._farewell(now)
        if self._refusal is None:
            wanted = self._wanted(now)
            if wanted:
                due = now if self._sent_at is None else self._sent_at + self._pause_before(wanted)
                if now >= due:
                    return self._send(_Flight.UPDATE, wanted, now)
                moments.append(due)
            if not self._pauses(now) and self._text.current().strip():
                moments.append(self._changed_at + PAUSE)
        return WaitUntil(min(moments)) if moments else _WAIT

    def _pause_before(self, wanted: str) -> float:
        """Return the seconds from the last frame to the next one."""
        if not self._message.arrived:
            return max(self._pace.interval, RETRY_DELAYS[0])
        return self._pace.interval if wanted != self._message.shown else self._pace.keepalive

    def _farewell(self, now: float) -> SendFrame:
        text = self._text.snapshot(SHOWN_BYTES)
        if len(text) < len(self._message.shown):
            text = self._text.snapshot(MAX_CONTENT_BYTES - 2 * MAX_NOTICE_BYTES)
        self._message.notice_only = not is_visible(text)
        return self._send(_Flight.FAREWELL, noted(text, self._notices.later), now)

    def _end(self, now: float) -> Action:
        text = self._text.current(last=True)
        if not text.strip():
            return self._nothing_left()
        return self._send(_Flight.FINAL, text, now)

    def _send(self, flight: _Flight, content: str, now: float) -> SendFrame:
        message = self._message
        final = flight is not _Flight.UPDATE
        if not final:
            message.shown = content
        elif content.rstrip() == message.shown.rstrip():
            content = told_apart(content.rstrip())
        if not message.opened:
            message.started_at = now
        self._sent_at = now
        is_end = flight in (_Flight.FINAL, _Flight.FAREWELL)
        self._take_off(flight, worth(content, self.shown, message.notice_only and is_end))
        stream_id = self._id if message.number == 1 else f"{self._id}_{message.number}"
        feedback = self._feedback if message.number == 1 and not message.opened else None
        pictures = self._ending.pictures if flight is _Flight.FINAL else None
        return SendFrame(stream_body(stream_id, content, final, pictures, feedback), final)

    def _rescue(self) -> Action:
        """Send the text of the current message as Markdown, once the answer is complete."""
        if not self._ending.begun:
            return _WAIT
        if self._rescue_texts is None:
            text = self._text.current(last=True)
            is_pointless = self._message.notice_only and bool(self._ending.pictures)  # "see the picture", without one
            self._rescue_texts = split_text(text, MAX_CONTENT_BYTES) if is_visible(text) and not is_pointless else []
            self._routes = self._routes_after(self._gone, len(self._rescue_texts))
            if self._rescue_texts and not self._routes:
                return self._finish("failed", self._gone)
        if not self._rescue_texts:
            return self._close() if self._to_close else self._nothing_left()
        text, flight = self._rescue_texts[0], self._routes[0]
        self._take_off(flight, worth(text, self.shown, self._message.notice_only))
        return Push(self._chat, text) if flight is _Flight.PUSH else SendFrame(markdown_body(text), final=True)

    def _routes_after(self, refusal: Optional[WxError], messages: int) -> List[_Flight]:
        """Return the ways that may be open to Markdown after *refusal* of a stream, the best one first."""
        push = [_Flight.PUSH] if self._chat else []
        if isinstance(refusal, (StreamExpired, InvalidReqId, LimitExceeded)):
            return push  # nothing that answers is taken any more
        return [_Flight.REPLY, *push] if messages == 1 else [*push, _Flight.REPLY]

    def _close(self) -> SendFrame:
        """End the stream whose text went out in another form, so that it does not look unfinished."""
        shown = self._message.shown
        self._take_off(_Flight.CLOSE, self.shown)
        content = told_apart(shown) if is_visible(shown) else self._notices.later
        stream_id = self._id if self._message.number == 1 else f"{self._id}_{self._message.number}"
        return SendFrame(stream_body(stream_id, content, True), final=True)

    def _take_off(self, flight: _Flight, value: Shown) -> None:
        self._flight = flight
        self._frames += 1
        self._worth = value

    # -- results ----------------------------------------

    def _note_fate(self, error: Optional[WxError]) -> None:
        may_be_sent = bool(getattr(error, "may_have_been_sent", False))
        if error is None or isinstance(error, ApiError) or may_be_sent:
            self._message.opened = True
        else:
            self._frames -= 1
        if error is None:
            self.shown = max(self.shown, self._worth)
        elif may_be_sent:
            self.shown = max(self.shown, Shown.PERHAPS)

    def _again(self, flight: _Flight, error: WxError, now: float) -> bool:
        """Check whether the final frame or message at hand goes once more, and plan that."""
        attempt, maybe_sent = self._attempt, isinstance(error, ConnectionLost) and error.may_have_been_sent
        delays = _delays_after(error)
        if attempt.failures >= len(delays):
            return False
        if flight is _Flight.CLOSE or (maybe_sent and flight in (_Flight.PUSH, _Flight.REPLY, _Flight.FAREWELL)):
            return False  # a second one would be shown twice, or come too late
        if isinstance(error, RateLimited):
            self._limited = error
        attempt.unsure = attempt.unsure or (error if maybe_sent else None)
        attempt.not_before = now + delays[attempt.failures]
        attempt.failures += 1
        return True

    def _after_update(self, error: Optional[WxError]) -> None:
        self._message.arrived = error is None
        self._message.accepted = self._message.accepted or error is None
        if error is None or isinstance(error, (AckTimeout, ConnectionLost, NotSubscribed)):
            return
        if isinstance(error, (StreamExpired, LimitExceeded, InvalidReqId)) or _code(error) == STREAM_UNSUPPORTED:
            self._gone = error
        elif isinstance(error, RateLimited):
            self._pace = self._pace._replace(interval=min(self._pace.interval * 2, MAX_INTERVAL))
        elif _code(error) not in (VERSION_CONFLICT, SYSTEM_BUSY):
            self._refusal = error

    def _after_part(self, error: Optional[WxError]) -> None:
        if error is not None and not _is_unknown(error):
            self._not_taken(error)
            return
        self._doubt = error or self._doubt
        if self._message.sealed is not None:
            self._text.go_on_behind(self._message.sealed)
        self._message = _Message(self._message.number + 1)

    def _after_final(self, error: Optional[WxError]) -> None:
        if error is None:
            self._finish(None)
        elif _is_unknown(error):
            self._finish("unknown", error)
        else:
            self._not_taken(error)

    def _after_farewell(self, error: Optional[WxError]) -> None:
        life = self._pace.life
        over = LimitExceeded("The life of a stream is over (in seconds).", limit=life, actual=life)
        self._gone = error if isinstance(error, ApiError) else over

    def _after_rescue(self, error: Optional[WxError]) -> None:
        texts, routes = self._rescue_texts or [], self._routes
        if error is None:
            del texts[:1]
            is_over = isinstance(self._gone, (StreamExpired, InvalidReqId, LimitExceeded))
            if texts:
                return
            if self._message.accepted and not is_over:
                self._to_close = True
            else:
                self._finish(None, rescued=True)
        elif _is_unknown(error):
            self._finish("unknown", error, rescued=True)
        elif len(routes) > 1 and isinstance(error, ApiError) and not _says_spam(self._gone, error):
            del routes[0]
        else:
            self._finish("failed", error, rescued=True)

    def _after_close(self, error: Optional[WxError]) -> None:
        self._finish(None, rescued=True)  # the text is there, whatever became of the stream

    _AFTER: ClassVar[Dict[_Flight, Callable[[StreamState, Optional[WxError]], None]]] = {
        _Flight.UPDATE: _after_update,
        _Flight.PART: _after_part,
        _Flight.FINAL: _after_final,
        _Flight.FAREWELL: _after_farewell,
        _Flight.REPLY: _after_rescue,
        _Flight.PUSH: _after_rescue,
        _Flight.CLOSE: _after_close,
    }

    def _not_taken(self, error: WxError) -> None:
        """Go over to Markdown, or give up: a last frame did not get through, and another form of it may."""
        hopeless = isinstance(error, (TransportError, RateLimited, NotSubscribed))
        if hopeless:
            self._finish("failed", error)
        else:
            self._gone = error
            self._message.sealed = None

    # -- the end ----------------------------------------

    def _nothing_left(self) -> Done:
        """End it: there is nothing (more) to send, which is not a success when it was refused or never written."""
        reason = self._gone or self._refusal
        if reason is None and self._ending.failed:
            reason = WxError(
                "The stream ended before anything was written to it; nothing was sent.",
                remedy="Write to it, or finish it with a text.",
            )
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

    def _fate(self) -> str:
        """Describe in a sentence what became of the answer."""
        outcome = self.outcome
        assert outcome is not None
        if outcome.state == "delivered":
            return "Its text went out as Markdown instead." if outcome.rescued else "It arrived late."
        if outcome.state == "unknown":
            return "Whether all of it arrived is unknown."
        also = f" In its place, {outcome.error.what}" if outcome.rescued and outcome.error is not None else ""
        return f"It did not arrive.{also} {sentence(self.shown)}".rstrip()

    def _need_open(self, text: Any) -> None:
        if not isinstance(text, str):
            raise ConfigError("The text of a stream must be a str.")
        if self._ending.begun:
            raise ConfigError("The stream is finished; nothing can be written to it any more.")


def _code(error: Optional[WxError]) -> Optional[int]:
    return error.errcode if isinstance(error, ApiError) else None


def _is_unknown(error: WxError) -> bool:
    """Check whether what ended with *error* may have arrived."""
    return isinstance(error, (AckTimeout, ConnectionLost)) and error.may_have_been_sent


def _says_spam(*errors: Optional[WxError]) -> bool:
    """True when every refusal was about the content, which a third form of it would not change."""
    return all(_code(error) == ANTI_SPAM for error in errors)


def _delays_after(error: WxError) -> Tuple[float, ...]:
    """Return the delays before the further tries that may help after *error*."""
    if isinstance(error, RateLimited):
        return RATE_DELAYS
    passing = isinstance(error, (ConnectionLost, NotSubscribed)) or _code(error) in (VERSION_CONFLICT, SYSTEM_BUSY)
    return RETRY_DELAYS if passing else ()
