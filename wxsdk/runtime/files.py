"""Opens the files on this side of a transfer: reads what is sent, saves what is received, reports progress."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import re
import secrets
import stat
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, Callable, Iterator, List, Optional, Union

from ..core.filenames import HEAD_BYTES, unique_in
from ..errors import ConfigError, DownloadFailed, UploadFailed

HASH_BLOCK = 1024 * 1024  # bytes read at a time; MD5 is no faster with more

SPOOL_BYTES = 1024 * 1024  # of a file that cannot seek, held in memory; what is beyond goes to the disk
UNNAMED = "file.bin"  # of bytes that have no name
READ_REMEDY = "Check that the file is there and may be read."

PathLike = Union[str, "os.PathLike[str]"]
FileLike = Union[PathLike, bytes, bytearray, memoryview, BinaryIO]
ProgressCallback = Callable[[int, int], Any]


class CallbackRaised(Exception):
    """A progress callback raised ``error``; carries it past the code that retries failed transfers."""

    def __init__(self, error: BaseException) -> None:
        super().__init__("a progress callback raised")
        self.error = error


class Progress:
    """Reports bytes of the plain file; never goes back, though a try may begin anew.

    ConfigError when *callback* cannot be called.
    """

    def __init__(self, callback: Optional[ProgressCallback]) -> None:
        if callback is not None and not callable(callback):
            raise ConfigError("progress cannot be called.", remedy="Give a function of two numbers, or None.")
        self._callback = callback
        self._done = -1

    def report(self, done: int, total: int) -> None:
        """Report *done* of *total* bytes, unless as much was reported before."""
        if self._callback is None or done <= self._done:
            return
        self._done = done
        try:
            self._callback(done, max(total, done))
        except Exception as exc:
            raise CallbackRaised(exc) from exc

    def finish(self, size: int) -> None:
        """Report the end, once: *size* of *size*."""
        if self._done == size:
            self._done = size - 1  # the total may have been an estimate until now
        self.report(size, size)


class SourceFile:
    """A file to be sent, open and measured. A context manager.

    Raises UploadFailed when it cannot be read, ConfigError when *path* is no path of a file.
    """

    def __init__(self, path: PathLike, filename: Optional[str] = None) -> None:
        checked = check_path(path, "path")
        self.name = filename or checked.name.encode("utf-8", "replace").decode("utf-8")
        try:
            self._file: Any = open(checked, "rb", buffering=0, opener=_open_at_once)  # noqa: SIM115  closed by __exit__
        except IsADirectoryError as exc:
            raise ConfigError("The path leads to a folder.", remedy="Give the path of a file.") from exc
        except OSError as exc:
            raise UploadFailed(f"The file {self.name!r} cannot be read ({exc.strerror}).", remedy=READ_REMEDY) from exc
        before = os.fstat(self._file.fileno())
        if not stat.S_ISREG(before.st_mode):
            self._file.close()
            raise ConfigError("The path leads to no regular file.", remedy="Give the path of a file.")
        self.size = before.st_size
        self._stamp = before.st_mtime_ns

    def __enter__(self) -> SourceFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def md5_hex(self) -> str:
        """Return the MD5 of the content. UploadFailed when it cannot be read or changes meanwhile."""
        digest = hashlib.md5(usedforsecurity=False)
        for block in self.blocks(memoryview(bytearray(HASH_BLOCK))):
            digest.update(block)
        self.check_unchanged()
        return digest.hexdigest()

    def blocks(self, buffer: memoryview) -> Iterator[memoryview]:
        """Give the content from its beginning, in pieces that lie in *buffer*, full ones but for the last."""
        self._rewind()
        left = self.size
        while left:
            wanted = min(left, len(buffer))
            filled = self._fill(buffer[:wanted])
            if filled < wanted:
                raise self._changed()
            left -= filled
            yield buffer[:filled]

    def check_unchanged(self) -> None:
        """Raise UploadFailed when the file was written to since it was opened."""
        now = os.fstat(self._file.fileno())
        if (now.st_size, now.st_mtime_ns) != (self.size, self._stamp):
            raise self._changed()

    def _rewind(self) -> None:
        self._file.seek(0)

    def _fill(self, target: memoryview) -> int:
        filled = 0
        try:
            while filled < len(target):
                count = self._file.readinto(target[filled:])
                if not count:
                    break
                filled += count
        except OSError as exc:
            raise UploadFailed(f"The file {self.name!r} cannot be read ({exc.strerror}).", remedy=READ_REMEDY) from exc
        return filled

    def _changed(self) -> UploadFailed:
        return UploadFailed(f"The file {self.name!r} changed while it was sent.", remedy="Send it again.")


class HeldSource(SourceFile):
    """Bytes, or an open binary file from where it stands, to be sent. The file is not closed.

    A file that cannot seek is first copied, beyond SPOOL_BYTES to the disk. Raises UploadFailed when it cannot be read,
    ConfigError when it is not open for reading in binary mode.
    """

    def __init__(self, file: Any, filename: Optional[str] = None) -> None:
        given = getattr(file, "name", None)
        self.name = filename or (os.path.basename(given) if isinstance(given, str) else "") or UNNAMED
        self._spool: Optional[Any] = None
        with self._reading():
            source = io.BytesIO(file) if isinstance(file, (bytes, bytearray, memoryview)) else file
            if not source.seekable():
                self._spool = source = self._copied(source)
            self._file = source
            self._start = source.tell()
            self.size = max(source.seek(0, os.SEEK_END) - self._start, 0)

    def __exit__(self, *_: object) -> None:
        if self._spool is not None:
            self._spool.close()

    def check_unchanged(self) -> None:
        """Raise UploadFailed when the file has another length than it had when it was opened."""
        with self._reading():
            changed = self._file.seek(0, os.SEEK_END) - self._start != self.size
        if changed:
            raise self._changed()

    def _rewind(self) -> None:
        with self._reading():
            self._file.seek(self._start)

    def _fill(self, target: memoryview) -> int:
        filled = 0
        with self._reading():
            while filled < len(target):
                piece = self._file.read(len(target) - filled)
                if not piece:
                    break
                target[filled : filled + len(piece)] = piece
                filled += len(piece)
        return filled

    def _copied(self, file: Any) -> Any:
        spool = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115  closed by __exit__
        while piece := file.read(HASH_BLOCK):
            spool.write(piece)
        spool.seek(0)
        return spool

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise UploadFailed(f"The file {self.name!r} cannot be read ({exc.strerror}).", remedy=READ_REMEDY) from exc
        except (AttributeError, TypeError, ValueError) as exc:
            raise ConfigError(
                "What is to be sent is not a file that is open for reading in binary mode.",
                remedy='Give a path, bytes, or a file opened with "rb".',
            ) from exc


def open_source(file: FileLike, filename: Optional[str] = None) -> SourceFile:
    """Open what is to be sent: a path, bytes, or a binary file. A context manager comes back.

    filename: what the receiver sees; None for the file's own name. Raises as SourceFile and HeldSource do.
    """
    if filename is not None:
        filename = check_filename(filename)
    if isinstance(file, (str, os.PathLike)):
        return SourceFile(file, filename)
    return HeldSource(file, filename)


def check_filename(filename: object) -> str:
    """Return the last part of *filename*; ConfigError when nothing of it is a name."""
    name = re.split(r"[/\\]", filename)[-1].strip() if isinstance(filename, str) else ""
    if not name or not name.isprintable():
        raise ConfigError("The filename is not usable.", remedy='Give a name such as "report.pdf".')
    return name


class OutputFile:
    """A file that is being received, open under a temporary name. Not safe for several threads at once."""

    def __init__(self, file: Any, place: Callable[[str], Path]) -> None:
        self._file = file
        self._place = place
        self.head = b""  # the first bytes, by which a type is known

    def restart(self) -> None:
        """Drop what was written, for another try."""
        self._file.seek(0)
        self._file.truncate()
        self.head = b""

    def write(self, data: Any) -> None:
        """Append all of *data*; a file that is not buffered may take a part at a time."""
        view = memoryview(data)
        if len(self.head) < HEAD_BYTES:
            self.head += bytes(view[: HEAD_BYTES - len(self.head)])
        while view:
            view = view[self._file.write(view) :]

    def keep(self, name: str) -> Path:
        """Close the file and move it to its place, in a folder under *name* or one like it that is free; its path."""
        self._file.close()
        return self._place(name)


class Destination:
    """Where a download goes: into a temporary file beside its place, moved there when it is whole.

    dest: a file, which is replaced, or an existing folder, in which nothing is. Raises ConfigError when there is no
    such folder.
    """

    def __init__(self, dest: PathLike) -> None:
        path = check_path(dest, "dest")
        self._path = None if path.is_dir() else path
        self._folder = path if self._path is None else path.parent
        if not self._folder.is_dir():
            raise ConfigError("The folder of dest does not exist.", remedy="Make it, or give another.")

    @classmethod
    def in_folder(cls, folder: PathLike) -> Destination:
        """Make a destination of *folder*, and the folder itself where it is missing; ConfigError, DownloadFailed."""
        path = check_path(folder, "folder")
        with _disk_errors():
            path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    @contextlib.contextmanager
    def writing(self) -> Iterator[OutputFile]:
        """Open the temporary file; it is gone after the block unless ``keep`` was called.

        What the disk refuses in the block is raised as DownloadFailed.
        """
        temporary = self._folder / f".wxsdk-{secrets.token_hex(8)}.part"
        with _disk_errors():
            try:
                # Not 0600: the file is the user's, with the rights that the user's umask gives.
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
                with open(os.open(temporary, flags, 0o666), "wb", buffering=0) as file:
                    yield OutputFile(file, lambda name: self._moved(temporary, name))
            finally:
                with contextlib.suppress(FileNotFoundError):  # it has its place
                    temporary.unlink()

    def _moved(self, temporary: Path, name: str) -> Path:
        target = self._path if self._path is not None else self._reserved(name)
        try:
            os.replace(temporary, target)
        except OSError:
            if self._path is None:
                target.unlink()  # the empty file that holds the name
            raise
        return target

    def _reserved(self, name: str) -> Path:
        """Take the first free form of *name*: between looking for one and renaming, another process could."""
        taken: List[str] = []
        while True:
            target = self._folder / unique_in(taken, name)
            try:
                os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            except FileExistsError:
                # The name is added by hand, since a file system may list it in another spelling than it was asked for.
                taken += [target.name, *os.listdir(self._folder)]
                continue
            return target


_REMEDIES = {
    errno.ENOSPC: "Make room on the disk, or save elsewhere.",
    errno.EDQUOT: "Make room within your quota, or save elsewhere.",
    errno.EACCES: "Give a folder that this program may write to.",
    errno.EPERM: "Give a folder that this program may write to.",
    errno.EROFS: "Give a folder that can be written to; this one is on a read-only file system.",
    errno.EFBIG: "Save it on a file system that takes files of this size.",
    errno.ENAMETOOLONG: "Give a folder with a shorter path.",
}


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    """Raise what the disk refuses as DownloadFailed."""
    try:
        yield
    except OSError as exc:
        remedy = _REMEDIES.get(exc.errno or 0, "Save it in another folder.")
        raise DownloadFailed(
            f"The file cannot be saved ({exc.strerror or type(exc).__name__}).", remedy=remedy
        ) from exc


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe that nobody writes to must not hold us


def check_path(path: object, name: str) -> Path:
    """Return *path* as a Path; ConfigError when it is not one."""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path) or "\0" in str(os.fspath(path)):
        raise ConfigError(f"{name} is not a path.", remedy="Give a str or a pathlib.Path.")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:  # half of a character
        raise ConfigError(f"{name} is not a path that a file can have.") from None
    return Path(path)
