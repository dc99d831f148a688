"""What a stream asks its shell to do, and what it came to (``streams``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, NamedTuple, Optional, Union

from ..errors import WxError


@dataclass(frozen=True)
class StreamOutcome:
    """What became of a stream.

    state: "delivered", "unknown" (it may have been) or "failed". rescued: by a push after the stream had expired.
    frames: how many were sent, pushes included. error: why it failed or is unknown, else None; its text also says what
    the chat shows all the same.
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
