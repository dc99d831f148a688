"""Decrypting media: every length, every kind of damage, constant memory."""

from __future__ import annotations

import base64
import os
import random

import pytest
from Crypto.Cipher import AES

from wxsdk.aibot.aes import MediaDecryptor, cbc_decrypt, cbc_encrypt, decrypt_media, key_bytes, media_key
from wxsdk.errors import DecryptError

KEY = bytes(range(32))
TEXT_KEY = base64.b64encode(KEY).decode()


def encrypted(plain: bytes, key: bytes = KEY) -> bytes:
    pad = 32 - len(plain) % 32
    return AES.new(key, AES.MODE_CBC, key[:16]).encrypt(plain + bytes([pad]) * pad)


def raw_blocks(plain: bytes) -> bytes:
    return AES.new(KEY, AES.MODE_CBC, KEY[:16]).encrypt(plain)


@pytest.mark.parametrize("start", range(0, 256, 32))
def test_every_length_comes_back(start: int) -> None:
    for length in range(start, start + 32):
        plain = os.urandom(length)
        assert decrypt_media(encrypted(plain), TEXT_KEY) == plain


@pytest.mark.parametrize("seed", range(20))
def test_pieces_of_any_size_give_the_same_bytes(seed: int) -> None:
    chance = random.Random(seed)
    plain = chance.randbytes(chance.randrange(5000))
    data, place = encrypted(plain), 0
    decryptor, got = MediaDecryptor(KEY), b""
    while place < len(data):
        step = chance.choice([1, 7, 15, 16, 17, 31, 32, 33, 1000])
        got += bytes(decryptor.update(data[place : place + step]))
        place += step
    assert got + decryptor.finish() == plain


def test_buffers_are_reused_and_do_not_grow_with_the_file() -> None:
    decryptor = MediaDecryptor(KEY)
    data = encrypted(b"x" * 64 * 1024)
    first = decryptor.update(data[:4096])
    for place in range(4096, len(data), 4096):
        piece = decryptor.update(data[place : place + 4096])
    decryptor.finish()
    assert len(first) == 4064
    assert piece.obj is not None
    assert len(bytes(piece.obj)) <= 4096 + 48


@pytest.mark.parametrize("data", [b"", encrypted(b"x" * 100)[:-1], encrypted(b"x" * 100)[:-16], b"x" * 16, b"x"])
def test_empty_and_cut_files_are_an_error(data: bytes) -> None:
    with pytest.raises(DecryptError):
        decrypt_media(data, TEXT_KEY)


@pytest.mark.parametrize(
    "tail",
    [b"\x00", b"\x21", b"\x20" * 31, b"\x01\x02", b"\x03\x04\x04\x04", b"\xff"],
)
def test_every_padding_byte_is_checked(tail: bytes) -> None:
    plain = (b"A" * 64)[: 64 - len(tail)] + tail
    with pytest.raises(DecryptError, match="padding"):
        decrypt_media(raw_blocks(plain), TEXT_KEY)


def test_a_file_cut_at_a_block_is_an_error() -> None:
    with pytest.raises(DecryptError):
        decrypt_media(encrypted(b"A" * 100)[:-32], TEXT_KEY)


def test_a_wrong_key_is_an_error() -> None:
    data = encrypted(b"A" * 1000)
    refused = 0
    for number in range(200):
        wrong = base64.b64encode(random.Random(number).randbytes(32)).decode()
        try:
            assert decrypt_media(data, wrong) != b"A" * 1000
        except DecryptError:
            refused += 1
    assert refused >= 190  # one wrong key in 250 pads correctly by chance


@pytest.mark.parametrize("text", [TEXT_KEY, TEXT_KEY.rstrip("="), f" {TEXT_KEY}\n"])
def test_keys_may_lack_their_padding(text: str) -> None:
    assert key_bytes(text) == KEY


def test_url_safe_keys_are_read() -> None:
    key = b"\xfb\xff" * 16
    assert key_bytes(base64.urlsafe_b64encode(key).decode()) == key


@pytest.mark.parametrize("text", ["", "short", "*" * 44, base64.b64encode(b"x" * 31).decode(), None, 5, "秘" * 43])
def test_what_is_no_key_is_refused_without_quoting_it(text: object) -> None:
    assert key_bytes(text) is None
    with pytest.raises(DecryptError, match="aeskey") as caught:
        media_key(text)
    assert not text or str(text) not in str(caught.value)


def test_both_ways() -> None:
    assert cbc_decrypt(KEY, cbc_encrypt(KEY, b"hello")) == b"hello"
    for bad in (b"", b"x" * 33):
        with pytest.raises(DecryptError):
            cbc_decrypt(KEY, bad)
