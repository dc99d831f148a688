"""Lets a program observe its bots, for metrics and traces.

::

    from wxsdk import hooks

    hooks.add(lambda event: print(event.kind, event.platform, event.seconds))

An observer gets an ``Event`` for each message received, handled, sent or refused and for each reconnect, of every
client in the process. It runs on a thread of its own, so one that is slow or raises holds no bot up. While nobody
observes, nothing runs. ``wxsdk.ext.prometheus`` and ``wxsdk.ext.opentelemetry`` are observers, ready to be installed.
"""

from __future__ import annotations

from .errors import ConfigError
from .runtime.hooks import OBSERVERS, Event, Observer

__all__ = ["Event", "Observer", "add", "remove"]


def add(observer: Observer) -> Observer:
    """Call ``observer(event)`` for everything that happens from now on; adding it twice is once. A decorator, too.

    Events come one at a time, in order, on one thread of wxsdk. Past 10,000 that wait, later ones are dropped, which
    the log says once. Raises ConfigError for what cannot be called.
    """
    if not callable(observer):
        raise ConfigError("The observer cannot be called.", remedy="Give a function of one argument, the event.")
    OBSERVERS.add(observer)
    return observer


def remove(observer: Observer) -> None:
    """Call *observer* no more. One that was never added is ignored."""
    OBSERVERS.remove(observer)
