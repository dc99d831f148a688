"""Sends replies and pushes, and offers the low-level call. Everything is checked before anything is sent."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Dict, Optional

from ..core.settings import check_seconds
from ..runtime import hooks
from ..runtime.clock import Clock
from . import frames_out
from .acks import Replies
from .bodies import stream_body
from .config import WSClientOptions
from .frames import WsCmd, WsFrame, encode_frame, req_id_of
from .frames_out import Outgoing
from .ids import generate_req_id

if TYPE_CHECKING:
    from .cards import CardCache, TemplateCard

CARDS_REMEMBERED = 1000  # a choice: an hour of the fastest chat (docs/protocol/aibot, 4), a few MB

_RESPONSE = WsCmd.RESPONSE.value


class Api:
    """``client.api``: any command of the protocol, without checks."""

    def __init__(self, options: WSClientOptions, replies: Replies) -> None:
        self._options = options
        self._replies = replies

    def call(
        self,
        cmd: str,
        req_id: Optional[str] = None,
        body: Optional[Dict[str, Any]] = None,
        timeout: Optional[float] = None,
    ) -> WsFrame:
        """Send one frame and return its answer.

        *req_id*: of the frame that is answered; None makes a new one. *timeout*: seconds from the write to AckTimeout,
        None for options.ack_timeout. Any thread. Raises ConnectionLost, AckTimeout, ReplyQueueFull, ApiError, and
        ConfigError for a body that JSON cannot carry.
        """
        wait = self._options.ack_timeout if timeout is None else check_seconds("timeout", timeout)
        cmd = str(cmd)
        req_id = generate_req_id(cmd) if req_id is None else req_id
        answer = self._replies.call(req_id, cmd, encode_frame(cmd, req_id, body), wait)
        assert answer is not None
        return answer


class Sending:
    """The replies and pushes of a WSClient.

    Each waits for the acknowledgement and returns its frame. Answers to one frame go out one at a time, in the order of
    the calls; any thread may call, callbacks included. All raise ConfigError, LimitExceeded or Unsupported before
    anything is sent; ConnectionLost when the connection is not there or goes (``may_have_been_sent`` says whether the
    message may be out); AckTimeout after options.ack_timeout seconds; ReplyQueueFull; ApiError for a refusal.
    """

    def __init__(self, options: WSClientOptions, replies: Replies, clock: Clock) -> None:
        self._options = options
        self._replies = replies
        self._clock = clock
        self._cards_lock = threading.Lock()
        self._cards: Optional[CardCache] = None  # made with the first card: many bots send none
        self.api = Api(options, replies)

    def reply(self, frame: WsFrame, body: Any, cmd: Optional[str] = None) -> WsFrame:
        """Send *body* (a dataclass of ``bodies`` or a dict) as the answer to *frame* and return the server's ack.

        *cmd*: another command than aibot_respond_msg; one that the protocol does not name is sent unchecked.
        """
        return self._send(frames_out.reply(frame, body, cmd, self._clock.now()))

    def reply_stream(
        self,
        frame: WsFrame,
        stream_id: str,
        content: str,
        finish: bool = False,
        msg_item: Any = None,
        feedback: Any = None,
    ) -> WsFrame:
        """Send one snapshot of a stream: *content* is the whole text so far, at most 20,480 bytes of UTF-8.

        *stream_id*: any name, the same for all snapshots of one stream. *msg_item*: pictures, with the last snapshot
        only. *feedback*: with the first one only. ``open_stream`` does all this by itself.
        """
        req_id, text = frames_out.reply_stream_text(
            frame, stream_id, content, finish, msg_item, feedback, self._clock.now()
        )
        answer = self._replies.call(req_id, _RESPONSE, text, self._options.ack_timeout)
        assert answer is not None
        return answer

    def reply_stream_non_blocking(
        self,
        frame: WsFrame,
        stream_id: str,
        content: str,
        finish: bool = False,
        msg_item: Any = None,
        feedback: Any = None,
    ) -> Optional[WsFrame]:
        """Do as reply_stream, but skip the snapshot, returning None, while another frame of *frame* waits for its ack.

        A final snapshot is never skipped.
        """
        req_id, text = frames_out.reply_stream_text(
            frame, stream_id, content, finish, msg_item, feedback, self._clock.now()
        )
        return self._replies.call(req_id, _RESPONSE, text, self._options.ack_timeout, unless_busy=not finish)

    def has_pending_reply_ack(self, frame: WsFrame) -> bool:
        """True while an answer to *frame* waits for its ack."""
        return self._replies.is_busy(req_id_of(frame))

    def reply_welcome(self, frame: WsFrame, body: Any) -> WsFrame:
        """Greet the user of an enter_chat event with a text or a card, within 5 seconds of the event."""
        return self._send_card(frames_out.welcome(frame, body, self._clock.now()))

    def reply_template_card(self, frame: WsFrame, template_card: Any, feedback: Any = None) -> WsFrame:
        """Answer a message with a card (a TemplateCard or a dict)."""
        return self._send_card(frames_out.reply_card(frame, template_card, feedback, self._clock.now()))

    def reply_stream_with_card(
        self,
        frame: WsFrame,
        stream_id: str,
        content: str,
        finish: bool = False,
        *,
        msg_item: Any = None,
        stream_feedback: Any = None,
        template_card: Any = None,
        card_feedback: Any = None,
    ) -> WsFrame:
        """Send one snapshot of a stream together with a card; a message can have one card."""
        stream = stream_body(stream_id, content, finish, msg_item, stream_feedback)
        return self._send_card(
            frames_out.reply_stream_with_card(frame, stream, template_card, card_feedback, self._clock.now())
        )

    def update_template_card(self, frame: WsFrame, template_card: Any, userids: Any = None) -> WsFrame:
        """Replace the card that was clicked, within 5 seconds of the click, for *userids* or for everybody."""
        return self._send_card(frames_out.update_card(frame, template_card, userids, self._clock.now()))

    def reply_media(self, frame: WsFrame, media_type: str, media_id: str, video_options: Any = None) -> WsFrame:
        """Answer a message with an uploaded file; *video_options*: title and description of a video."""
        return self._send(frames_out.reply_media(frame, media_type, media_id, video_options, self._clock.now()))

    def send_message(self, chatid: str, body: Any) -> WsFrame:
        """Push Markdown, a card or media to a group's chatid or a userid (the platform takes no text: Unsupported)."""
        return self._send_card(frames_out.push(generate_req_id(WsCmd.SEND_MSG.value), chatid, body))

    def send_media_message(self, chatid: str, media_type: str, media_id: str, video_options: Any = None) -> WsFrame:
        """Push an uploaded file to a group's chatid or a userid."""
        req_id = generate_req_id(WsCmd.SEND_MSG.value)
        return self._send(frames_out.push_media(req_id, chatid, media_type, media_id, video_options))

    def sent_card(self, task_id: Optional[str]) -> Optional[TemplateCard]:
        """Copy the card with *task_id* as it was sent last; None when it is not remembered (the newest 1000 are).

        For the handler of a click: change the copy and give it to update_template_card.
        """
        with self._cards_lock:
            return self._cards.find(task_id) if self._cards is not None else None

    def _send(self, out: Outgoing) -> WsFrame:
        with hooks.sending("aibot"):
            answer = self._replies.call(out.req_id, out.cmd, out.encoded(), self._options.ack_timeout)
        assert answer is not None
        return answer

    def _send_card(self, out: Outgoing) -> WsFrame:
        answer = self._send(out)
        self._remember_card(out.body or {})
        return answer

    def _remember_card(self, body: Dict[str, Any]) -> None:
        card = body.get("template_card")
        if isinstance(card, dict):
            from .cards import CardCache  # here, since its dataclasses are a good part of what importing a client takes

            with self._cards_lock:
                if self._cards is None:
                    self._cards = CardCache(CARDS_REMEMBERED)
                self._cards.remember(card)
