"""Seals and opens the texts of callback mode as the platform does (docs/protocol/aibot, 7). Pure but for its salt."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from typing import Any

from Crypto.Cipher import AES

from .errors import SimError

BLOCK = 32  # PKCS#7 to 32, though the cipher's block has 16
SALT = 16


class Seal:
    """One bot's Token and EncodingAESKey."""

    def __init__(self, token: str, encoding_aes_key: str, receive_id: str = "") -> None:
        self.token, self.encoding_aes_key, self.receive_id = token, encoding_aes_key, receive_id
        self.key = base64.b64decode(encoding_aes_key + "=")

    def sign(self, timestamp: str, nonce: str, sealed: str) -> str:
        """SHA-1 of the four texts, sorted and joined."""
        return hashlib.sha1("".join(sorted((self.token, timestamp, nonce, sealed))).encode("utf-8")).hexdigest()

    def close(self, text: bytes) -> str:
        """*text* encrypted, as base64."""
        plain = os.urandom(SALT) + len(text).to_bytes(4, "big") + text + self.receive_id.encode("utf-8")
        count = BLOCK - len(plain) % BLOCK
        cipher = AES.new(self.key, AES.MODE_CBC, iv=self.key[:16])
        return base64.b64encode(cipher.encrypt(plain + bytes([count]) * count)).decode("ascii")

    def open(self, sealed: Any) -> bytes:
        """Return what *sealed* holds; SimError says why it cannot be opened."""
        try:
            data = base64.b64decode(sealed, validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise SimError("encrypt is not base64") from None
        if not data or len(data) % 16:
            raise SimError("encrypt has a length that AES never makes")
        plain = AES.new(self.key, AES.MODE_CBC, iv=self.key[:16]).decrypt(data)
        count = plain[-1]
        if not 1 <= count <= BLOCK or plain[-count:] != bytes([count]) * count:
            raise SimError("encrypt is not padded to 32, or was made with another key")
        plain = plain[:-count]
        size = int.from_bytes(plain[SALT : SALT + 4], "big")
        text, receiver = plain[SALT + 4 : SALT + 4 + size], plain[SALT + 4 + size :]
        if len(text) != size or receiver != self.receive_id.encode("utf-8"):
            raise SimError("encrypt holds another length or receive_id")
        return text


def mint_key() -> str:
    """A fresh EncodingAESKey: 43 characters."""
    return base64.b64encode(os.urandom(32)).decode("ascii").rstrip("=")
