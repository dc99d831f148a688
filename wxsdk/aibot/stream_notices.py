"""The words that a stream adds of its own, and when it does."""

from __future__ import annotations

from .stream_cuts import is_visible
from .stream_shown import Shown

NOTICE_BROKEN = "（回复中断了，请再试一次。）"
NOTICE_LATER = "（还没有写完，写完后会另发一条消息。）"
NOTICE_EMPTY = "（没有更多内容。）"
NOTICE_PICTURES = "（见图片）"


def closing_notice(text: str, shown: Shown, begun: bool, *, failed: bool, pictures: bool) -> str:
    """What must stand behind *text*, the end of an answer; "" for nothing.

    Only visible text ends the thinking animation, and what broke off must not look whole. Where nothing is shown and
    nothing was written, nobody misses a word. shown: of the whole answer; begun: the current message may be shown.
    """
    if failed:
        return NOTICE_BROKEN if text.strip() or shown is not Shown.NOTHING else ""
    if is_visible(text):
        return ""
    if pictures:
        return NOTICE_PICTURES
    return NOTICE_EMPTY if text.strip() or (begun and shown is not Shown.NOTHING) else ""
