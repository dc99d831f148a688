"""Holds what pretend users send: bytes given, of a file or generated, encrypted, and the names they travel under."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Callable, Dict, Iterator, Optional
from urllib.parse import quote

from Crypto.Cipher import AES

PAD_BYTES = 32  # PKCS#7 to 32; docs/protocol/aibot, 6
BLOCK_BYTES = 256 * 1024  # a multiple of PAD_BYTES


class Content:
    """Bytes to be served: given, of a file, or generated."""

    size: int

    def blocks(self) -> Iterator[bytes]:
        """The bytes in pieces of BLOCK_BYTES, the last one shorter."""
        raise AssertionError("a Content knows its blocks")

    def digest(self) -> str:
        """SHA-256, as hex; for comparing what was saved without keeping it."""
        sha = hashlib.sha256()
        for block in self.blocks():
            sha.update(block)
        return sha.hexdigest()


class BytesContent(Content):
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self.data, self.size = data, len(data)

    def blocks(self) -> Iterator[bytes]:
        for start in range(0, self.size, BLOCK_BYTES):
            yield self.data[start : start + BLOCK_BYTES]


class FileContent(Content):
    """A file, read while it is served."""

    def __init__(self, path: Path) -> None:
        self.path, self.size = path, path.stat().st_size

    def blocks(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            yield from iter(lambda: file.read(BLOCK_BYTES), b"")


class Generated(Content):
    """*size* bytes that look random, made while they are served: 200 MiB cost no memory. The same *seed*
    gives the same bytes.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size, self._seed = size, seed

    def blocks(self) -> Iterator[bytes]:
        base = hashlib.shake_256(str(self._seed).encode()).digest(BLOCK_BYTES)
        for number, start in enumerate(range(0, self.size, BLOCK_BYTES)):
            yield (struct.pack("!Q", number) + base[8:])[: min(BLOCK_BYTES, self.size - start)]


def encrypted(content: Content, key: bytes) -> Iterator[bytes]:
    """AES-256-CBC with IV = key[:16] and PKCS#7 to 32, block by block."""
    cipher = AES.new(key, AES.MODE_CBC, iv=key[:16])
    rest = b""
    for block in content.blocks():
        rest += block
        whole = len(rest) - len(rest) % PAD_BYTES
        if whole:
            yield cipher.encrypt(rest[:whole])
            rest = rest[whole:]
    count = PAD_BYTES - len(rest) % PAD_BYTES
    yield cipher.encrypt(rest + bytes([count]) * count)


DISPOSITIONS: Dict[str, Callable[[str], Optional[str]]] = {
    "both": lambda name: f"attachment; filename=\"{_ascii(name)}\"; filename*=UTF-8''{quote(name, safe='')}",
    "star": lambda name: f"attachment; filename*=UTF-8''{quote(name, safe='')}",
    "quoted": lambda name: f'attachment; filename="{name}"',
    "bare": lambda name: f"attachment; filename={name}",
    "percent": lambda name: f"attachment; filename={quote(name, safe='')}",
    "none": lambda name: None,
}
"""How a Content-Disposition can be written."""

HOSTILE_NAMES = (
    "../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/etc/passwd",
    "C:\\boot.ini",
    "..",
    ".",
    "",
    "   ",
    "a\x00b.txt",
    "a\tb.txt",
    "CON",
    "nul.txt",
    "x" * 300 + ".txt",
    "100%.txt",
    "%2e%2e%2fpasswd",
    "~/.ssh/id_rsa",
    "a/b/c.txt",
    "名\u202e字.txt",
)
"""Names that must not choose a path."""


def _ascii(name: str) -> str:
    return "".join(char if " " <= char < "\x7f" and char not in '"\\' else "_" for char in name)
