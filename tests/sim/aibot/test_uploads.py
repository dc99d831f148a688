from __future__ import annotations

import base64
import hashlib
from typing import Any, Dict, List

import pytest

from wxsdk.sim.aibot.errors import Refused
from wxsdk.sim.aibot.uploads import CHUNK_BYTES, MIB, Uploads

BOT = "bot"


def pieces(data: bytes) -> List[bytes]:
    return [data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES)]


def opening(data: bytes, kind: str = "file", **more: Any) -> Dict[str, Any]:
    return {
        "type": kind,
        "filename": "a.bin",
        "total_size": len(data),
        "total_chunks": len(pieces(data)),
        "md5": hashlib.md5(data).hexdigest(),
        **more,
    }


def chunk(upload_id: str, index: int, data: bytes) -> Dict[str, Any]:
    return {"upload_id": upload_id, "chunk_index": index, "base64_data": base64.b64encode(data).decode()}


def test_chunks_in_any_order_and_twice_make_the_file() -> None:
    uploads, data = Uploads(), bytes(range(256)) * 4096 + b"rest"
    upload_id = uploads.init(opening(data), BOT, 0.0)["upload_id"]
    for index in (2, 0, 0, 1):
        uploads.chunk(chunk(upload_id, index, pieces(data)[index]), BOT, 1.0)
    made = uploads.finish({"upload_id": upload_id}, BOT, 2.0)
    assert (made["type"], made["created_at"]) == ("file", "2")
    assert uploads.use(made["media_id"], "file", BOT, 3.0).data == data
    assert uploads.sessions[upload_id].arrived == [2, 0, 0, 1]
    assert uploads.finish({"upload_id": upload_id}, BOT, 3.0) == made


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"type": "text"}, "upload type"),
        ({"filename": ""}, "upload filename"),
        ({"total_size": 0}, "upload size"),
        ({"total_size": 20 * MIB + 1}, "upload size"),
        ({"type": "image", "total_size": 10 * MIB + 1}, "upload size"),
        ({"type": "voice", "total_size": 2 * MIB + 1}, "upload size"),
        ({"total_size": "10"}, "upload total_size"),
        ({"total_chunks": 0}, "upload chunks"),
        ({"total_chunks": 101}, "upload chunks"),
        ({"total_chunks": 2, "total_size": 3 * CHUNK_BYTES}, "upload chunks"),
        ({"md5": "short"}, "upload md5"),
    ],
)
def test_a_bad_opening_is_refused(change: Dict[str, Any], rule: str) -> None:
    with pytest.raises(Refused) as caught:
        Uploads().init({**opening(b"x" * 300), **change}, BOT, 0.0)
    assert (caught.value.errcode, caught.value.violation) == (40058, rule)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"chunk_index": 1}, "chunk index"),
        ({"chunk_index": -1}, "chunk index"),
        ({"chunk_index": True}, "upload chunk_index"),
        ({"base64_data": "no base64!"}, "chunk data"),
        ({"base64_data": 5}, "chunk data"),
        ({"base64_data": ""}, "chunk size"),
        ({"base64_data": base64.b64encode(b"x" * (CHUNK_BYTES + 1)).decode()}, "chunk size"),
    ],
)
def test_a_bad_chunk_is_refused(change: Dict[str, Any], rule: str) -> None:
    uploads = Uploads()
    upload_id = uploads.init(opening(b"x"), BOT, 0.0)["upload_id"]
    with pytest.raises(Refused) as caught:
        uploads.chunk({**chunk(upload_id, 0, b"x"), **change}, BOT, 0.0)
    assert (caught.value.errcode, caught.value.violation) == (40058, rule)


def test_a_session_lives_half_an_hour_and_belongs_to_its_bot() -> None:
    uploads = Uploads()
    upload_id = uploads.init(opening(b"x"), BOT, 0.0)["upload_id"]
    with pytest.raises(Refused, match="upload_id"):
        uploads.chunk(chunk(upload_id, 0, b"x"), "other", 0.0)
    uploads.chunk(chunk(upload_id, 0, b"x"), BOT, 1800.0)
    with pytest.raises(Refused, match="upload_id"):
        uploads.finish({"upload_id": upload_id}, BOT, 1800.1)
    with pytest.raises(Refused, match="upload_id"):
        uploads.finish({"upload_id": ["odd"]}, BOT, 0.0)


def test_a_file_that_is_not_whole_is_refused() -> None:
    uploads, data = Uploads(), b"x" * 600_000
    upload_id = uploads.init(opening(data), BOT, 0.0)["upload_id"]
    uploads.chunk(chunk(upload_id, 1, pieces(data)[1]), BOT, 0.0)
    with pytest.raises(Refused, match="1 chunks are missing"):
        uploads.finish({"upload_id": upload_id}, BOT, 0.0)
    uploads.chunk(chunk(upload_id, 0, b"short"), BOT, 0.0)
    with pytest.raises(Refused, match="total_size said 600000"):
        uploads.finish({"upload_id": upload_id}, BOT, 0.0)
    uploads.chunk(chunk(upload_id, 0, b"y" * CHUNK_BYTES), BOT, 0.0)
    with pytest.raises(Refused, match="md5"):
        uploads.finish({"upload_id": upload_id}, BOT, 0.0)


@pytest.mark.parametrize(
    ("data", "name", "taken"), [(b"#!AMR\n..", "v", True), (b"x", "v.AMR", True), (b"ID3", "v.mp3", False)]
)
def test_a_voice_is_amr(data: bytes, name: str, taken: bool) -> None:
    uploads = Uploads()
    upload_id = uploads.init(opening(data, "voice", filename=name), BOT, 0.0)["upload_id"]
    uploads.chunk(chunk(upload_id, 0, data), BOT, 0.0)
    if taken:
        assert uploads.finish({"upload_id": upload_id}, BOT, 0.0)["type"] == "voice"
    else:
        with pytest.raises(Refused, match="AMR"):
            uploads.finish({"upload_id": upload_id}, BOT, 0.0)


def test_a_media_id_lives_three_days_for_its_bot_and_type() -> None:
    uploads = Uploads()
    upload_id = uploads.init(opening(b"x", "image"), BOT, 0.0)["upload_id"]
    uploads.chunk(chunk(upload_id, 0, b"x"), BOT, 0.0)
    media_id = uploads.finish({"upload_id": upload_id}, BOT, 0.0)["media_id"]
    assert uploads.use(media_id, "image", BOT, 3 * 86400.0).data == b"x"
    for wrong in (
        (media_id, "file", BOT, 0.0),
        (media_id, "image", "other", 0.0),
        ("m", "image", BOT, 0.0),
        (5, "image", BOT, 0.0),
    ):
        with pytest.raises(Refused) as caught:
            uploads.use(*wrong)  # type: ignore[arg-type]
        assert caught.value.errcode == 40007
    with pytest.raises(Refused):
        uploads.use(media_id, "image", BOT, 3 * 86400.1)
