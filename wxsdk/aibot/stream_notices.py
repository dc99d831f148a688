"""Knows what a chat shows of a streamed answer, and the words that a stream itself adds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum

from ..errors import ConfigError
from .stream_text import is_visible, utf8_len

MAX_NOTICE_BYTES = 300  # UTF-8; ours: it must fit behind a message that is nearly full


@dataclass(frozen=True)
class StreamNotices:
    """The words that a stream adds to an answer, each where the answer alone would mislead.

    broken: the answer ends in the middle. later: the stream ends before the answer is complete, and the whole answer
    follows as a message. empty: the thinking animation was shown and no text followed. pictures: the answer is pictures
    alone. Raises ConfigError for a text that shows nothing or has more than 300 bytes of UTF-8.
    """

    broken: str = "（回复中断了，请再试一次。）"
    later: str = "（还没有写完，写完后会另发一条消息。）"
    empty: str = "（没有更多内容。）"
    pictures: str = "（见图片）"

    def __post_init__(self) -> None:
        for each in fields(self):
            text = getattr(self, each.name)
            if not isinstance(text, str) or not is_visible(text) or utf8_len(text) > MAX_NOTICE_BYTES:
                raise ConfigError(
                    f"StreamNotices: {each.name} must be a text that can be seen, of at most {MAX_NOTICE_BYTES} bytes."
                )


class Shown(IntEnum):
    """What is known to be shown; a later member outdoes an earlier one."""

    NOTHING = 0
    PERHAPS = 1  # something may have arrived
    THINKING = 2  # the animation
    NOTICE = 3  # no word of the answer, but one about it
    PART = 4  # of the answer, or all of it


_SENTENCES = {
    Shown.NOTHING: "",
    Shown.PERHAPS: "A part of the answer may be shown.",
    Shown.THINKING: "The thinking sign is shown.",
    Shown.NOTICE: "Only a notice is shown.",
    Shown.PART: "A part of the answer is shown.",
}


def worth(content: str, before: Shown, notice_only: bool) -> Shown:
    """Return what is shown when *content* arrives where *before* is shown.

    notice_only: *content* has no word of the answer.
    """
    if before is Shown.PART:
        return before
    if notice_only:
        return Shown.NOTICE
    return Shown.PART if is_visible(content) else Shown.THINKING


def sentence(shown: Shown, *, unknown: bool = False) -> str:
    """Describe what the chat shows without what has failed; "" for nothing. unknown: that may have arrived, too."""
    if not unknown:
        return _SENTENCES[shown]
    if shown is Shown.PERHAPS:
        return ""  # what may have arrived is perhaps the very message whose fate is unknown
    return _SENTENCES[shown].replace(" is ", " was ")


def closing_notice(
    notices: StreamNotices, text: str, shown: Shown, begun: bool, *, failed: bool, pictures: bool
) -> str:
    """Return which of *notices* must stand behind *text*, the end of an answer; "" for none.

    Only visible text ends the thinking animation, and what broke off must not look whole. Where nothing is shown and
    nothing was written, no word is missed. shown: of the whole answer; begun: the current message may be shown.
    """
    if failed:
        return notices.broken if text.strip() or shown is not Shown.NOTHING else ""
    if is_visible(text):
        return ""
    if pictures:
        return notices.pictures
    return notices.empty if text.strip() or (begun and shown is not Shown.NOTHING) else ""
