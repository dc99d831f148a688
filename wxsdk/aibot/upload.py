"""Sends a file through the socket (docs/protocol/aibot, 6): chunks side by side, in a few MB of memory.

The calling thread does it all: it posts chunks without waiting and then takes the outcomes from one queue.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import io
import os
import queue
import tempfile
import threading
from collections import deque
from functools import partial
from typing import IO, Any, BinaryIO, Callable, Deque, Iterator, List, Optional, Tuple, Union

from ..errors import ConfigError, UploadFailed, WxError
from ..runtime.clock import Clock
from .ack_calls import Outcome
from .acks import Replies
from .config import WSClientOptions
from .frames import WsCmd, WsFrame, encode_frame
from .ids import generate_req_id
from .inbound import AnswerBody
from .upload_rules import (
    CHUNK_BYTES,
    HEAD_BYTES,
    UploadMediaResult,
    UploadPlan,
    check_file_size,
    chunk_body,
    finish_body,
    plan_upload,
    retry_delay,
    upload_id_of,
)

Progress = Callable[[int, int], None]
FileLike = Union[bytes, bytearray, memoryview, str, "os.PathLike[str]", BinaryIO]

SPOOL_BYTES = 2**20  # what of a file that cannot be read twice is kept in memory; the rest goes to the disk
DEFAULT_NAME = "file"

_INIT, _CHUNK, _FINISH = (
    command.value for command in (WsCmd.UPLOAD_MEDIA_INIT, WsCmd.UPLOAD_MEDIA_CHUNK, WsCmd.UPLOAD_MEDIA_FINISH)
)


class Source:
    """The bytes of one file, to be read twice: for the checksum, and chunk by chunk.

    Raises ConfigError, here and in reading, for a file that cannot be read.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.name = name
        with _reading():
            self._start = file.tell()
            file.seek(0, os.SEEK_END)
            self.size = max(file.tell() - self._start, 0)

    def read(self, start: int, stop: int) -> bytes:
        """Read the bytes from *start* to *stop*. Raises UploadFailed when the file has become shorter."""
        pieces: List[bytes] = []
        with self._lock:
            with _reading():
                self._file.seek(self._start + start)
            missing = stop - start
            while missing and (piece := _read(self._file, missing)):  # a raw file may give a part only
                pieces.append(piece)
                missing -= len(piece)
        if missing:
            raise UploadFailed("The file became shorter while it was read.")
        return b"".join(pieces)

    def md5_hex(self) -> str:
        digest = hashlib.md5(usedforsecurity=False)
        for start in range(0, self.size, CHUNK_BYTES):
            digest.update(self.read(start, min(start + CHUNK_BYTES, self.size)))
        return digest.hexdigest()


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """Whatever the caller's file raises becomes a ConfigError that says what it was."""
    try:
        yield
    except WxError:
        raise
    except Exception as exc:
        said = (isinstance(exc, OSError) and exc.strerror) or type(exc).__name__
        raise ConfigError(f"file cannot be read: {said}.") from exc


def _read(file: Any, most: int) -> bytes:
    """Read what *file* gives at once of *most* bytes, b"" at its end; ConfigError when it gives none."""
    with _reading():
        data = file.read(most)
    if data is None:
        raise ConfigError("file has no bytes yet: it is in non-blocking mode.")
    if not isinstance(data, bytes):
        raise ConfigError(f"file must be opened in binary mode: it gives {type(data).__name__}.")
    if len(data) > most:
        raise ConfigError("file gives more bytes than it is asked for.")
    return data


