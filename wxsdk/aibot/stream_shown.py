"""What a chat shows of a streamed answer, as far as acknowledgements tell, for the texts of errors."""

from __future__ import annotations

from enum import IntEnum

from .stream_cuts import is_visible


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
    """What is shown when *content* arrives where *before* is shown; *notice_only*: it has no word of the answer."""
    if before is Shown.PART:
        return before
    if notice_only:
        return Shown.NOTICE
    return Shown.PART if is_visible(content) else Shown.THINKING


def sentence(shown: Shown, *, unknown: bool = False) -> str:
    """What the chat shows without what has failed; "" for nothing. *unknown*: that may have arrived, too."""
    if not unknown:
        return _SENTENCES[shown]
    if shown is Shown.PERHAPS:
        return ""  # what may have arrived is perhaps the very message whose fate is unknown
    return _SENTENCES[shown].replace(" is ", " was ")
