"""Knows whether other processes that stand by for the same lock are alive."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import Optional

from ..errors import AlreadyRunning
from .forked import tell_of_forks
from .instance_lock import InstanceLock

SUFFIX = ".group"  # of the file beside the lock's
TRY_EVERY = 0.01  # seconds; another member holds the file alone for less than that, while it joins
TRIES = 200


class StandbyGroup:
    """The processes that share *lock*: one owner, and those that take over from it. Any thread may call any method.

    A note that an owner left in the lock (that it was kicked, say) binds the group as long as a member is alive, so the
    members hold a second file together. The first member of a new group forgets the note. On Windows nothing is held
    together: there each member counts as the first one.
    """

    def __init__(self, lock: InstanceLock) -> None:
        self._lock = lock
        self._guard = threading.Lock()
        self._descriptor: Optional[int] = None
        tell_of_forks(self)

    def join(self) -> None:
        """Become a member. Twice is once. Raises ConfigError when no file can be written."""
        with self._guard:
            if self._descriptor is not None:
                return
            descriptor = self._lock.open_beside(SUFFIX)
            if _hold_alone(descriptor):
                self._forget_note()
            _hold_together(descriptor)
            self._descriptor = descriptor

    def leave(self) -> None:
        """End the membership; the system does the same for a process that dies."""
        with self._guard:
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                os.close(descriptor)

    def _forget_note(self) -> None:
        if self._lock.held:
            return
        with contextlib.suppress(AlreadyRunning):  # then there is an owner, and no note
            self._lock.acquire()
            self._lock.release()

    def _after_fork(self) -> None:
        """In a forked child: the membership is the parent's, and this copy must not outlive it."""
        self._guard = threading.Lock()
        self.leave()


if sys.platform == "win32":

    def _hold_alone(descriptor: int) -> bool:
        return True

    def _hold_together(descriptor: int) -> None:
        """There is no lock that several processes hold."""

else:
    import fcntl

    def _hold_alone(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _hold_together(descriptor: int) -> None:
        pause = threading.Event()
        for _ in range(TRIES):
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return
            pause.wait(TRY_EVERY)  # another one joins at this moment
