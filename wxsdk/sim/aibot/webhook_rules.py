"""Judges what a callback is answered with, as the platform does (docs/protocol/callback, 2 to 4). Pure."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

from . import errors as codes
from .errors import Refused, SimError
from .rules import Rules
from .seal import Seal
from .state import Bubble, Request, visible_text

ANSWER_SECONDS = 5.0  # then the platform calls again
TRIES = 3  # of one callback, the first included
STREAM_SECONDS = 6 * 60.0  # after the user's message; then the platform asks no more
URL_SECONDS = 3600.0

Body = Dict[str, Any]


def read_answer(seal: Seal, data: bytes) -> Optional[Body]:
    """The plain answer in the body of a response; None when it is empty. SimError says what is wrong with it."""
    if not data:
        return None
    try:
        envelope = json.loads(data)
    except ValueError:
        raise SimError("the answer is not JSON") from None
    if not isinstance(envelope, dict):
        raise SimError("the answer is not a JSON object")
    missing = sorted({"encrypt", "msgsignature", "timestamp", "nonce"} - set(envelope))
    if missing:
        raise SimError(f"the answer has no {', '.join(missing)}")
    timestamp = envelope["timestamp"]
    if isinstance(timestamp, bool) or not isinstance(timestamp, (int, str)):
        raise SimError("the answer's timestamp is not a number")
    signature = seal.sign(str(timestamp), str(envelope["nonce"]), str(envelope["encrypt"]))
    if envelope["msgsignature"] != signature:
        raise SimError("the answer's msgsignature is wrong")
    try:
        answer = json.loads(seal.open(envelope["encrypt"]))
    except ValueError:
        raise SimError("the decrypted answer is not JSON") from None
    if not isinstance(answer, dict):
        raise SimError("the decrypted answer is not a JSON object")
    return answer or None


def is_numbered(data: bytes) -> bool:
    """Whether the answer's timestamp is the number that the documentation asks for; the vendor's plugin sends text."""
    try:
        return not data or isinstance(json.loads(data)["timestamp"], int)
    except (ValueError, KeyError, TypeError):
        return True  # judged elsewhere


class WebhookRules(Rules):
    """One answer's judge. Unlike on a connection, a stream's end counts though it equals the snapshot before it."""

    def answer(self, request: Request, body: Body) -> None:
        """The response to a message or an event. Raises Refused."""
        if request.kind == "message":
            kind = self._msgtype(body, "stream template_card stream_with_template_card")
            if kind == "template_card":
                self._message(request.chat, body, kind, "reply", request.req_id)
            else:
                self._stream(request, body, racing=False)
        elif request.kind == "enter_chat":
            self._welcome(request, body)
        elif request.kind == "template_card_event":
            self._update(request, body)
        else:
            raise Refused(codes.BAD_PARAMETER, f"a {request.kind} takes no answer", violation="answer to an event")

    def refreshed(self, request: Request, stream_id: str, body: Body) -> None:
        """The response to a refresh. Raises Refused."""
        self._msgtype(body, "stream stream_with_template_card")
        if self._part(body, "stream").get("id") != stream_id:
            raise Refused(codes.BAD_PARAMETER, "the answer is about another stream", violation="stream id")
        self._stream(request, body, racing=False)

    def by_url(self, request: Request, body: Body) -> None:
        """The one POST to a response_url. Raises Refused."""
        kind = self._msgtype(body, "markdown template_card stream")
        if kind != "stream":
            self._message(request.chat, body, kind, "response_url", request.req_id)
        elif not self._part(body, "stream").get("finish"):
            raise Refused(codes.BAD_PARAMETER, "a response_url takes a stream's end only", violation="stream finish")
        else:
            self._stream(request, body, racing=False)

    def _snapshot(self, bubble: Bubble, body: Body, text: str, finish: bool, images: List[bytes]) -> None:
        bubble.raw.append(body)
        bubble.text, bubble.images, bubble.updated_at = text, images, self.now
        bubble.updates += 1
        if finish:
            bubble.finished = True
            if visible_text(text) or images or bubble.card is not None:
                self.world.show(bubble)
        self.world.touched(bubble)
