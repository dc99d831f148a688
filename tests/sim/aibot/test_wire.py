from __future__ import annotations

import json
from typing import List

import pytest
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage

from wxsdk.sim.aibot import wire


def seen_by_a_client(data: bytes) -> List[Event]:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(data)
    return list(client.events())


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_a_frame_of_any_length_is_understood(size: int) -> None:
    (event,) = seen_by_a_client(wire.frame(b"x" * size))
    assert isinstance(event, TextMessage)
    assert (event.data, event.message_finished) == ("x" * size, True)


def test_a_masked_frame_is_what_a_client_must_not_accept() -> None:
    (event,) = seen_by_a_client(wire.masked({"a": 1}))
    assert isinstance(event, CloseConnection)
    server = Connection(ConnectionType.SERVER)
    server.receive_data(wire.masked({"a": "字"}))
    assert [event.data for event in server.events()] == ['{"a":"字"}']  # type: ignore[attr-defined]


def test_fragments_make_one_message_around_a_ping() -> None:
    events = seen_by_a_client(wire.fragmented("hello fragments", 4))
    assert sum(isinstance(event, Ping) for event in events) == 1
    texts = [event for event in events if isinstance(event, TextMessage)]
    assert "".join(event.data for event in texts) == "hello fragments"
    assert [event.message_finished for event in texts] == [False, False, False, True]


def test_a_close_frame_may_have_no_code() -> None:
    assert [event.code for event in seen_by_a_client(wire.close_frame(1011, "why"))] == [1011]  # type: ignore[attr-defined]
    assert [event.code for event in seen_by_a_client(wire.close_frame(1005))] == [1005]  # type: ignore[attr-defined]


def test_control_characters_stand_raw_in_the_strings() -> None:
    every = "".join(map(chr, range(0x20)))
    value = {"a": [every], "b": 5}
    data = wire.dumps_raw_controls(value)
    assert every.encode() in data
    assert json.loads(data, strict=False) == value
    with pytest.raises(ValueError, match="control character"):
        json.loads(data)


def test_half_a_surrogate_pair_travels_as_an_escape() -> None:
    assert wire.dumps({"a": "\ud83d"}) == b'{"a":"\\ud83d"}'
    assert wire.dumps({"a": "字"}) == '{"a":"字"}'.encode()


def test_every_hostile_sample_can_be_written() -> None:
    samples = wire.hostile_samples()
    assert {"an array", "a string", "null headers", "binary", "bad UTF-8", "a masked frame"} <= set(samples)
    assert all(isinstance(wire.as_wire(item), bytes) for item in samples.values())
    (event,) = seen_by_a_client(wire.as_wire(samples["binary"]))
    assert isinstance(event, BytesMessage)


def test_an_answer_echoes_the_req_id_and_has_no_cmd() -> None:
    assert wire.answer("r") == {"headers": {"req_id": "r"}, "errcode": 0, "errmsg": "ok"}
    assert wire.answer(None, 40058, "bad", {"a": 1}) == {
        "headers": {},
        "errcode": 40058,
        "errmsg": "bad",
        "body": {"a": 1},
    }
