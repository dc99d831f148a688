"""Which messages become one: what a user says within a short time. Decides only."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, Hashable, List, Optional, Sequence, Tuple, TypeVar

from .facts import Facts

T = TypeVar("T")


class Buckets(Generic[T]):
    """Messages that wait for others of their lane, each lane's for *window* seconds from its first. Not thread-safe."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._waiting: OrderedDict[Hashable, Tuple[float, List[T]]] = OrderedDict()  # in the order of their hours

    def __len__(self) -> int:
        return sum(len(messages) for _, messages in self._waiting.values())

    def add(self, lane: Hashable, message: T, now: float) -> None:
        """*message* waits, with those of its lane that wait already."""
        if lane in self._waiting:
            self._waiting[lane][1].append(message)
        else:
            self._waiting[lane] = (now + self._window, [message])

    def take(self, lane: Hashable) -> List[T]:
        """Take out what waits of *lane*."""
        return self._waiting.pop(lane, (0.0, []))[1]

    def take_due(self, now: float) -> List[List[T]]:
        """Take out what has waited long enough."""
        due = []
        while self._waiting:
            hour, messages = next(iter(self._waiting.values()))
            if hour > now:
                break
            self._waiting.popitem(last=False)
            due.append(messages)
        return due

    def next_hour(self) -> Optional[float]:
        """When the next ones have waited long enough; None when none waits."""
        return next(iter(self._waiting.values()))[0] if self._waiting else None


def merged_facts(parts: Sequence[Facts]) -> Facts:
    """Return the facts of several messages as one: the newest's, with the texts of all, one a line."""
    kinds = {part.kind for part in parts}
    text = "\n".join(part.text for part in parts if part.text)
    return parts[-1]._replace(kind=kinds.pop() if len(kinds) == 1 else "mixed", text=text)
