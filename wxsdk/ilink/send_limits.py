"""Allowance: the quotas of all users, kept in the store, and the pace of all sends."""

from __future__ import annotations

import threading
from functools import partial
from typing import List, Optional

from ..errors import ConnectionLost
from ..log import get_logger
from ..runtime.clock import Clock, Event
from ..runtime.forked import tell_of_forks
from ..runtime.store import Change, Put, Store
from ..runtime.turns import KeyedTurns, TurnTimeout
from .config import WeixinConfig
from .patience import Patience
from .send_limits_rules import Pacer, Quota, QuotaLedger, Tally
from .tables import QUOTA

log = get_logger(__name__)


class Allowance:
    """How many messages may still go out, and when. Any thread may use it; what the store raises is passed on."""

    def __init__(self, store: Store, config: WeixinConfig, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._refuses = config.quota_policy == "refuse"
        self._lock = threading.Lock()
        self._ledger = QuotaLedger(config.quota_limit, config.quota_window)
        self._restored = False
        self._pacer = Pacer(config.sends_per_second, config.send_burst)
        self._line = KeyedTurns()  # of those who wait for a slot
        self._ended = clock.event()  # another one after each interruption: who waits by an old one will notice
        tell_of_forks(self)

    def quota(self, user_id: str) -> Quota:
        """What is left for *user_id* now."""
        with self._lock:
            return self._known().quota(user_id, self._clock.wall())

    def check(self, user_id: str, count: int = 1) -> None:
        """*count* messages to *user_id* are to go out: when they exceed what is left, LimitExceeded by the policy
        "refuse", else a line in the log."""
        now = self._clock.wall()
        with self._lock:
            ledger = self._known()
            found = ledger.excess(user_id, now, count) if self._refuses else ledger.warning(user_id, now, count)
        if found is None:
            return
        if self._refuses:
            raise found
        log.warning("to %s: %s", user_id, found)

    def heard(self, user_id: str) -> List[Change]:
        """The user wrote: what to store."""
        now = self._clock.wall()
        with self._lock:
            self._known().on_inbound(user_id, now)
            return [self._change(user_id, now)]

    def sent(self, user_id: str) -> List[Change]:
        """A message went out: what to store."""
        with self._lock:
            self._known().on_sent(user_id)
            return [self._change(user_id, self._clock.wall())]

    def clear(self) -> None:
        """Forget all quotas, for another bot."""
        with self._lock:
            self._known().clear()

    def await_slot(self, client_id: str, patience: Optional[Patience] = None) -> None:
        """Wait until the next message may go out.

        Raises ConnectionLost when the client is shut down first, TransportError when *patience* is over.
        """
        patience = patience or Patience(self._clock.now)
        wait = partial(self._await_slot, self._ended, patience)
        try:
            has_slot = self._line.in_turn("", wait, patience.left) if self._pacer.paces else wait()
        except TurnTimeout:
            raise patience.over(client_id) from None
        if not has_slot:
            patience.check(client_id)
            raise ConnectionLost(
                "The client was shut down before the message went out.",
                client_id=client_id,
                remedy="Send it again when the client runs, or keep it in client.outbox.",
            )

    def _await_slot(self, ended: Event, patience: Patience) -> bool:
        """True with a slot; False when *ended* is set, or *patience* over, first. The caller is the first in line."""
        while not ended.is_set():
            with self._lock:
                delay = self._pacer.next_slot(self._clock.now())
            if delay <= 0:
                return not ended.is_set()
            if not patience.allows(delay):
                ended.wait(patience.cap(delay))
                return False
            ended.wait(delay)
        return False

    @property
    def ended(self) -> bool:
        """Whether a shutdown ends the waits now."""
        return self._ended.is_set()

    def pause(self, seconds: float) -> bool:
        """Wait between two tries of a send; False when the client is shut down first."""
        return not self._ended.wait(seconds)

    def interrupt(self) -> None:
        """End the waits under way, and let nobody wait until ``resume``."""
        self._ended.set()

    def resume(self) -> None:
        """Allow sends again."""
        if self._ended.is_set():
            self._ended = self._clock.event()

    def _after_fork(self) -> None:
        """In a forked child: no thread of the parent holds the lock, and its shutdown is not this process's."""
        self._lock = threading.Lock()
        self._ended = self._clock.event()

    def _known(self) -> QuotaLedger:
        if not self._restored:
            for user_id, text in self._store.items(QUOTA):
                tally = _parsed(text)
                if tally is not None:
                    self._ledger.restore(user_id, tally)
            self._restored = True
        return self._ledger

    def _change(self, user_id: str, now: float) -> Change:
        tally = self._ledger.tally(user_id)
        return Put(QUOTA, user_id, f"{tally.sent} {'' if tally.heard_at is None else tally.heard_at}", now)


def _parsed(text: str) -> Optional[Tally]:
    sent, _, heard_at = text.partition(" ")
    try:
        return Tally(int(sent), float(heard_at) if heard_at else None)
    except ValueError:
        return None
