from __future__ import annotations

from pathlib import Path

import pytest
from Crypto.Cipher import AES

from wxsdk.sim.aibot.content import (
    BLOCK_BYTES,
    DISPOSITIONS,
    HOSTILE_NAMES,
    BytesContent,
    FileContent,
    Generated,
    encrypted,
)


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 64, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 7])
def test_encryption_pads_to_32_and_can_be_undone(size: int) -> None:
    plain, key = bytes(index % 251 for index in range(size)), bytes(range(32))
    secret = b"".join(encrypted(BytesContent(plain), key))
    assert len(secret) == size + 32 - size % 32
    opened = AES.new(key, AES.MODE_CBC, iv=key[:16]).decrypt(secret)
    assert opened == plain + bytes([32 - size % 32]) * (32 - size % 32)


def test_generated_content_is_always_the_same_and_never_whole_in_memory() -> None:
    content = Generated(3 * BLOCK_BYTES + 5, seed=1)
    assert [len(block) for block in content.blocks()] == [BLOCK_BYTES] * 3 + [5]
    assert content.digest() == Generated(3 * BLOCK_BYTES + 5, seed=1).digest()
    assert content.digest() != Generated(3 * BLOCK_BYTES + 5, seed=2).digest()
    first, second = list(content.blocks())[:2]
    assert first != second


def test_a_file_is_read_in_blocks(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"y" * (BLOCK_BYTES + 1))
    content = FileContent(path)
    assert (content.size, [len(block) for block in content.blocks()]) == (BLOCK_BYTES + 1, [BLOCK_BYTES, 1])


def test_a_name_can_be_written_in_every_way() -> None:
    assert DISPOSITIONS["both"]("报.txt") == "attachment; filename=\"_.txt\"; filename*=UTF-8''%E6%8A%A5.txt"
    assert DISPOSITIONS["star"]("a b") == "attachment; filename*=UTF-8''a%20b"
    assert DISPOSITIONS["quoted"]("a b") == 'attachment; filename="a b"'
    assert DISPOSITIONS["bare"]("100%") == "attachment; filename=100%"
    assert DISPOSITIONS["percent"]("../x") == "attachment; filename=..%2Fx"
    assert DISPOSITIONS["none"]("a") is None
    assert all(DISPOSITIONS["star"](name) for name in HOSTILE_NAMES)
