"""Lets one process of a machine own a bot or a store, by a lock that the system releases when its holder dies."""

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

FOLDER_VARIABLE = "WXSDK_LOCK_FOLDER"  # environment: another place, for tests that must not meet others
# Where every user of a machine may make files, and no other user can take them away (Filesystem Hierarchy Standard).
MACHINE_FOLDERS = ("/run/lock", "/var/lock", "/tmp")
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

    The lock is a file named by *kind* and a hash of *identity* (so no secret is in it). By default it lies where all
    users of the machine meet, whatever their environment: in /run/lock, on Windows in %ProgramData%/wxsdk. Where no
    such place can be used, it is in the user's state folder ($XDG_STATE_HOME/wxsdk, ~/.local/state/wxsdk, on Windows
    %LOCALAPPDATA%/wxsdk) or in a private folder in the temporary one. *folder* names another place, as does the
    environment variable WXSDK_LOCK_FOLDER. *beside* names a file: the lock is then the file of that name with "-lock"
    at its end. The file is never removed. A forked child does not hold its parent's lock. Any thread may call any
    method.
    """

    def __init__(
        self,
        kind: str,
        identity: str,
        folder: Union[str, os.PathLike[str], None] = None,
        *,
        beside: Union[str, os.PathLike[str], None] = None,
    ) -> None:
        self._kind = kind
        self._file_name = f"{kind}-{hashlib.sha256(identity.encode('utf-8', 'surrogatepass')).hexdigest()}.lock"
        self._folder = None if folder is None else os.fspath(folder)
        self._beside = None if beside is None else os.path.realpath(beside)
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
        return _open_lock_file(path + suffix, owned=False)

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
        """The path and a descriptor of the lock's file in the first place that can be used."""
        failures: List[str] = []
        for path, private in self._places():
            folder = os.path.dirname(path)
            try:
                if private:
                    _make_private_folder(folder)
                return os.path.realpath(path), _open_lock_file(path, owned=private)
            except OSError as exc:
                failures.append(f"{folder} ({exc.strerror})")
        raise ConfigError(
            f"No lock file can be written: {'; '.join(failures)}.", remedy="Name a folder that only you can write to."
        )

    def _places(self) -> List[tuple[str, bool]]:
        """Where the file may be, the best place first, and whether its folder is to be the user's own."""
        if self._beside is not None:
            return [(f"{self._beside}-lock", False)]
        if self._folder is not None:
            return [(os.path.join(os.path.abspath(self._folder), self._file_name), False)]
        named = os.environ.get(FOLDER_VARIABLE, "")
        if os.path.isabs(named):
            return [(os.path.join(named, self._file_name), True)]
        shared = [(os.path.join(folder, f"wxsdk-{self._file_name}"), False) for folder in _machine_folders()]
        return shared[:1] + [(os.path.join(folder, self._file_name), True) for folder in _state_folders()]


def _machine_folders() -> List[str]:
    """The folders in which all users of this machine can make files that others cannot take away."""
    if sys.platform == "win32":
        folder = os.path.join(os.environ.get("PROGRAMDATA", r"C:\ProgramData"), "wxsdk")
        with contextlib.suppress(OSError):
            os.makedirs(folder, exist_ok=True)
        return [folder] if os.path.isdir(folder) else []
    return [folder for folder in MACHINE_FOLDERS if _is_shared(folder)]


def _is_shared(folder: str) -> bool:
    try:
        mode = os.stat(folder).st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and mode & 0o1002 == 0o1002  # sticky, and everybody may write


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


def _open_lock_file(path: str, *, owned: bool) -> int:
    """A descriptor of *path*, made where it is not there; OSError for anything but a plain file.

    owned: the file has to be the user's own. In a place where users meet, any of them may have made it.
    """
    flags = 0
    for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_NOINHERIT"):  # NONBLOCK: a FIFO must not hold us
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(path, os.O_RDWR | flags)
    except FileNotFoundError:
        descriptor = _make_lock_file(path, flags, owned)
    except PermissionError:
        descriptor = os.open(path, os.O_RDONLY | flags)  # another user's: it can be locked all the same
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or (owned and not _is_own(status)):
        os.close(descriptor)
        raise OSError(errno.EPERM, "the lock's name is taken by something else")
    return descriptor


def _make_lock_file(path: str, flags: int, owned: bool) -> int:
    mode = 0o600 if owned else 0o666
    try:
        # O_EXCL: Linux opens no file of another user's in a shared folder with O_CREAT alone (fs.protected_regular).
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, mode)
    except FileExistsError:  # made by another process just now
        return os.open(path, os.O_RDWR | flags)
    if os.name == "posix":
        os.fchmod(descriptor, mode)  # whatever the umask says
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
