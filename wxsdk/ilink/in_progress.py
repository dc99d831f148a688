"""Desk: the messages that handlers have before them, over all the runs of one client.

A handler may outlive the run that gave it its message: its shutdown() timed out, or the handler itself stopped the
client and started it again. The next run must neither hand that message out again nor let the user's later ones
overtake it.
"""

from __future__ import annotations

import threading
from typing import Callable, Dict, List, Optional

from .inbox import Entry


class Turn:
    """One message before a handler. thread: ident of the handler's. handled: the message is done with."""

    def __init__(self, entry: Entry) -> None:
        self.user_id = entry.user_id
        self.thread = threading.get_ident()
        self.handled = False
        self.followers: Optional[List[Callable[[], None]]] = []  # None: the turn is over


class Desk:
    """What the handlers of one client are at work on. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run: Optional[object] = None
        self._turns: Dict[str, Turn] = {}

    def take_over(self, run: object) -> Dict[str, Turn]:
        """From now on only *run* gives messages to handlers. The turns of earlier runs under way, by key of entry."""
        with self._lock:
            self._run = run
            return dict(self._turns)

    def begin(self, run: object, entry: Entry) -> Optional[Turn]:
        """The caller's handler gets *entry* now. None when another run took over: then it may not."""
        with self._lock:
            if run is not self._run:
                return None
            turn = self._turns[entry.key] = Turn(entry)
            return turn

    def end(self, entry: Entry, *, handled: bool) -> None:
        """The handler is through with *entry*. handled: else it is to be handed out again."""
        with self._lock:
            turn = self._turns.pop(entry.key)
            turn.handled = handled
            followers, turn.followers = turn.followers, None
        for follow in followers or ():
            follow()

    def after(self, turn: Turn, follow: Callable[[], None]) -> None:
        """Call *follow* once *turn* is over: now, or on its thread."""
        with self._lock:
            if turn.followers is not None:
                turn.followers.append(follow)
                return
        follow()
