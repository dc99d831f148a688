"""Bytes in, messages out: whatever the chunks, and whatever a server sends."""

from __future__ import annotations

import struct
import threading
import time
import tracemalloc
from typing import List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.runtime.wsframes import CLOSE, PING, PONG, SKIPPED, TEXT, FrameParser, Message, client_frame

LIMIT = 100_000


def frame(opcode: int, payload: bytes = b"", *, final: bool = True, mask: bool = False, reserved: int = 0) -> bytes:
    first = opcode | (0x80 if final else 0) | reserved
    flag = 0x80 if mask else 0
    if len(payload) < 126:
        head = bytes([first, flag | len(payload)])
    elif len(payload) < 65_536:
        head = bytes([first, flag | 126]) + struct.pack("!H", len(payload))
    else:
        head = bytes([first, flag | 127]) + struct.pack("!Q", len(payload))
    if not mask:
        return head + payload
    key = b"\x01\x02\x03\x04"
    return head + key + bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))


def parsed(*blocks: bytes, limit: int = LIMIT) -> list[Message]:
    parser = FrameParser(limit)
    return [message for block in blocks for message in parser.feed(block)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, LIMIT])
def test_texts_of_every_length_form(size: int) -> None:
    payload = b"x" * size
    assert parsed(frame(TEXT, payload)) == [(TEXT, payload)]
    assert parsed(frame(TEXT, payload) * 3) == [(TEXT, payload)] * 3


_frames = st.one_of(
    st.builds(frame, st.just(TEXT), st.binary(max_size=300)),
    st.builds(frame, st.sampled_from([PING, PONG, CLOSE]), st.binary(max_size=125)),
    st.builds(
        frame,
        st.integers(0, 15),
        st.binary(max_size=300),
        final=st.booleans(),
        mask=st.booleans(),
        reserved=st.sampled_from([0, 0x10, 0x40, 0x70]),
    ),
    st.builds(frame, st.just(TEXT), st.binary(min_size=600, max_size=700)),  # past the limit below
)


@given(st.lists(_frames, max_size=12), st.lists(st.integers(0, 4000), max_size=20))
def test_any_chunking_gives_the_same_messages(frames: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(frames)
    places = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    blocks = [whole[start:end] for start, end in zip(places, places[1:])]
    assert parsed(*blocks, limit=500) == parsed(whole, limit=500)
    assert parsed(*(bytes([byte]) for byte in whole), limit=500) == parsed(whole, limit=500)


@given(st.lists(_frames, max_size=8), st.binary(max_size=50))
def test_a_good_text_behind_any_whole_frames_is_delivered(frames: list[bytes], payload: bytes) -> None:
    assert parsed(*frames, frame(TEXT, payload), limit=500)[-1] == (TEXT, payload)


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_garbage_never_raises(blocks: list[bytes]) -> None:
    assert {kind for kind, _ in parsed(*blocks)} <= {TEXT, PING, PONG, CLOSE, SKIPPED}


@given(st.lists(st.binary(max_size=50), min_size=2, max_size=6))
def test_fragments_are_put_together_with_control_frames_between(parts: list[bytes]) -> None:
    frames = [frame(TEXT if not place else 0, part, final=False) for place, part in enumerate(parts[:-1])]
    wire = [each + frame(PING, b"p") for each in frames] + [frame(0, parts[-1])]
    assert parsed(*wire) == [(PING, b"p")] * len(frames) + [(TEXT, b"".join(parts))]


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (frame(TEXT, b"x", mask=True), [(SKIPPED, b"masked")]),
        (frame(TEXT, b"x", reserved=0x40), [(SKIPPED, b"reserved bits")]),
        (frame(2, b"x"), [(SKIPPED, b"binary")]),
        (frame(2, b"x", final=False) + frame(0, b"y"), [(SKIPPED, b"binary")]),
        (frame(0, b"x"), [(SKIPPED, b"continuation of nothing")]),
        (frame(3, b"x"), [(SKIPPED, b"unknown opcode")]),
        (frame(11, b"x"), [(SKIPPED, b"bad control frame")]),
        (frame(PING, b"x" * 126), [(SKIPPED, b"bad control frame")]),
        (frame(PING, b"x", final=False), [(SKIPPED, b"bad control frame")]),
        (frame(TEXT, b"x", final=False) + frame(0, b"y", mask=True), [(SKIPPED, b"masked")]),
        (frame(TEXT, b"x", final=False) + frame(TEXT, b"y"), [(SKIPPED, b"fragments without an end"), (TEXT, b"y")]),
        (frame(TEXT, b"", final=False) + frame(TEXT, b"y"), [(SKIPPED, b"fragments without an end"), (TEXT, b"y")]),
    ],
)
def test_what_is_odd_is_skipped_with_its_reason_and_ends_nothing(wire: bytes, expected: list[Message]) -> None:
    assert parsed(wire + frame(TEXT, b"good")) == [*expected, (TEXT, b"good")]


def test_one_byte_too_many_is_skipped() -> None:
    long, good = frame(TEXT, b"x" * (LIMIT + 1)), frame(TEXT, b"good")
    assert parsed(long + good) == [(SKIPPED, b"longer than the limit"), (TEXT, b"good")]


def test_fragments_that_grow_past_the_limit_are_skipped_too() -> None:
    part = frame(0, b"x" * 40_000, final=False)
    wire = frame(TEXT, b"x" * 40_000, final=False) + part * 5 + frame(0, b"end") + frame(TEXT, b"good")
    assert parsed(wire) == [(SKIPPED, b"longer than the limit"), (TEXT, b"good")]


def test_oversized_and_endless_input_takes_no_memory() -> None:
    parser = FrameParser(LIMIT)
    block = b"x" * 65_536
    empty = frame(0, final=False) * 30_000
    tracemalloc.start()
    try:
        parser.feed(bytes([0x81, 127]) + struct.pack("!Q", 2**62))
        for _ in range(100):
            assert parser.feed(block) == []
        assert tracemalloc.get_traced_memory()[0] < 200_000
        fragments = FrameParser(LIMIT)
        fragments.feed(frame(TEXT, b"x", final=False))
        for _ in range(2):
            assert fragments.feed(empty) == []
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()


def test_a_large_message_in_small_blocks_takes_linear_time() -> None:
    wire = frame(TEXT, b"x" * 8_000_000)
    parser = FrameParser(10_000_000)
    started = time.process_time()
    messages = [message for start in range(0, len(wire), 1000) for message in parser.feed(wire[start : start + 1000])]
    assert time.process_time() - started < 2.0  # quadratic time would be minutes
    assert messages == [(TEXT, b"x" * 8_000_000)]


def test_mask_keys_are_fresh_for_each_frame_and_thread() -> None:
    keys: List[bytes] = []

    def take() -> None:
        keys.extend(client_frame(TEXT, b"")[2:6] for _ in range(1000))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 4000
    assert len(set(keys)) > 3990  # of four random bytes, two are alike now and then


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 700_000])
def test_a_client_frame_is_masked_and_carries_its_payload(size: int) -> None:
    payload = bytes(index % 251 for index in range(size))
    made = client_frame(TEXT, payload)
    assert made[0] == 0x80 | TEXT
    start = 2 + (0 if size < 126 else 2 if size < 65_536 else 8)
    length = made[1] & 0x7F if size < 126 else int.from_bytes(made[2:start], "big")
    assert (made[1] & 0x80, length) == (0x80, size)
    key, masked = made[start : start + 4], made[start + 4 :]
    assert bytes(byte ^ key[index % 4] for index, byte in enumerate(masked)) == payload
