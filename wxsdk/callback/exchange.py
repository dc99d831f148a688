"""Holds one callback while its handler runs: the web server's threads wait here for what it says."""

from __future__ import annotations

import json
import threading
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

from ..aibot.bodies import as_wire
from ..aibot.card_rules import check_card
from ..aibot.checks import check_stream
from ..aibot.field_checks import need_object, need_text
from ..aibot.frames import WsFrame
from ..aibot.inbound import EventType
from ..aibot.stream_notices import StreamNotices
from ..errors import ConfigError, LimitExceeded, Unsupported, WxError
from ..runtime.clock import Clock
from .bubble_rules import Bubble, Rest, Snapshot, given_up, picture_item

Body = Dict[str, Any]
EVENT_WINDOW = 5.0  # seconds; docs/protocol/callback, 1: the answer to an event is the response to its request


_ANSWERED = (EventType.ENTER_CHAT.value, EventType.TEMPLATE_CARD_EVENT.value)


class Passive(NamedTuple):
    """What to answer a request with now. complete: nothing more follows for this request's message."""

    body: Optional[Body]
    complete: bool


class Record(NamedTuple):
    """What other workers need to answer for this one: a message's snapshot, or an event's answer.

    ends_at: seconds since 1970, when a stream that is not finished by then is given up: its worker died.
    """

    snapshot: Optional[Snapshot]
    body: Optional[Body]
    ends_at: float

    def to_json(self) -> str:
        shown = None if self.snapshot is None else self.snapshot.__dict__
        return json.dumps({"snapshot": shown, "body": self.body, "ends_at": self.ends_at}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Record:
        found = json.loads(text)
        shown = found["snapshot"]
        return cls(None if shown is None else Snapshot(**shown), found["body"], found["ends_at"])

    def passive(self) -> Passive:
        """The answer to the message or event, once more."""
        if self.snapshot is None:
            return Passive(self.body, True)
        return Passive(self.snapshot.body(), self.snapshot.finish)

    def refresh(self, wall: float, notices: StreamNotices) -> Passive:
        """The answer to a refresh at *wall*."""
        shown = self.snapshot or Snapshot("")
        if not shown.finish and wall >= self.ends_at:
            shown = given_up(shown, notices)
        return Passive(shown.body(as_stream=True), shown.finish)


class Exchange:
    """One message or event, and the answer that grows for it. Any thread.

    changed: called, outside of the lock, after each change that other workers should see.
    """

    def __init__(
        self,
        frame: WsFrame,
        key: str,
        stream_id: str,
        clock: Clock,
        changed: Callable[[Exchange], None],
        *,
        notices: StreamNotices,
        age: float = 0.0,
    ) -> None:
        self.frame = frame
        self.key = key
        self.stream_id = stream_id
        self.started_at = clock.now() - age
        self.is_event = frame.msgtype == "event"
        self.failed = False  # the handler broke off, so the bubble ends with a notice
        self.collected = False  # the platform asked for the end of the stream, or got it in a response
        self.rescued = False  # the end, or the rest, went to the response_url
        self.held = False  # marked as handled, though the handler of an earlier message goes on with it
        self.more_urls: Tuple[WsFrame, ...] = ()  # clicks whose response_urls may be used as well, newest first
        self.error: Optional[WxError] = None  # why a part of the answer was not delivered
        self._clock = clock
        self._changed = changed
        self._condition = threading.Condition(threading.RLock())
        self._bubble = Bubble(stream_id, notices)
        self._bubble.opened = age > 0  # another worker may have answered with the stream
        self._streaming = False
        self._ended = False  # by finish_bubble
        self._settled = False
        # The response of an event that another worker was killed with is gone; that of others is always empty.
        self._closed = self.is_event and (frame.eventtype not in _ANSWERED or age > 0)
        self._body: Optional[Body] = None  # of an event

    # -- the web server's threads ----------------------------------------

    def first_answer(self, stream_after: float, answer_timeout: float) -> Passive:
        """Wait for what the handler says, at most *stream_after* seconds for a message, then begin a stream.

        An event's answer is waited for up to *answer_timeout*; what comes later has missed the response.
        """
        if self.is_event:
            with self._condition:
                self._wait(lambda: self._closed or self._settled or self._body is not None, answer_timeout)
                self._closed = True
                return Passive(self._body, True)
        with self._condition:
            self._wait(lambda: self._bubble.over or self._settled or self._streaming, stream_after)
            passive = self._open()
        self._changed(self)
        return passive

    def refresh(self) -> Passive:
        """The newest snapshot of the stream."""
        with self._condition:
            return self._open(as_stream=True)

    def _open(self, *, as_stream: bool = False) -> Passive:
        """Under the lock: what the bubble shows now; the platform knows the stream from now on unless it is whole."""
        if not self._bubble.over:
            self._bubble.opened = True
        snapshot = self._bubble.snapshot()
        return Passive(snapshot.body(as_stream=as_stream), snapshot.finish)

    def _wait(self, predicate: Callable[[], bool], timeout: float) -> None:
        self._clock.wait_for(self._condition, predicate, timeout)

    # -- handlers ----------------------------------------

    def begin(self, feedback: Optional[Body] = None) -> int:
        """Begin a paragraph of the bubble; its number. Unsupported for an event."""
        if self.is_event:
            raise Unsupported("An event cannot be answered with a stream: nothing was sent.")
        with self._condition:
            return self._bubble.begin(feedback)

    def write(self, number: int, delta: str, *, replace: bool = False) -> None:
        with self._condition:
            if self._ended:
                raise ConfigError("The message is handled and its bubble has ended: this was not sent.")
            (self._bubble.replace if replace else self._bubble.write)(number, delta)
            self._streaming = self._streaming or bool(delta)
            self._condition.notify_all()
        self._changed(self)

    def thinking(self) -> None:
        """Let the platform show the animation now rather than after stream_after."""
        with self._condition:
            self._streaming = True
            self._condition.notify_all()

    def say(self, text: str) -> bool:
        """Add a paragraph; False when the bubble has ended, so that only the response_url is left."""
        need_text(text, "text")
        with self._condition:
            if self._ended:
                return False
            self._bubble.write(self._bubble.begin(), text)
        self._changed(self)
        return True

    def show_picture(self, data: bytes) -> None:
        """Add a picture to the bubble's end. ConfigError or LimitExceeded when the platform would not take it."""
        item = picture_item(data)
        check_stream({"msgtype": "stream", "stream": {"id": self.stream_id, "finish": True, "msg_item": [item]}})
        with self._condition:
            self._bubble.add_picture(item)
        self._changed(self)

    def show_card(self, card: Any) -> bool:
        """Put a card into the bubble; False when it has ended, so that only the response_url is left."""
        body = need_object(as_wire(card), "template_card")
        check_card(body)
        with self._condition:
            if self._ended:
                return False
            self._bubble.add_card(body)
        self._changed(self)
        return True

    def answer_event(self, body: Body) -> None:
        """Give an event its answer. LimitExceeded when the response is gone; ConfigError for a second one."""
        with self._condition:
            age = self._clock.now() - self.started_at
            if self._closed or age >= EVENT_WINDOW:
                raise LimitExceeded(
                    "The time to answer this event is over (in seconds): nothing was sent.",
                    limit=EVENT_WINDOW,
                    actual=round(age, 3),
                    remedy="Answer first and work afterwards.",
                )
            if self._body is not None:
                raise ConfigError("The event has its answer already: the second one was not sent.")
            self._body = body
            self._condition.notify_all()

    def finish_bubble(self, *, failed: bool = False) -> Optional[Rest]:
        """End the bubble and return what it could not hold; None when it had ended before."""
        with self._condition:
            if self._ended:
                return None
            self._ended = True
            self._bubble.finish(failed=failed)
            self._condition.notify_all()
            rest = self._bubble.rest()
        self._changed(self)
        return rest

    def expire(self, life: float) -> bool:
        """End the stream when it is *life* seconds old, since the platform soon asks no more; True when it was."""
        with self._condition:
            if self.is_event or self._bubble.over or self._clock.now() - self.started_at < life:
                return False
            self._bubble.expire()
            self._condition.notify_all()
        self._changed(self)
        return True

    def settle(self) -> None:
        """The handler is done; what still waits for it is answered."""
        with self._condition:
            self._settled = True
            self._condition.notify_all()

    @property
    def settled(self) -> bool:
        """True once the message is handled."""
        with self._condition:
            return self._settled

    @property
    def ended(self) -> bool:
        """True once nothing can be added to the bubble."""
        with self._condition:
            return self._ended

    @property
    def bubble_over(self) -> bool:
        """True once the stream is finished for the platform, though the handler may go on."""
        with self._condition:
            return self._bubble.over

    @property
    def opened(self) -> bool:
        """True once the platform was answered with a stream, so that it asks for the end."""
        with self._condition:
            return self._bubble.opened

    def record(self, ends_at: float) -> Record:
        """What other workers need."""
        with self._condition:
            if self.is_event:
                return Record(None, self._body, ends_at)
            return Record(self._bubble.snapshot(), None, ends_at)
