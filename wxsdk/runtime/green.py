"""Refuses libraries of green threads that the clients cannot work under."""

from __future__ import annotations

import sys
from typing import Any

from ..errors import ConfigError


def check_green_threads() -> None:
    """Raise ConfigError when eventlet has patched the standard library: it takes ``select.poll`` away.

    gevent's patching is fine.
    """
    patcher: Any = sys.modules.get("eventlet.patcher")
    if patcher is not None and patcher.is_monkey_patched("socket"):
        raise ConfigError(
            "wxsdk does not work under eventlet's monkey patching, which takes select.poll away; nothing was started.",
            remedy="Use threads, or gevent (gunicorn: worker class gthread or gevent).",
        )
