"""Decides what one message's bubble shows: texts, pictures and a card, as a stream that the platform collects.

All that a handler says in answer to one message goes into one bubble, paragraph after paragraph, since a message has
one passive answer (docs/protocol/callback, 2). What the bubble cannot hold is left for the response_url.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any, Dict, List, NamedTuple, Optional

from ..aibot.bodies import stream_body
from ..aibot.checks import MAX_CONTENT_BYTES, MAX_IMAGES
from ..aibot.stream_notices import MAX_NOTICE_BYTES, StreamNotices
from ..aibot.stream_text import first_part, fits, is_visible, utf8_len, without_halves
from ..errors import LimitExceeded, Unsupported

STREAM_ID_CHARACTERS = 32  # hex; the vendor's plugin makes ids of that length
_BREAK = "\n\n"
_ROOM = MAX_NOTICE_BYTES + len(_BREAK)  # bytes kept for a notice behind what is shown

Body = Dict[str, Any]


def stream_id_of(bot_id: str, msgid: str) -> str:
    """The id of the stream that answers a message. It follows from the message, so that any worker knows it."""
    return hashlib.sha256(f"{bot_id}\0{msgid}".encode("utf-8", "surrogatepass")).hexdigest()[:STREAM_ID_CHARACTERS]


def picture_item(data: bytes) -> Body:
    """The msg_item of a picture."""
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return {"msgtype": "image", "image": {"base64": base64.b64encode(data).decode("ascii"), "md5": digest}}


@dataclass
class Snapshot:
    """What any worker needs to answer a refresh, or the same message again; kept in the store as JSON."""

    stream_id: str
    content: str = ""
    finish: bool = False
    items: List[Body] = field(default_factory=list)
    card: Optional[Body] = None
    feedback: Optional[Body] = None
    opened: bool = False  # the platform was answered with a stream, so that only a stream can follow

    def body(self, *, as_stream: bool = False) -> Optional[Body]:
        """The answer to a message; None for an empty one (nothing was said, and nothing was begun).

        as_stream: to a refresh, which only a stream answers.
        """
        if self.finish and not (self.opened or as_stream or self.content or self.items):
            return None if self.card is None else {"msgtype": "template_card", "template_card": self.card}
        made = stream_body(self.stream_id, self.content, self.finish, self.items if self.finish else None)
        if self.feedback is not None:
            made["stream"]["feedback"] = self.feedback
        if self.card is not None and self.finish:
            made["msgtype"] = "stream_with_template_card"
            made["template_card"] = self.card
        return made


def given_up(snapshot: Snapshot, notices: StreamNotices) -> Snapshot:
    """The end of a stream whose worker died, so that the platform stops asking."""
    content = f"{snapshot.content}{_BREAK if snapshot.content else ''}{notices.broken}"
    return Snapshot(snapshot.stream_id, content, True, opened=True)


def unknown_stream(stream_id: str) -> Body:
    """The answer to a refresh for an unknown stream: the platform stops asking (docs/protocol/callback, 3)."""
    return stream_body(stream_id, "", True)


class Rest(NamedTuple):
    """What the bubble could not hold. text, or else card: for the response_url; lost: bytes that fit nowhere.

    limit: bytes that the bubble and the response_url hold together.
    """

    text: str
    card: Optional[Body]
    lost: int
    limit: int = 2 * MAX_CONTENT_BYTES


class Bubble:
    """One message's bubble while its handler runs. Not thread-safe."""

    def __init__(self, stream_id: str, notices: StreamNotices) -> None:
        self._notices = notices
        self._id = stream_id
        self._texts: List[str] = []
        self._items: List[Body] = []
        self._card: Optional[Body] = None
        self._later_card: Optional[Body] = None
        self._feedback: Optional[Body] = None
        self._finished = False
        self._expired = False
        self._failed = False
        self._shown = 0  # characters of the text that the finished bubble shows
        self._kept = ""  # those characters
        self.opened = False
        self.finished_content: Optional[str] = None

    @property
    def over(self) -> bool:
        """True when the bubble takes nothing more: what is said now is left for the response_url."""
        return self._finished or self._expired

    @property
    def said(self) -> bool:
        """True when there is anything to show."""
        return bool(self._card or self._items or any(self._texts))

    def begin(self, feedback: Optional[Body] = None) -> int:
        """Begin a paragraph and return its number for ``write`` and ``replace``."""
        if feedback is not None and self._feedback is None and not self.opened:
            self._feedback = feedback
        self._texts.append("")
        return len(self._texts) - 1

    def write(self, number: int, delta: str) -> None:
        self._texts[number] += delta

    def replace(self, number: int, text: str) -> None:
        self._texts[number] = text

    def add_picture(self, item: Body) -> None:
        """Raises LimitExceeded for an eleventh, Unsupported when the bubble is over: a response_url takes none."""
        if self.over:
            raise Unsupported("The bubble is finished, and a picture goes with its end only: nothing was sent.")
        if len(self._items) >= MAX_IMAGES:
            raise LimitExceeded("The answer has too many pictures.", limit=MAX_IMAGES, actual=len(self._items) + 1)
        self._items.append(item)

    def add_card(self, card: Body) -> None:
        """The first card goes with the bubble, a later one to the response_url; Unsupported for a third."""
        if self._card is None and not self.over:
            self._card = card
        elif self._later_card is None:
            self._later_card = card
        else:
            raise Unsupported("A message can be answered with one card, and one more by its response_url.")

    def finish(self, *, failed: bool = False) -> None:
        """Nothing more comes. failed: what there is ends with a notice. Twice is once."""
        if self._finished:
            return
        self._finished = True
        self._failed = failed
        if not self._expired:
            self._settle()

    def expire(self) -> None:
        """The platform is about to ask no more: end the stream with what there is; the rest goes out later."""
        if not self.over:
            self._expired = True
            self._settle()

    def _settle(self) -> None:
        text = self._text()
        shown, self._shown = self._cut(text)
        self._kept = text[: self._shown]
        notice = ""
        if self._failed and (self.opened or text.strip()):
            notice = self._notices.broken
        elif self._expired:
            notice = self._notices.later
        self.finished_content = f"{shown}{_BREAK if shown and notice else ''}{notice}"

    def _text(self) -> str:
        return without_halves(_BREAK.join(text for text in self._texts if text))

    @staticmethod
    def _cut(text: str) -> tuple[str, int]:
        """What one message shows of *text*, and the index at which the rest begins."""
        if fits(text, MAX_CONTENT_BYTES - _ROOM):
            return text, len(text)
        cut = first_part(text, MAX_CONTENT_BYTES - _ROOM, 0)
        return cut.part, cut.after

    def snapshot(self) -> Snapshot:
        """What the platform is to see now."""
        content = self.finished_content
        if content is None:
            content = self._cut(self._text())[0]
        finish = self.over
        return Snapshot(
            self._id, content, finish, list(self._items) if finish else [], self._card, self._feedback, self.opened
        )

    def rest(self) -> Rest:
        """What is left for the response_url once the bubble is finished."""
        text = self._text()
        # What was replaced after it was shown is said again as a whole: a reader could not put the pieces together.
        rest = text[self._shown :] if text.startswith(self._kept) else text
        rest = rest.lstrip("\n") if is_visible(rest) else ""
        if fits(rest, MAX_CONTENT_BYTES):
            return Rest(rest, self._later_card, 0)
        cut = first_part(rest, MAX_CONTENT_BYTES, 0)
        return Rest(cut.part, self._later_card, utf8_len(rest[cut.after :]))
