"""Builds and checks the frame that a call of the client sends, with one function for each kind of call.

They raise ConfigError, LimitExceeded or Unsupported before anything is sent. *now* is the clock that stamped the
frames' ``received_at``.
"""

from __future__ import annotations

from json.encoder import encode_basestring as _quoted
from typing import Any, Dict, NamedTuple, Optional, Tuple

from ..errors import ConfigError, Unsupported
from . import checks
from .bodies import as_wire, media_body, stream_body
from .card_rules import check_card
from .checks import EVENT_WINDOW, MAX_CONTENT_BYTES, REPLY_WINDOW
from .config import WSClientOptions
from .field_checks import need_object, need_one_of, utf8_size
from .frames import FrameKind, WsCmd, WsFrame, classify, encode_frame, req_id_of
from .inbound import EventType

_CALLBACK, _RESPONSE = WsCmd.CALLBACK.value, WsCmd.RESPONSE.value


class Outgoing(NamedTuple):
    """One frame to send. body: its wire form."""

    cmd: str
    req_id: str
    body: Optional[Dict[str, Any]]

    def encoded(self) -> str:
        """Return the frame's text; ConfigError when JSON cannot carry it."""
        return encode_frame(self.cmd, self.req_id, self.body)


def subscribe(req_id: str, options: WSClientOptions) -> Outgoing:
    """Build the first frame of a connection."""
    body: Dict[str, Any] = {"bot_id": options.bot_id, "secret": options.secret}  # hidden in tracebacks
    for name in ("scene", "plug_version", "device_id"):
        value = getattr(options, name)
        if value is not None:
            body[name] = value
    return Outgoing(WsCmd.SUBSCRIBE.value, req_id, body)


def ping(req_id: str) -> Outgoing:
    """Build a heartbeat."""
    return Outgoing(WsCmd.HEARTBEAT.value, req_id, None)


def reply(frame: Any, body: Any, cmd: Optional[str], now: float) -> Outgoing:
    """Build the answer *body* to *frame*; *cmd* None: aibot_respond_msg. An unknown command is not checked."""
    wire = as_wire(body)
    command = WsCmd.RESPONSE.value if cmd is None else str(cmd)
    if command == WsCmd.RESPONSE.value:
        return _answer(frame, wire, now)
    if command == WsCmd.RESPONSE_WELCOME.value:
        return welcome(frame, wire, now)
    if command == WsCmd.RESPONSE_UPDATE.value:
        need_object(wire, "body")
        return update_card(frame, wire.get("template_card"), wire.get("userids"), now)
    return Outgoing(command, req_id_of(frame), wire)


def reply_stream(
    frame: Any, stream_id: str, content: str, finish: bool, msg_item: Any, feedback: Any, now: float
) -> Outgoing:
    """Build one snapshot of a stream."""
    return _answer(frame, stream_body(stream_id, content, finish, msg_item, feedback), now)


def reply_stream_text(
    frame: Any, stream_id: str, content: str, finish: bool, msg_item: Any, feedback: Any, now: float
) -> Tuple[str, str]:
    """Build the frame of ``reply_stream``; its req_id and its text.

    The usual call (a message that a callback got, plain text) is written without the detour over a dict, since streams
    send thousands of them; every other one, and every one that is to be refused, takes the long way.
    """
    if (
        msg_item is None
        and feedback is None
        and type(frame) is WsFrame
        and frame.cmd == _CALLBACK
        and frame.req_id
        and frame.req_id.isascii()
        and frame.msgtype != "event"
        and (frame.received_at is None or now - frame.received_at <= REPLY_WINDOW)
        and type(stream_id) is str
        and stream_id
        and type(content) is str
        and type(finish) is bool
        and utf8_size(content, "stream.content") <= MAX_CONTENT_BYTES
    ):
        utf8_size(stream_id, "stream.id")
        return frame.req_id, (
            f'{{"cmd":"{_RESPONSE}","headers":{{"req_id":{_quoted(frame.req_id)}}},"body":{{"msgtype":"stream","stream":'
            f'{{"id":{_quoted(stream_id)},"finish":{"true" if finish else "false"},"content":{_quoted(content)}}}}}}}'
        )
    out = reply_stream(frame, stream_id, content, finish, msg_item, feedback, now)
    return out.req_id, out.encoded()


