"""An answer is an object or a typed error; and only what may pass is tried again."""

from __future__ import annotations

import pytest

from wxsdk.errors import ApiError, SendRejected, TokenStale, TransportError
from wxsdk.ilink.errors import UNREADABLE_CODE, code_of, decode_answer, error_for, retry_delay
from wxsdk.ilink.wire import Answer, SendReply


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"', b"null", b"7", b"{", b"\xff"])
def test_what_is_no_object_is_a_transport_error_although_it_came_with_200(body):
    with pytest.raises(TransportError) as caught:
        decode_answer(200, body, endpoint="ilink/bot/x", client_id="c")
    assert caught.value.kind == "http"
    assert caught.value.status == 200
    assert caught.value.client_id == "c"
    assert caught.value.may_have_been_sent


@pytest.mark.parametrize("status", [404, 500, 502, 301])
def test_a_bad_status_is_a_transport_error(status):
    with pytest.raises(TransportError, match=str(status)):
        decode_answer(status, b'{"ret": 0}', endpoint="ilink/bot/x")


def test_a_bad_status_with_a_code_in_it_gives_the_code():
    assert decode_answer(401, b'{"errcode": -14}', endpoint="ilink/bot/x") == {"errcode": -14}


def test_an_empty_body_can_be_success():
    assert decode_answer(200, b" ", endpoint="ilink/bot/x", empty_ok=True) == {}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ({}, 0),
        ({"ret": 0, "errcode": None}, 0),
        ({"ret": "0"}, 0),
        ({"ret": -1}, -1),
        ({"ret": 0, "errcode": -2}, -2),
        ({"ret": -1, "errcode": -14}, -14),
        ({"ret": "-14"}, -14),
        ({"ret": "bad"}, UNREADABLE_CODE),
        ({"ret": ""}, 0),
        ({"ret": [1]}, UNREADABLE_CODE),
    ],
)
def test_both_codes_are_read(raw, code):
    assert code_of(Answer.from_dict(raw)) == code


@pytest.mark.parametrize(
    ("code", "kind"), [(-14, TokenStale), (-2, SendRejected), (-1, ApiError), (-4, ApiError), (7, ApiError)]
)
def test_every_code_is_a_typed_error_with_a_remedy(code, kind):
    error = error_for(SendReply(ret=code, errmsg="prepare failed"), endpoint="ilink/bot/sendmessage", client_id="c")
    assert type(error) is kind
    assert (error.errcode, error.errmsg, error.endpoint, error.client_id) == (
        code,
        "prepare failed",
        "ilink/bot/sendmessage",
        "c",
    )
    assert error.remedy


def test_success_is_no_error():
    assert error_for(SendReply(ret=0, message_id="1"), endpoint="x") is None


def test_an_echoed_secret_is_taken_out():
    reply = SendReply(ret=-2, errmsg='bad "canary-1234567" in context_token=abc123xyz')
    error = error_for(reply, endpoint="x", secrets=["canary-1234567"])
    assert error is not None
    assert "canary" not in str(error)
    assert "abc123xyz" not in str(error)


def test_retries_double_and_end():
    error = TransportError("x", kind="tcp")
    delays = [retry_delay(error, failures, retries=3, base=1.0, unit=0.5) for failures in (1, 2, 3, 4)]
    assert delays == [pytest.approx(1.0), pytest.approx(2.0), pytest.approx(4.0), None]


@pytest.mark.parametrize(
    "error",
    [ApiError(-4), SendRejected(-2), TokenStale(-14), TransportError("x", kind="http", status=403)],
    ids=["-4", "-2", "-14", "403"],
)
def test_what_will_not_pass_is_not_tried_again(error):
    assert retry_delay(error, 1, retries=3, base=1.0, unit=0.5) is None


@pytest.mark.parametrize(
    "error",
    [ApiError(-1), TransportError("x", kind="http", status=502), TransportError("x", kind="timeout")],
    ids=["-1", "502", "timeout"],
)
def test_what_may_pass_is_tried_again(error):
    assert retry_delay(error, 1, retries=1, base=1.0, unit=0.0) == pytest.approx(0.8)
