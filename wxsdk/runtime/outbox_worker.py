"""Keeps messages that wait in a store, and sends them on a thread of its own. It knows no protocol: callables do.

Any process that has the store may put messages in; the one whose client is started sends them. A message is one row of
the store. It is written before ``put`` returns and deleted when it went out, was cancelled, or when the callback for
what is given up has returned; so a killed process forgets none.
"""

from __future__ import annotations

import random
import secrets
import threading
from functools import partial
from typing import Any, Callable, Dict, List, Optional, Sequence, Set

from ..core.outbox_rules import (
    Entry,
    Expired,
    GiveUp,
    Idle,
    Lines,
    OutboxItem,
    Sent,
    Step,
    Try,
    Verdict,
    after_network_failure,
)
from ..core.settings import check_seconds
from ..errors import ConfigError, WxError
from ..log import get_logger
from .clock import Clock
from .doorbell import doorbell_of
from .store import Change, Delete, Put, Store
from .worker import Worker, join_all, next_number

log = get_logger(__name__)

LOOK_AGAIN = 0.2  # seconds between two looks at the store of a flush() while another process sends; a choice

Keep = Callable[[], None]
Deliver = Callable[[Entry, int, Keep], Verdict]
GivenUp = Callable[[OutboxItem, WxError, Callable[[], None]], bool]


