"""The settings of an iLink client: one frozen value, checked as a whole before anything starts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Tuple
from urllib.parse import urlsplit

from ..core.protocol_level import ILINK_LEVEL
from ..core.redact import Secret
from ..core.settings import (
    MAX_BYTES,
    MAX_THREADS,
    Check,
    by_name_after,
    check_settings,
    count,
    flag,
    header_token,
    hosts,
    matching,
    one_of,
    optional,
    proxy,
    rate,
    refusal,
    seconds,
    server,
)
from ..runtime.account_files import from_environment
from .endpoints import DEFAULT_BOT_AGENT, client_version_number, sanitise_bot_agent
from .markdown import IMAGES

LOGIN_SERVER = "https://ilinkai.weixin.qq.com"  # docs/protocol/ilink, 7
MIN_TEXT_BYTES = 16  # B; below this a code fence cannot be closed and reopened
CDN_CIPHERS = (
    "DEFAULT"  # OpenSSL's; the CDN needs static RSA, which Python's own choice leaves out; docs/protocol/ilink, 5
)
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{1,256}")
_CLIENT_ID_PREFIX = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@by_name_after("quota_policy")
@dataclass(frozen=True)
class WeixinConfig:
    """Settings of a WeixinClient. Bad values raise ConfigError at once; the repr hides the token.

    Durations are seconds, sizes bytes. What stands behind quota_policy below is keyword-only.

    token: the bot token, "" for a client that only logs in.
    base_url, cdn_base_url: where the API and the CDN are (docs/protocol/ilink, 1). However they are spelled, they read
        the same here: small letters, no default port, no slash at the end.
    route_tag: value of the SKRouteTag header, None for none (docs/protocol/ilink, 1).
    bot_agent: what the bot calls itself, "name/version (comment)"; what does not fit that form is dropped.
    channel_version: version of the official client that is spoken like (docs/protocol/ilink, 1).
    long_poll_timeout: how long a poll is expected to be held until the server says otherwise (docs/protocol/ilink, 2).
    poll_grace: how much longer a poll waits; with 0 it loses the race (docs/protocol/ilink, 2).
    api_timeout, light_timeout, qr_status_timeout: whole deadlines of sending calls, of small calls, of one look at
        the state of a QR code (docs/protocol/ilink, 1).
    markdown_filter: take out of sent texts the Markdown that WeChat cannot show (docs/protocol/ilink, 4).
    markdown_images: "text" to send an image in Markdown as its description and address, "drop" to take it out as the
        official client does (docs/protocol/ilink, 4).
    resend_without_context_token: send a text that is refused for its context token once more without one; the result
        is then unconfirmed (some users report that it arrives, others that it is dropped; docs/protocol/ilink, 7).
    preset_message_id: give each message an id made here, which a quote of it then names (reported by two projects, not
        seen live; docs/protocol/ilink, 7).
    login_base_url: where logins begin; None for the platform's own address, or for base_url when that is on this
        machine (docs/protocol/ilink, 7).
    max_workers: threads that run handlers. max_queued_messages: messages that may wait for them.
    max_text_bytes: UTF-8 bytes of one text message, longer ones are split (16 KiB measured; docs/protocol/ilink, 4).
    sends_per_second, send_burst: at most *send_burst* messages in any send_burst / sends_per_second seconds; None for
        no pacing (the platform blocks bursts; docs/protocol/ilink, 4).
    send_retries, send_retry_delay: further tries of a send that failed on the way, and the wait before the first.
    upload_tries: tries of one upload in all (docs/protocol/ilink, 5).
    max_download_bytes: of one media file (100 MB in the official client; docs/protocol/ilink, 5).
    trusted_media_hosts: hosts to which a download may be redirected although they are not public.
    stale_token_pause: pause of polling after -14 (1 h in the official client; docs/protocol/ilink, 2).
    poll_retry_delay, poll_backoff_delay, poll_failures_before_backoff: wait after a failed poll, and after so many in a
        row (2 s, 30 s, 3; docs/protocol/ilink, 2).
    login_hosts: domains that a login may lead to (docs/protocol/ilink, 6).
    quota_policy: "warn" or "refuse" when a send exceeds the quota. quota_limit, quota_window: sends per message of the
        user (about 10, reported by users) and how long after it they may go out (24 h; docs/protocol/ilink, 4).
    dedupe_window, max_seen_ids: how long, and how many, message ids are remembered against duplicates (they come 1–11 s
        later, replayed cursors later still; docs/protocol/ilink, 2).
    max_quotes: messages remembered for quotes that carry only an id (docs/protocol/ilink, 3).
    typing_keepalive: how often a typing() block renews the sign (shown about 5 s; docs/protocol/ilink, 4).
    outbox: keep messages of ``client.outbox`` that cannot go out now. outbox_max_age: how long each of them may wait.
        outbox_max_count: how many may wait (86,400 s and 1,000, choices of wxsdk).
    client_id_prefix: start of the ids that sent messages get.
    single_instance: refuse to run beside another client of the same bot on this machine.
    proxy: "http://[user:password@]host:port", "" for none, None for what the environment says. User and password are
        percent-encoded: "p%40ss" for "p@ss". Without a port it is 80.
    """

    token: str
    base_url: str = "https://ilinkai.weixin.qq.com"
    cdn_base_url: str = "https://novac2c.cdn.weixin.qq.com/c2c"
    route_tag: Optional[str] = None
    bot_agent: str = DEFAULT_BOT_AGENT
    channel_version: str = ILINK_LEVEL
    long_poll_timeout: float = 35.0
    api_timeout: float = 15.0
    markdown_filter: bool = True
    max_workers: int = 16
    max_text_bytes: int = 16384
    sends_per_second: Optional[float] = 2.0
    send_burst: int = 2
    max_download_bytes: int = 104857600
    trusted_media_hosts: Tuple[str, ...] = ()
    stale_token_pause: float = 3600.0
    login_hosts: Tuple[str, ...] = ("weixin.qq.com",)
    max_queued_messages: int = 10000
    quota_policy: str = "warn"
    poll_grace: float = 10.0
    light_timeout: float = 10.0
    qr_status_timeout: float = 35.0
    send_retries: int = 2
    send_retry_delay: float = 1.0
    upload_tries: int = 3
    poll_retry_delay: float = 2.0
    poll_backoff_delay: float = 30.0
    poll_failures_before_backoff: int = 3
    quota_limit: int = 10
    quota_window: float = 86400.0
    dedupe_window: float = 86400.0
    max_seen_ids: int = 10000
    max_quotes: int = 2000
    typing_keepalive: float = 5.0
    client_id_prefix: str = "wxsdk"
    single_instance: bool = True
    proxy: Optional[str] = field(default=None, repr=False)
    outbox: bool = False
    outbox_max_age: float = 86400.0
    outbox_max_count: int = 1000
    markdown_images: str = "text"
    resend_without_context_token: bool = False
    preset_message_id: bool = False
    login_base_url: Optional[str] = None

    def __post_init__(self) -> None:
        check_settings(self, CHECKS)

    @classmethod
    def from_env(cls, account: Optional[str] = None, **settings: Any) -> WeixinConfig:
        """Return the configuration that a saved account and the environment give.

        First come *settings*, by the names above; then the saved account *account*, or that which WXSDK_ACCOUNT names;
        then WXSDK_TOKEN, WXSDK_BASE_URL, WXSDK_CDN_BASE_URL, WXSDK_ROUTE_TAG and WXSDK_BOT_AGENT. Without an account
        and a token, the saved account "default" is used, else the only one for personal WeChat. Raises ConfigError
        when there is none, and for an account that is named and does not exist.
        """
        return cls(**from_environment("ilink", account, settings))


def _bot_agent(_name: str, value: Any) -> str:
    return sanitise_bot_agent(value)


def _channel_version(_name: str, value: Any) -> str:
    client_version_number(value)
    return str(value)


CHECKS: Dict[str, Check] = {
    "token": header_token,
    "base_url": server("https", "http"),
    "cdn_base_url": server("https", "http"),
    "route_tag": optional(matching(_HEADER_VALUE, "printable ASCII, or None")),
    "bot_agent": _bot_agent,
    "channel_version": _channel_version,
    "long_poll_timeout": seconds,
    "api_timeout": seconds,
    "markdown_filter": flag,
    "max_workers": count(1, MAX_THREADS),
    "max_text_bytes": count(MIN_TEXT_BYTES),
    "sends_per_second": optional(rate),
    "send_burst": count(1),
    "max_download_bytes": count(1, MAX_BYTES),
    "trusted_media_hosts": hosts,
    "stale_token_pause": seconds,
    "login_hosts": hosts,
    "max_queued_messages": count(1),
    "quota_policy": one_of("warn", "refuse"),
    "poll_grace": seconds,
    "light_timeout": seconds,
    "qr_status_timeout": seconds,
    "send_retries": count(0),
    "send_retry_delay": seconds,
    "upload_tries": count(1),
    "poll_retry_delay": seconds,
    "poll_backoff_delay": seconds,
    "poll_failures_before_backoff": count(1),
    "quota_limit": count(1),
    "quota_window": seconds,
    "dedupe_window": seconds,
    "max_seen_ids": count(1),
    "max_quotes": count(0),
    "typing_keepalive": seconds,
    "client_id_prefix": matching(_CLIENT_ID_PREFIX, "1 to 64 of A-Za-z0-9_.-"),
    "single_instance": flag,
    "proxy": proxy,
    "outbox": flag,
    "outbox_max_age": seconds,
    "outbox_max_count": count(1),
    "markdown_images": one_of(*IMAGES),
    "resend_without_context_token": flag,
    "preset_message_id": flag,
    "login_base_url": optional(server("https", "http")),
}


def login_server(config: WeixinConfig) -> str:
    """Return where a login begins (docs/protocol/ilink, 7); for a base_url on this machine, a simulator's, there."""
    if config.login_base_url is not None:
        return config.login_base_url
    host = urlsplit(config.base_url).hostname or ""
    return config.base_url if host == "localhost" or host == "::1" or host.startswith("127.") else LOGIN_SERVER


def cdn_ciphers(config: WeixinConfig) -> Dict[str, str]:
    """The OpenSSL cipher string for the host of the CDN, as HttpDoor takes it."""
    return {urlsplit(config.cdn_base_url).netloc: CDN_CIPHERS}


def check_token(token: object) -> Secret:
    """Return *token* as a Secret; ConfigError unless it is text that fits a header and is not empty."""
    checked = header_token("token", token)
    if not checked:
        raise refusal("token", "the text that the login gave")
    return checked
