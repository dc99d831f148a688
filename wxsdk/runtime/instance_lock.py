"""One owner per bot on one machine: a lock that the system itself releases when its holder dies."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import sys
import tempfile
import threading
from datetime import datetime, timezone
from typing import Dict, List, NamedTuple, Optional, Union

from ..errors import AlreadyRunning, ConfigError
from .clock import Clock, Event

RETRY_EVERY = 1.0  # seconds between tries of ``wait``; a worker takes over within this after its owner's death

_NOTE_BYTES = 60  # of a pid, or of what the last holder noted
_LOCKED_BYTE = 1 << 20  # where Windows locks: far behind the pid, since a locked byte cannot be read by others

_held: Dict[str, InstanceLock] = {}  # path -> the lock that this process holds there
_held_lock = threading.Lock()


class LockNoted(Exception):
    """The lock is free, and its last holder left a note at its release: ``note``."""

    def __init__(self, note: str) -> None:
        super().__init__(note)
        self.note = note


class Owner(NamedTuple):
    """Who runs a bot. pid: None when that cannot be read. since: when it took the lock."""

    pid: Optional[int]
    since: datetime


class InstanceLock:
    """The right to run the one client of (*kind*, *identity*) on this machine.

    The lock is a file named by *kind* and a hash of *identity* (so no secret is in it), mode 0600, in *folder* (beside
    the store, say), by default in the user's state folder: $XDG_STATE_HOME/wxsdk, ~/.local/state/wxsdk, on Windows
    %LOCALAPPDATA%/wxsdk, and where none of them can be written a folder of the user's own in the temporary one. It
    is never removed. A forked child does not hold its parent's lock. Any thread may call any method.
    """

    def __init__(self, kind: str, identity: str, folder: Union[str, os.PathLike[str], None] = None) -> None:
        self._kind = kind
        self._file_name = f"{kind}-{hashlib.sha256(identity.encode('utf-8', 'surrogatepass')).hexdigest()}.lock"
        self._folder = None if folder is None else os.fspath(folder)
        self._path: Optional[str] = None
        self._descriptor: Optional[int] = None

    def __repr__(self) -> str:
        return f"InstanceLock({self._kind!r}, {'held' if self.held else 'not held'})"

    def __enter__(self) -> InstanceLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def held(self) -> bool:
        """True while this object, in this process, holds the lock."""
        return self._descriptor is not None

    def acquire(self, *, unless_noted: bool = False) -> None:
        """Take the lock, now. Once held, a second call does nothing.

        unless_noted: where the last holder left a note, leave it and the lock as they are, and raise LockNoted.

        Raises AlreadyRunning at once when another process, or another client of this one, holds it; ConfigError when
        no folder can be written.
        """
        with _held_lock:
            if self.held:
                return
            path, descriptor = self._open()
            try:
                if path in _held:
                    raise self._already_running(os.getpid())
                if not _try_lock(descriptor):
                    raise self._already_running(_read_pid(descriptor))
                if unless_noted and _read_note(descriptor):
                    raise LockNoted(_read_note(descriptor))
            except OSError as exc:  # a network drive without locks, say
                os.close(descriptor)
                raise ConfigError(f"{path} cannot be locked: {exc.strerror}.", remedy="Name a local folder.") from exc
            except (AlreadyRunning, LockNoted):
                os.close(descriptor)  # this gives the lock back
                raise
            _write_pid(descriptor, str(os.getpid()))
            self._path, self._descriptor = path, descriptor
            _held[path] = self

    def release(self, note: str = "") -> None:
        """Give the lock back; does nothing when it is not held. note: no number; for who asks, until the next owner."""
        with _held_lock:
            path, self._path = self._path, None
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None and path is not None:
                del _held[path]
                _write_pid(descriptor, note)
                _unlock(descriptor)
                os.close(descriptor)

    def open_beside(self, suffix: str) -> int:
        """Open a file of our own beside that of the lock, named by *suffix*; its descriptor. Raises as ``acquire``."""
        path, descriptor = self._open()
        os.close(descriptor)
        return _open_private(path + suffix)

    def owner(self) -> Optional[Owner]:
        """Return who holds the lock now, None when it is free. Writes nothing; for a moment it takes a free one."""
        with _held_lock:
            path, descriptor = self._open()
            try:
                if path not in _held and _try_lock(descriptor):
                    _unlock(descriptor)
                    return None
                # The owner wrote its id into the file when it took the lock.
                since = datetime.fromtimestamp(os.fstat(descriptor).st_mtime, timezone.utc)
                return Owner(os.getpid() if path in _held else _read_pid(descriptor), since)
            finally:
                os.close(descriptor)

    def wait(self, timeout: Optional[float], stop: Event, clock: Clock) -> bool:
        """Try every second until the lock is taken over; False when *stop* is set or *timeout* seconds passed first.

        For the workers of a web server, of which one runs the client and the others stand by. *stop* belongs to
        *clock*. Raises ConfigError as ``acquire`` does.
        """
        deadline = None if timeout is None else clock.now() + timeout
        while not stop.is_set():
            with contextlib.suppress(AlreadyRunning):
                self.acquire()
                return True
            left = RETRY_EVERY if deadline is None else min(deadline - clock.now(), RETRY_EVERY)
            if left <= 0 or stop.wait(left):
                return False
        return False

    def _already_running(self, pid: Optional[int]) -> AlreadyRunning:
        where = "this process" if pid == os.getpid() else "another process" if pid is None else f"process {pid}"
        return AlreadyRunning(
            f"The bot is served by {where} already.",
            pid=pid,
            remedy="Stop that client first; two of them would take each other's messages.",
        )

    def _open(self) -> tuple[str, int]:
        """The path and a descriptor of the lock's file in the first folder that can be used."""
        failures: List[str] = []
        for folder in [self._folder] if self._folder is not None else _state_folders():
            path = os.path.join(os.path.abspath(folder), self._file_name)
            try:
                if self._folder is None:
                    _make_private_folder(folder)
                return os.path.realpath(path), _open_private(path)
            except OSError as exc:
                failures.append(f"{folder} ({exc.strerror})")
        raise ConfigError(
            f"No lock file can be written: {'; '.join(failures)}.", remedy="Name a folder that only you can write to."
        )


