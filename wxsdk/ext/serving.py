"""Decides when a web application starts its bot: when the application is served, and never in a command.

An application is loaded in many processes: by each worker of a server, by a server's master before it forks, by the
parent of a reloader, by ``flask routes``, by a test. A bot that starts wherever the application is loaded runs in the
wrong one. ``decide`` tells from the surroundings which process this is.
"""

from __future__ import annotations

import enum
import os
import sys
import threading
import weakref
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, FrozenSet, Mapping, Optional, Tuple

from ..log import get_logger
from .standby import Standby

log = get_logger(__name__)

# Modules of servers that are on the stack while they load an application in the process that serves it.
_SERVERS = (
    "uvicorn",
    "hypercorn",
    "waitress",
    "daphne",
    "granian",
    "cheroot",
    "mod_wsgi",
    "bjoern",
    "meinheld",
    "eventlet",
)
_GUNICORN_WORKER = "gunicorn.workers."  # the worker loads the application, unless the master has with --preload
_CALL_START = "Call start() where the program serves, after any fork."


class When(enum.Enum):
    """When the bot starts."""

    NOW = "now"
    IN_THE_WORKERS = "in the processes that are forked from this one"
    AT_THE_FIRST_REQUEST = "with the first request"
    NEVER = "not in this process"


@dataclass(frozen=True)
class Plan:
    """When the bot starts, and why. remedy: what to do where that is not what was wanted."""

    when: When
    reason: str
    remedy: Optional[str] = None


@dataclass(frozen=True)
class Surroundings:
    """What can be seen of the process that loads the application.

    loaders: names of the modules on the stack. environment: the environment variables. gevent_worker: gunicorn serves
    with gevent. uwsgi: None outside of uWSGI, else its options by name. command: the command of Flask's command line
    that loads the application, None outside. reload: that command was asked to reload. application_made: Django makes
    its WSGI or ASGI application. arguments: those of the process.
    """

    loaders: FrozenSet[str] = frozenset()
    environment: Mapping[str, str] = field(default_factory=dict)
    gevent_worker: bool = False
    uwsgi: Optional[Mapping[str, Any]] = None
    command: Optional[str] = None
    reload: bool = False
    application_made: bool = False
    arguments: Tuple[str, ...] = ()


def decide(seen: Surroundings) -> Plan:
    """Return when the bot of a Flask application starts in the process that *seen* describes."""
    server = _plan_of_server(seen)
    if server is not None:
        return server
    if seen.command == "run":
        if seen.reload and seen.environment.get("WERKZEUG_RUN_MAIN") != "true":
            return Plan(When.NEVER, "This process watches the files; the one that it starts serves.")
        return Plan(When.NOW, "The development server serves here.")
    if seen.command is not None:
        return Plan(When.NEVER, f"The command {seen.command!r} does not serve.", _CALL_START)
    return Plan(
        When.AT_THE_FIRST_REQUEST, "No server is known to load the application here.", "Call start() to start it now."
    )


def decide_for_django(seen: Surroundings) -> Plan:
    """Return when the bot of a Django project starts in the process that *seen* describes."""
    if "runserver" in seen.arguments[1:]:
        # The autoreloader runs the project in a child with RUN_MAIN set; the parent only watches files.
        if "--noreload" in seen.arguments or seen.environment.get("RUN_MAIN") == "true":
            return Plan(When.NOW, "The development server serves here.")
        return Plan(When.NEVER, "This process watches the files; the one that it starts serves.")
    if not seen.application_made:
        return Plan(When.NEVER, "Only django.setup() runs here, and no WSGI or ASGI application is made.", _CALL_START)
    return _plan_of_server(seen) or Plan(When.NOW, "The WSGI or ASGI application is made here.")


def _plan_of_server(seen: Surroundings) -> Optional[Plan]:
    """Return the plan where a known server loads the application, else None."""
    if seen.uwsgi is not None:
        return _plan_of_uwsgi(seen.uwsgi)
    if any(name.startswith(_GUNICORN_WORKER) for name in seen.loaders):
        return Plan(When.NOW, "A worker of gunicorn serves here.")
    if _has_package(seen.loaders, "gunicorn"):
        if seen.gevent_worker:  # threads that start before gevent has patched the worker stay real ones
            return Plan(When.AT_THE_FIRST_REQUEST, "gunicorn --preload loads it before gevent is set up.")
        return Plan(When.IN_THE_WORKERS, "gunicorn --preload loads it in the master, which does not serve.")
    if any(_has_package(seen.loaders, name) for name in _SERVERS):
        return Plan(When.NOW, "A server loads the application here.")
    return None


