"""Keeps a store in trouble from delaying what need not wait for it, and shows readers what is not written yet."""

from __future__ import annotations

import atexit
import errno
import threading
import weakref
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from ..core.backoff import exponential
from ..log import get_logger
from .clock import Clock
from .forked import tell_of_forks
from .pool import shared
from .store import Change, Clear, Delete, Lock, Put, Store, locks_of, put_if_absent

log = get_logger(__name__)

FIRST_RETRY, LONGEST_RETRY = 0.5, 30.0  # seconds between two tries of a background write that fails; choices
MAX_PENDING = 100_000  # changes kept for a store that fails; about 50 MB of messages, and more would fill the memory
PATIENCE = 0.25  # seconds that a mark waits for the write of another thread
EXIT_GRACE = 0.5  # seconds that the end of the process waits for background writes

_Key = Tuple[str, Optional[str]]  # table and key; None: the whole table

_writers: weakref.WeakSet[StoreWriter] = weakref.WeakSet()


class StoreWriter:
    """A ``Store`` on top of *store*, with two calls for changes whose caller must not be held up by a store in trouble.

    ``mark`` and ``later`` write at once while all is well. What another process, or a failure, keeps from being written
    waits in memory, where reads see it, and is tried again in the background and with the next write. Changes to one
    key stay in order, and a ``write`` takes along what waits: after it returned, everything is in the store. Several
    threads that mark at the same time share one write. Any thread may use it.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self.inner = store
        self.durable = store.durable
        # Writes unless another process is writing; False then. A store without it is taken at its word.
        self._try_write = _try_write_of(store)
        self._clock = clock
        self._changed = threading.Condition(threading.Lock())  # guards what follows
        self._pending: Dict[_Key, Change] = {}
        self._in_flight: Dict[_Key, Change] = {}  # being written now
        self._actions: List[Callable[[], object]] = []
        self._working = False  # a thread of the pool is at it
        self._retry = clock.event()  # set: try at once
        self._giving_up = False
        self._warned = False  # of this trouble
        self._waiters = 0  # threads that wait on _changed
        self._in_trouble = False  # the last write failed: what waits is left to the background
        self._access = threading.Lock()  # one writer at a time, in order
        _writers.add(self)
        tell_of_forks(self)

    def __repr__(self) -> str:
        return f"<StoreWriter of {self.inner!r}>"

    def owner_locks(self) -> List[Lock]:
        """Those of the store."""
        return locks_of(self.inner)

    @property
    def waiting(self) -> int:
        """How many changes are not in the store yet."""
        return len(self._pending) + len(self._in_flight)

    # the calls of a store

    def get(self, table: str, key: str) -> Optional[str]:
        if self.waiting:
            with self._changed:
                for changes in (self._pending, self._in_flight):
                    change = changes.get((table, key)) or changes.get((table, None))
                    if change is not None:
                        return change.value if isinstance(change, Put) else None
        return self.inner.get(table, key)

    def items(self, table: str) -> List[Tuple[str, str]]:
        if not self.waiting:
            return self.inner.items(table)
        with self._changed:
            waiting = [*self._in_flight.values(), *self._pending.values()]
        rows = dict(self.inner.items(table))
        for change in waiting:
            if change.table != table:
                continue
            if isinstance(change, Put):
                rows[change.key] = change.value
            elif isinstance(change, Delete):
                rows.pop(change.key, None)
            else:
                rows.clear()
        return list(rows.items())

    def write(self, changes: Sequence[Change]) -> None:
        """Apply what waits and then *changes*, all or none. Raises what the store raises; what waited waits on then."""
        if not changes:
            return
        with self._access:
            try:
                self._write_with_waiting(changes)
            except Exception as exc:
                if getattr(exc, "errno", None) == errno.EBUSY or not self._is_apart(changes):
                    raise
                self.inner.write(changes)  # what waits may be what the store does not take

    def put_if_absent(self, put: Put) -> Optional[str]:
        """See the function of that name."""
        self.settle()
        return put_if_absent(self.inner, put)

    def trim(self, table: str, *, max_count: Optional[int] = None, before: Optional[float] = None) -> int:
        self.settle()
        return self.inner.trim(table, max_count=max_count, before=before)

    def close(self) -> None:
        """Write what waits, for a moment, and close the store. A later call opens it again, where the store does."""
        self.inner.close()

    # without waiting for trouble to end

    def mark(self, changes: Sequence[Change]) -> None:
        """Apply *changes* before this returns, unless the store is in trouble: then as soon as that is over.

        Never raises.
        """
        self._apply_soon(changes, PATIENCE)

    def later(self, changes: Sequence[Change]) -> None:
        """Apply *changes* soon, without waiting for another thread's write either. Never raises."""
        if self.durable and self._try_write is None:
            self._keep(changes)  # how long the store takes is not known
            self._start_working()
        else:
            self._apply_soon(changes, 0.0)

    def _apply_soon(self, changes: Sequence[Change], patience: float) -> None:
        if not changes or self._written_directly(changes):
            return
        last = self._keep(changes)
        if self._in_trouble or not self._access.acquire(timeout=patience):
            self._start_working()
            return
        written = True
        try:
            with self._changed:
                if not (last is None or self._pending.get(last[0]) is last[1]):
                    return  # another thread wrote it along with its own
            written = self._write_with_waiting((), wait=False)
        except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
            self._failed(exc)
            written = False
        finally:
            self._access.release()
        if not written:
            self._start_working()

    def _written_directly(self, changes: Sequence[Change]) -> bool:
        """Write *changes* where nothing waits and no other thread writes; False when they are to wait."""
        if self._pending or self._in_trouble or not self._access.acquire(blocking=False):
            return False
        try:
            if self._pending or not all(map(_is_text, changes)):
                return False
            if self._try_write is not None:
                return self._try_write(changes)
            self.inner.write(changes)
            return True
        except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
            self._failed(exc)
            self._in_trouble = True
            return False
        finally:
            self._access.release()

    def _keep(self, changes: Sequence[Change]) -> Optional[Tuple[_Key, Change]]:
        """Let *changes* wait; the last of them with its key."""
        last = None
        with self._changed:
            for change in changes:
                if _is_text(change):
                    last = _put_in(self._pending, change)
                else:
                    log.error("a change of the table %.40s is dropped: its key and value must be str", change.table)
            while len(self._pending) > MAX_PENDING:
                del self._pending[next(iter(self._pending))]
        return last

    # in the background

    def soon(self, action: Callable[[], object]) -> None:
        """Call *action*, such as a clean-up of the store, in the background; what it raises is logged."""
        if not self.durable:
            _guarded(action)
            return
        with self._changed:
            self._actions.append(action)
        self._start_working()

    def settle(self) -> None:
        """Write what waits now. Raises what the store raises."""
        if self.waiting:
            with self._access:
                self._write_with_waiting(())

    def flush(self, timeout: float) -> bool:
        """Wait up to *timeout* seconds until nothing waits; whether that came about."""
        if self.waiting:
            self._start_working()
        return self._wait_until(lambda: not (self.waiting or self._working), timeout)

    def end(self, timeout: float) -> bool:
        """Flush; after *timeout* seconds give up what is being tried. False when changes are left unwritten.

        What was given up is written with the next change, if one follows, and lost with the process otherwise.
        """
        if self.flush(timeout):
            return True
        self._giving_up = True
        self._retry.set()
        self.interrupt()
        self._wait_until(lambda: not self._working, timeout)
        self._giving_up = False
        return not self.waiting

    def _wait_until(self, predicate: Callable[[], bool], timeout: float) -> bool:
        with self._changed:
            self._waiters += 1
            try:
                return self._clock.wait_for(self._changed, predicate, timeout)
            finally:
                self._waiters -= 1

    def interrupt(self) -> None:
        """End the waits of calls under way with an error, where the store can do that."""
        interrupt = getattr(self.inner, "interrupt", None)
        if interrupt is not None:
            interrupt()

    def _write_with_waiting(self, changes: Sequence[Change], *, wait: bool = True) -> bool:
        """With ``_access``: one write of what waits and *changes*. wait: else False while another process writes."""
        with self._changed:
            self._in_flight, self._pending = self._pending, {}
            waiting = list(self._in_flight.values())
        done = False
        try:
            together = [*waiting, *changes]
            if not together or wait or self._try_write is None:
                self.inner.write(together)
                done = True
            else:
                done = self._try_write(together)
        finally:
            with self._changed:
                if not done:
                    for change in self._pending.values():  # they came later, so they stay behind
                        _put_in(self._in_flight, change)
                    self._pending = self._in_flight
                self._in_flight = {}
                self._in_trouble = not done
                self._warned = self._warned and not done
                if self._waiters:
                    self._changed.notify_all()
        return done

    def _is_apart(self, changes: Sequence[Change]) -> bool:
        """Whether something waits, and *changes* may be applied before it."""
        with self._changed:
            tables = {table for table, key in self._pending if key is None}
            return bool(self._pending) and not any(
                isinstance(change, Clear) or change.table in tables or (change.table, change.key) in self._pending
                for change in changes
            )

    def _start_working(self) -> None:
        with self._changed:
            if self._working:
                self._retry.set()
                return
            self._working = True
        try:
            shared.run(self._work_on_pool)
        except RuntimeError:  # the interpreter is ending, or has no thread to give
            self._work(tries=1)

    def _work_on_pool(self) -> None:
        threading.current_thread().name = "wxsdk-store"
        self._work()

    def _work(self, tries: Optional[int] = None) -> None:
        """Write until nothing waits. tries: failures after which what waits is left for later, None for no limit."""
        delays = exponential(FIRST_RETRY, LONGEST_RETRY)
        while True:
            with self._changed:
                actions, self._actions = self._actions, []
                if not actions and not self.waiting:
                    self._working = False
                    self._changed.notify_all()
                    return
            self._retry.clear()
            try:
                self.settle()
            except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
                self._failed(exc)
                tries = None if tries is None else tries - 1
                if self._giving_up or tries == 0 or (self._retry.wait(next(delays)) and self._giving_up):
                    break
            for action in actions:
                _guarded(action)
        with self._changed:
            self._working = False
            self._changed.notify_all()

    def _failed(self, exc: Exception) -> None:
        if not self._warned:
            self._warned = True
            log.warning(
                "the store failed (%s: %s); what is handled and sent is noted when it works again, and a message"
                " that is handled now comes again if the process ends before that",
                type(exc).__name__,
                getattr(exc, "what", "see its own log"),
            )

    def _after_fork(self) -> None:
        """In a forked child: what waits is the parent's to write."""
        self._changed = threading.Condition(threading.Lock())
        self._access = threading.Lock()
        self._retry = self._clock.event()
        self._pending, self._in_flight, self._actions = {}, {}, []
        self._working = False


