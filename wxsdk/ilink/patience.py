"""Bounds a whole call, whatever it waits for: its turn, the pace, the network, the next try."""

from __future__ import annotations

from typing import Callable, Optional

from ..errors import TransportError

LONGER = "Give the call a longer timeout, or send less often."


class Patience:
    """What is left of the *seconds* that a call may take, by the clock *now*; None for no limit of its own."""

    def __init__(self, now: Callable[[], float], seconds: Optional[float] = None) -> None:
        self._now = now
        self._deadline = None if seconds is None else now() + seconds

    @property
    def left(self) -> Optional[float]:
        """Seconds left, None without a limit."""
        return None if self._deadline is None else max(self._deadline - self._now(), 0.0)

    def cap(self, seconds: float) -> float:
        """Return *seconds*, or what is left when that is less."""
        left = self.left
        return seconds if left is None else min(seconds, left)

    def allows(self, seconds: float) -> bool:
        """Return whether more than *seconds* are left."""
        left = self.left
        return left is None or left > seconds

    def check(self, client_id: Optional[str] = None) -> None:
        """Raise TransportError (kind "timeout") when nothing is left."""
        if not self.allows(0.0):
            raise self.over(client_id)

    def over(self, client_id: Optional[str] = None) -> TransportError:
        """Make the error for a call whose time is over before this message went out."""
        return TransportError("The timeout of the call is over.", kind="timeout", client_id=client_id, remedy=LONGER)
