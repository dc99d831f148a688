"""Fetches the files that users send: limited, decrypted on the way, and saved under harmless names."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Optional, Tuple, Union

from ..core.filenames import HEAD_BYTES, file_name, name_from_header
from ..errors import ConfigError, DownloadFailed, LimitExceeded, TransportError
from ..runtime.files import Destination, PathLike, check_path
from .aes import PAD_BLOCK, MediaDecryptor, media_key
from .config import WSClientOptions

if TYPE_CHECKING:
    from ..runtime.http import HttpDoor, HttpStream  # which imports requests, at run time only when it is needed

SLOWEST = 16 * 1024  # bytes a second; a download that is slower in all is given up
PATIENCE = 60.0  # seconds that a download may take besides

Folder = PathLike


class Downloads:
    """The downloads of one client. Any thread; each call blocks."""

    def __init__(self, options: WSClientOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._made: Optional[HttpDoor] = None

    def to_memory(self, url: str, aes_key: Optional[str]) -> Tuple[bytes, str]:
        """Fetch into memory; see ``WSClient.download_file``."""
        with self._fetched(url, aes_key) as (name, pieces):
            content = b"".join(bytes(piece) for piece in pieces)
            return content, file_name(name, content[:HEAD_BYTES])

    def to_folder(self, url: str, aes_key: Optional[str], folder: Folder) -> Path:
        """Fetch into a file; see ``WSClient.save_file``."""
        path = check_path(folder, "folder")
        with self._fetched(url, aes_key) as (name, pieces), Destination.in_folder(path).writing() as file:
            for piece in pieces:
                file.write(piece)
            return file.keep(file_name(name, file.head))

    def interrupt(self) -> None:
        """End the downloads in progress; new ones are allowed at once."""
        if self._made is not None:
            self._made.interrupt()
            self._made.resume()

    def close(self) -> None:
        """Close the connections that are kept for reuse."""
        if self._made is not None:
            self._made.close()

    @property
    def _door(self) -> HttpDoor:
        """The door, made with the first download: it is half of the memory of a client at rest."""
        from ..runtime.http import HttpDoor

        with self._lock:
            if self._made is None:
                self._made = HttpDoor(proxy=self._options.proxy, ssl_context=self._options.ssl_context)
            return self._made

    @contextlib.contextmanager
    def _fetched(self, url: str, aes_key: Optional[str]) -> Iterator[Tuple[str, Iterator[Union[bytes, memoryview]]]]:
        """Give the name, or "", and the plain pieces of the file at *url*; a piece is valid until the next one."""
        if not isinstance(url, str) or not url:
            raise ConfigError("The url to download from is empty or not a str.")
        if aes_key is not None and not isinstance(aes_key, str):
            raise ConfigError(f"aes_key must be a str or None, not {type(aes_key).__name__}.")
        decryptor = MediaDecryptor(media_key(aes_key)) if aes_key else None
        limit = self._options.max_download_bytes
        try:
            stream = self._door.fetch(
                url,
                timeout=PATIENCE + limit / SLOWEST,
                idle=self._options.request_timeout,
                trusted_hosts=self._options.trusted_media_hosts,
            )
            with stream:
                if stream.status != 200:
                    raise DownloadFailed(
                        f"The file could not be fetched: HTTP status {stream.status}.",
                        remedy="Download when the message arrives: its addresses live 5 minutes.",
                    )
                name = name_from_header(stream.headers.get("content-disposition"))
                yield name, _plain(stream, decryptor, limit)
        except TransportError as exc:
            raise DownloadFailed(f"The file could not be fetched. {exc.what}", remedy=exc.remedy) from exc


def _plain(stream: HttpStream, decryptor: Optional[MediaDecryptor], limit: int) -> Iterator[Union[bytes, memoryview]]:
    if stream.length is not None:
        # Of an encrypted file, up to PAD_BLOCK bytes are padding; how many shows at its end only.
        _check_size(stream.length - (PAD_BLOCK if decryptor is not None else 0), limit)
    size = 0
    for piece in stream.blocks() if decryptor is None else _decrypted(stream, decryptor):
        size += len(piece)
        _check_size(size, limit)
        yield piece


def _decrypted(stream: HttpStream, decryptor: MediaDecryptor) -> Iterator[Union[bytes, memoryview]]:
    for block in stream.blocks():
        yield decryptor.update(block)
    yield decryptor.finish()


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise LimitExceeded(
            "The file is too large in bytes.", limit=limit, actual=size, remedy="max_download_bytes allows larger ones."
        )