def _put_in(changes: Dict[_Key, Change], change: Change) -> Tuple[_Key, Change]:
    key = change.table, None if isinstance(change, Clear) else change.key
    if isinstance(change, Clear):
        for other in [other for other in changes if other[0] == change.table]:
            del changes[other]
    changes[key] = change
    return key, change


def _is_text(change: Change) -> bool:
    if isinstance(change, Put):
        return isinstance(change.key, str) and isinstance(change.value, str)
    return isinstance(change, Clear) or isinstance(change.key, str)


def _try_write_of(store: Store) -> Optional[Callable[[Sequence[Change]], bool]]:
    """Its ``try_write``, unless a subclass made a ``write`` of its own, which must not be passed by."""
    owner = next((each for each in type(store).__mro__ if "write" in vars(each)), None)
    return getattr(store, "try_write", None) if owner is not None and "try_write" in vars(owner) else None


def writer_for(store: Store, clock: Clock) -> StoreWriter:
    """*store* with background writes, unless it is one already."""
    return store if isinstance(store, StoreWriter) else StoreWriter(store, clock)


def _guarded(action: Callable[[], object]) -> None:
    try:
        action()
    except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
        log.warning("the store could not be cleaned up, which is tried again later: %s", type(exc).__name__)


def _flush_all() -> None:
    for writer in list(_writers):
        if writer.waiting:
            writer.end(EXIT_GRACE)


atexit.register(_flush_all)
