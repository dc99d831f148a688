"""Judges one command: applies it to the World, or raises Refused. Pure (docs/protocol/aibot, 1, 4, 5)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any, Callable, Dict, List, Optional

from . import errors as codes
from .cards import MAX_FEEDBACK_ID_BYTES, card_faults, unknown_fields
from .errors import Refused
from .state import EVENT_SECONDS, REPLY_SECONDS, Bubble, Request, World, visible_text
from .uploads import MIB

MAX_CONTENT_BYTES = 20_480  # UTF-8; docs/protocol/aibot, 4
MAX_IMAGES = 10
MAX_IMAGE_BYTES = 10 * MIB
VIDEO_TITLE_BYTES, VIDEO_DESCRIPTION_BYTES = 128, 512  # cut, not refused: the Node SDK's types
MEDIA_KINDS = ("file", "image", "voice", "video")
_IMAGE_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")

Body = Dict[str, Any]
Note = Callable[[str, str], None]


class Rules:
    """One frame's judge: which bot sent it, when, and where a misdeed is noted."""

    def __init__(self, world: World, bot_id: str, now: float, note: Note) -> None:
        self.world, self.bot_id, self.now, self.note = world, bot_id, now, note

    def apply(self, cmd: str, req_id: str, body: Body, *, racing: bool) -> Optional[Body]:
        """Carry out one command; the answer's body, if it has one. Raises Refused.

        *racing*: an earlier frame of this req_id was still unanswered when this one was written.
        """
        uploads, bot, now = self.world.uploads, self.bot_id, self.now
        if cmd == "aibot_respond_msg":
            self._respond(self._request(req_id), body, racing)
        elif cmd == "aibot_respond_welcome_msg":
            self._welcome(self._request(req_id), body)
        elif cmd == "aibot_respond_update_msg":
            self._update(self._request(req_id), body)
        elif cmd == "aibot_send_msg":
            self._send(body)
        elif cmd == "aibot_upload_media_init":
            self._known(body, "type filename total_size total_chunks md5")
            return uploads.init(body, bot, now)
        elif cmd == "aibot_upload_media_chunk":
            self._known(body, "upload_id chunk_index base64_data")
            uploads.chunk(body, bot, now)
        elif cmd == "aibot_upload_media_finish":
            self._known(body, "upload_id")
            return uploads.finish(body, bot, now)
        elif cmd == "ww_ai_robot_enter_event":
            self._enter_check(self._request(req_id), body)
        else:
            raise Refused(codes.BAD_PARAMETER, f"unknown cmd {cmd[:60]!r}", violation="unknown command")
        return None

    # -- windows ----------------------------------------

    def _request(self, req_id: str) -> Request:
        request = self.world.requests.get(req_id)
        if request is None or request.bot_id != self.bot_id:
            raise Refused(codes.INVALID_REQ_ID, "invalid req_id")
        return request

    def _within(self, request: Request, seconds: float) -> None:
        if request.over or self.now - request.at > seconds:
            raise Refused(codes.WINDOW_OVER, "request window is over")

    # -- the four ways to speak ----------------------------------------

    def _respond(self, request: Request, body: Body, racing: bool) -> None:
        if request.kind != "message":
            raise Refused(
                codes.INVALID_REQ_ID,
                f"a {request.kind} takes no message as its answer",
                violation="reply to an event",
            )
        kind = self._msgtype(body, "stream stream_with_template_card template_card markdown " + " ".join(MEDIA_KINDS))
        self._within(request, REPLY_SECONDS)
        if kind in ("stream", "stream_with_template_card"):
            self._known(body, "msgtype stream" + (" template_card" if kind != "stream" else ""))
            self._stream(request, body, racing)
        else:
            self._message(request.chat, body, kind, "reply", request.req_id)

    def _welcome(self, request: Request, body: Body) -> None:
        if request.kind != "enter_chat":
            raise Refused(codes.INVALID_REQ_ID, "only enter_chat is welcomed", violation="welcome to something else")
        kind = self._msgtype(body, "text template_card")
        self._within(request, EVENT_SECONDS)
        if request.welcomed:
            raise Refused(codes.INVALID_REQ_ID, "this req_id has been answered")
        self._message(request.chat, body, kind, "welcome", request.req_id)
        request.welcomed = True

    def _send(self, body: Body) -> None:
        chat = body.get("chatid")
        if not isinstance(chat, str) or not chat:
            raise Refused(codes.NO_CHATID, "chatid is missing", violation="push without chatid")
        kind = self._msgtype(body, "markdown template_card " + " ".join(MEDIA_KINDS))
        chat_type = body.get("chat_type", 0)
        if isinstance(chat_type, bool) or chat_type not in (0, 1, 2):
            raise Refused(codes.BAD_PARAMETER, "chat_type is not 0, 1 or 2", violation="chat_type")
        known = {
            0: chat in self.world.groups or chat in self.world.users,
            1: chat in self.world.users,
            2: chat in self.world.groups,
        }
        if not known[chat_type]:
            raise Refused(codes.BAD_CHATID, "chatid is unknown; upper and lower case matter")
        self._message(chat, body, kind, "push", None, also="chatid chat_type")

    def _update(self, request: Request, body: Body) -> None:
        if request.kind != "template_card_event":
            raise Refused(
                codes.INVALID_REQ_ID,
                "only a click's req_id updates a card",
                violation="update of something else",
            )
        self._known(body, "response_type userids template_card")
        if body.get("response_type") != "update_template_card":
            raise Refused(codes.BAD_PARAMETER, "response_type is not update_template_card", violation="response_type")
        card = self._card(body.get("template_card"), fresh=False)
        if card.get("task_id") != request.task_id:
            raise Refused(codes.BAD_PARAMETER, "task_id is not the clicked card's", violation="task_id of an update")
        userids = body.get("userids")
        if userids is not None and not (isinstance(userids, list) and all(isinstance(one, str) for one in userids)):
            raise Refused(codes.BAD_PARAMETER, "userids is not a list of strings", violation="userids")
        self._within(request, EVENT_SECONDS)
        bubble = self.world.cards.get((self.bot_id, request.task_id or ""))
        if bubble is None:
            return
        if userids:
            bubble.cards.update(dict.fromkeys(userids, card))
        else:
            bubble.card = card
            bubble.cards.clear()
        bubble.updates += 1
        bubble.raw.append(body)
        self.world.touched(bubble)

    def _enter_check(self, request: Request, body: Body) -> None:
        if request.kind != "enter_check_update":
            raise Refused(codes.INVALID_REQ_ID, "only enter_check_update is answered so", violation="enter event")
        if "version" not in body:
            raise Refused(codes.BAD_PARAMETER, "version is missing", violation="enter event")

    # -- messages ----------------------------------------

    def _message(self, chat: str, body: Body, kind: str, via: str, req_id: Optional[str], also: str = "") -> None:
        """Every body but a stream: checked whole, then shown."""
        self._known(body, f"msgtype {kind} {also}")
        if kind == "template_card":
            card = self._card(body.get("template_card"))
            bubble = self._bubble(chat, "card", via, req_id, body)
            self.world.put_card(bubble, card)
        elif kind in MEDIA_KINDS:
            self._media(chat, body, kind, via, req_id)
        else:
            part = self._part(body, kind)
            self._known(part, "content feedback" if kind == "markdown" else "content", kind)
            text = self._content(part)
            if not text:
                raise Refused(codes.BAD_PARAMETER, "content is empty", violation="content")
            feedback = self._feedback(part)
            self._bubble(chat, kind, via, req_id, body, text=text, feedback_id=feedback)

    def _media(self, chat: str, body: Body, kind: str, via: str, req_id: Optional[str]) -> None:
        part = self._part(body, kind)
        self._known(part, "media_id title description" if kind == "video" else "media_id", kind)
        if not isinstance(part.get("media_id"), str) or not part["media_id"]:
            raise Refused(codes.BAD_MEDIA_ID, "media_id is missing", violation="media_id")
        media = self.world.uploads.use(part["media_id"], kind, self.bot_id, self.now)
        self._bubble(
            chat,
            kind,
            via,
            req_id,
            body,
            data=media.data,
            name=media.filename,
            media_id=media.media_id,
            title=_cut(part.get("title"), VIDEO_TITLE_BYTES),
            description=_cut(part.get("description"), VIDEO_DESCRIPTION_BYTES),
        )

    def _bubble(self, chat: str, kind: str, via: str, req_id: Optional[str], body: Body, **facts: Any) -> Bubble:
        return self.world.new_bubble(self.bot_id, chat, kind, via, self.now, req_id=req_id, raw=[body], **facts)

    # -- streams ----------------------------------------

    def _stream(self, request: Request, body: Body, racing: bool) -> None:
        part = self._part(body, "stream")
        self._known(part, "id finish content msg_item feedback", "stream")
        stream_id, finish = part.get("id"), part.get("finish", False)
        if not isinstance(stream_id, str) or not stream_id:
            raise Refused(codes.BAD_PARAMETER, "stream.id is missing", violation="stream id")
        if not isinstance(finish, bool):
            raise Refused(codes.BAD_PARAMETER, "stream.finish is not a boolean", violation="stream finish")
        text, images = self._content(part), self._images(part, finish)
        bubble = request.streams.get(stream_id)
        feedback = self._feedback(part)
        if feedback is not None and bubble is not None:
            raise Refused(codes.BAD_PARAMETER, "feedback belongs into the first frame", violation="stream feedback")
        card = None
        if body.get("template_card") is not None:
            if request.card_sent:
                raise Refused(codes.BAD_PARAMETER, "this message has its card already", violation="second card")
            card = self._card(body["template_card"])
        if bubble is not None and (bubble.finished or bubble.stale(self.now)):
            raise Refused(codes.STREAM_EXPIRED, "stream message expired")
        if bubble is not None and racing:
            raise Refused(codes.VERSION_CONFLICT, "data version conflict")
        if bubble is None:
            bubble = self._open_stream(request, stream_id, feedback)
        if card is not None:
            request.card_sent = True
            self.world.put_card(bubble, card)
        self._snapshot(bubble, body, text, finish, images)

    def _open_stream(self, request: Request, stream_id: str, feedback: Optional[str]) -> Bubble:
        bubble = self.world.new_bubble(
            self.bot_id,
            request.chat,
            "stream",
            "reply",
            self.now,
            req_id=request.req_id,
            stream_id=stream_id,
            finished=False,
            updates=0,
            feedback_id=feedback,
        )
        request.streams[stream_id] = bubble
        return bubble

    def _snapshot(self, bubble: Bubble, body: Body, text: str, finish: bool, images: List[bytes]) -> None:
        bubble.raw.append(body)
        if finish and bubble.updates and text == bubble.text and self.world.settings.drops_equal_final:
            bubble.dropped_final = True
            self.world.touched(bubble)
            return
        bubble.text, bubble.images, bubble.updated_at = text, images, self.now
        bubble.updates += 1
        if finish and visible_text(text):
            bubble.finished = True
            self.world.show(bubble)
        self.world.touched(bubble)

    def _images(self, part: Body, finish: bool) -> List[bytes]:
        items = part.get("msg_item")
        if items is None:
            return []
        if not finish:
            raise Refused(codes.BAD_PARAMETER, "msg_item goes only with finish", violation="msg_item before finish")
        if not isinstance(items, list) or len(items) > MAX_IMAGES:
            raise Refused(
                codes.BAD_PARAMETER,
                f"msg_item is not a list of at most {MAX_IMAGES}",
                violation="msg_item count",
            )
        return [self._image(item) for item in items]

    def _image(self, item: Any) -> bytes:
        image = item.get("image") if isinstance(item, dict) else None
        if not isinstance(image, dict) or item.get("msgtype") != "image":
            raise Refused(codes.BAD_PARAMETER, "a msg_item is not an image", violation="msg_item")
        try:
            data = base64.b64decode(image.get("base64") or "", validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise Refused(codes.BAD_PARAMETER, "image.base64 is not base64", violation="msg_item") from error
        if not 1 <= len(data) <= MAX_IMAGE_BYTES or not data.startswith(_IMAGE_MAGIC):
            raise Refused(codes.BAD_PARAMETER, "an image is not a JPG or PNG of at most 10 MB", violation="msg_item")
        if image.get("md5") != hashlib.md5(data).hexdigest():
            raise Refused(codes.BAD_PARAMETER, "image.md5 does not match", violation="msg_item md5")
        return data

    # -- parts ----------------------------------------

    def _msgtype(self, body: Body, allowed: str) -> str:
        kind = body.get("msgtype")
        if not isinstance(kind, str) or kind not in allowed.split():
            raise Refused(codes.BAD_MSGTYPE, f"msgtype {kind!r:.40} is not possible here", violation="msgtype")
        return kind

    def _part(self, body: Body, name: str) -> Body:
        part = body.get(name)
        if not isinstance(part, dict):
            raise Refused(codes.BAD_PARAMETER, f"{name} is missing", violation="missing part")
        return part

    def _content(self, part: Body) -> str:
        text = part.get("content", "")
        if not isinstance(text, str):
            raise Refused(codes.BAD_PARAMETER, "content is not a string", violation="content")
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > MAX_CONTENT_BYTES:
            raise Refused(
                codes.BAD_PARAMETER,
                f"content has {size} bytes, allowed are {MAX_CONTENT_BYTES}",
                violation="content length",
            )
        return text

    def _feedback(self, part: Body) -> Optional[str]:
        feedback = part.get("feedback")
        if feedback is None:
            return None
        found = feedback.get("id") if isinstance(feedback, dict) else None
        if not isinstance(found, str) or not 1 <= len(found.encode("utf-8", "surrogatepass")) <= MAX_FEEDBACK_ID_BYTES:
            raise Refused(codes.BAD_PARAMETER, "feedback.id does not have 1 to 256 bytes", violation="feedback id")
        return found

    def _card(self, card: Any, *, fresh: bool = True) -> Body:
        faults = card_faults(card)
        if faults:
            raise Refused(codes.BAD_PARAMETER, f"template_card: {faults[0]}", violation="card: " + "; ".join(faults))
        for name in unknown_fields(card):
            self.note("unknown field", f"template_card.{name}")
        checked: Body = card
        if fresh and (self.bot_id, checked.get("task_id")) in self.world.task_ids:
            raise Refused(codes.BAD_PARAMETER, "task_id was used before", violation="task_id twice")
        return checked

    def _known(self, body: Body, names: str, where: str = "body") -> None:
        for name in sorted(set(body) - set(names.split())):
            self.note("unknown field", f"{where}.{name}")


def _cut(value: Any, size: int) -> Optional[str]:
    return value.encode("utf-8", "surrogatepass")[:size].decode("utf-8", "ignore") if isinstance(value, str) else None
