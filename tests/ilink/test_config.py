"""Good settings are kept, bad ones refused at once, and the token is never shown."""

from __future__ import annotations

import dataclasses
from typing import Optional

import pytest

from wxsdk.core.settings import server_url
from wxsdk.errors import ConfigError
from wxsdk.ilink.config import WeixinConfig, check_token, login_server
from wxsdk.ilink.endpoints import DEFAULT_BOT_AGENT


def test_the_token_alone_is_enough():
    config = WeixinConfig("tok")
    assert config.token == "tok"
    assert config.base_url == "https://ilinkai.weixin.qq.com"
    assert config.cdn_base_url == "https://novac2c.cdn.weixin.qq.com/c2c"
    assert config.bot_agent == DEFAULT_BOT_AGENT
    assert (config.max_text_bytes, config.sends_per_second, config.send_burst) == (16384, 2.0, 2)


def test_an_empty_token_is_for_logging_in():
    assert WeixinConfig("").token == ""
    with pytest.raises(ConfigError):
        check_token("")


def test_no_repr_shows_the_token_or_the_proxy():
    config = WeixinConfig("canary-token", proxy="http://user:canary-pass@proxy:8080")
    assert "canary" not in repr(config)
    assert config.proxy == "http://user:canary-pass@proxy:8080"


def test_it_is_frozen_and_can_be_replaced():
    config = WeixinConfig("tok")
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.token = "x"  # type: ignore[misc]
    assert dataclasses.replace(config, api_timeout=3).api_timeout == 3


def test_hosts_may_be_any_collection():
    assert WeixinConfig("t", trusted_media_hosts=["CDN.example.com", "[::1]"]).trusted_media_hosts == (
        "cdn.example.com",
        "[::1]",
    )


def test_an_odd_bot_agent_is_no_error():
    assert WeixinConfig("t", bot_agent="§§").bot_agent == DEFAULT_BOT_AGENT


@pytest.mark.parametrize(
    ("spelling", "plain"),
    [
        ("https://ilink.example", "https://ilink.example"),
        ("HTTPS://iLink.Example/", "https://ilink.example"),
        ("https://ilink.example:443//", "https://ilink.example"),
        ("https://ilink.example:", "https://ilink.example"),
        ("http://ilink.example:080/", "http://ilink.example"),
        ("http://ilink.example:443", "http://ilink.example:443"),
        ("https://ilink.example:8443/Path/", "https://ilink.example:8443/Path"),
        ("http://[FE80::1]:80/a//b/", "http://[fe80::1]/a//b"),
    ],
)
def test_a_server_reads_the_same_however_it_is_spelled(spelling, plain):
    config = WeixinConfig("t", base_url=spelling, cdn_base_url=spelling)
    assert (config.base_url, config.cdn_base_url) == (plain, plain)
    assert server_url("base_url", plain) == plain


BAD = [
    *({"token": value} for value in (None, 5, b"x", "a b", "a\nb", "a\r", "中", "\x00", "x" * 9000)),
    *(
        {name: value}
        for name in ("base_url", "cdn_base_url")
        for value in (
            "",
            "x",
            "ftp://h",
            "file:///etc",
            "http://",
            "http://h:0",
            "http://h:99999",
            "http://h:x",
            "http://a b",
            "http://h?q=1",
            "http://h#f",
            "http://u:p@h",
            "https://h\n",
            "https://h\\x",
            "//h",
            "http://-h",
            None,
            5,
            b"http://h",
        )
    ),
    *(
        {name: value}
        for name in ("long_poll_timeout", "api_timeout", "stale_token_pause", "poll_retry_delay", "typing_keepalive")
        for value in (0, -1, float("nan"), float("inf"), True, "5", None, 10**400, 1e12)
    ),
    *({"sends_per_second": value} for value in (0, -1.0, float("nan"), False, "2")),
    *(
        {name: value}
        for name in ("max_workers", "max_text_bytes", "send_burst", "max_download_bytes", "max_queued_messages")
        for value in (0, -1, 1.0, True, "1", None, float("inf"), 10**30)
    ),
    *({"quota_policy": value} for value in ("", "Warn", None, 1, [])),
    *({"markdown_filter": value} for value in (1, "yes", None)),
    *({"route_tag": value} for value in ("", "a\nb", "中", 5)),
    *({"channel_version": value} for value in ("", "x", 2, None)),
    *({"login_hosts": value} for value in ("weixin.qq.com", ("https://x",), ("a/b",), (None,), 5, ("",))),
    {"client_id_prefix": "a b"},
    {"client_id_prefix": ""},
    {"proxy": "socks5://h:1"},
    {"proxy": "h:1"},
    {"proxy": 5},
    {"proxy": 0},
]


@pytest.mark.parametrize("bad", BAD, ids=[str(bad)[:60] for bad in BAD])
def test_a_bad_setting_is_refused(bad):
    with pytest.raises(ConfigError) as caught:
        WeixinConfig(**{"token": "t", **bad})
    (name,) = bad
    assert name in str(caught.value)


def test_an_unknown_setting_is_refused():
    with pytest.raises(TypeError):
        WeixinConfig("t", nonsense=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("base_url", "login_base_url", "begins_at"),
    [
        ("https://ilinkai.weixin.qq.com", None, "https://ilinkai.weixin.qq.com"),
        ("https://another.idc.example", None, "https://ilinkai.weixin.qq.com"),
        ("http://127.0.0.1:8000", None, "http://127.0.0.1:8000"),
        ("http://localhost:8000/x", None, "http://localhost:8000/x"),
        ("http://[::1]:8000", None, "http://[::1]:8000"),
        ("http://127.0.0.1:8000", "https://login.example/", "https://login.example"),
        ("http://10.0.0.1", "http://10.0.0.1", "http://10.0.0.1"),
    ],
)
def test_a_login_begins_at_the_platforms_own_address_but_for_a_simulator(
    base_url: str, login_base_url: Optional[str], begins_at: str
) -> None:
    assert login_server(WeixinConfig(token="", base_url=base_url, login_base_url=login_base_url)) == begins_at
