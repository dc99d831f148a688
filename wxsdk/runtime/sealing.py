"""Encrypts what a server keeps for us, with a key that the server never has."""

from __future__ import annotations

import base64
import binascii
import os
from typing import Any, List, Optional

from ..errors import ConfigError, StoreError

KEY_VARIABLE = "WXSDK_STORE_KEY"  # base64 of 32 bytes; several with commas between: the first one encrypts
_MARK = b"wx1:"  # in front of what is encrypted, so that plain and encrypted values can be distinguished
_PLAIN_MARK = b"wx0:"
_NONCE = 12  # bytes; NIST SP 800-38D, 8.2


class Sealer:
    """Turns texts into bytes for a server, and back. Any thread.

    Raises ConfigError without a key in WXSDK_STORE_KEY unless *allow_plain*, and for a key that is none.
    """

    def __init__(self, *, allow_plain: bool = False, keys: Optional[str] = None) -> None:
        given = os.environ.get(KEY_VARIABLE, "") if keys is None else keys
        self._ciphers: List[Any] = [_cipher(key) for key in given.split(",") if key.strip()]
        if not self._ciphers and not allow_plain:
            raise ConfigError(
                f"There is no key to encrypt what the server keeps: {KEY_VARIABLE} is not set.",
                remedy="Set it to base64 of 32 random bytes, or pass allow_plain=True.",
            )

    def seal(self, text: str, place: str) -> bytes:
        """*text* as bytes, never the same twice; encrypted ones open under the same *place* (table and key) only."""
        plain, nonce = encode(text), os.urandom(_NONCE)
        if not self._ciphers:
            return _PLAIN_MARK + nonce + plain
        sealed: bytes = self._ciphers[0].encrypt(nonce, plain, encode(place))
        return _MARK + nonce + sealed

    def open(self, data: bytes, place: str) -> str:
        """The text. Raises StoreError when no key opens it."""
        nonce, sealed = data[len(_MARK) : len(_MARK) + _NONCE], data[len(_MARK) + _NONCE :]
        if data.startswith(_PLAIN_MARK):  # with a key as well: it was written before there was one
            return decode(sealed)
        for cipher in self._ciphers:
            try:
                plain: bytes = cipher.decrypt(nonce, sealed, encode(place))
            except Exception:  # noqa: BLE001  InvalidTag, or what a damaged value makes of it
                continue
            return decode(plain)
        raise _unreadable()


def encode(text: str) -> bytes:
    """*text* as bytes, lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> str:
    """The text of ``encode``."""
    return data.decode("utf-8", "surrogatepass")


def _cipher(key: str) -> AESGCM:  # type: ignore[name-defined]  # noqa: F821
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise ConfigError(
            "The key of the store needs the package cryptography.", remedy="Run: pip install 'wxsdk[redis]'"
        ) from None
    try:
        data = base64.b64decode(key.strip(), validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != 32:
        raise ConfigError(f"{KEY_VARIABLE} must be base64 of 32 bytes.")
    return AESGCM(data)


def _unreadable() -> StoreError:
    return StoreError(
        "A value of the store was encrypted with another key.",
        number=5,
        remedy=f"Set {KEY_VARIABLE} to the key that it was written with; several keys are separated by commas.",
    )
