from __future__ import annotations

import pytest

from wxsdk.aibot.inbox_rules import decode_row, encode_row


def test_a_frame_survives_its_row() -> None:
    raw = {"cmd": "aibot_msg_callback", "headers": {"req_id": "r"}, "body": {"text": {"content": "微\x01\ud800"}}}
    assert decode_row(encode_row(raw, 12.5)) == (raw, 12.5)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"at": 1}', '{"at": "x", "frame": {}}', '{"at": 1, "frame": []}'])
def test_what_is_no_row_is_none(text: str) -> None:
    assert decode_row(text) is None
