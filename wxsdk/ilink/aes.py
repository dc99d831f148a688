"""AES-128-ECB with PKCS#7, in constant memory, and the encodings of its keys (docs/protocol/ilink, 5).

The one place of this package that knows Crypto.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from typing import Any, Optional, Union

from ..core.redact import Secret, SecretBytes
from ..errors import DecryptError

BLOCK = 16  # bytes; AES
KEY_BYTES = 16  # AES-128; docs/protocol/ilink, 5
Data = Union[bytes, bytearray, memoryview]
_HEX_KEY = re.compile(r"[0-9a-fA-F]{32}")


def cipher_size(size: int) -> int:
    """Bytes of the ciphertext of *size* bytes: up to 16 more, always a multiple of 16."""
    return (size // BLOCK + 1) * BLOCK


class EcbEncryptor:
    """Encrypts a file chunk by chunk into buffers of the caller's. One use, one thread."""

    def __init__(self, key: bytes) -> None:
        """DecryptError unless *key* is 16 bytes."""
        self._cipher = _cipher(_checked(key, "key"))
        self._rest = b""  # less than a block, waiting for more

    def update(self, data: Data, out: Union[bytearray, memoryview]) -> int:
        """Encrypt *data* into the beginning of *out*, which needs room for 15 bytes more; how many bytes were written.

        *out* may be the memory of *data* itself as long as every chunk but the last is a multiple of 16 bytes.
        """
        source, target = memoryview(data), memoryview(out)
        written = 0
        if self._rest:
            missing = BLOCK - len(self._rest)
            self._rest += bytes(source[:missing])
            source = source[missing:]
            if len(self._rest) < BLOCK:
                return 0
            target[:BLOCK] = self._cipher.encrypt(self._rest)
            written = BLOCK
            self._rest = b""
        whole = len(source) // BLOCK * BLOCK
        self._rest = bytes(source[whole:])
        if whole:
            self._cipher.encrypt(source[:whole], output=target[written : written + whole])
        return written + whole

    def finish(self) -> bytes:
        """The last block, padded: 16 bytes."""
        padding = BLOCK - len(self._rest)
        return bytes(self._cipher.encrypt(self._rest + bytes([padding]) * padding))


class EcbDecryptor:
    """Decrypts a file chunk by chunk into buffers of the caller's. One use, one thread."""

    def __init__(self, key: bytes) -> None:
        """DecryptError unless *key* is 16 bytes."""
        self._cipher = _cipher(_checked(key, "key"))
        self._held = b""  # the last block or less: it may be the padding

    def update(self, data: Data, out: Union[bytearray, memoryview]) -> int:
        """Decrypt *data* into the beginning of *out*, which needs room for 16 bytes more; how many bytes were written.

        *out* must not be the memory of *data*.
        """
        source, target = memoryview(data), memoryview(out)
        total = len(self._held) + len(source)
        if total <= BLOCK:
            self._held += bytes(source)
            return 0
        ready = (total - 1) // BLOCK * BLOCK  # all but the last block, whole or not
        written = 0
        if self._held:
            missing = BLOCK - len(self._held)
            target[:BLOCK] = self._cipher.decrypt(self._held + bytes(source[:missing]))
            source = source[missing:]
            written = BLOCK
        direct = ready - written
        if direct:
            self._cipher.decrypt(source[:direct], output=target[written : written + direct])
        self._held = bytes(source[direct:])
        return ready

    def finish(self) -> bytes:
        """What is left of the plaintext, 0–15 bytes; DecryptError unless the end is what encryption makes."""
        if len(self._held) != BLOCK:
            raise DecryptError(
                "The encrypted file is not a whole number of blocks.", remedy="It is incomplete: fetch it again."
            )
        last = bytes(self._cipher.decrypt(self._held))
        padding = last[-1]
        expected = bytes([padding]) * padding
        if not 1 <= padding <= BLOCK or not hmac.compare_digest(last[-padding:], expected):
            raise DecryptError(
                "The file does not decrypt.", remedy="It is damaged, or the key belongs to another file."
            )
        return last[:-padding]


def encrypt(plain: Data, key: bytes) -> bytes:
    """The ciphertext of *plain* in one piece; for small things."""
    return _whole(EcbEncryptor(key), plain)


def decrypt(cipher: Data, key: bytes) -> bytes:
    """The plaintext of *cipher* in one piece; for small things. DecryptError when it is not one."""
    return _whole(EcbDecryptor(key), cipher)


def _whole(coder: Union[EcbEncryptor, EcbDecryptor], data: Data) -> bytes:
    out = bytearray(len(data) + BLOCK)
    written = coder.update(data, out)
    return bytes(out[:written]) + coder.finish()


def media_key(aeskey: Optional[str], aes_key: Optional[str]) -> Optional[bytes]:
    """The 16 bytes of a file's key, None when there is none (an image may lie in plain).

    aeskey: hex, of an image item, preferred. aes_key: base64 of 16 raw bytes or of 32 hex characters, of the media.
    DecryptError names the field that is anything else, and never shows it.
    """
    if aeskey:
        return key_from_hex(aeskey, "image_item.aeskey")
    return key_from_base64(aes_key, "media.aes_key") if aes_key else None


def key_from_hex(text: str, field: str) -> bytes:
    """16 bytes out of 32 hex characters; DecryptError naming *field*."""
    stripped = Secret(text.strip())
    if not _HEX_KEY.fullmatch(stripped):
        raise _bad_key(field, "32 hex characters")
    return SecretBytes.fromhex(stripped)


def key_from_base64(text: str, field: str) -> bytes:
    """16 bytes out of base64 (either alphabet, padded or not) of them or of their hex; DecryptError naming *field*."""
    compact = Secret("".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/"))
    try:
        raw = SecretBytes(base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True))
    except (binascii.Error, ValueError):
        raw = SecretBytes()
    if len(raw) == KEY_BYTES:
        return raw
    as_text = Secret(raw.decode("latin-1"))
    if _HEX_KEY.fullmatch(as_text):
        return SecretBytes.fromhex(as_text)
    raise _bad_key(field, "base64 of 16 bytes or of 32 hex characters")


def _checked(key: bytes, field: str) -> bytes:
    if not isinstance(key, (bytes, bytearray)) or len(key) != KEY_BYTES:
        raise _bad_key(field, "16 bytes")
    return SecretBytes(key)


def _bad_key(field: str, wanted: str) -> DecryptError:
    return DecryptError(f"{field} is not {wanted}.", remedy="The message carries no usable key for its file.")


def _cipher(key: bytes) -> Any:
    from Crypto.Cipher import AES  # here, since many bots never see an encrypted file, and it takes long to import

    return AES.new(key, AES.MODE_ECB)
