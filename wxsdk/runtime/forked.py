"""What clients and doors forget in a forked child: connections and threads are the parent's."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """A client that can be running, or a door that can have connections, when its process forks."""

    def _after_fork(self) -> None:
        """Forget what runs, in the child. No lock can be trusted: a thread that is not here may have held it."""


_clients: weakref.WeakSet[Forkable] = weakref.WeakSet()


def tell_of_forks(client: Forkable) -> None:
    """Call ``client._after_fork()`` in each child that is forked from now on."""
    _clients.add(client)


def _tell() -> None:
    for client in list(_clients):
        client._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_tell)
