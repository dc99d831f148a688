"""A part of a store for one bot of several: its tables are its own, whoever else uses the same names."""

from __future__ import annotations

from typing import Callable, List, Optional, Sequence, Tuple

from ..runtime.store import Change, Clear, Delete, MemoryStore, Put, Store, put_if_absent


class StoreView:
    """See ``Store``. The tables of ``store()`` that belong to *name*. Closing it does nothing: others use the store.

    Where that is None, the bot has a MemoryStore of its own, whose tables need no other names.
    """

    def __init__(self, store: Callable[[], Optional[Store]], name: str) -> None:
        self._shared = store
        self._own = MemoryStore()
        self._name = name
        self._prefix = f"{name}/"

    @property
    def durable(self) -> bool:
        shared = self._shared()
        return shared is not None and shared.durable

    @property
    def identity(self) -> Optional[str]:
        """What a bot that starts locks on its machine: this part of the store."""
        identity = getattr(self._shared(), "identity", None)
        return None if identity is None else f"{identity}\n{self._name}"

    def get(self, table: str, key: str) -> Optional[str]:
        shared = self._shared()
        return self._own.get(table, key) if shared is None else shared.get(self._prefix + table, key)

    def items(self, table: str) -> List[Tuple[str, str]]:
        shared = self._shared()
        return self._own.items(table) if shared is None else shared.items(self._prefix + table)

    def write(self, changes: Sequence[Change]) -> None:
        shared = self._shared()
        if shared is None:
            self._own.write(changes)
        else:
            shared.write([self._moved(change) for change in changes])

    def put_if_absent(self, put: Put) -> Optional[str]:
        shared = self._shared()
        if shared is None:
            return put_if_absent(self._own, put)
        return put_if_absent(shared, Put(self._prefix + put.table, put.key, put.value, put.at))

    def trim(self, table: str, *, max_count: Optional[int] = None, before: Optional[float] = None) -> int:
        shared = self._shared()
        if shared is None:
            return self._own.trim(table, max_count=max_count, before=before)
        return shared.trim(self._prefix + table, max_count=max_count, before=before)

    def close(self) -> None:
        """Nothing: the Bot closes the store."""

    def _moved(self, change: Change) -> Change:
        table = self._prefix + change.table
        if isinstance(change, Put):
            return Put(table, change.key, change.value, change.at)
        return Delete(table, change.key) if isinstance(change, Delete) else Clear(table)