def reply_stream_with_card(
    frame: Any, stream: Dict[str, Any], template_card: Any, card_feedback: Any, now: float
) -> Outgoing:
    """Build one snapshot of a stream (the body of ``stream_body``) and a card beside it, or none."""
    body = {"msgtype": "stream_with_template_card", "stream": stream["stream"]}
    if template_card is not None:
        body["template_card"] = _with_feedback(template_card, card_feedback)
    return _answer(frame, body, now)


def reply_card(frame: Any, template_card: Any, feedback: Any, now: float) -> Outgoing:
    """Build a card as the answer."""
    return _answer(frame, {"msgtype": "template_card", "template_card": _with_feedback(template_card, feedback)}, now)


def reply_media(frame: Any, media_type: str, media_id: str, video_options: Any, now: float) -> Outgoing:
    """Build an answer with an uploaded file."""
    return _answer(frame, _media(media_type, media_id, video_options), now)


def welcome(frame: Any, body: Any, now: float) -> Outgoing:
    """Build a greeting, within 5 seconds after enter_chat."""
    req_id = _event(frame, EventType.ENTER_CHAT, "A welcome answers an enter_chat event only.", now)
    wire = as_wire(body)
    checks.check_welcome(wire)
    return Outgoing(WsCmd.RESPONSE_WELCOME.value, req_id, wire)


def update_card(frame: Any, template_card: Any, userids: Any, now: float) -> Outgoing:
    """Build the new form of the card that was clicked, within 5 seconds.

    A card without task_id, or with one that its builder made up, gets that of the click; another one is a ConfigError.
    """
    req_id = _event(frame, EventType.TEMPLATE_CARD_EVENT, "An update answers a click on a card only.", now)
    card = as_wire(template_card)
    clicked = _clicked_task_id(frame)
    if isinstance(card, dict) and clicked is not None:
        if card.get("task_id") is None or getattr(template_card, "task_id_is_made_up", False):
            card["task_id"] = clicked
        if card["task_id"] != clicked:
            raise ConfigError("template_card.task_id must be that of the card that was clicked.")
    body: Dict[str, Any] = {"response_type": "update_template_card", "template_card": check_card(card)}
    if userids:
        body["userids"] = as_wire(userids)
        checks.check_userids(body["userids"])
    return Outgoing(WsCmd.RESPONSE_UPDATE.value, req_id, body)


def push(req_id: str, chatid: str, body: Any) -> Outgoing:
    """Build a message without a question before it, to a group's chatid or a userid."""
    checks.check_chatid(chatid)
    wire = need_object(as_wire(body), "body")
    checks.check_push(wire)
    return Outgoing(WsCmd.SEND_MSG.value, req_id, {**wire, "chatid": chatid})


def push_media(req_id: str, chatid: str, media_type: str, media_id: str, video_options: Any) -> Outgoing:
    """Build a push of an uploaded file, to a group's chatid or a userid."""
    return push(req_id, chatid, _media(media_type, media_id, video_options))


def _answer(frame: Any, wire: Any, now: float) -> Outgoing:
    req_id = req_id_of(frame)
    checks.check_reply(wire)
    if isinstance(frame, WsFrame):
        if classify(frame) is FrameKind.EVENT:
            raise Unsupported(
                "The platform takes no such answer to an event (846605).",
                remedy="Answer with reply_welcome or update_template_card within 5 s, or push with send_message.",
            )
        checks.check_window(frame.received_at, now, REPLY_WINDOW)
    return Outgoing(WsCmd.RESPONSE.value, req_id, wire)


def _event(frame: Any, wanted: EventType, otherwise: str, now: float) -> str:
    req_id = req_id_of(frame)
    if isinstance(frame, WsFrame):
        if frame.cmd is not None and frame.eventtype != wanted.value:
            raise Unsupported(otherwise, remedy="Push with send_message instead.")
        checks.check_window(frame.received_at, now, EVENT_WINDOW)
    return req_id


def _clicked_task_id(frame: Any) -> Optional[str]:
    event = frame.raw_body.get("event") if isinstance(frame, WsFrame) else None
    click = event.get(EventType.TEMPLATE_CARD_EVENT.value) if isinstance(event, dict) else None
    task_id = click.get("task_id") if isinstance(click, dict) else None
    return task_id if isinstance(task_id, str) and task_id else None


def _with_feedback(template_card: Any, feedback: Any) -> Any:
    card = as_wire(template_card)
    return card if feedback is None or not isinstance(card, dict) else {**card, "feedback": as_wire(feedback)}


def _media(media_type: str, media_id: str, video_options: Any) -> Dict[str, Any]:
    need_one_of(media_type, "media_type", ("file", "image", "voice", "video"))
    return media_body(media_type, media_id, video_options)
