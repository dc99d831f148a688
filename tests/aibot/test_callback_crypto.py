"""Callback mode."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxsdk.aibot.aes import cbc_encrypt
from wxsdk.aibot.callback_crypto import WecomCrypto
from wxsdk.errors import ConfigError, DecryptError

KEY = bytes(range(32))
TEXT_KEY = base64.b64encode(KEY).decode().rstrip("=")
CRYPTO = WecomCrypto("t0ken-value", TEXT_KEY, "corp")


def sealed(plain: bytes) -> str:
    return base64.b64encode(cbc_encrypt(KEY, plain)).decode()


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_texts_come_back(text: str) -> None:
    made = CRYPTO.encrypt(text, 1700000000, "nonce")
    assert CRYPTO.verify_signature(made.signature, "1700000000", "nonce", made.encrypt)
    assert CRYPTO.decrypt(made.encrypt) == text


def test_the_signature_is_sha1_of_the_sorted_parts() -> None:
    wanted = hashlib.sha1("".join(sorted(["t0ken-value", "123", "n", "e"])).encode()).hexdigest()
    assert CRYPTO.compute_signature("123", "n", "e") == CRYPTO.compute_signature(123, "n", "e") == wanted


@pytest.mark.parametrize("signature", ["", "0" * 40, "签名", None, "\ud800"])
def test_a_wrong_signature_is_refused(signature: Any) -> None:
    assert not CRYPTO.verify_signature(signature, "123", "n", "e")


def test_the_plain_form_is_salt_length_text_receive_id() -> None:
    assert CRYPTO.decrypt(sealed(b"0" * 16 + b"\x00\x00\x00\x05hellocorp")) == "hello"


@pytest.mark.parametrize(
    "encrypt",
    [
        "",
        "@@@",
        "AAAA",
        "汉字",
        None,
        5,
        base64.b64encode(b"x" * 32).decode(),
        sealed(b""),
        sealed(b"0" * 19),
        sealed(b"0" * 16 + b"\xff\xff\xff\xffhellocorp"),
        sealed(b"0" * 16 + b"\x00\x00\x00\x05helloother"),
        sealed(b"0" * 16 + b"\x00\x00\x00\x05hello"),
        sealed(b"0" * 16 + b"\x00\x00\x00\x02\xff\xfecorp"),
    ],
)
def test_whatever_is_wrong_is_a_decrypt_error(encrypt: Any) -> None:
    with pytest.raises(DecryptError):
        CRYPTO.decrypt(encrypt)


def test_without_receive_id_any_is_accepted() -> None:
    assert WecomCrypto("t", TEXT_KEY).decrypt(CRYPTO.encrypt("hi", 1, "n").encrypt) == "hi"


@pytest.mark.parametrize(
    ("token", "key", "receive_id"),
    [("", TEXT_KEY, ""), (None, TEXT_KEY, ""), ("t", "short", ""), ("t", TEXT_KEY, None), ("t", TEXT_KEY, "\ud800")],
)
def test_unusable_settings_are_refused(token: Any, key: Any, receive_id: Any) -> None:
    with pytest.raises(ConfigError):
        WecomCrypto(token, key, receive_id)


@pytest.mark.parametrize("text", ["\ud800", b"hello", None, 5])
def test_what_is_no_text_is_not_encrypted(text: Any) -> None:
    with pytest.raises(ConfigError, match="text "):
        CRYPTO.encrypt(text, 1, "n")


def test_the_repr_shows_no_secret() -> None:
    assert "t0ken" not in repr(CRYPTO)
    assert TEXT_KEY not in repr(CRYPTO)
