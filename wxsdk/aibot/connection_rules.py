"""Decides what follows each step in the life of a connection, by a table of states (docs/protocol/aibot, 2).

==============  ==========================================================================================
state           meaning
==============  ==========================================================================================
CLOSED          not started
CONNECTING      the socket is being opened
SUBSCRIBING     the socket is open, the subscribe is sent
READY           subscribed: the only state in which anything else may be sent
WAITING         pausing before the next try
KICKED          ended: another client connected with this bot
FAILED          ended: every allowed try failed
STOPPED         ended: disconnect() was called
==============  ==========================================================================================

``Session`` decides; its shell carries out the effects in order and reports back. Every connection has a number, and a
report that carries an old one changes nothing. Not thread-safe: the shell guards it with one lock and carries the
effects out after letting go of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

from ..core.backoff import exponential, jittered
from ..core.settings import UNLIMITED
from ..errors import ApiError, AuthFailed, Kicked, ReconnectExhausted, WxError
from .config import WSClientOptions
from .errors import PASSING


class State(Enum):
    """Where the connection is in its life."""

    CLOSED = "closed"
    CONNECTING = "connecting"
    SUBSCRIBING = "subscribing"
    READY = "ready"
    WAITING = "waiting"
    KICKED = "kicked"
    FAILED = "failed"
    STOPPED = "stopped"


class Step(Enum):
    """What can happen to a connection."""

    START = "start"
    OPENED = "opened"
    SUBSCRIBED = "subscribed"
    LOST = "lost"  # any unwanted end: refused, closed, reset, silent
    WAITED = "waited"
    KICK = "kick"
    GIVE_UP = "give up"
    STOP = "stop"


_LIVE = (State.CONNECTING, State.SUBSCRIBING, State.READY)
_ENDED = (State.KICKED, State.FAILED, State.STOPPED)

NEXT: Dict[Tuple[State, Step], State] = {
    (State.CLOSED, Step.START): State.CONNECTING,
    (State.KICKED, Step.START): State.CONNECTING,
    (State.FAILED, Step.START): State.CONNECTING,
    (State.STOPPED, Step.START): State.CONNECTING,
    (State.CONNECTING, Step.OPENED): State.SUBSCRIBING,
    (State.SUBSCRIBING, Step.SUBSCRIBED): State.READY,
    (State.CONNECTING, Step.LOST): State.WAITING,
    (State.SUBSCRIBING, Step.LOST): State.WAITING,
    (State.READY, Step.LOST): State.WAITING,
    (State.CONNECTING, Step.GIVE_UP): State.FAILED,
    (State.SUBSCRIBING, Step.GIVE_UP): State.FAILED,
    (State.READY, Step.GIVE_UP): State.FAILED,
    (State.WAITING, Step.GIVE_UP): State.FAILED,
    (State.SUBSCRIBING, Step.KICK): State.KICKED,
    (State.READY, Step.KICK): State.KICKED,
    (State.WAITING, Step.WAITED): State.CONNECTING,
    (State.CLOSED, Step.STOP): State.STOPPED,
    (State.CONNECTING, Step.STOP): State.STOPPED,
    (State.SUBSCRIBING, Step.STOP): State.STOPPED,
    (State.READY, Step.STOP): State.STOPPED,
    (State.WAITING, Step.STOP): State.STOPPED,
}


class Connect(NamedTuple):
    """Open a socket; report ``opened(number)`` or ``lost(number, …)``."""

    number: int


class Subscribe(NamedTuple):
    """Call on_connected, send the subscribe; report ``answered(number, …)`` or ``lost(number, …)``."""

    number: int


class Ready(NamedTuple):
    """Subscribed: start the heartbeat, let waiting calls go, call on_authenticated."""

    number: int


class Drop(NamedTuple):
    """Close the socket of *number*, if any, and fail every call that waits on it.

    reason: one sentence. was_open: whether the socket had opened, that is whether on_disconnected is to be called.
    """

    number: int
    reason: str
    was_open: bool


class Wait(NamedTuple):
    """Call on_reconnecting(attempt), pause *seconds*, then report ``waited(number)``. error: why, for health()."""

    number: int
    seconds: float
    attempt: int
    error: Optional[WxError]


class End(NamedTuple):
    """It is over: *error* goes once to on_error and comes out of run() and wait(). Calls fail from now on."""

    error: WxError


Effect = Union[Connect, Subscribe, Ready, Drop, Wait, End]


@dataclass(frozen=True)
class Policy:
    """How to reconnect. Seconds and counts as in WSClientOptions."""

    base_delay: float
    max_delay: float
    max_network_failures: int
    max_auth_failures: int
    kick_cooldown: Optional[float]

    @classmethod
    def of(cls, options: WSClientOptions) -> Policy:
        """Take the part of *options* that concerns reconnecting."""
        return cls(
            options.reconnect_interval,
            options.reconnect_max_delay,
            options.max_reconnect_attempts,
            options.max_auth_failure_attempts,
            options.kick_cooldown,
        )


class _Failures:
    """The failures in a row of one kind, and the delays between the tries."""

    def __init__(self, policy: Policy, limit: int) -> None:
        self._policy = policy
        self._limit = limit
        self.reset()

    def reset(self) -> None:
        self.count = 0
        self._delays: Iterator[float] = exponential(self._policy.base_delay, self._policy.max_delay)
        self._longest = 0.0

    def add(self) -> bool:
        """Count one more; True when no further try is allowed."""
        self.count += 1
        return self._limit != UNLIMITED and self.count >= self._limit

    def delay(self, unit: float) -> float:
        # Jitter at the ceiling could make a gap shorter than the one before; a refused client must not speed up.
        self._longest = max(self._longest, jittered(next(self._delays), unit))
        return self._longest


class Session:
    """The states of one client's connection. Every method returns effects to be carried out in order.

    number: of the current connection. retries: pauses since the last successful subscribe. error: the last failure
    since then, or None.
    *unit*, where asked for, is a random number in [0, 1) for the jitter.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._network = _Failures(policy, policy.max_network_failures)
        self._auth = _Failures(policy, policy.max_auth_failures)
        self.state = State.CLOSED
        self.number = 0
        self.retries = 0
        self.error: Optional[WxError] = None

    @property
    def ended(self) -> bool:
        """True when nothing happens any more until ``start``."""
        return self.state in _ENDED

    def start(self) -> List[Effect]:
        """Connect for the first time, or again after an end. Does nothing while the session lives."""
        if self.state is not State.CLOSED and not self.ended:
            return []
        self._forgive()
        return self._connect(Step.START)

    def opened(self, number: int) -> List[Effect]:
        """Go on: the socket is open."""
        if number != self.number or self.state is not State.CONNECTING:
            return []
        self._move(Step.OPENED)
        return [Subscribe(number)]

    def answered(self, number: int, refusal: Optional[ApiError], unit: float) -> List[Effect]:
        """Judge the answer to the subscribe; *refusal* is None for success."""
        if number != self.number or self.state is not State.SUBSCRIBING:
            return []
        if refusal is not None:
            # "Too often" or "busy" says nothing about the credentials, so it must not use up the tries that do.
            failures = self._network if refusal.errcode in PASSING else self._auth
            return self._failed(failures, refusal, unit)
        self._move(Step.SUBSCRIBED)
        self._forgive()
        return [Ready(number)]

    def lost(self, number: int, error: WxError, unit: float) -> List[Effect]:
        """Retry or give up: the connection ended, was not made, fell silent, or lost its subscription (846609)."""
        if number != self.number or self.state not in _LIVE:
            return []
        if self.state is State.READY:
            # The end of a good connection is not a failed try; the first one follows after the base delay.
            return self._retry(error, self._network.delay(unit))
        return self._failed(self._network, error, unit)

    def kicked(self, number: int) -> List[Effect]:
        """End or pause: the platform says, perhaps several times, that another connection took the bot over."""
        if number != self.number or self.state not in (State.SUBSCRIBING, State.READY):
            return []
        error = Kicked(
            "Another client connected with this bot, and the platform keeps only the newest connection.",
            remedy="Stop the other client, then connect again; or set kick_cooldown to come back after a while.",
        )
        if self._policy.kick_cooldown is not None:
            return self._retry(error, self._policy.kick_cooldown)
        self.error = error
        self._move(Step.KICK)
        return [Drop(number, error.what, was_open=True), End(error)]

    def waited(self, number: int) -> List[Effect]:
        """Connect again: the pause is over."""
        if number != self.number or self.state is not State.WAITING:
            return []
        return self._connect(Step.WAITED)

    def broken(self, error: WxError) -> List[Effect]:
        """Give up: the shell cannot go on, by a defect."""
        if self.state is State.CLOSED or self.ended:
            return []
        return self._give_up(error, error)

    def stop(self) -> List[Effect]:
        """disconnect() was called. Twice is once."""
        if self.ended:
            return []
        drop = Drop(self.number, "The client was disconnected.", self._socket_is_open)
        self._move(Step.STOP)
        return [drop]

    @property
    def _socket_is_open(self) -> bool:
        return self.state in (State.SUBSCRIBING, State.READY)

    def _forgive(self) -> None:
        self._network.reset()
        self._auth.reset()
        self.retries = 0
        self.error = None

    def _connect(self, step: Step) -> List[Effect]:
        self._move(step)
        self.number += 1
        return [Connect(self.number)]

    def _failed(self, failures: _Failures, error: WxError, unit: float) -> List[Effect]:
        if failures.add():
            return self._give_up(error, self._end(failures, error))
        return self._retry(error, failures.delay(unit))

    def _give_up(self, error: WxError, end: WxError) -> List[Effect]:
        self.error = error
        drop = Drop(self.number, error.what, self._socket_is_open)
        self._move(Step.GIVE_UP)
        return [drop, End(end)]

    def _retry(self, error: WxError, seconds: float) -> List[Effect]:
        self.error = error
        self.retries += 1
        drop = Drop(self.number, error.what, self._socket_is_open)
        self._move(Step.LOST)
        return [drop, Wait(self.number, seconds, self.retries, error)]

    def _end(self, failures: _Failures, last: WxError) -> WxError:
        tries = failures.count
        if failures is self._auth:
            return AuthFailed(
                f"The platform refused the subscribe {tries} times in a row. {last.what}",
                attempts=tries,
                last=last,
                remedy=last.remedy or "Check bot_id and secret in the administration page of the bot.",
            )
        return ReconnectExhausted(
            f"Connecting failed {tries} times in a row. {last.what}",
            attempts=tries,
            last=last,
            remedy=last.remedy
            or "Check network, proxy and ws_url, then connect again; max_reconnect_attempts=-1 tries for ever.",
        )

    def _move(self, step: Step) -> None:
        after = NEXT.get((self.state, step))
        if after is None:
            raise AssertionError(f"step {step.value!r} is illegal in state {self.state.value!r}")
        self.state = after