def _plan_of_uwsgi(options: Mapping[str, Any]) -> Plan:
    if not (options.get("enable-threads") or options.get("threads")):
        return Plan(
            When.NEVER,
            "uWSGI runs this process without threads, so no bot can run in it.",
            "Set enable-threads = true (and lazy-apps = true) in uWSGI's configuration, or run the bot on its own.",
        )
    if options.get("lazy-apps") or options.get("lazy"):
        return Plan(When.NOW, "A worker of uWSGI serves here.")
    return Plan(When.IN_THE_WORKERS, "uWSGI loads the application in its master, which does not serve.")


def _has_package(names: FrozenSet[str], package: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for name in names)


# -- doing it ----------------------------------------


def look_around(command: Optional[str] = None, reload: bool = False) -> Surroundings:
    """Return the surroundings of the caller. command, reload: as of Surroundings."""
    loaders, made = set(), False
    frame: Optional[FrameType] = sys._getframe(1)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        loaders.add(name)
        # With "python -m gunicorn" the first module's name is __main__.
        made = made or (name in ("django.core.wsgi", "django.core.asgi") and "application" in frame.f_code.co_name)
        frame = frame.f_back
    uwsgi = sys.modules.get("uwsgi")
    options = None if uwsgi is None else dict(getattr(uwsgi, "opt", {}))
    if options is not None and getattr(uwsgi, "has_threads", False):  # 2.0.31 has them without being asked
        options["enable-threads"] = True
    return Surroundings(
        loaders=frozenset(loaders | ({"mod_wsgi"} & set(sys.modules))),
        environment=os.environ,
        gevent_worker="gunicorn.workers.ggevent" in sys.modules,
        uwsgi=options,
        command=command,
        reload=reload,
        application_made=made,
        arguments=tuple(sys.argv),
    )


class ServedBot:
    """Starts *standby* when its plan says so. Any thread may call any method."""

    def __init__(self, standby: Standby) -> None:
        self.standby = standby
        self.plan = Plan(When.NEVER, "It has not been started.", _CALL_START)
        self._lock = threading.Lock()
        self._planned = False  # to start by itself, once

    def follow(self, plan: Plan) -> None:
        """Do what *plan* says, now or when its moment comes; logs it where the bot does not start now."""
        with self._lock:
            self.plan = plan
            self._planned = plan.when in (When.IN_THE_WORKERS, When.AT_THE_FIRST_REQUEST)
        if plan.when is When.NOW:
            self.start()
            return
        level = log.warning if "uWSGI" in plan.reason and plan.when is When.NEVER else log.info
        level("the bot starts %s. %s%s", plan.when.value, plan.reason, f" {plan.remedy}" if plan.remedy else "")
        if plan.when is When.IN_THE_WORKERS:
            uwsgi = sys.modules.get("uwsgi")
            if uwsgi is None:
                _waiting.add(self)
            else:
                _hook_into(uwsgi, self)

    def start(self) -> None:
        """Start it in this process, whatever the plan; returns at once."""
        with self._lock:
            self._planned = False
        self.standby.start()

    def on_request(self) -> None:
        """Start it if it waits for this. Called with each request, so it has to be quick."""
        if self._planned:
            self.start()

    def _after_fork(self) -> None:
        self._lock = threading.Lock()  # a thread that is not here may hold the old one
        if self._planned:
            self.start()


_waiting: weakref.WeakSet[ServedBot] = weakref.WeakSet()


def _start_in_child() -> None:
    for bot in list(_waiting):
        bot._after_fork()


def _hook_into(uwsgi: Any, bot: ServedBot) -> None:
    """Start *bot* when uWSGI says that a worker is ready: threads that start earlier, at its fork, stand still."""
    earlier = getattr(uwsgi, "post_fork_hook", None)

    def post_fork() -> None:
        if earlier is not None:
            earlier()
        bot._after_fork()

    uwsgi.post_fork_hook = post_fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_in_child)
