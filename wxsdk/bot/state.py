"""``message.state``: loaded from the store when it is first touched, written when its message is marked as handled."""

from __future__ import annotations

import copy
from typing import Any, Dict, List, Optional

from ..runtime.clock import Clock
from ..runtime.store import Change, Delete, Put, Store
from .state_rules import TABLE, State, dump_state, load_state, merged


class ChatState:
    """The state of one lane, as one handler call sees it. The handler's thread."""

    def __init__(self, store: Store, lane: str, clock: Clock, ttl: Optional[float]) -> None:
        self._store = store
        self._lane = lane
        self._clock = clock
        self._ttl = ttl
        self._before: Optional[State] = None
        self._state: State = {}

    @property
    def touched(self) -> bool:
        return self._before is not None

    def get(self) -> Dict[str, Any]:
        """Return the dict that the handler reads and changes. Raises what the store raises."""
        if self._before is None:
            self._state = self._load()
            self._before = copy.deepcopy(self._state)
        return self._state

    def check(self) -> None:
        """ConfigError, naming the key, when the state cannot be kept."""
        if self._before is not None and (self._state != self._before or _types_differ(self._state, self._before)):
            dump_state(self._state, 0.0)

    def changes(self) -> List[Change]:
        """Return what to write: nothing when nothing changed, else the row with this call's changes in it."""
        if self._before is None:
            return []
        changed = self._state != self._before or _types_differ(self._state, self._before)
        if not changed and self._ttl is None:
            return []
        wall = self._clock.wall()
        state = merged(self._load(), self._before, self._state)
        if not state:
            return [Delete(TABLE, self._lane)]
        return [Put(TABLE, self._lane, dump_state(state, wall), wall)]

    def _load(self) -> State:
        return load_state(self._store.get(TABLE, self._lane), self._clock.wall(), self._ttl)


def _types_differ(after: State, before: State) -> bool:
    """True == 1 and 1 == 1.0, but JSON tells them apart."""
    return any(type(after[key]) is not type(before.get(key)) for key in after)
