"""The settings of a WSClient: usable ones are kept, unusable ones are refused at once."""

from __future__ import annotations

import copy
import dataclasses
import logging
import pickle
import ssl
from typing import Any, Optional

import pytest

from wxsdk.aibot.config import DEFAULT_WS_URL, WSClientOptions
from wxsdk.errors import ConfigError


def options(**settings: Any) -> WSClientOptions:
    return WSClientOptions("bot", "s3cr3t-value", **settings)


def test_the_defaults_are_those_of_the_contract() -> None:
    made = options()
    assert (made.bot_id, made.secret, made.ws_url) == ("bot", "s3cr3t-value", DEFAULT_WS_URL)
    assert (made.reconnect_interval, made.max_reconnect_attempts, made.max_auth_failure_attempts) == (1.0, 10, 5)
    assert (made.heartbeat_interval, made.request_timeout, made.ack_timeout) == (30.0, 10.0, 5.0)
    assert (made.max_reply_queue_size, made.max_workers, made.reconnect_max_delay) == (500, 16, 30.0)
    assert (made.kick_cooldown, made.chunk_ack_timeout, made.max_download_bytes) == (None, 30.0, 104857600)
    assert (made.trusted_media_hosts, made.ssl_context, made.proxy, made.logger) == ((), None, None, None)


@pytest.mark.parametrize("proxy", [None, "", "http://proxy:3128"])
def test_a_proxy_may_be_named_forbidden_or_left_to_the_environment(proxy: Optional[str]) -> None:
    assert options(proxy=proxy).proxy == proxy


def test_the_repr_hides_secret_and_proxy() -> None:
    shown = repr(options(proxy="http://me:hunter22@proxy:3128"))
    assert "s3cr3t-value" not in shown
    assert "hunter22" not in shown


def test_options_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        options().bot_id = "other"  # type: ignore[misc]


def test_settings_behind_the_logger_go_by_name() -> None:
    assert WSClientOptions("bot", "secret", 2.5).reconnect_interval == 2.5
    as_listed = [getattr(options(), each.name) for each in dataclasses.fields(WSClientOptions)]
    until_logger = as_listed[: [each.name for each in dataclasses.fields(WSClientOptions)].index("logger") + 1]
    assert WSClientOptions(*until_logger) == options()
    with pytest.raises(TypeError, match="priority_workers and what follows it by name"):
        WSClientOptions(*until_logger, 4)


def test_copies_and_replacements_are_checked_and_equal() -> None:
    made = options(scene=3)
    assert copy.copy(made) == made == pickle.loads(pickle.dumps(made))
    assert dataclasses.replace(made, scene=4).scene == 4
    with pytest.raises(ConfigError):
        dataclasses.replace(made, scene="four")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reconnect_interval", 0),
        ("reconnect_interval", "1"),
        ("reconnect_interval", True),
        ("heartbeat_interval", float("nan")),
        ("heartbeat_interval", float("inf")),
        ("request_timeout", -1),
        ("request_timeout", 10**400),
        ("ack_timeout", None),
        ("chunk_ack_timeout", [1]),
        ("reconnect_max_delay", 0.0),
        ("kick_cooldown", 0),
        ("kick_cooldown", -5.0),
        ("max_reconnect_attempts", 0),
        ("max_reconnect_attempts", -2),
        ("max_reconnect_attempts", 1.5),
        ("max_auth_failure_attempts", True),
        ("max_auth_failure_attempts", "5"),
        ("max_reply_queue_size", -1),
        ("max_workers", 0),
        ("max_workers", 2.0),
        ("priority_workers", 0),
        ("max_queued_messages", 0),
        ("max_seen_ids", 0),
        ("max_frame_bytes", 10),
        ("max_download_bytes", 0),
        ("stream_interval", 0),
        ("stream_keepalive", 0),
        ("stream_life", -1.0),
        ("single_instance", 1),
        ("scene", "1"),
        ("scene", False),
        ("plug_version", 2),
        ("device_id", ""),
        ("device_id", 7),
        ("stream_notices", {"broken": "Sorry."}),
        ("ws_url", "https://example.com"),
        ("ws_url", "openws.work.weixin.qq.com"),
        ("ws_url", "wss://"),
        ("ws_url", "wss://user:password@host"),
        ("ws_url", "wss://host:port"),
        ("ws_url", "wss://[::1"),
        ("ws_url", b"wss://host"),
        ("ws_url", ""),
        ("proxy", "proxy:3128"),
        ("proxy", "socks5://proxy:1080"),
        ("proxy", "https://proxy:3128"),
        ("trusted_media_hosts", "host"),
        ("trusted_media_hosts", ("host", "")),
        ("trusted_media_hosts", None),
        ("ssl_context", True),
        ("logger", "wxsdk"),
    ],
)
def test_an_unusable_setting_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        options(**{name: value})


@pytest.mark.parametrize(("bot_id", "secret"), [("", "s"), ("  ", "s"), (None, "s"), ("b", ""), ("b", None), (7, "s")])
def test_bot_id_and_secret_must_be_there(bot_id: Any, secret: Any) -> None:
    with pytest.raises(ConfigError):
        WSClientOptions(bot_id, secret)


def test_no_error_text_quotes_a_value() -> None:
    with pytest.raises(ConfigError) as caught:
        options(proxy="ftp://me:hunter22@proxy")
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize("attempts", [-1, 1, 10_000])
def test_attempts_may_be_unlimited(attempts: int) -> None:
    made = options(max_reconnect_attempts=attempts, max_auth_failure_attempts=attempts)
    assert made.max_reconnect_attempts == made.max_auth_failure_attempts == attempts


def test_usable_settings_are_normalised() -> None:
    made = options(
        ws_url="ws://127.0.0.1:8080/ws",
        ack_timeout=2,
        trusted_media_hosts=["CDN.example.com"],
        ssl_context=ssl.create_default_context(),
        logger=logging.getLogger("mine"),
        kick_cooldown=60,
    )
    assert made.trusted_media_hosts == ("cdn.example.com",)
    assert isinstance(made.ack_timeout, float)
    assert made.kick_cooldown == 60.0


@pytest.mark.parametrize("name", ["bot_id", "secret", "plug_version"])
def test_half_of_a_character_is_refused_without_being_shown(name: str) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        WSClientOptions(**{"bot_id": "bot", "secret": "s3cr3t-value", name: "abc\ud800"})  # type: ignore[arg-type]
    assert caught.value.__cause__ is None
    assert "abc" not in str(caught.value)
