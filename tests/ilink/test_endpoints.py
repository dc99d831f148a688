"""Headers, bodies and addresses are those of docs/protocol/ilink, 1."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.errors import ConfigError
from wxsdk.ilink import endpoints
from wxsdk.ilink.endpoints import (
    DEFAULT_BOT_AGENT,
    GET_QR_STATUS,
    SEND_MESSAGE,
    client_version_number,
    endpoint_url,
    new_client_id,
    request_headers,
    sanitise_bot_agent,
)


@pytest.mark.parametrize(
    ("version", "number"), [("2.4.9", 132105), ("2.1.1", 131329), ("1.0.11", 65547), ("3", 196608)]
)
def test_a_version_is_one_number(version, number):
    assert client_version_number(version) == number


@pytest.mark.parametrize("version", ["", "x", "1.2.3.4", "2.4.256", "2..1", None, 2.4, "2.4.9 "])
def test_what_is_no_version_is_refused(version):
    with pytest.raises(ConfigError):
        client_version_number(version)


def test_a_post_has_all_headers():
    assert request_headers(channel_version="2.4.9", route_tag="r", post=True, token="tok", uint32=4294967295) == {
        "iLink-App-Id": "bot",
        "iLink-App-ClientVersion": "132105",
        "SKRouteTag": "r",
        "Content-Type": "application/json",
        "AuthorizationType": "ilink_bot_token",
        "X-WECHAT-UIN": base64.b64encode(b"4294967295").decode(),
        "Authorization": "Bearer tok",
    }


def test_a_get_has_only_the_common_headers():
    headers = request_headers(channel_version="2.4.9", route_tag=None, post=False, token="tok")
    assert headers == {"iLink-App-Id": "bot", "iLink-App-ClientVersion": "132105"}


def test_without_a_token_there_is_no_authorization():
    assert "Authorization" not in request_headers(channel_version="2.4.9", route_tag=None, post=True)


def test_addresses_join_with_and_without_a_slash():
    assert endpoint_url("http://h:1/x/", SEND_MESSAGE) == "http://h:1/x/ilink/bot/sendmessage"
    url = endpoint_url("http://h", GET_QR_STATUS, qrcode="a b&c", verify_code=None)
    assert url == "http://h/ilink/bot/get_qrcode_status?qrcode=a+b%26c"


def test_ten_newest_local_tokens_are_sent():
    tokens = [str(number) for number in range(12)]
    assert endpoints.qr_code_body(["", *tokens]) == {"local_token_list": tokens[:10]}


def test_bodies_leave_out_what_is_absent():
    assert endpoints.config_body("u", None) == {"ilink_user_id": "u"}
    assert endpoints.config_body("u", "c") == {"ilink_user_id": "u", "context_token": "c"}
    assert endpoints.typing_body("u", "t", 2) == {"ilink_user_id": "u", "typing_ticket": "t", "status": 2}
    assert endpoints.updates_body("") == {"get_updates_buf": ""}


def test_a_client_id_has_prefix_time_and_random_part():
    assert new_client_id("wxsdk", 1700000000000, "00ff00ff") == "wxsdk:1700000000000-00ff00ff"


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("MyBot/1.0", "MyBot/1.0"),
        ("MyBot/1.0 (my host, x) Lib/2+3", "MyBot/1.0 (my host, x) Lib/2+3"),
        ("nonsense MyBot/1.0", "MyBot/1.0"),
        ("A/1 中/2 B/3", "A/1 B/3"),
        ("A/1 () B/2", "A/1 B/2"),
        ("(x) A/1", "A/1"),
        ("A/1 (x) (y)", "A/1 (x)"),
        ("A/1 (open", "A/1"),
        (f"A/1 ({'c' * 65})", "A/1"),
        (f"{'n' * 33}/1", DEFAULT_BOT_AGENT),
        ("A/1\r\nEvil: x", "A/1"),
        ("", DEFAULT_BOT_AGENT),
        (None, DEFAULT_BOT_AGENT),
        (7, DEFAULT_BOT_AGENT),
    ],
)
def test_a_bot_agent_keeps_what_parses(raw, clean):
    assert sanitise_bot_agent(raw) == clean


def test_a_long_bot_agent_loses_products_from_the_end():
    raw = " ".join(f"product{number}/1.0" for number in range(40))
    clean = sanitise_bot_agent(raw)
    assert raw.startswith(clean)
    assert 240 < len(clean) <= 256


@given(st.text(max_size=400))
def test_a_bot_agent_always_fits_the_grammar(raw):
    product = r"[A-Za-z0-9_.-]{1,32}/[A-Za-z0-9_.+-]{1,32}(?: \([\x20-\x27\x2a-\x7e]{1,64}\))?"
    clean = sanitise_bot_agent(raw)
    assert re.fullmatch(f"{product}(?: {product})*", clean)
    assert len(clean) <= 256


def test_a_parameter_with_half_a_character_is_refused_without_showing_the_others() -> None:
    with pytest.raises(ConfigError, match="verify_code") as caught:
        endpoint_url("http://h", GET_QR_STATUS, qrcode="canary", verify_code="\ud800")
    assert "canary" not in repr(caught.value)
