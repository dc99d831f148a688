"""Files through the CDN, in constant memory: hashed once, encrypted on the way (docs/protocol/ilink, 5)."""

from __future__ import annotations

import itertools
import random
import secrets
import time
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple
from urllib.parse import urlsplit

from ..core.backoff import jittered
from ..core.redact import Secret, SecretBytes, scrub
from ..errors import ApiError, ConfigError, DownloadFailed, LimitExceeded, TransportError, UploadFailed
from ..log import get_logger
from ..runtime.files import (
    CallbackRaised,
    Destination,
    OutputFile,
    PathLike,
    Progress,
    ProgressCallback,
    SourceFile,
)
from ..runtime.http import HttpDoor, HttpStream, SizedBlocks
from ..runtime.http_errors import was_refused
from .aes import BLOCK, KEY_BYTES, EcbDecryptor, EcbEncryptor, cipher_size, media_key
from .api import ILinkApi
from .config import WeixinConfig, cdn_ciphers
from .errors import retry_delay
from .frames_out import Uploaded, upload_request, wire_key
from .media import MediaInfo, download_url, kind_for, saved_name, upload_url
from .patience import Patience
from .wire import UploadUrlReply

log = get_logger(__name__)

BLOCK_BYTES = 256 * 1024  # bytes encrypted and sent at a time, a multiple of 16; larger ones gain nothing measurable
STALL = 30.0  # seconds that one read or write may take
SLOWEST = 16 * 1024  # bytes a second; a transfer that is slower in all is given up
PATIENCE = 60.0  # seconds that a transfer may take besides
MAX_ANSWER = 64 * 1024  # bytes of the answer to an upload, which says nothing beyond its headers
SEND_AGAIN = "Send the file again: each try gets an address of its own."
NOT_THE_CDN = (
    "Usually a proxy or a sign-on page of the network answered in the CDN's place: check the proxy and cdn_base_url."
)
ASK_AGAIN = "Files are kept for some time only: ask the user to send it again."
LATER = "The CDN has trouble: try again later."
MAX_MESSAGE_CHARS = 200  # of the CDN's error text that ours repeats


