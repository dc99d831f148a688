"""Every length, every chunking, every key encoding; and nothing but a good file decrypts."""

from __future__ import annotations

import base64

import pytest
from Crypto.Cipher import AES
from Crypto.Util.Padding import pad
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.errors import DecryptError
from wxsdk.ilink.aes import EcbDecryptor, EcbEncryptor, cipher_size, decrypt, encrypt, key_from_base64, media_key

KEY = bytes(range(16))


def reference(plain):
    return AES.new(KEY, AES.MODE_ECB).encrypt(pad(plain, 16))


@pytest.mark.parametrize("size", range(100))
def test_every_length_encrypts_as_the_reference_does_and_back(size):
    plain = bytes(number % 251 for number in range(size))
    cipher = encrypt(plain, KEY)
    assert cipher == reference(plain)
    assert len(cipher) == cipher_size(size)
    assert decrypt(cipher, KEY) == plain


@given(st.lists(st.binary(max_size=70), max_size=12))
def test_the_chunking_does_not_matter(chunks):
    plain = b"".join(chunks)
    encryptor, out = EcbEncryptor(KEY), bytearray(200)
    cipher = b"".join([*(bytes(out[: encryptor.update(chunk, out)]) for chunk in chunks), encryptor.finish()])
    assert cipher == reference(plain)
    decryptor, position, back = EcbDecryptor(KEY), 0, b""
    for chunk in chunks:
        piece = cipher[position : position + len(chunk)]
        position += len(piece)
        back += bytes(out[: decryptor.update(piece, out)])
    back += bytes(out[: decryptor.update(cipher[position:], out)])
    assert back + decryptor.finish() == plain


def test_a_chunk_of_whole_blocks_can_be_encrypted_in_place():
    buffer = bytearray(range(64))
    encryptor = EcbEncryptor(KEY)
    written = encryptor.update(buffer, buffer)
    assert bytes(buffer[:written]) + encryptor.finish() == reference(bytes(range(64)))


@pytest.mark.parametrize("size", range(64))
def test_a_truncated_file_never_decrypts(size):
    cipher = encrypt(bytes(48), KEY)
    with pytest.raises(DecryptError):
        decrypt(cipher[:size], KEY)


def test_padding_is_checked_to_the_last_byte():
    for last in (bytes([0] * 16), bytes([17] * 16), bytes([1] * 13 + [2, 3, 3]), bytes([255] * 16), bytes([4, 16] * 8)):
        with pytest.raises(DecryptError):
            decrypt(AES.new(KEY, AES.MODE_ECB).encrypt(bytes(16) + last), KEY)


def test_a_wrong_key_is_noticed():
    with pytest.raises(DecryptError):
        decrypt(encrypt(b"hello", KEY), bytes(16))


@pytest.mark.parametrize("key", [b"", b"x" * 15, b"x" * 24, b"x" * 32, "x" * 16, None])
def test_only_16_bytes_are_a_key(key):
    with pytest.raises(DecryptError):
        EcbEncryptor(key)


ENCODINGS = [
    base64.b64encode(KEY).decode(),
    base64.b64encode(KEY).decode().rstrip("="),
    base64.b64encode(KEY.hex().encode()).decode(),
    base64.b64encode(KEY.hex().upper().encode()).decode(),
    " " + base64.b64encode(KEY).decode() + "\n",
]


@pytest.mark.parametrize("text", ENCODINGS)
def test_every_encoding_of_a_key_is_read(text):
    assert media_key(None, text) == KEY


def test_the_url_safe_alphabet_is_read():
    assert key_from_base64(base64.urlsafe_b64encode(b"\xfb\xff" * 8).decode(), "f") == b"\xfb\xff" * 8


def test_the_hex_key_of_an_image_wins():
    assert media_key(KEY.hex(), base64.b64encode(bytes(16)).decode()) == KEY
    assert media_key(None, None) is None
    assert media_key("", "") is None


@pytest.mark.parametrize(
    "text", ["canary!", "Y2FuYXJ5", base64.b64encode(b"canary" * 5).decode(), KEY.hex(), "中", "===="]
)
def test_a_bad_key_is_an_error_that_names_the_field_and_not_the_value(text):
    with pytest.raises(DecryptError, match=r"media\.aes_key") as caught:
        media_key(None, text)
    assert text not in str(caught.value)
    with pytest.raises(DecryptError, match=r"image_item\.aeskey"):
        media_key("zz" + text, None)