def _state_folders() -> List[str]:
    folders = []
    local = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_STATE_HOME", "")
    if os.path.isabs(local):  # a relative one is to be ignored; XDG Base Directory Specification
        folders.append(os.path.join(local, "wxsdk"))
    home = os.path.expanduser("~")
    if os.path.isabs(home):
        folders.append(os.path.join(home, ".local", "state", "wxsdk"))
    return [*folders, os.path.join(tempfile.gettempdir(), f"wxsdk-{_user()}")]


def _make_private_folder(folder: str) -> None:
    """Make *folder*; OSError when it is there and somebody else could have put things into it."""
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode):
        raise OSError(errno.ENOTDIR, "not a folder, or a link")
    if not _is_own(status) or (os.name == "posix" and status.st_mode & 0o022):
        raise OSError(errno.EPERM, "others can write to it")


def _open_private(path: str) -> int:
    """A descriptor of *path*, which is our own plain file and not a link that somebody laid there."""
    flags = os.O_RDWR | os.O_CREAT
    for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_NOINHERIT"):  # NONBLOCK: a FIFO must not hold us
        flags |= getattr(os, name, 0)
    descriptor = os.open(path, flags, 0o600)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or not _is_own(status):
        os.close(descriptor)
        raise OSError(errno.EPERM, "the lock's name is taken by something else")
    return descriptor


def _read_pid(descriptor: int) -> Optional[int]:
    text = _read_text(descriptor)
    return int(text) if text.isdigit() else None


def _read_note(descriptor: int) -> str:
    text = _read_text(descriptor)
    return "" if text.isdigit() else text  # the pid of one that was killed


def _read_text(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, _NOTE_BYTES).decode("ascii", "replace").strip()


def _write_pid(descriptor: int, text: str) -> None:
    # A disk without room costs the pid in the message of others, not the lock.
    with contextlib.suppress(OSError):
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, text.encode())


if sys.platform == "win32":
    import msvcrt

    def _user() -> str:
        return os.environ.get("USERNAME", "user")

    def _is_own(status: os.stat_result) -> bool:
        return True

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        with contextlib.suppress(OSError):  # closing gives it back as well
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _user() -> str:
        return str(os.getuid())

    def _is_own(status: os.stat_result) -> bool:
        return status.st_uid == os.getuid()

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _forget_in_child() -> None:
    """After a fork: a copy of the descriptor left open would keep the lock past the parent's death."""
    global _held_lock
    _held_lock = threading.Lock()
    for lock in list(_held.values()):
        descriptor, lock._descriptor = lock._descriptor, None
        lock._path = None
        if descriptor is not None:
            os.close(descriptor)  # closes the copy alone; unlocking it would take the lock from the parent
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
