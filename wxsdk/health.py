"""What a client says about itself."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Optional


class HealthState(enum.Enum):
    """STOPPED: not started, or stopped by the user. STARTING: threads run, no success yet. RUNNING: the last exchange
    worked. RETRYING: failing, and trying again. TOKEN_STALE: iLink -14, waiting for a new token. KICKED: another
    connection took the bot over. FAILED: gave up for good; see last_error."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    RETRYING = "retrying"
    TOKEN_STALE = "token_stale"
    KICKED = "kicked"
    FAILED = "failed"


@dataclass(frozen=True)
class Health:
    """A snapshot; taking one costs microseconds and never waits.

    since: when the state began. last_inbound, last_outbound: the newest message received and sent. All three are aware
    datetimes in UTC, None when there was none. last_error and remedy: sentences without secrets, None when all is well.
    retries: failures in a row. queued: received messages that wait for a worker; those that wait in the outbox are in
    ``client.outbox.pending()``. workers_busy of workers run a handler now, so when they are equal, messages wait. The
    three of ``priority_`` say the same of the threads that WeCom's events with a deadline (enter_chat, card clicks)
    have to themselves; iLink has none.
    """

    state: HealthState
    since: Optional[datetime] = None
    last_inbound: Optional[datetime] = None
    last_outbound: Optional[datetime] = None
    last_error: Optional[str] = None
    remedy: Optional[str] = None
    retries: int = 0
    queued: int = 0
    workers_busy: int = 0
    workers: int = 0
    priority_queued: int = 0
    priority_workers_busy: int = 0
    priority_workers: int = 0
