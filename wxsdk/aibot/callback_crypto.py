"""Signs, encrypts and decrypts the texts of HTTP callbacks (docs/protocol/aibot, 7)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Any, NamedTuple, Union

from ..core.redact import hide
from ..errors import ConfigError, DecryptError
from .aes import cbc_decrypt, cbc_encrypt, key_bytes
from .field_checks import need_text

_SALT_BYTES = 16  # random, before the length; docs/protocol/aibot, 7
_LENGTH_BYTES = 4  # big-endian


class Encrypted(NamedTuple):
    """An encrypted text (base64) and its signature (SHA-1 in hex)."""

    encrypt: str
    signature: str


class WecomCrypto:
    """Signs, checks, encrypts and decrypts callbacks. Any thread may use it.

    token, encoding_aes_key: from the administration page (the key has 43 characters of base64).
    receive_id: the id that a text must carry behind it; "" accepts any, as WeCom sends none for internal bots.
    Raises ConfigError, quoting no value, for a setting that cannot be right.
    """

    def __init__(self, token: str, encoding_aes_key: str, receive_id: str = "") -> None:
        token, encoding_aes_key = hide(token), hide(encoding_aes_key)
        if not isinstance(token, str) or not token:
            raise ConfigError("WecomCrypto: token must be a non-empty str.")
        need_text(receive_id, "WecomCrypto: receive_id", empty=True)
        key = key_bytes(encoding_aes_key)
        if key is None:
            raise ConfigError("WecomCrypto: encoding_aes_key must be base64 of 32 bytes (43 characters).")
        self._token = token
        self._key = key
        self._receive_id = receive_id

    def __repr__(self) -> str:
        return f"WecomCrypto(receive_id={self._receive_id!r})"

    def compute_signature(self, timestamp: Union[str, int], nonce: str, encrypt: str) -> str:
        """SHA-1, in hex, of token, *timestamp*, *nonce* and *encrypt*, sorted and joined."""
        parts = sorted([self._token, str(timestamp), str(nonce), str(encrypt)])
        return hashlib.sha1("".join(parts).encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()

    def verify_signature(self, signature: str, timestamp: Union[str, int], nonce: str, encrypt: str) -> bool:
        """True when *signature* is the right one; compared in constant time."""
        wanted = self.compute_signature(timestamp, nonce, encrypt).encode("ascii")
        return hmac.compare_digest(wanted, str(signature).encode("utf-8", "surrogatepass"))

    def encrypt(self, text: str, timestamp: Union[str, int], nonce: str) -> Encrypted:
        """Encrypt *text*, and sign it with *timestamp* and *nonce*. Raises ConfigError for an odd *text*."""
        message = need_text(text, "text", empty=True).encode("utf-8")
        head = secrets.token_bytes(_SALT_BYTES) + len(message).to_bytes(_LENGTH_BYTES, "big")
        sealed = cbc_encrypt(self._key, head + message + self._receive_id.encode("utf-8"))
        encrypted = base64.b64encode(sealed).decode("ascii")
        return Encrypted(encrypted, self.compute_signature(timestamp, nonce, encrypted))

    def decrypt(self, encrypt: str) -> str:
        """Return the text. Raises DecryptError, whatever is wrong with *encrypt*; check the signature before."""
        plain = cbc_decrypt(self._key, _from_base64(encrypt))
        start = _SALT_BYTES + _LENGTH_BYTES
        if len(plain) < start:
            raise DecryptError("The decrypted callback is too short to hold a text.")
        end = start + int.from_bytes(plain[_SALT_BYTES:start], "big")
        if end > len(plain):
            raise DecryptError("The decrypted callback says a length that it does not have.")
        wanted = self._receive_id.encode("utf-8")
        if wanted and not hmac.compare_digest(plain[end:], wanted):
            raise DecryptError("The callback is for another receive_id.")
        try:
            return plain[start:end].decode("utf-8")
        except UnicodeDecodeError:
            raise DecryptError("The decrypted callback is not UTF-8.") from None


def _from_base64(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise DecryptError("The encrypted callback is not base64.") from None