@contextlib.contextmanager
def opened(file: FileLike, filename: Optional[str]) -> Iterator[Source]:
    """Open the Source of bytes, a path, or a binary file from where it stands, which is not closed.

    Raises ConfigError for anything else and for what cannot be read, LimitExceeded when more than the limit comes out
    of a file that does not say its size.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(file, (bytes, bytearray, memoryview)):
            with _reading():  # a memoryview may be released
                data = bytes(file)
            yield Source(io.BytesIO(data), filename or DEFAULT_NAME)
        elif isinstance(file, (str, os.PathLike)):
            handle = stack.enter_context(_open(file))
            yield Source(handle, filename or os.path.basename(handle.name))
        elif callable(getattr(file, "read", None)):
            given = getattr(file, "name", None)
            name = filename or (os.path.basename(given) if isinstance(given, str) else "") or DEFAULT_NAME
            if getattr(file, "closed", False) is True or not _can(file, "readable", True):
                raise ConfigError("file is not open for reading.")
            yield Source(file if _can(file, "seekable", False) else stack.enter_context(_spooled(file)), name)
        else:
            raise ConfigError("file must be bytes, a path or a binary file.")


def _open(path: Union[str, os.PathLike[str]]) -> IO[bytes]:
    try:
        return open(os.fspath(path), "rb")
    except OSError as exc:
        raise ConfigError(f"file cannot be read: {exc.strerror}.") from exc
    except (TypeError, ValueError) as exc:  # a null byte, half of a character, a path object that gives none
        raise ConfigError("file is not a path that a file can have.") from exc


def _can(file: Any, ability: str, otherwise: bool) -> bool:
    """Ask *file* what it can; *otherwise* when it does not say."""
    ask = getattr(file, ability, None)
    with _reading():
        return otherwise if ask is None else bool(ask())


@contextlib.contextmanager
def _spooled(file: Any) -> Iterator[IO[bytes]]:
    with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
        size = 0
        while data := _read(file, CHUNK_BYTES):
            size += len(data)
            check_file_size(size)
            try:
                spool.write(data)
            except OSError as exc:
                raise UploadFailed(f"The file cannot be kept for sending: {exc.strerror}.") from exc
        spool.seek(0)
        yield spool


def upload(
    options: WSClientOptions,
    replies: Replies,
    clock: Clock,
    file: FileLike,
    media_type: str,
    filename: Optional[str],
    progress: Optional[Progress],
) -> UploadMediaResult:
    """Upload a file; see ``WSClient.upload_media``."""
    if progress is not None and not callable(progress):
        raise ConfigError("progress must be callable.")
    with opened(file, filename) as source:
        head = source.read(0, min(HEAD_BYTES, source.size))
        plan = plan_upload(media_type, source.name, source.size, head)
        return _Upload(options, replies, clock, source, plan, progress).run()


class _Upload:
    """One file on its way."""

    def __init__(
        self,
        options: WSClientOptions,
        replies: Replies,
        clock: Clock,
        source: Source,
        plan: UploadPlan,
        progress: Optional[Progress],
    ) -> None:
        self._options = options
        self._replies = replies
        self._clock = clock
        self._source = source
        self._plan = plan
        self._progress = progress
        self._upload_id = ""
        self._outcomes: queue.Queue[Tuple[int, int, Outcome]] = queue.Queue()
        self._ready: Deque[Tuple[int, int]] = deque((index, 1) for index in range(plan.total_chunks))  # and which try
        self._resting: List[Tuple[float, int, int]] = []  # a heap of what waits for its next try: when, index, try
        self._in_flight = 0
        self._done_bytes = 0

    def run(self) -> UploadMediaResult:
        plan = self._plan
        opening = self._call(_INIT, plan.init_body(self._source.md5_hex()), self._options.ack_timeout)
        self._upload_id = upload_id_of(_answer_body(opening))
        left = plan.total_chunks
        while left:
            self._fill()
            left -= self._take()
        try:
            # Putting the chunks together takes the platform as long as taking one.
            ending = self._call(_FINISH, finish_body(self._upload_id), self._options.chunk_ack_timeout)
        except WxError as exc:
            raise UploadFailed(f"The platform did not complete the upload. {exc.what}", remedy=exc.remedy) from exc
        return plan.result(_answer_body(ending))

    def _call(self, cmd: str, body: Any, timeout: float) -> WsFrame:
        req_id = generate_req_id(cmd)
        answer = self._replies.call(req_id, cmd, encode_frame(cmd, req_id, body), timeout)
        assert answer is not None
        return answer

    def _fill(self) -> None:
        """Post as many chunks as may be in flight."""
        now = self._clock.now()
        while self._resting and self._resting[0][0] <= now:
            _, index, tries = heapq.heappop(self._resting)
            self._ready.append((index, tries))
        while self._ready and self._in_flight < self._plan.concurrency:
            index, tries = self._ready.popleft()
            body = chunk_body(self._upload_id, index, self._bytes_of(index))
            req_id = generate_req_id(_CHUNK)
            text = encode_frame(_CHUNK, req_id, body)
            on_outcome = partial(self._on_outcome, index, tries)
            try:
                self._replies.post(req_id, _CHUNK, text, self._options.chunk_ack_timeout, on_outcome)
            except WxError as exc:
                raise self._failed(index, exc) from exc
            self._in_flight += 1

    def _bytes_of(self, index: int) -> bytes:
        try:
            return self._source.read(*self._plan.span(index))
        except ConfigError as exc:  # which would say that nothing was sent
            raise self._failed(index, exc) from exc

    def _on_outcome(self, index: int, tries: int, outcome: Outcome) -> None:
        self._outcomes.put((index, tries, outcome))

    def _take(self) -> int:
        """Wait for one outcome, or for the time of the next try; how many chunks arrived by that."""
        wait = self._resting[0][0] - self._clock.now() if self._resting else None
        try:
            index, tries, outcome = self._clock.get(self._outcomes, wait)
        except queue.Empty:
            return 0
        self._in_flight -= 1
        error = self._replies.to_error(outcome, _CHUNK)
        if error is not None:
            delay = retry_delay(error, tries)
            if delay is None:
                raise self._failed(index, error) from error
            heapq.heappush(self._resting, (self._clock.now() + delay, index, tries + 1))
            return 0
        start, stop = self._plan.span(index)
        self._done_bytes += stop - start
        if self._progress is not None:
            self._progress(self._done_bytes, self._plan.size)
        return 1

    def _failed(self, index: int, error: WxError) -> UploadFailed:
        return UploadFailed(
            f"Chunk {index + 1} of {self._plan.total_chunks} did not arrive. {error.what}", remedy=error.remedy
        )


def _answer_body(answer: WsFrame) -> Optional[AnswerBody]:
    body: Any = answer.body
    return body if isinstance(body, AnswerBody) else None
