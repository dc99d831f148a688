"""What a client knows about how it is doing, for ``health()``."""

from __future__ import annotations

import dataclasses
import threading
from datetime import datetime, timezone
from typing import Optional

from ..errors import WxError
from ..health import Health, HealthState
from .clock import Clock


class Vitals:
    """The newest state of one client. Any thread may write and read it; neither waits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._health = Health(HealthState.STOPPED)
        self._run: Optional[RunVitals] = None

    def of_run(self) -> RunVitals:
        """What a run that begins now says of itself; from now on nothing that an earlier one says is heard."""
        with self._lock:
            self._run = RunVitals(self)
            return self._run

    def _enter(self, run: RunVitals, state: HealthState, error: Optional[BaseException], retries: int) -> None:
        with self._lock:
            if run is not self._run:
                return
            before = self._health
            self._health = dataclasses.replace(
                before,
                state=state,
                since=before.since if before.state is state else self._now(),
                last_error=None if error is None else _sentence(error),
                remedy=(error.remedy or None) if isinstance(error, WxError) else None,
                retries=retries,
            )

    def _stopped(self, run: Optional[RunVitals]) -> None:
        with self._lock:
            if run is not self._run:
                return
            before = self._health
            since = before.since if before.state is HealthState.STOPPED else self._now()
            self._health = dataclasses.replace(before, state=HealthState.STOPPED, since=since, retries=0)

    def after_fork(self) -> None:
        """In a forked child: nothing runs here."""
        self._lock = threading.Lock()
        self._run = None
        self._stopped(None)

    def inbound(self) -> None:
        """A message came."""
        with self._lock:
            self._health = dataclasses.replace(self._health, last_inbound=self._now())

    def outbound(self) -> None:
        """A message went out."""
        with self._lock:
            self._health = dataclasses.replace(self._health, last_outbound=self._now())

    def snapshot(self, *, queued: int = 0, workers_busy: int = 0, workers: int = 0) -> Health:
        """All of it, as a value."""
        return dataclasses.replace(self._health, queued=queued, workers_busy=workers_busy, workers=workers)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.wall(), timezone.utc)


class RunVitals:
    """How one run of the client is doing. Once a later run began, what this one says is noise."""

    def __init__(self, vitals: Vitals) -> None:
        self._vitals = vitals

    def enter(self, state: HealthState, error: Optional[BaseException] = None, *, retries: int = 0) -> None:
        """The run is now in *state*, because of *error*; without one, all is well."""
        self._vitals._enter(self, state, error, retries)

    def stopped(self) -> None:
        """Nothing is received any more, on purpose; what went wrong last stays readable."""
        self._vitals._stopped(self)

    def inbound(self) -> None:
        """A message came."""
        self._vitals.inbound()


def _sentence(error: BaseException) -> str:
    # A foreign error's text is not known to be free of secrets.
    return error.what if isinstance(error, WxError) else f"{type(error).__name__} was raised."
