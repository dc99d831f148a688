"""How a file is uploaded."""

from __future__ import annotations

import base64
from typing import Any, Optional

import pytest

from wxsdk.aibot.errors import error_for
from wxsdk.aibot.inbound import AnswerBody
from wxsdk.aibot.upload_rules import (
    CHUNK_BYTES,
    MIB,
    UploadMediaResult,
    chunk_body,
    concurrency_for,
    finish_body,
    plan_upload,
    retry_delay,
    upload_id_of,
)
from wxsdk.errors import AckTimeout, ConfigError, ConnectionLost, LimitExceeded, UploadFailed, WxError

AMR = b"#!AMR\n"


def test_a_file_is_cut_into_chunks_of_half_a_mebibyte() -> None:
    plan = plan_upload("file", "a.bin", 2 * CHUNK_BYTES + 1, b"")
    assert (plan.total_chunks, plan.concurrency) == (3, 3)
    assert [plan.span(index) for index in range(3)] == [
        (0, CHUNK_BYTES),
        (CHUNK_BYTES, 2 * CHUNK_BYTES),
        (2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 1),
    ]
    assert plan.init_body("abc") == {
        "type": "file",
        "filename": "a.bin",
        "total_size": 2 * CHUNK_BYTES + 1,
        "total_chunks": 3,
        "md5": "abc",
    }


@pytest.mark.parametrize(
    ("kind", "size", "head", "becomes"),
    [
        ("image", 10 * MIB, b"", "image"),
        ("image", 10 * MIB + 1, b"", "file"),
        ("video", 10 * MIB, b"", "video"),
        ("video", 10 * MIB + 1, b"", "file"),
        ("voice", 2 * MIB, AMR, "voice"),
        ("voice", 2 * MIB + 1, AMR, "file"),
        ("voice", 100, b"ID3", "file"),
        ("voice", 3, b"#!A", "file"),
        ("file", 20 * MIB, b"", "file"),
    ],
)
def test_what_does_not_fit_its_type_goes_as_a_file_and_says_so(kind: str, size: int, head: bytes, becomes: str) -> None:
    plan = plan_upload(kind, "name", size, head)
    assert (plan.type, plan.downgraded) == (becomes, becomes != kind)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="empty"):
        plan_upload("file", "a", 0, b"")


def test_over_twenty_megabytes_is_too_much() -> None:
    with pytest.raises(LimitExceeded) as caught:
        plan_upload("file", "a", 20 * MIB + 1, b"")
    assert (caught.value.limit, caught.value.actual) == (20 * MIB, 20 * MIB + 1)
    assert "link" in caught.value.remedy


@pytest.mark.parametrize(("kind", "name"), [("gif", "a"), (None, "a"), ("file", ""), ("file", None)])
def test_odd_arguments_are_refused(kind: Any, name: Any) -> None:
    with pytest.raises(ConfigError):
        plan_upload(kind, name, 5, b"")


def test_the_file_name_is_a_base_name() -> None:
    assert plan_upload("file", "/tmp/报告.pdf", 5, b"").filename == "报告.pdf"


@pytest.mark.parametrize(("chunks", "most"), [(1, 1), (4, 4), (5, 3), (10, 3), (11, 2), (40, 2)])
def test_so_many_are_in_flight(chunks: int, most: int) -> None:
    assert concurrency_for(chunks) == most


def test_chunks_count_from_zero() -> None:
    body = chunk_body("u", 0, b"data")
    assert body == {"upload_id": "u", "chunk_index": 0, "base64_data": base64.b64encode(b"data").decode()}
    assert finish_body("u") == {"upload_id": "u"}


@pytest.mark.parametrize(
    ("error", "tries", "delay"),
    [
        (AckTimeout("x"), 1, 0.5),
        (AckTimeout("x"), 2, 1.0),
        (AckTimeout("x"), 3, None),
        (error_for(45009, ""), 1, 0.5),
        (error_for(-1, "system error"), 2, 1.0),
        (error_for(40058, ""), 1, None),
        (error_for(846609, ""), 1, None),
        (ConnectionLost("x"), 1, None),
    ],
)
def test_a_failed_chunk_goes_again_twice_where_that_can_help(
    error: WxError, tries: int, delay: Optional[float]
) -> None:
    assert retry_delay(error, tries) == delay


def test_the_last_answer_is_the_result() -> None:
    plan = plan_upload("image", "a.png", 11 * MIB, b"")
    body = AnswerBody.from_dict({"type": "file", "media_id": "m", "created_at": 1380000000})
    assert plan.result(body) == UploadMediaResult("file", "m", 1380000000, downgraded=True)
    body = AnswerBody.from_dict({"type": "file", "media_id": "m", "created_at": "1380000000"})
    assert plan.result(body).created_at == "1380000000"
    assert upload_id_of(AnswerBody(upload_id="u")) == "u"


@pytest.mark.parametrize("body", [None, AnswerBody(), AnswerBody(media_id="", upload_id="")])
def test_answers_without_ids_are_failures(body: Optional[AnswerBody]) -> None:
    with pytest.raises(UploadFailed):
        plan_upload("file", "a", 5, b"").result(body)
    with pytest.raises(UploadFailed):
        upload_id_of(body)
