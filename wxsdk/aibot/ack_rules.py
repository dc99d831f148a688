"""Matches acknowledgements to calls (docs/protocol/aibot, 4).

An ack carries only a req_id, so at most one frame per req_id is in flight and the others wait in line. What makes it
hard is an ack that comes after its frame has timed out: it must not answer the frame behind it. The rules:

=========================================  =====================================================================
a frame in flight times out                AckTimeout. It leaves a debt, alive until 2 x its timeout after its write
an ack comes and a debt is alive           the ack pays the oldest debt; the frame in flight waits on
an ack comes, no debt, a frame in flight   it is that frame's answer
an ack comes, no debt, nothing in flight   no frame's (a double, or later than its debt)
a frame times out, and an ack that came    AckTimeout without a debt: of the two answers one was lost, and a debt for
while it was in flight paid an older debt  it would take the next frame's ack, and so on for ever
the connection goes                        everybody gets an outcome, every debt is forgotten
=========================================  =====================================================================

The ledger decides only. Its caller guards it with one lock, writes at once what it says, and gives each token its one
outcome. (A frame counts as written from that moment: its ack can be read before the write returns.)
A token is any object that stands for one call; it is compared by identity.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Any, Deque, Dict, List, NamedTuple, Optional, Tuple

DEBT_LIFE = 2.0  # ack timeouts, counted from the write; docs/protocol/aibot, 4


class Admission(Enum):
    """What becomes of a new frame."""

    SEND = "send"  # it is in flight from now on: write it
    WAIT = "wait"  # a later call names it as the next to send
    FULL = "full"  # refused; the ledger has forgotten it


class Verdict(Enum):
    """What an ack meant."""

    ANSWER = "answer"  # of the token named
    PAID = "paid"  # a late ack, of a frame that has had its outcome
    UNKNOWN = "unknown"  # of no frame


class Ack(NamedTuple):
    """token: whose answer it is (ANSWER only). then: the token to write now, None for none."""

    verdict: Verdict
    token: Any = None
    then: Any = None


class TimedOut(NamedTuple):
    """Of a token that gave up waiting.

    known: False when it has had another outcome already (an ack won the race); then nothing changed. then: the token to
    write now, None for none.
    """

    known: bool
    then: Any = None


_PAID = Ack(Verdict.PAID)
_UNKNOWN = Ack(Verdict.UNKNOWN)


class _Lane:
    """The frames of one req_id."""

    __slots__ = ("debts", "in_flight", "paid_meanwhile", "timeout", "waiting", "written_at")

    def __init__(self) -> None:
        self.in_flight: Any = None
        self.timeout = 0.0
        self.written_at = 0.0
        self.paid_meanwhile = False  # an ack came while this frame was in flight and paid an older debt
        self.waiting: Optional[Deque[Tuple[Any, float]]] = None  # most req_ids carry one frame: no deque for them
        self.debts: Optional[Deque[float]] = None  # when each dies, oldest first

    def start(self, token: Any, timeout: float, now: float) -> None:
        self.in_flight = token
        self.timeout = timeout
        self.written_at = now
        self.paid_meanwhile = False

    def next(self, now: float) -> Any:
        """End the frame in flight; start and return the next one, None when none waits."""
        if self.waiting:
            token, timeout = self.waiting.popleft()
            self.start(token, timeout, now)
            return token
        self.in_flight = None
        return None

    def drop_dead_debts(self, now: float) -> bool:
        """Forget debts that died before *now*; True when one is left alive."""
        debts = self.debts
        if debts is None:
            return False
        while debts and debts[0] < now:
            debts.popleft()
        if not debts:
            self.debts = None
            return False
        return True


class AckLedger:
    """The frames that wait for an ack or for their turn, of one connection. Not thread-safe.

    max_waiting: frames behind the one in flight, per req_id.
    """

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._lanes: Dict[str, _Lane] = {}
        self._indebted: Deque[Tuple[float, str]] = deque()  # idle lanes are forgotten when their last debt dies

    def __len__(self) -> int:
        """Count the req_ids that are remembered."""
        return len(self._lanes)

    def enqueue(self, req_id: str, token: Any, timeout: float, now: float) -> Admission:
        """Admit a frame of *req_id* at *now*. *timeout*: seconds from its write to its AckTimeout."""
        if self._indebted:
            self._forget_idle(now)
        lane = self._lanes.get(req_id)
        if lane is None:
            lane = self._lanes[req_id] = _Lane()
        elif lane.in_flight is not None:
            if lane.waiting is None:
                lane.waiting = deque()
            if len(lane.waiting) >= self._max_waiting:
                return Admission.FULL
            lane.waiting.append((token, timeout))
            return Admission.WAIT
        lane.start(token, timeout, now)
        return Admission.SEND

    def is_busy(self, req_id: str) -> bool:
        """True while a frame of *req_id* is in flight."""
        lane = self._lanes.get(req_id)
        return lane is not None and lane.in_flight is not None

    def on_ack(self, req_id: str, now: float) -> Ack:
        """Match an ack of *req_id* that was read at *now*."""
        lane = self._lanes.get(req_id)
        if lane is None:
            return _UNKNOWN
        if lane.debts is not None and lane.drop_dead_debts(now):
            lane.debts.popleft()
            lane.paid_meanwhile = True  # of the frame in flight, if there is one
            self._tidy(req_id, lane)
            return _PAID
        token = lane.in_flight
        then = None if token is None else lane.next(now)
        if then is None:
            self._tidy(req_id, lane)
        return _UNKNOWN if token is None else Ack(Verdict.ANSWER, token, then)

    def on_orphan_error(self, now: float) -> Ack:
        """Match an error without req_id, read at *now*, to the only call in flight, if there is just one."""
        found: Optional[Tuple[str, _Lane]] = None
        for req_id, lane in self._lanes.items():
            if lane.in_flight is not None:
                if found is not None:
                    return _UNKNOWN
                found = (req_id, lane)
        if found is None:
            return _UNKNOWN
        req_id, lane = found
        token, then = lane.in_flight, lane.next(now)
        self._tidy(req_id, lane)
        return Ack(Verdict.ANSWER, token, then)

    def on_timeout(self, req_id: str, token: Any, now: float) -> TimedOut:
        """End the wait of *token* at *now*, in flight (AckTimeout) or still in line (it gave up)."""
        lane = self._lanes.get(req_id)
        if lane is None:
            return TimedOut(False)
        if lane.in_flight is not token:
            return TimedOut(self._leave_line(lane, token))
        if not lane.paid_meanwhile:
            self._owe(req_id, lane, lane.written_at + DEBT_LIFE * lane.timeout, now)
        then = lane.next(now)
        self._tidy(req_id, lane)
        self._forget_idle(now)
        return TimedOut(True, then)

    def on_loss(self) -> List[Any]:
        """Forget everything, since the connection ended; return the tokens that wait, those of each req_id in order."""
        lost: List[Any] = []
        for lane in self._lanes.values():
            if lane.in_flight is not None:
                lost.append(lane.in_flight)
            lost.extend(token for token, _ in lane.waiting or ())
        self._lanes.clear()
        self._indebted.clear()
        return lost

    def _owe(self, req_id: str, lane: _Lane, until: float, now: float) -> None:
        if until < now:
            return
        if lane.debts is None:
            lane.debts = deque()
        lane.debts.append(until)
        self._indebted.append((until, req_id))

    def _tidy(self, req_id: str, lane: _Lane) -> None:
        if lane.in_flight is None and not lane.debts:
            self._lanes.pop(req_id, None)

    def _forget_idle(self, now: float) -> None:
        while self._indebted and self._indebted[0][0] < now:
            _, req_id = self._indebted.popleft()
            lane = self._lanes.get(req_id)
            if lane is not None:
                lane.drop_dead_debts(now)
                self._tidy(req_id, lane)

    @staticmethod
    def _leave_line(lane: _Lane, token: Any) -> bool:
        if lane.waiting is not None:
            for place, (waiting, _) in enumerate(lane.waiting):
                if waiting is token:
                    del lane.waiting[place]
                    return True
        return False
