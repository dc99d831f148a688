"""Holds what all runs of one client share, so that it is handed on as one thing."""

from __future__ import annotations

from typing import NamedTuple, Optional

from ..runtime.clock import Clock
from ..runtime.wsock import WsDoor
from .acks import Replies
from .callbacks import Callbacks
from .config import WSClientOptions
from .inbox import Inbox
from .logger import BotLog
from .seen import SeenIds


class Parts(NamedTuple):
    """The parts of one client. inbox: only of a client that may have a receiver."""

    options: WSClientOptions
    clock: Clock
    log: BotLog
    callbacks: Callbacks
    seen: SeenIds
    door: WsDoor
    replies: Replies
    inbox: Optional[Inbox] = None