class Postbox:
    """What waits to be sent. Any thread may use it.

    table: of *store*. deliver(entry, row, keep): make one try (*row*: network failures in a row until now) and say what
    follows; it counts ``entry.attempts``; ``keep()`` writes *entry* as it is now, and raises what the store raises.
    setting: the option that turns it on, for the error of a call while it is off. Nothing is read before the first use.
    """

    def __init__(
        self,
        store: Store,
        table: str,
        clock: Clock,
        *,
        enabled: bool,
        setting: str,
        max_age: float,
        max_count: int,
        deliver: Deliver,
    ) -> None:
        self._store = store
        self._table = table
        self._clock = clock
        self._setting = setting
        self._max_count = max_count
        self._deliver = deliver
        self._changed = threading.Condition(threading.Lock())  # guards what follows
        self._lines = Lines(max_age)
        self._loaded = False
        self._number: Optional[int] = None  # of the thread that may take messages
        self._bell = doorbell_of(store, table) if enabled else None
        self._given_up: Optional[GivenUp] = None
        self._owed_lock = threading.Lock()
        self._owed: Set[str] = set()  # rows whose deletion failed; the next write makes up for it
        self._telling: Set[str] = set()  # rows of messages whose user is being told that they are given up
        self.enabled = enabled
        self.worker: Optional[Worker] = None

    # what users do

    def put(self, to: str, kind: str, payload: Dict[str, Any]) -> OutboxItem:
        """Take a message in. LimitExceeded when too many wait, ConfigError when JSON cannot carry *payload*, and what
        the store raises; then it was not taken in."""
        self.check_enabled()
        wall = self._clock.wall()
        row = _encoded(Entry(secrets.token_hex(8), to, kind, wall, payload))
        with self._changed:
            self._load()
            self._lines.check_room(self._max_count)
            row.born = self._clock.now()
            self._write([Put(self._table, row.id, row.encode(), wall)])
            self._lines.add(row)
            self._changed.notify_all()
            elsewhere = self._number is None
        if elsewhere and self._bell is not None:
            self._bell.ring()
        return row.item()

    def pending(self) -> List[OutboxItem]:
        """See ``OutboxCalls.pending``."""
        self.check_enabled()
        with self._changed:
            self._load()
            return [entry.item() for entry in self._lines.entries()]

    def cancel(self, id: str) -> bool:
        """See ``OutboxCalls.cancel``."""
        self.check_enabled()
        with self._changed:
            self._load()
            entry = self._lines.waiting(id)
            if entry is None:
                return False
            self._write([Delete(self._table, entry.id)])
            self._lines.remove(entry)
            self._changed.notify_all()
            elsewhere = self._number is None
        if elsewhere and self._bell is not None:
            self._bell.ring()
        return True

    def flush(self, timeout: float) -> bool:
        """See ``OutboxCalls.flush``."""
        self.check_enabled()
        seconds = check_seconds("timeout", timeout)
        deadline = self._clock.now() + seconds
        while True:
            with self._changed:
                self._load()
                left = max(deadline - self._clock.now(), 0.0)
                # Where another process sends, only the store shows what is left.
                pause = left if self._number is not None or self._bell is None else min(left, LOOK_AGAIN)
                if self._clock.wait_for(self._changed, lambda: not len(self._lines), pause):
                    return True
            if pause >= left:
                return False

    def check_enabled(self) -> None:
        """ConfigError while the outbox is off."""
        if not self.enabled:
            raise ConfigError("The outbox is off.", remedy=f"Set {self._setting}.")

    # what its client does

    def load(self) -> None:
        """Read what waits from the store, whose errors are raised here; to be called before ``start``.

        The first use reads it, too; but until this process is the one that sends, another one may have sent some of it.
        """
        if self.enabled:
            with self._changed:
                self._loaded = False
                self._load()

    def start(self, given_up: GivenUp) -> None:
        """Start the thread; does nothing while the outbox is off. Raises what the store raises.

        given_up(item, error, done): hand a message that is given up to the user, on another thread, and call done()
        then; False when that cannot be done any more (the message is then given up again at the next start).
        """
        if not self.enabled:
            return
        with self._changed:
            self._load()
            self._lines.wake(users_too=True)  # what was waited for may have happened meanwhile
            self._given_up = given_up
            self._number = number = next_number()
            self.worker = worker = Worker(f"wxsdk-outbox-{number}", partial(self._run, number))
        worker.start()
        if self._bell is not None:
            self._bell.listen(self._look_for_others)

    def stop(self) -> None:
        """Let the thread end after the try in progress, whose message stays unless it went out. Does not wait."""
        with self._changed:
            self._number = None
            self._changed.notify_all()
        if self._bell is not None:
            self._bell.stop()

    def after_fork(self) -> None:
        """In a forked child: the thread is the parent's."""
        self._changed = threading.Condition(threading.Lock())
        self._owed_lock = threading.Lock()
        self._loaded = False
        self._number = None
        self.worker = None

    def join(self, timeout: float) -> bool:
        """Wait for the end of the thread; True when it has ended or there is none."""
        deadline = self._clock.now() + timeout
        return all(worker.join(deadline - self._clock.now()) for worker in self._workers)

    def join_until(self, deadline: float) -> List[str]:
        """Wait for the end of the thread until *deadline* (on the clock); its name when it is alive then."""
        return join_all(self._workers, self._clock, deadline)

    @property
    def _workers(self) -> List[Worker]:
        bell = None if self._bell is None else self._bell.worker
        return [worker for worker in (self.worker, bell) if worker is not None]

    def heard(self, to: str) -> None:
        """The recipient *to* wrote: what waits for that may go out."""
        if self.enabled:
            with self._changed:
                self._lines.heard(to)
                self._changed.notify_all()

    def wake(self, *, users_too: bool = True) -> None:
        """The connection is back, or there are new credentials: everything may be tried.

        users_too: False where no word of a recipient is missed, so that who waits for one goes on waiting.
        """
        if self.enabled:
            with self._changed:
                self._lines.wake(users_too=users_too)
                self._changed.notify_all()

    # the thread

    def _run(self, number: int) -> None:
        while True:
            step = self._next(number)
            if isinstance(step, Try):
                self._try(step)
            elif isinstance(step, Expired):
                self._give_up(step.entry, step.error)
            else:
                return

    def _next(self, number: int) -> Optional[Step]:
        with self._changed:
            while number == self._number:
                step = self._lines.take(self._clock.now())
                if isinstance(step, Idle):
                    self._clock.wait(self._changed, step.seconds)
                    continue
                if isinstance(step, Expired):
                    self._changed.notify_all()
                return step
        return None

    def _try(self, step: Try) -> None:
        entry = step.entry
        try:
            verdict = self._deliver(entry, step.row, partial(self._keep, entry))
        except Exception as exc:
            log.warning("a message of the outbox could not be tried: %s", type(exc).__name__, exc_info=exc)
            verdict = after_network_failure(entry.failures + 1, step.row + 1, random.random())
        if isinstance(verdict, Sent):
            self._forget(entry.id)
        else:
            log.debug("a message of the outbox to %s: %s", entry.to, verdict)
        with self._changed:
            self._lines.settle(entry, verdict, self._clock.now())
            self._changed.notify_all()
        if isinstance(verdict, GiveUp):
            self._give_up(entry, verdict.error)

    def _give_up(self, entry: Entry, error: WxError) -> None:
        log.warning("a message of the outbox to %s is given up: %s", entry.to, error)
        given_up = self._given_up
        with self._owed_lock:
            self._telling.add(entry.id)
        if given_up is None or not given_up(entry.item(), error, partial(self._told, entry.id)):
            with self._owed_lock:
                self._telling.discard(entry.id)
            log.warning("the client ended before its callback; the message is given up again at the next start")

    def _told(self, id: str) -> None:
        self._forget(id)
        with self._owed_lock:
            self._telling.discard(id)

    # the store

    def _load(self) -> None:
        if self._loaded and (self._number is not None or self._bell is None):
            return
        self._lines.reload(self._read())
        self._loaded = True

    def _look_for_others(self) -> None:
        """Take over what other processes put in, and leave out what they took out."""
        with self._changed:
            if self._number is None:
                return
            found = {entry.id: entry for entry in self._read()}
            known = {entry.id: entry for entry in self._lines.entries()}
            for id, entry in known.items():
                if id not in found and self._lines.waiting(id) is not None:
                    self._lines.remove(entry)
            for id, entry in found.items():
                if id not in known:
                    self._lines.add(entry)
            self._changed.notify_all()

    def _read(self) -> List[Entry]:
        """The messages in the store that are not done with."""
        now, wall = self._clock.now(), self._clock.wall()
        with self._owed_lock:
            finished = self._owed | self._telling
        unreadable: List[Change] = []
        entries: List[Entry] = []
        for id, text in self._store.items(self._table):
            entry = Entry.decode(id, text)
            if id in finished:
                continue
            if entry is None:
                unreadable.append(Delete(self._table, id))
            else:
                # The store has the time of day, which may jump; in memory only the passing of time counts.
                entry.born = now - max(wall - entry.created, 0.0)
                entries.append(entry)
        if unreadable:
            log.warning("%d unreadable message(s) of the outbox are left out", len(unreadable))
            self._write(unreadable)
        return entries

    def _keep(self, entry: Entry) -> None:
        self._write([Put(self._table, entry.id, entry.encode(), self._clock.wall())])

    def _forget(self, id: str) -> None:
        try:
            self._write([Delete(self._table, id)])
        except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
            log.warning("a finished message stays in the store until its next write: %s", type(exc).__name__)
            with self._owed_lock:
                self._owed.add(id)

    def _write(self, changes: Sequence[Change]) -> None:
        with self._owed_lock:
            owed = sorted(self._owed)
        self._store.write([*(Delete(self._table, id) for id in owed), *changes])
        with self._owed_lock:
            self._owed.difference_update(owed)


class OutboxCalls:
    """What every outbox can do besides taking messages in. Any thread may call it, handlers included.

    Every method raises ConfigError while the outbox is off, and what the store raises.
    """

    def __init__(self, box: Postbox) -> None:
        self._box = box

    def __repr__(self) -> str:
        return f"<Outbox {'on' if self._box.enabled else 'off'}>"

    def pending(self) -> List[OutboxItem]:
        """What waits, or is being sent, in the order in which it was put in."""
        return self._box.pending()

    def cancel(self, id: str) -> bool:
        """Take a message out; False when there is none of that *id* any more, or when it is being sent right now.

        A message with attempts may be out already, all or a part of it; what is left of it stays here.
        """
        return self._box.cancel(id)

    def flush(self, timeout: float) -> bool:
        """Wait until nothing waits any more; False when *timeout* seconds passed first.

        Messages go out only while the client is started.
        """
        return self._box.flush(timeout)


def _encoded(entry: Entry) -> Entry:
    """*entry* as the store will give it back, so that nothing depends on objects of the caller."""
    try:
        copy = Entry.decode(entry.id, entry.encode())
    except (ValueError, TypeError) as exc:
        raise ConfigError("The message holds something that JSON cannot carry.") from exc
    assert copy is not None
    return copy