class MediaDoor:
    """Uploads and downloads. Any thread may use it; each call blocks and needs well under 2 MiB.

    pause(seconds): waits between two tries; False when the client is shut down first.
    """

    def __init__(self, config: WeixinConfig, api: ILinkApi, *, pause: Callable[[float], bool]) -> None:
        self._config = config
        self._api = api
        self._pause = pause
        self._door = HttpDoor(proxy=config.proxy, ciphers=cdn_ciphers(config))

    # up

    def upload(
        self,
        to: str,
        source: SourceFile,
        *,
        kind: Optional[str] = None,
        progress: Optional[ProgressCallback] = None,
        patience: Optional[Patience] = None,
    ) -> Uploaded:
        """Put a file into the CDN for a message to *to*, in which it goes as *kind* (None: by its name).

        Raises UploadFailed when the CDN did not take it, the ApiError or TransportError of the announcement, and what
        *progress* raises.
        """
        reports = Progress(progress)
        key, filekey = SecretBytes(secrets.token_bytes(KEY_BYTES)), SecretBytes(secrets.token_bytes(KEY_BYTES))
        size = cipher_size(source.size)
        request = upload_request(
            kind or kind_for(source.name),
            to=to,
            filekey=filekey,
            key=key,
            size=source.size,
            md5_hex=source.md5_hex(),
            cipher_size=size,
        )
        patience = patience or Patience(time.monotonic)
        reply = self._announce(request, patience)
        url = upload_url(reply, filekey.hex(), self._config.cdn_base_url)
        if url is None:
            raise UploadFailed(
                "The platform named no address for the file; no message about it was sent.", remedy=SEND_AGAIN
            )
        try:
            hidden = (Secret(filekey.hex()), Secret(key.hex()), wire_key(key))
            param = self._post(url, source, key, reports, hidden, patience)
            source.check_unchanged()
            reports.finish(source.size)
        except CallbackRaised as raised:
            raise raised.error from None
        return Uploaded(source.name, source.size, size, param, key)

    def _announce(self, request: dict[str, Any], patience: Patience) -> UploadUrlReply:
        for failures in itertools.count(1):
            try:
                patience.check()
                return self._api.get_upload_url(request, timeout=patience.cap(self._config.api_timeout))
            except (TransportError, ApiError) as error:
                delay = retry_delay(
                    error,
                    failures,
                    retries=self._config.send_retries,
                    base=self._config.send_retry_delay,
                    unit=random.random(),
                )
                if delay is None or not patience.allows(delay) or not self._pause(delay):
                    raise
        raise AssertionError  # never reached: the count has no end

    def _post(
        self, url: str, source: SourceFile, key: bytes, progress: Progress, hidden: Sequence[str], patience: Patience
    ) -> Secret:
        """Send the ciphertext until the CDN takes it; its download parameter. *hidden*: what no error may repeat."""
        hidden = (*_query_values(url), *hidden)
        failure = UploadFailed("The CDN did not take the file.", remedy=SEND_AGAIN)
        for attempt in range(1, self._config.upload_tries + 1):
            body = SizedBlocks(cipher_size(source.size), lambda: _ciphertext(source, key, progress))
            try:
                status, headers = self._try_post(url, body, patience.cap(_time_for(source.size)))
            except TransportError as error:
                failure = UploadFailed(f"The CDN could not be reached: {error.what}", remedy=error.remedy)
                failure.__cause__ = error
            else:
                param = headers.get("x-encrypted-param")
                if status == 200 and param:
                    return Secret(param)
                if status == 200:
                    failure = UploadFailed(
                        "The CDN answered, but without x-encrypted-param, so the file cannot be referred to.",
                        remedy=NOT_THE_CDN,
                    )
                else:
                    what = _refusal("The CDN did not take the file", status, headers, hidden)
                    failure = UploadFailed(what, remedy=SEND_AGAIN)
                if 400 <= status <= 499:
                    break
            log.info("upload try %d of %d failed: %s", attempt, self._config.upload_tries, failure)
            if not patience.allows(self._config.send_retry_delay * attempt):
                break
            if attempt < self._config.upload_tries and not self._wait_before(attempt):
                break
        raise failure

    def _try_post(self, url: str, body: SizedBlocks, timeout: float) -> Tuple[int, Mapping[str, str]]:
        kind = {"Content-Type": "application/octet-stream"}
        with self._door.open("POST", url, headers=kind, body=body, timeout=timeout, idle=STALL) as stream:
            stream.read_all(MAX_ANSWER)
            return stream.status, stream.headers

    # down

    def download(self, media: MediaInfo, dest: PathLike, *, progress: Optional[ProgressCallback] = None) -> Path:
        """Fetch and decrypt *media* into *dest*; see ``MessageContext.download_media``."""
        if not isinstance(media, MediaInfo):
            raise ConfigError("What is to be downloaded is no MediaInfo.", remedy="Give the media of a message.")
        reports = Progress(progress)
        key = media_key(media.aeskey, media.media.aes_key)
        url = download_url(media.media, self._config.cdn_base_url)
        if url is None:
            raise DownloadFailed("The message does not say where its file is.", remedy=ASK_AGAIN)
        if key is None and media.kind != "image":
            raise DownloadFailed("The message carries no key for its file.", remedy=ASK_AGAIN)
        self._check_size(media.size)
        hidden = [one for one in (media.aeskey, media.media.aes_key, media.media.encrypt_query_param) if one]
        destination = Destination(dest)
        try:
            with destination.writing() as file:
                reports.finish(self._fetch(url, key, file, reports, hidden))
                return file.keep(saved_name(media, file.head))
        except CallbackRaised as raised:
            raise raised.error from None

    def _fetch(
        self, url: str, key: Optional[bytes], file: OutputFile, progress: Progress, hidden: Sequence[str]
    ) -> int:
        """Fill *file*, beginning anew when the CDN or the network fails; its size. hidden: as of ``_post``."""
        hidden = (*_query_values(url), *hidden)
        failure = DownloadFailed("The file could not be fetched.", remedy=ASK_AGAIN)
        for attempt in range(1, self._config.upload_tries + 1):
            file.restart()
            try:
                with self._open(url) as stream:
                    if stream.status == 200:
                        return self._save(stream, key, file, progress)
                    what = _refusal("The file could not be fetched", stream.status, stream.headers, hidden)
                    failure = DownloadFailed(what, remedy=ASK_AGAIN if stream.status < 500 else LATER)
                    if stream.status < 500:
                        break
            except TransportError as error:
                failure = DownloadFailed(f"The file could not be fetched: {error.what}", remedy=error.remedy)
                failure.__cause__ = error
                if was_refused(error):
                    break
            log.info("download try %d of %d failed: %s", attempt, self._config.upload_tries, failure)
            if attempt < self._config.upload_tries and not self._wait_before(attempt):
                break
        raise failure

    def _open(self, url: str) -> HttpStream:
        return self._door.fetch(
            url,
            timeout=_time_for(self._config.max_download_bytes),
            idle=STALL,
            trusted_hosts=self._config.trusted_media_hosts,
        )

    def _save(self, stream: HttpStream, key: Optional[bytes], file: OutputFile, progress: Progress) -> int:
        padding = 0 if key is None else 1  # bytes at least
        expected = None if stream.length is None else max(stream.length - padding, 0)
        self._check_size(expected)
        decryptor = None if key is None else EcbDecryptor(key)
        out = bytearray()
        size = 0
        for block in stream.blocks():
            piece: Any = block
            if decryptor is not None:
                if len(out) < len(block) + BLOCK:
                    out = bytearray(len(block) + BLOCK)
                piece = memoryview(out)[: decryptor.update(block, out)]
            size += len(piece)
            self._check_size(size)
            file.write(piece)
            progress.report(size, expected or size)
        if decryptor is not None:
            last = decryptor.finish()
            file.write(last)
            size += len(last)
        self._check_size(size, exact=True)
        return size

    def _check_size(self, size: Optional[int], *, exact: bool = False) -> None:
        # An announced size, and that of a ciphertext, may be some bytes more than the file's.
        limit = self._config.max_download_bytes
        if size is not None and size > limit + (0 if exact else BLOCK):
            raise LimitExceeded(
                "The file is too large.", limit=limit, actual=size, remedy="max_download_bytes allows larger ones."
            )

    # both

    def interrupt(self) -> None:
        """End the transfers under way and refuse new ones until ``resume``."""
        self._door.interrupt()

    def resume(self) -> None:
        """Allow transfers again."""
        self._door.resume()

    def close(self) -> None:
        """Close the idle connections; later transfers open new ones."""
        self._door.close()

    def _wait_before(self, attempt: int) -> bool:
        return self._pause(jittered(self._config.send_retry_delay * attempt, random.random()))


