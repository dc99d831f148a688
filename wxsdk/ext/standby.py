"""Runs a client in one of a web application's processes, while the others stand by.

Each process tries to start its client. One succeeds; the others are told AlreadyRunning and try again soon, so
that one of them takes over when the owner ends, however it ends: the system frees the lock of a killed process. Only
when another connection took a WeCom bot over (Kicked), all of them stay away.
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from typing import List, Optional, Union

from ..aibot.client import WSClient
from ..core.settings import check_seconds
from ..errors import AlreadyRunning, Kicked
from ..ilink.client import WeixinClient
from ..log import get_logger
from ..runtime.worker import Worker, next_number

log = get_logger(__name__)

Client = Union[WeixinClient, WSClient]

TRY_EVERY = 0.5  # seconds between two tries to become the owner; a takeover is promised within 5


class Standby:
    """Keeps trying to start *client* until it runs here, or ``stop`` is called.

    *client* needs its option single_instance (the default). A stopped Standby can be started again, in a forked
    process as well.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._worker: Optional[Worker] = None
        self._stopped: List[Worker] = []  # told to end
        self._pid: Optional[int] = None
        self._error: Optional[Exception] = None
        self._owner_pid: Optional[int] = None

    @property
    def is_owner(self) -> bool:
        """Return whether the client runs in this process."""
        return self.client.health().state.name != "STOPPED"

    @property
    def stands_by(self) -> bool:
        """Return whether this process tries to become the owner, so that it takes over when the owner ends."""
        worker = self._worker
        waits = worker is not None and worker.alive and self._pid == os.getpid() and not self.is_owner
        return waits and self._error is None

    @property
    def owner_pid(self) -> Optional[int]:
        """Return the process that runs the bot, as the last try found it; None when that is not known."""
        return os.getpid() if self.is_owner else self._owner_pid

    @property
    def error(self) -> Optional[Exception]:
        """Return why this process gave up or stays away (Kicked); None while it runs the bot or waits for its turn."""
        return self._error

    def start(self) -> None:
        """Begin trying, on the thread ``wxsdk-standby-<n>``; returns at once. A second call changes nothing."""
        with self._lock:
            if self._worker is not None and self._pid == os.getpid():
                return
            self._pid = os.getpid()
            self._error = None
            # One for each thread, so that no late one goes on; and of this process, since a fork copies what is held.
            self._stop = stop = threading.Event()
            self._worker = Worker(f"wxsdk-standby-{next_number()}", partial(self._run, stop))
            self._worker.start()

    def stop(self, timeout: float = 5.0) -> bool:
        """Stop trying and, where this process is the owner, stop the client, all within *timeout* seconds.

        True when all threads have ended; called again, it waits for those that are left.
        """
        deadline = time.monotonic() + check_seconds("timeout", timeout)
        with self._lock:
            if self._worker is not None:
                self._stopped.append(self._worker)
            self._worker = None
            self._stop.set()
            stopped = self._stopped = [each for each in self._stopped if each.alive]
        ended = all(each.join(deadline - time.monotonic()) for each in stopped)
        left = max(deadline - time.monotonic(), 0.0)
        if isinstance(self.client, WSClient):
            return self.client.disconnect(left) and ended
        return self.client.shutdown(left) and ended

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                if isinstance(self.client, WSClient):
                    self.client.connect(takeover=True)
                else:
                    self.client.start()
            except AlreadyRunning as exc:
                if exc.pid != self._owner_pid:
                    log.info("another process (%s) runs the bot; standing by", exc.pid)
                self._owner_pid, self._error = exc.pid, None
                stop.wait(TRY_EVERY)
            except Kicked as exc:
                if self._error is None:
                    log.warning("%s", exc)
                self._owner_pid, self._error = None, exc
                stop.wait(TRY_EVERY)  # until the bot is connected again by hand, or for its kick_cooldown
            except Exception as exc:  # whatever it is, the health has to show that this process gave up
                self._error = exc
                log.exception("the bot could not be started")
                return
            else:
                log.info("this process (%s) runs the bot", os.getpid())
                self._error = None
                return
