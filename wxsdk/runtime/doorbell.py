"""Wakes the process that serves a store's file when another process puts something into it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import threading
from typing import Callable, Optional

from ..log import get_logger
from .forked import tell_of_forks
from .store import Store
from .worker import Worker, next_number

log = get_logger(__name__)

LOOK_EVERY = 2.0  # seconds between two looks without a ring: where sockets of this kind do not exist, or one got lost
LONGEST_PATH = 100  # bytes; the address of such a socket has room for 108, on macOS for 104


class Doorbell:
    """A local socket beside the file of *store*, for one *table* of it. One process listens, any of them may ring."""

    def __init__(self, store: Store, table: str) -> None:
        self._store = store
        mark = hashlib.sha256(table.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        self._path = f"{getattr(store, 'identity', '')}-wake-{mark}"
        self._socket: Optional[socket.socket] = None
        self._stopped = threading.Event()
        self.worker: Optional[Worker] = None
        tell_of_forks(self)

    def ring(self) -> None:
        """Wake the process that listens, if there is one."""
        if not hasattr(socket, "AF_UNIX") or not os.path.exists(self._path):
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(b"!", self._path)

    def listen(self, on_ring: Callable[[], None]) -> Worker:
        """Start the thread that calls on_ring after each ring, and after each write that the file shows."""
        self._stopped = stopped = threading.Event()
        self._socket = self._bound()
        self.worker = Worker(f"wxsdk-wake-{next_number()}", lambda: self._run(on_ring, stopped, self._socket))
        self.worker.start()
        return self.worker

    def stop(self) -> None:
        """Let the thread end. Does not wait."""
        self._stopped.set()
        self.ring()

    def _run(self, on_ring: Callable[[], None], stopped: threading.Event, listening: Optional[socket.socket]) -> None:
        changed: Callable[[], bool] = getattr(self._store, "changed_elsewhere", lambda: False)
        while not stopped.is_set():
            rung = _rung(listening) if listening is not None else stopped.wait(LOOK_EVERY)
            if stopped.is_set():
                break
            try:
                if changed() or rung:
                    on_ring()
            except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
                log.debug("the store could not be looked at: %s", type(exc).__name__)
        if listening is not None:
            listening.close()
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def _bound(self) -> Optional[socket.socket]:
        if not hasattr(socket, "AF_UNIX") or len(os.fsencode(self._path)) > LONGEST_PATH:
            return None
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)  # left by a process that was killed
            made.bind(self._path)
            os.chmod(self._path, 0o600)
            made.settimeout(LOOK_EVERY)
        except OSError as exc:
            made.close()
            log.info("no socket beside the store (%s): what other processes put in is noticed later", exc.strerror)
            return None
        return made

    def _after_fork(self) -> None:
        """In a forked child: the thread, and the socket, are the parent's."""
        listening, self._socket = self._socket, None
        self.worker = None
        if listening is not None:
            listening.close()


def _rung(listening: socket.socket) -> bool:
    try:
        listening.recv(16)
    except OSError:  # the time is over
        return False
    return True


def doorbell_of(store: Store, table: str) -> Optional[Doorbell]:
    """The bell of *table*, None for a store that other processes cannot reach by a file."""
    inner = getattr(store, "inner", store)
    return Doorbell(inner, table) if hasattr(inner, "changed_elsewhere") else None
