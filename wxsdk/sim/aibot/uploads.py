"""Takes uploads in chunks and keeps the finished media. Pure: `now` is an argument (docs/protocol/aibot, 6)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from .errors import BAD_MEDIA_ID, BAD_PARAMETER, Refused

MIB = 2**20
MAX_BYTES = {"image": 10 * MIB, "video": 10 * MIB, "voice": 2 * MIB, "file": 20 * MIB}
CHUNK_BYTES = 512 * 1024  # before base64
MAX_CHUNKS = 100
SESSION_SECONDS = 30 * 60.0
MEDIA_SECONDS = 3 * 24 * 3600.0
AMR_MAGIC = b"#!AMR"


@dataclass
class Upload:
    """One session, from init to finish."""

    upload_id: str
    type: str
    filename: str
    total_size: int
    total_chunks: int
    md5: Optional[str]
    bot_id: str
    started_at: float
    chunks: Dict[int, bytes] = field(default_factory=dict, repr=False)
    arrived: List[int] = field(default_factory=list)
    """Every chunk_index in the order of arrival, repeats included."""
    media_id: Optional[str] = None


@dataclass
class Media:
    """A finished upload; *data* are the bytes the client sent."""

    media_id: str
    type: str
    filename: str
    data: bytes = field(repr=False)
    bot_id: str
    created_at: float


class Uploads:
    """All sessions and all media. Not thread-safe: its owner holds the lock."""

    def __init__(self) -> None:
        self.sessions: Dict[str, Upload] = {}
        self.media: Dict[str, Media] = {}

    def init(self, body: Dict[str, Any], bot_id: str, now: float) -> Dict[str, Any]:
        """Open a session; the answer's body. Raises Refused."""
        kind, name = body.get("type"), body.get("filename")
        if kind not in MAX_BYTES:
            raise Refused(BAD_PARAMETER, "type is not image, video, voice or file", violation="upload type")
        if not isinstance(name, str) or not name:
            raise Refused(BAD_PARAMETER, "filename is missing", violation="upload filename")
        size, count = _int(body, "total_size"), _int(body, "total_chunks")
        if not 1 <= size <= MAX_BYTES[kind]:
            raise Refused(
                BAD_PARAMETER,
                f"total_size {size} is not 1 to {MAX_BYTES[kind]} for {kind}",
                violation="upload size",
            )
        if not 1 <= count <= MAX_CHUNKS or size > count * CHUNK_BYTES or count > size:
            raise Refused(BAD_PARAMETER, f"total_chunks {count} does not fit {size} bytes", violation="upload chunks")
        md5 = body.get("md5")
        if md5 is not None and not (isinstance(md5, str) and len(md5) == 32):
            raise Refused(BAD_PARAMETER, "md5 is not 32 hex digits", violation="upload md5")
        upload = Upload(f"upload-{secrets.token_hex(8)}", kind, name, size, count, md5, bot_id, now)
        self.sessions[upload.upload_id] = upload
        return {"upload_id": upload.upload_id}

    def chunk(self, body: Dict[str, Any], bot_id: str, now: float) -> None:
        """Take one chunk; the order does not matter and a repeat is harmless. Raises Refused."""
        upload = self._session(body, bot_id, now)
        index = _int(body, "chunk_index")
        if not 0 <= index < upload.total_chunks:
            rule = f"chunk_index {index} is not 0 to {upload.total_chunks - 1}"
            raise Refused(BAD_PARAMETER, rule, violation="chunk index")
        try:
            data = base64.b64decode(body.get("base64_data") or "", validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise Refused(BAD_PARAMETER, "base64_data is not base64", violation="chunk data") from error
        if not 1 <= len(data) <= CHUNK_BYTES:
            raise Refused(BAD_PARAMETER, f"a chunk of {len(data)} bytes", violation="chunk size")
        upload.arrived.append(index)
        upload.chunks[index] = data

    def finish(self, body: Dict[str, Any], bot_id: str, now: float) -> Dict[str, Any]:
        """Close a session; the answer's body with the media_id. Doing it twice gives the same answer. Raises
        Refused.
        """
        upload = self._session(body, bot_id, now)
        if upload.media_id is None:
            data = self._assembled(upload)
            media = Media(f"media-{secrets.token_hex(12)}", upload.type, upload.filename, data, bot_id, now)
            self.media[media.media_id] = media
            upload.media_id = media.media_id
            upload.chunks.clear()
        return {
            "type": upload.type,
            "media_id": upload.media_id,
            "created_at": str(int(self.media[upload.media_id].created_at)),
        }

    def _assembled(self, upload: Upload) -> bytes:
        missing = [index for index in range(upload.total_chunks) if index not in upload.chunks]
        if missing:
            raise Refused(BAD_PARAMETER, f"{len(missing)} chunks are missing", violation="upload incomplete")
        data = b"".join(upload.chunks[index] for index in range(upload.total_chunks))
        if len(data) != upload.total_size:
            rule = f"{len(data)} bytes came, total_size said {upload.total_size}"
            raise Refused(BAD_PARAMETER, rule, violation="upload size")
        if upload.md5 is not None and hashlib.md5(data).hexdigest() != upload.md5.lower():
            raise Refused(BAD_PARAMETER, "md5 does not match", violation="upload md5")
        if upload.type == "voice" and not (data.startswith(AMR_MAGIC) or upload.filename.lower().endswith(".amr")):
            raise Refused(BAD_PARAMETER, "a voice must be AMR", violation="voice format")
        return data

    def _session(self, body: Dict[str, Any], bot_id: str, now: float) -> Upload:
        upload = self.sessions.get(str(body.get("upload_id")))
        if upload is None or upload.bot_id != bot_id or now - upload.started_at > SESSION_SECONDS:
            raise Refused(BAD_PARAMETER, "upload_id is unknown or its 30 minutes are over")
        return upload

    def use(self, media_id: Any, kind: str, bot_id: str, now: float) -> Media:
        """The media that a message of *kind* names. Raises Refused with 40007."""
        media = self.media.get(media_id) if isinstance(media_id, str) else None
        if media is None or media.bot_id != bot_id or now - media.created_at > MEDIA_SECONDS:
            raise Refused(BAD_MEDIA_ID, "media_id is unknown or its 3 days are over")
        if media.type != kind:
            raise Refused(BAD_MEDIA_ID, f"the media_id is of a {media.type}, the message is a {kind}")
        return media


def _int(body: Dict[str, Any], name: str) -> int:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused(BAD_PARAMETER, f"{name} is not an integer", violation=f"upload {name}")
    return value
