"""The door between a client that receives and a dispatcher that is not its own (a ``Bot``).

A client with a receiver gives it what it would have given to its callbacks. The receiver marks each message as handled
by ``finish``, whose *changes* go into the one write that takes the message out of the client's inbox.
"""

from __future__ import annotations

from typing import Any, List, Optional, Protocol, Sequence

from .store import Change, Store


class Received(Protocol):
    """One message that a client received and that is not handled yet. Any thread may use it."""

    @property
    def key(self) -> str:
        """The name of its row in the inbox: the same when the message is handed over again."""

    @property
    def redelivered(self) -> bool:
        """Whether an earlier run may have begun to handle it."""

    @property
    def origin(self) -> Any:
        """The MessageContext or WsFrame."""

    @property
    def store(self) -> Store:
        """Where its inbox is, and where the changes of ``finish`` go."""

    def finish(self, changes: Sequence[Change] = (), also: Sequence[Any] = ()) -> None:
        """Mark it as handled: take it out of the inbox and apply *changes*, in one write.

        also: further ones of the same client that are handled with it. Never raises: what a failing store keeps is
        written with the next one.
        """


class Receiver(Protocol):
    """Takes the messages. Called on the thread that receives, so nothing here may run code of users."""

    @property
    def queued(self) -> int:
        """How many messages wait for a worker."""

    def received(self, batch: List[Received]) -> None:
        """Take over *batch*, in the order of arrival. Does not wait."""

    def wait_for_room(self, limit: int, timeout: Optional[float]) -> bool:
        """Wait until fewer than *limit* messages wait; False when *timeout* seconds passed first."""
