"""What the callback views of all web frameworks share: finding the bot, starting it, and telling its health."""

from __future__ import annotations

import os
import threading
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..callback.client import CallbackClient
from ..callback.request_rules import CallbackResponse, Query
from ..errors import ConfigError
from ..health import Health

HEALTHY = ("running", "starting", "retrying")


class Callbacks:
    """The callback bot of *bot* (a Bot or a CallbackClient) that is called *name*, started at the first request."""

    def __init__(self, bot: Any, name: Optional[str] = None) -> None:
        if not (isinstance(bot, CallbackClient) or hasattr(bot, "clients")):
            raise ConfigError(f"A {type(bot).__name__} has no callbacks.", remedy="Give a Bot or a CallbackClient.")
        self._bot = bot
        self._name = name
        self._lock = threading.Lock()
        self._started_in: Optional[int] = None  # the process; a fork copies what is held

    @property
    def client(self) -> CallbackClient:
        """The client that answers. ConfigError when the Bot has none, or several and no name says which."""
        if isinstance(self._bot, CallbackClient):
            return self._bot
        found = {name: one for name, one in self._bot.clients.items() if isinstance(one, CallbackClient)}
        if self._name is None and len(found) == 1:
            return next(iter(found.values()))
        if self._name is not None and self._name in found:
            return found[self._name]
        names: List[str] = sorted(found)
        raise ConfigError(
            "It is not clear which bot answers here." if found else "The Bot has no bot in callback mode.",
            remedy=f"Give one of the names {', '.join(names)}." if found else "bot.add(CallbackOptions(…)) adds one.",
        )

    @property
    def max_body_bytes(self) -> int:
        return self.client.options.max_body_bytes

    def handle(self, method: str, query: Query, body: bytes, headers: Mapping[str, str]) -> CallbackResponse:
        """Start the bot in this process if it does not run yet, and answer."""
        self._start()
        return self.client.handle(method, query, body, headers)

    def health(self) -> Tuple[bool, Dict[str, Any]]:
        """Whether this process is well, and each bot's health as JSON values."""
        found = self._bot.health()
        all_of_them: Dict[str, Health] = {"bot": found} if isinstance(found, Health) else found
        facts = {name: _facts(one) for name, one in all_of_them.items()}
        started = self._started_in == os.getpid()
        return not started or all(one["state"] in HEALTHY for one in facts.values()), facts

    def _start(self) -> None:
        if self._started_in == os.getpid():
            return
        with self._lock:
            if self._started_in != os.getpid():
                self._bot.start()
                self._started_in = os.getpid()


def _facts(health: Health) -> Dict[str, Any]:
    return {
        "state": health.state.value,
        "since": health.since.isoformat() if health.since else None,
        "last_inbound": health.last_inbound.isoformat() if health.last_inbound else None,
        "last_error": health.last_error,
        "remedy": health.remedy,
        "queued": health.queued,
    }
