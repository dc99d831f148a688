"""Plans an upload through the socket: what to send in which order (docs/protocol/aibot, 6)."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Dict, NamedTuple, Optional, Tuple, Union

from ..core.filenames import safe_name
from ..errors import AckTimeout, ApiError, ConfigError, LimitExceeded, RateLimited, UploadFailed, WxError
from .bodies import WeComMediaType
from .errors import BAD_MEDIA_ID, BAD_MSGTYPE, BAD_PARAMETER, NOT_SUBSCRIBED
from .field_checks import need_one_of, need_text
from .inbound import AnswerBody

MIB = 2**20
CHUNK_BYTES = 512 * 1024  # before base64; docs/protocol/aibot, 6
MAX_CHUNKS = 100  # docs/protocol/aibot, 6
MAX_FILE_BYTES = 20 * MIB  # docs/protocol/aibot, 6
MAX_TYPE_BYTES = {
    "image": 10 * MIB,
    "video": 10 * MIB,
    "voice": 2 * MIB,
    "file": MAX_FILE_BYTES,
}  # docs/protocol/aibot, 6
CHUNK_RETRIES = 2  # per chunk, after the first try; docs/protocol/aibot, 6
RETRY_DELAYS = (0.5, 1.0)  # seconds before the first and second retry; as the Node SDK
HEAD_BYTES = 6  # how much of a file ``plan_upload`` must see to know AMR
_AMR = b"#!AMR"
_HOPELESS = (BAD_MEDIA_ID, BAD_MSGTYPE, BAD_PARAMETER, NOT_SUBSCRIBED)  # the same chunk would be refused again


@dataclass(frozen=True)
class UploadMediaResult:
    """A file on the platform. media_id: good for 3 days. created_at: as the platform writes it, Unix seconds.

    type: what it became; downgraded: True when that is "file" although another type was asked for.
    """

    type: str
    media_id: str
    created_at: Union[int, str]
    downgraded: bool = False


class UploadPlan(NamedTuple):
    """How one file goes out. concurrency: chunks in flight at once."""

    type: str
    filename: str
    size: int
    total_chunks: int
    concurrency: int
    downgraded: bool

    def span(self, index: int) -> Tuple[int, int]:
        """Return where chunk *index*, counted from 0, starts and ends in the file."""
        start = index * CHUNK_BYTES
        return start, min(start + CHUNK_BYTES, self.size)

    def init_body(self, md5_hex: str) -> Dict[str, Any]:
        """Return the first command's body."""
        return {
            "type": self.type,
            "filename": self.filename,
            "total_size": self.size,
            "total_chunks": self.total_chunks,
            "md5": md5_hex,
        }

    def result(self, body: Optional[AnswerBody]) -> UploadMediaResult:
        """Read the last answer. Raises UploadFailed when it names no media_id."""
        if body is None or not body.media_id:
            raise UploadFailed("The platform ended the upload without a media_id.", remedy="Upload the file again.")
        return UploadMediaResult(body.type or self.type, body.media_id, body.created_at or "", self.downgraded)


def plan_upload(media_type: str, filename: str, size: int, head: bytes) -> UploadPlan:
    """Plan how a file of *size* bytes, starting with *head*, goes out as *media_type*.

    A file too large for its type, or a voice that is not AMR, goes as "file". Raises ConfigError for an empty file or
    an odd argument, LimitExceeded over 20 MB.
    """
    need_one_of(media_type, "type", tuple(MAX_TYPE_BYTES))
    need_text(filename, "filename")
    if size == 0:
        raise ConfigError("The file is empty; the platform takes no empty files.")
    check_file_size(size)
    wanted = str(media_type)
    fits = size <= MAX_TYPE_BYTES[wanted] and (wanted != WeComMediaType.VOICE.value or head.startswith(_AMR))
    kind = wanted if fits else WeComMediaType.FILE.value
    chunks = -(-size // CHUNK_BYTES)
    return UploadPlan(kind, safe_name(filename, "file"), size, chunks, concurrency_for(chunks), kind != wanted)


def check_file_size(size: int) -> None:
    """Raises LimitExceeded for more bytes than the platform takes of any file."""
    if size > MAX_FILE_BYTES:
        raise LimitExceeded(
            "The file is too large in bytes.",
            limit=MAX_FILE_BYTES,
            actual=size,
            remedy="Make it smaller, or put it on a server and send the link.",
        )


def concurrency_for(chunks: int) -> int:
    """Return how many chunks may be in flight: all up to 4, 3 up to 10, else 2 (the platform fails under more)."""
    if chunks <= 4:
        return chunks
    return 3 if chunks <= 10 else 2


def upload_id_of(body: Optional[AnswerBody]) -> str:
    """Return the session that the init's answer names. Raises UploadFailed when it names none."""
    if body is None or not body.upload_id:
        raise UploadFailed("The platform opened no upload session.", remedy="Upload the file again.")
    return body.upload_id


def chunk_body(upload_id: str, index: int, data: bytes) -> Dict[str, Any]:
    """Return the body of one chunk; *index* counts from 0."""
    return {"upload_id": upload_id, "chunk_index": index, "base64_data": base64.b64encode(data).decode("ascii")}


def finish_body(upload_id: str) -> Dict[str, Any]:
    """Return the last command's body."""
    return {"upload_id": upload_id}


def retry_delay(error: WxError, tries: int) -> Optional[float]:
    """Seconds until a chunk that failed with *error* on try number *tries* goes again; None to give up.

    A repeated chunk is harmless, so a lost ack may be answered by a repeat. A lost connection ends the upload: nothing
    old is sent again on a new one.
    """
    if tries > CHUNK_RETRIES:
        return None
    if isinstance(error, (AckTimeout, RateLimited)):
        return RETRY_DELAYS[tries - 1]
    if isinstance(error, ApiError) and error.errcode not in _HOPELESS:
        return RETRY_DELAYS[tries - 1]
    return None
