"""A store whose every write needs a lease, so that who lost its bot changes nothing any more."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence, Tuple

from ..runtime.lease import Lease
from ..runtime.store import Change, Put


class FencedStore:
    """See ``Store``. Writes of *store* under *lease*; LeaseLost, and nothing written, once it is lost."""

    def __init__(self, store: Any, lease: Lease) -> None:
        self._store = store
        self._lease = lease
        self.durable = bool(store.durable)

    def get(self, table: str, key: str) -> Optional[str]:
        found: Optional[str] = self._store.get(table, key)
        return found

    def items(self, table: str) -> List[Tuple[str, str]]:
        rows: List[Tuple[str, str]] = self._store.items(table)
        return rows

    def write(self, changes: Sequence[Change]) -> None:
        self._store.write(changes, lease=self._lease)

    def put_if_absent(self, put: Put) -> Optional[str]:
        self._lease.check()
        found: Optional[str] = self._store.put_if_absent(put)
        return found

    def trim(self, table: str, *, max_count: Optional[int] = None, before: Optional[float] = None) -> int:
        self._lease.check()
        return int(self._store.trim(table, max_count=max_count, before=before))

    def owner_locks(self) -> List[Any]:
        """None: the lease is what owns the bot."""
        return []

    def close(self) -> None:
        """Nothing: the fleet closes the store."""
