"""A part of a store for one bot of several: its tables are its own, whoever else uses the same names."""

from __future__ import annotations

from typing import Callable, List, Optional, Sequence, Tuple

from ..runtime.store import Change, Clear, Delete, Put, Store, put_if_absent


class StoreView:
    """See ``Store``. The tables of ``store()`` that belong to *name*. Closing it does nothing: others use the store."""

    def __init__(self, store: Callable[[], Store], name: str) -> None:
        self._current = store
        self._name = name
        self._prefix = f"{name}/"

    @property
    def _store(self) -> Store:
        return self._current()

    @property
    def durable(self) -> bool:
        return self._store.durable

    @property
    def identity(self) -> Optional[str]:
        """What a bot that starts locks on its machine: this part of the store."""
        identity = getattr(self._store, "identity", None)
        return None if identity is None else f"{identity}\n{self._name}"

    def get(self, table: str, key: str) -> Optional[str]:
        return self._store.get(self._prefix + table, key)

    def items(self, table: str) -> List[Tuple[str, str]]:
        return self._store.items(self._prefix + table)

    def write(self, changes: Sequence[Change]) -> None:
        self._store.write([self._moved(change) for change in changes])

    def put_if_absent(self, put: Put) -> Optional[str]:
        return put_if_absent(self._store, Put(self._prefix + put.table, put.key, put.value, put.at))

    def trim(self, table: str, *, max_count: Optional[int] = None, before: Optional[float] = None) -> int:
        return self._store.trim(self._prefix + table, max_count=max_count, before=before)

    def close(self) -> None:
        """Nothing: the Bot closes the store."""

    def _moved(self, change: Change) -> Change:
        table = self._prefix + change.table
        if isinstance(change, Put):
            return Put(table, change.key, change.value, change.at)
        return Delete(table, change.key) if isinstance(change, Delete) else Clear(table)
