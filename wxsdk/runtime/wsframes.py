"""RFC 6455 without any socket: bytes in, messages out; and the frames of a client.

A bot's platform sends many small frames, so the parser works on whole blocks as they come from the socket. What is odd
but well framed (masked, binary, reserved bits, a lone continuation) is reported as SKIPPED and never ends anything.
"""

from __future__ import annotations

import os
import struct
from typing import List, Tuple

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA  # opcodes; RFC 6455, 5.2
SKIPPED = -1  # the payload is the reason, in ASCII

Message = Tuple[int, bytes]

_CONTINUATION, _BINARY = 0x0, 0x2
_STOCKED_KEYS = 256
_stock: List[bytes] = []  # mask keys; a list's pop and extend are each one step to other threads
_MAX_CONTROL_PAYLOAD = 125  # bytes; RFC 6455, 5.5


def client_frame(opcode: int, payload: bytes) -> bytes:
    """One whole frame as a client sends it, masked with a fresh key."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    key = _mask_key()
    mask = (key * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "little") ^ int.from_bytes(mask, "little")
    return head + key + masked.to_bytes(size, "little")


def _mask_key() -> bytes:
    """Four unpredictable bytes, taken from a stock.

    Asking the system for each frame's key lets other threads in between, which is what a thread that sends must not do
    when many of them send.
    """
    while True:
        try:
            return _stock.pop()
        except IndexError:  # empty: as many threads as see that fill it
            fresh = os.urandom(4 * _STOCKED_KEYS)
            _stock.extend([fresh[start : start + 4] for start in range(0, len(fresh), 4)])


class FrameParser:
    """Turns blocks of bytes into messages; a message longer than *max_bytes* is skipped without being kept."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest = bytearray()
        self._needed = 0  # bytes that _rest must have before parsing can go on
        self._discard = 0  # bytes of an oversized frame that are still to come
        self._fragments: List[bytes] = []
        self._fragment_bytes = 0
        self._fragment_opcode = 0
        self._fragment_is_bad = b""

    def feed(self, data: bytes) -> List[Message]:
        """The messages that *data* completes, as (opcode, payload) in order."""
        if self._discard:
            dropped = min(self._discard, len(data))
            self._discard -= dropped
            data = data[dropped:]
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        return self._parse(data)

    def _parse(self, data: bytes) -> List[Message]:
        messages: List[Message] = []
        position, end = 0, len(data)
        self._needed = 2
        while end - position >= 2:
            first, second = data[position], data[position + 1]
            length = second & 0x7F
            start = position + 2
            if length == 126:
                start += 2
                length = int.from_bytes(data[position + 2 : start], "big") if start <= end else 0
            elif length == 127:
                start += 8
                length = int.from_bytes(data[position + 2 : start], "big") if start <= end else 0
            if second & 0x80:
                start += 4
            if start <= end and length > self._max_bytes:
                self._discard = max(start + length - end, 0)
                self._finish(first, b"", b"longer than the limit", messages)
                position = min(start + length, end)
                continue
            stop = start + length
            if stop > end:
                self._needed = stop - position
                break
            if first == 0x81 and not second & 0x80 and not self._fragment_opcode:  # a whole text: nearly every frame
                messages.append((TEXT, data[start:stop]))
            else:
                self._finish(first, data[start:stop], b"masked" if second & 0x80 else b"", messages)
            position = stop
        self._rest += data[position:]
        return messages

    def _finish(self, first: int, payload: bytes, flaw: bytes, messages: List[Message]) -> None:
        """One whole frame that is not simply an unmasked text."""
        opcode, final = first & 0x0F, bool(first & 0x80)
        if first & 0x70:
            flaw = flaw or b"reserved bits"
        if opcode >= CLOSE:
            if opcode > PONG or not final or len(payload) > _MAX_CONTROL_PAYLOAD:
                flaw = flaw or b"bad control frame"
            messages.append((SKIPPED, flaw) if flaw else (opcode, payload))
        elif opcode in (TEXT, _BINARY, _CONTINUATION):
            self._fragment(opcode, final, payload, flaw, messages)
        else:
            messages.append((SKIPPED, flaw or b"unknown opcode"))

    def _fragment(self, opcode: int, final: bool, payload: bytes, flaw: bytes, messages: List[Message]) -> None:
        if opcode != _CONTINUATION:
            if self._fragment_opcode:
                messages.append((SKIPPED, b"fragments without an end"))
            self._drop_fragments()
            self._fragment_opcode = opcode
        elif not self._fragment_opcode:
            messages.append((SKIPPED, b"continuation of nothing"))
            return
        self._fragment_is_bad = self._fragment_is_bad or flaw
        self._fragment_bytes += len(payload)
        if self._fragment_bytes > self._max_bytes:
            self._fragment_is_bad = b"longer than the limit"
            self._fragments.clear()
        elif payload and not self._fragment_is_bad:  # empty ones, in millions, would cost memory too
            self._fragments.append(payload)
        if not final:
            return
        if self._fragment_is_bad or self._fragment_opcode != TEXT:
            messages.append((SKIPPED, self._fragment_is_bad or b"binary"))
        else:
            messages.append((TEXT, b"".join(self._fragments)))
        self._drop_fragments()

    def _drop_fragments(self) -> None:
        self._fragments.clear()
        self._fragment_bytes = 0
        self._fragment_opcode = 0
        self._fragment_is_bad = b""