def _ciphertext(source: SourceFile, key: bytes, progress: Progress) -> Iterator[memoryview]:
    """The encrypted file from its beginning, in pieces of one buffer."""
    encryptor = EcbEncryptor(key)
    buffer = memoryview(bytearray(BLOCK_BYTES + BLOCK))
    done = 0
    for block in source.blocks(buffer[:BLOCK_BYTES]):
        # In place: the buffer is not read again, and what is cut off a last short piece is kept by the encryptor.
        written = encryptor.update(block, buffer)
        if written:
            yield buffer[:written]
        done += len(block)
        if done < source.size:  # the last byte counts when the CDN has taken it
            progress.report(done, source.size)
    yield memoryview(encryptor.finish())


def _time_for(size: int) -> float:
    """Seconds that a transfer of *size* bytes may take in all."""
    return PATIENCE + size / SLOWEST


def _query_values(url: str) -> List[str]:
    """The values in a signed address; the CDN may echo them, and no text of ours may."""
    return [Secret(part.partition("=")[2] or part) for part in urlsplit(url).query.split("&")]


def _refusal(what: str, status: int, headers: Mapping[str, str], hidden: Iterable[str]) -> str:
    said = scrub(headers.get("x-error-message", ""), hidden)[:MAX_MESSAGE_CHARS]
    return f"{what}: HTTP {status}{f' ({said})' if said else ''}."
