"""Answers a request for the health of a bot that runs beside a web application."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any, Dict, Optional, Tuple

from ..health import HealthState
from .serving import ServedBot

_WELL = (HealthState.RUNNING, HealthState.STARTING)

# The states of a process that does not run the bot, beside those of HealthState.
STANDBY = "standby"  # another process runs it; this one takes over when that one ends
NOT_STARTED = "not_started"  # nothing runs or tries here; last_error says why


def health_answer(bot: ServedBot) -> Tuple[int, Dict[str, Any]]:
    """Return the HTTP status and the JSON object. Takes microseconds and never waits.

    200 in the process that runs the bot while it is well, and in those that would take over; else 503, so that a
    balancer or an alarm sees a process in which no bot can run.
    """
    standby = bot.standby
    health = standby.client.health()
    answer: Dict[str, Any] = {
        "state": health.state.value,
        "pid": os.getpid(),
        "owner_pid": standby.owner_pid,
        "since": _iso(health.since),
        "last_inbound": _iso(health.last_inbound),
        "last_outbound": _iso(health.last_outbound),
        "last_error": health.last_error,
        "remedy": health.remedy,
        "queued": health.queued,
        "workers_busy": health.workers_busy,
        "workers": health.workers,
        "priority_queued": health.priority_queued,
        "priority_workers_busy": health.priority_workers_busy,
        "priority_workers": health.priority_workers,
    }
    if standby.is_owner:
        return (200 if health.state in _WELL else 503), answer
    if standby.stands_by:
        return 200, {**answer, "state": STANDBY}
    if standby.error is not None:
        remedy = getattr(standby.error, "remedy", None)
        what = f"The bot could not be started: {type(standby.error).__name__}: {standby.error}"
        return 503, {**answer, "state": HealthState.FAILED.value, "last_error": what, "remedy": remedy}
    return 503, {**answer, "state": NOT_STARTED, "last_error": bot.plan.reason, "remedy": bot.plan.remedy}


def _iso(moment: Optional[datetime]) -> Optional[str]:
    return None if moment is None else moment.isoformat()
