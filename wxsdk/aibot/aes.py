"""Encrypts and decrypts by AES-256-CBC as the platform does (docs/protocol/aibot, 6 and 7).

The key's first 16 bytes are the IV, and PKCS#7 pads to 32 bytes although the cipher's block has 16.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Optional, Union

from ..core.redact import Secret, SecretBytes, hide
from ..errors import DecryptError

KEY_BYTES = 32
PAD_BLOCK = 32  # docs/protocol/aibot, 6
_CIPHER_BLOCK = 16
_URL_SAFE = str.maketrans("-_", "+/")

Bytes = Union[bytes, bytearray, memoryview]


def key_bytes(text: Any) -> Optional[bytes]:
    """Return the 32 bytes of a base64 key, whose padding may be missing; None when *text* is not such a key."""
    if not isinstance(text, str):
        return None
    text = Secret(text)
    bare = Secret("".join(text.split()).rstrip("=").translate(_URL_SAFE))
    try:
        key = SecretBytes(base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True))
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None


def media_key(aeskey: Any) -> bytes:
    """Return the key of a media file. Raises DecryptError, which does not quote it, unless it is base64 of 32 bytes."""
    aeskey = hide(aeskey)
    key = key_bytes(aeskey)
    if key is None:
        raise DecryptError(
            "The aeskey of the message is not base64 of 32 bytes.", remedy="Give the aeskey that came with this url."
        )
    return key


class MediaDecryptor:
    """Decrypts one file piece by piece in constant memory: two buffers as large as the largest piece.

    Feed every piece to ``update`` and write what it returns, then write what ``finish`` returns. Nothing is certain
    before ``finish``: a wrong key shows in the padding only, and about one in 250 pads correctly by chance.
    Not thread-safe.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = _cipher(key)
        self._held = bytearray()  # the last 32 to 47 bytes, since they may hold the padding
        self._encrypted = bytearray()
        self._plain = bytearray()
        self._total = 0

    def update(self, piece: Bytes) -> memoryview:
        """Return the next plain bytes; often fewer than *piece* has. They are valid until the next call."""
        held, size = len(self._held), len(piece)
        self._total += size
        ready = max(held + size - PAD_BLOCK, 0) // _CIPHER_BLOCK * _CIPHER_BLOCK
        if not ready:
            self._held += piece
            return memoryview(b"")
        if len(self._encrypted) < held + size:
            self._encrypted = bytearray(held + size)
            self._plain = bytearray(held + size)
        encrypted = memoryview(self._encrypted)
        encrypted[:held] = self._held
        encrypted[held : held + size] = piece
        plain = memoryview(self._plain)[:ready]
        # Into a reused buffer pycryptodome is several times faster than into fresh bytes.
        self._cipher.decrypt(encrypted[:ready], output=plain)
        self._held = self._encrypted[ready : held + size]
        return plain

    def finish(self) -> bytes:
        """Return the last plain bytes, without the padding. Raises DecryptError when it is empty, cut or wrong."""
        if self._total == 0:
            raise DecryptError("The encrypted file is empty.")
        if self._total % PAD_BLOCK:
            raise DecryptError(
                f"The encrypted file has {self._total} bytes, no multiple of {PAD_BLOCK}: it is cut or damaged."
            )
        return unpadded(self._cipher.decrypt(bytes(self._held)))


def decrypt_media(data: Bytes, aeskey: str) -> bytes:
    """Return the plain bytes of a media file that is in memory. Raises DecryptError."""
    decryptor = MediaDecryptor(media_key(aeskey))
    return bytes(decryptor.update(data)) + decryptor.finish()


def cbc_encrypt(key: bytes, plain: bytes) -> bytes:
    """*plain*, padded and encrypted."""
    pad = PAD_BLOCK - len(plain) % PAD_BLOCK
    encrypted: bytes = _cipher(key).encrypt(plain + bytes([pad]) * pad)
    return encrypted


def cbc_decrypt(key: bytes, encrypted: bytes) -> bytes:
    """Return the plain bytes without their padding. Raises DecryptError."""
    if not encrypted or len(encrypted) % PAD_BLOCK:
        raise DecryptError(f"The encrypted text has {len(encrypted)} bytes, which is not a multiple of {PAD_BLOCK}.")
    return unpadded(_cipher(key).decrypt(encrypted))


def unpadded(plain: bytes) -> bytes:
    """*plain* without its PKCS#7 padding to 32, every byte of which is checked. Raises DecryptError."""
    pad = plain[-1]
    if not 1 <= pad <= PAD_BLOCK or not plain.endswith(bytes([pad]) * pad):
        raise DecryptError("The padding is wrong: the key is not that of this text, or the text is damaged.")
    return plain[:-pad]


def _cipher(key: bytes) -> Any:
    from Crypto.Cipher import AES  # here, since many bots never see an encrypted file, and it takes long to import

    return AES.new(key, AES.MODE_CBC, key[:_CIPHER_BLOCK])
