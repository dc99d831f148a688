"""Keeps the encrypted files of the simulated iLink platform under opaque parameters, large ones on disk.

Its AES-128-ECB is its own, written against the platform's rules (docs/protocol/ilink, 5) and not against the
client.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import shutil
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Callable, Dict, Iterator, List, Optional, Union
from urllib.parse import quote

from Crypto.Cipher import AES

AES_BLOCK = 16  # bytes; docs/protocol/ilink, 5
BLOCK = 1 << 20  # bytes moved at a time, so that a file of any size costs this much memory
IN_MEMORY = 4 << 20  # bytes; smaller files stay in memory and can be read after the simulator has stopped

Readinto = Callable[[memoryview], int]


def cipher_size(size: int) -> int:
    """Bytes of ciphertext for *size* bytes of plaintext: PKCS#7 always adds 1 to 16 (docs/protocol/ilink, 5)."""
    return (size // AES_BLOCK + 1) * AES_BLOCK


def encrypt(data: bytes, key: bytes) -> bytes:
    """AES-128-ECB with PKCS#7."""
    pad = AES_BLOCK - len(data) % AES_BLOCK
    return AES.new(key, AES.MODE_ECB).encrypt(data + bytes([pad]) * pad)


def unpad(tail: bytes) -> bytes:
    """Take PKCS#7 padding off the last block or blocks of a plaintext; ValueError when it is none."""
    pad = tail[-1] if tail else 0
    if not 1 <= pad <= AES_BLOCK or tail[-pad:] != bytes([pad]) * pad:
        raise ValueError("the padding is not PKCS#7 (wrong key?)")
    return tail[:-pad]


def read_key(aes_key: str) -> bytes:
    """The 16 bytes of a media's ``aes_key``: base64 of 16 bytes or of 32 hex characters; ValueError for
    anything else.
    """
    decoded = base64.b64decode(aes_key, validate=True)
    if len(decoded) == AES_BLOCK:
        return decoded
    if len(decoded) == 2 * AES_BLOCK:
        return bytes.fromhex(decoded.decode("ascii"))
    raise ValueError(f"aes_key decodes to {len(decoded)} bytes, neither 16 nor 32 hex characters")


@dataclass
class Blob:
    """A stored file as it lies on the CDN: ciphertext, or plain bytes. In memory, or on disk when large."""

    size: int
    memory: Optional[bytes] = field(default=None, repr=False)
    path: Optional[Path] = None

    def blocks(self) -> Iterator[bytes]:
        """The bytes, in blocks of constant size. LookupError when the simulator has stopped and dropped its
        files.
        """
        if self.path is None:
            if self.memory:
                yield self.memory
            return
        try:
            file = self.path.open("rb", buffering=0)
        except FileNotFoundError:
            raise LookupError("the simulator has stopped and dropped its large files; read them before") from None
        with file:
            yield from iter(lambda: file.read(BLOCK), b"")

    def plain_blocks(self, key: Optional[bytes]) -> Iterator[bytes]:
        """The decrypted bytes, in blocks; ValueError when *key* does not fit. None means: not encrypted."""
        if key is None:
            yield from self.blocks()
            return
        cipher = AES.new(key, AES.MODE_ECB)
        last = b""
        for block in self.blocks():
            if last:
                yield last
            last = cipher.decrypt(block)
        yield unpad(last)


@dataclass
class Upload:
    """What getuploadurl was told about a file that is to come."""

    filekey: str
    media_type: int
    to_user_id: str
    rawsize: int
    rawfilemd5: str
    filesize: int
    key: bytes = field(repr=False)


@dataclass
class Stored:
    """A file on the CDN with all that is needed to fetch and decrypt it."""

    param: str = field(repr=False)
    url: str = field(repr=False)
    key: Optional[bytes] = field(repr=False)
    size: int  # of the plaintext
    blob: Blob = field(repr=False)
    upload: Optional[Upload] = None

    def data(self) -> bytes:
        """The plaintext."""
        return b"".join(self.blob.plain_blocks(self.key))

    def media(self, *, key: Optional[str] = "hex", address: str = "both") -> Dict[str, object]:
        """Its ``CDNMedia``: *key* "hex", "raw" or None; *address* "both", "full_url" or "param"."""
        media: Dict[str, object] = {"encrypt_type": 1}
        if address not in ("both", "full_url", "param"):
            raise ValueError(f'address must be "both", "full_url" or "param", not {address!r}')
        if address != "full_url":
            media["encrypt_query_param"] = self.param
        if address != "param":
            media["full_url"] = self.url
        if key is not None and self.key is not None:
            secret = {"hex": self.key.hex().encode(), "raw": self.key}[key]
            media["aes_key"] = base64.b64encode(secret).decode()
        return media


class Cdn:
    """The files of one simulator. Thread-safe: each file is written by one thread, the tables are guarded."""

    def __init__(self, verify: bool = True, parent: Optional[str] = None) -> None:
        self.verify = verify
        self._parent = parent
        self.base_url = ""
        self._lock = threading.Lock()
        self._folder: Optional[Path] = None
        self._uploads: Dict[str, Upload] = {}
        self._files: Dict[str, Stored] = {}

    def open(self, base_url: str) -> None:
        """Make the folder for large files; *base_url* is where the files are served."""
        self.base_url = base_url
        self._folder = Path(tempfile.mkdtemp(prefix="wxsdk-sim-", dir=self._parent))

    def close(self) -> None:
        """Drop the large files."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def expect(self, upload: Upload) -> str:
        """Note an announced upload and return its upload_param."""
        param = secrets.token_urlsafe(48) + "+/="  # needs percent-encoding, as the platform's do
        with self._lock:
            self._uploads[param] = upload
        return param

    def announced(self, param: str) -> Optional[Upload]:
        """The upload announced under *param*."""
        with self._lock:
            return self._uploads.get(param)

    def find(self, param: str) -> Optional[Stored]:
        """The file stored under a download parameter."""
        with self._lock:
            return self._files.get(param)

    def receive(self, upload: Upload, readinto: Readinto) -> tuple[Stored, List[str]]:
        """Read the ciphertext of an announced upload and store it; also what was wrong with it.

        Raises ConnectionError when the sender goes away before the end.
        """
        check = _Check(upload) if self.verify else None
        blob = self._write(upload.filesize, readinto, check)
        stored = self._keep(blob, upload.key, upload.rawsize, upload)
        return stored, check.verdict() if check else []

    def put(self, source: Union[bytes, Path], *, encrypted: bool = True) -> Stored:
        """Put a file on the CDN, as a user's phone does, encrypted under a fresh key."""
        key = secrets.token_bytes(AES_BLOCK) if encrypted else None
        if isinstance(source, bytes):
            data = encrypt(source, key) if key else source
            return self._keep(Blob(len(data), memory=data), key, len(source))
        size = source.stat().st_size
        with source.open("rb") as file:
            readinto = _Encrypted(file, key).readinto if key else file.readinto
            blob = self._write(cipher_size(size) if key else size, readinto, None)
        return self._keep(blob, key, size)

    def _write(self, size: int, readinto: Readinto, check: Optional[_Check]) -> Blob:
        if size <= IN_MEMORY:
            data = bytearray(size)
            _fill(memoryview(data), readinto)
            if check:
                check.add(data)
            return Blob(size, memory=bytes(data))
        if self._folder is None:
            raise RuntimeError("the simulator is not running; start it before putting large files on its CDN")
        path = self._folder / secrets.token_hex(8)
        buffer = memoryview(bytearray(BLOCK))
        with path.open("wb", buffering=0) as file:
            for start in range(0, size, BLOCK):
                block = buffer[: min(BLOCK, size - start)]
                _fill(block, readinto)
                file.write(block)
                if check:
                    check.add(block)
        return Blob(size, path=path)

    def _keep(self, blob: Blob, key: Optional[bytes], size: int, upload: Optional[Upload] = None) -> Stored:
        param = secrets.token_urlsafe(48) + "+/="
        with self._lock:
            query = f"encrypted_query_param={quote(param, safe='')}&taskid={len(self._files)}"
            url = f"{self.base_url}/download?{query}"
            self._files[param] = stored = Stored(param, url, key, size, blob, upload)
        return stored


def _fill(target: memoryview, readinto: Readinto) -> None:
    done = 0
    while done < len(target):
        count = readinto(target[done:])
        if not count:
            raise ConnectionError("the sender went away in the middle of a file")
        done += count


class _Encrypted:
    """A plain file read as its ciphertext. Every read asks for whole cipher blocks."""

    def __init__(self, file: BinaryIO, key: bytes) -> None:
        self._file = file
        self._cipher = AES.new(key, AES.MODE_ECB)

    def readinto(self, target: memoryview) -> int:
        plain = self._file.read(len(target))
        if len(plain) < len(target):
            pad = AES_BLOCK - len(plain) % AES_BLOCK
            plain += bytes([pad]) * pad
        target[: len(plain)] = self._cipher.encrypt(plain)
        return len(plain)


class _Check:
    """Decrypts what is being uploaded and compares it with what was announced."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._cipher = AES.new(upload.key, AES.MODE_ECB)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._last = b""
        self._size = 0

    def add(self, block: Union[bytearray, memoryview]) -> None:
        self._take(self._last)
        self._last = self._cipher.decrypt(block)

    def _take(self, plain: bytes) -> None:
        self._md5.update(plain)
        self._size += len(plain)

    def verdict(self) -> List[str]:
        """Return what does not fit the announcement; empty when all does."""
        try:
            self._take(unpad(self._last))
        except ValueError as error:
            return [f"the upload does not decrypt with the announced aeskey: {error}"]
        wrong = []
        if self._size != self._upload.rawsize:
            wrong.append(f"the upload decrypts to {self._size} bytes, rawsize said {self._upload.rawsize}")
        if self._md5.hexdigest() != self._upload.rawfilemd5:
            wrong.append("the MD5 of the decrypted upload is not the announced rawfilemd5")
        return wrong
