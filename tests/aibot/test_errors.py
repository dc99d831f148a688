"""Error codes become typed errors with advice."""

from __future__ import annotations

import pathlib
from typing import Type

import pytest

from wxsdk.aibot.errors import CODES, error_for, error_of
from wxsdk.aibot.frames import WsCmd, WsFrame
from wxsdk.errors import ApiError, InvalidReqId, NotSubscribed, RateLimited, StreamExpired

NAMED = (846604, 846605, 846608, 846609, 6000, 40008, 40058, 40007, 86201, 93006, 93019, 853000, 45009, 45033)
NAMED += (600039, 40201, -1)


@pytest.mark.parametrize("code", NAMED)
def test_every_code_of_the_protocol_has_a_remedy(code: int) -> None:
    remedy = CODES[code].remedy
    assert remedy.endswith(".")
    assert error_for(code, "no").remedy == remedy
    assert remedy in str(error_for(code, "no"))


def test_every_code_that_is_named_stands_in_the_docs_with_its_remedy() -> None:
    words = " ".join((pathlib.Path(__file__).parents[2] / "docs" / "errors.rst").read_text("utf-8").split())
    missing = [code for code, known in CODES.items() if f"* - {code} " not in words or known.remedy not in words]
    assert missing == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (846604, StreamExpired),
        (846608, StreamExpired),
        (846605, InvalidReqId),
        (846609, NotSubscribed),
        (45009, RateLimited),
        (45033, RateLimited),
        (40058, ApiError),
        (123456, ApiError),
    ],
)
def test_codes_become_their_error(code: int, kind: Type[ApiError]) -> None:
    made = error_for(code, "words", WsCmd.RESPONSE, "r1")
    assert type(made) is kind
    assert (made.errcode, made.errmsg, made.cmd, made.req_id) == (code, "words", "aibot_respond_msg", "r1")
    assert type(made.cmd) is str


def test_an_unknown_code_has_no_remedy() -> None:
    assert error_for(123456, "no").remedy == ""
    assert 123456 not in CODES


def test_echoed_secrets_do_not_reach_the_error() -> None:
    made = error_for(853000, 'bad secret "canary-value" for {"secret": "other-canary"}', secrets=["canary-value"])
    assert "canary" not in str(made) + repr(made) + made.errmsg


def test_an_answer_without_code_is_no_success() -> None:
    made = error_of(WsFrame({"headers": {"req_id": "r1"}}), "aibot_send_msg")
    assert made is not None
    assert made.errcode == -1
    assert "unknown" in made.remedy


def test_a_code_of_the_platform_is_not_taken_for_a_missing_one() -> None:
    made = error_of(WsFrame({"headers": {"req_id": "r1"}, "errcode": -1, "errmsg": "system error"}), "aibot_send_msg")
    assert made is not None
    assert (made.errcode, made.errmsg) == (-1, "system error")
    assert "busy" in made.remedy


def test_success_is_no_error() -> None:
    assert error_of(WsFrame({"errcode": 0}), "aibot_send_msg") is None
