"""The settings of an iLink client: one frozen value, checked as a whole before anything starts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Optional, Tuple
from urllib.parse import urlsplit

from ..core.protocol_level import ILINK_LEVEL
from ..core.redact import Secret
from ..core.settings import by_name_after
from ..errors import ConfigError
from .endpoints import DEFAULT_BOT_AGENT, client_version_number, sanitise_bot_agent

MAX_SECONDS = 366 * 86400.0  # s; a longer duration is a slip, and threads cannot wait for arbitrary ones
MAX_THREADS = 10_000  # a process cannot hold many more
MAX_COUNT = 10_000_000  # of ids, messages, tries; more would be kept in gigabytes
MAX_BYTES = 1 << 50  # B; a pebibyte, above any file
MIN_TEXT_BYTES = 16  # B; below this a code fence cannot be closed and reopened
MAX_TOKEN_CHARS = 8192  # a header line longer than this is refused by common servers
CDN_CIPHERS = (
    "DEFAULT"  # OpenSSL's; the CDN needs static RSA, which Python's own choice leaves out; docs/protocol/ilink, 5
)
DEFAULT_PORTS = {"https": 443, "http": 80}
_TOKEN = re.compile(r"[\x21-\x7e]*")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{1,256}")
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*|\[[0-9A-Fa-f:.]+\]")
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
        outbox_max_count: how many may wait (86,400 s and 1,000, choices of ours).
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

    def __post_init__(self) -> None:
        self._set("token", _token(self.token))
        for name in ("base_url", "cdn_base_url"):
            self._set(name, server_url(name, getattr(self, name)))
        if self.route_tag is not None and not _matches(_HEADER_VALUE, self.route_tag):
            raise _bad("route_tag", "printable ASCII, or None")
        self._set("bot_agent", sanitise_bot_agent(self.bot_agent))
        client_version_number(self.channel_version)
        for name in _SECONDS:
            _check_number(name, getattr(self, name), 0.0, MAX_SECONDS)
        for name, (low, high) in _COUNTS.items():
            _check_count(name, getattr(self, name), low, high)
        if self.sends_per_second is not None:
            _check_number("sends_per_second", self.sends_per_second, 0.0, float(MAX_COUNT))
        for name in ("markdown_filter", "single_instance", "outbox"):
            if not isinstance(getattr(self, name), bool):
                raise _bad(name, "True or False")
        for name in ("trusted_media_hosts", "login_hosts"):
            self._set(name, _hosts(name, getattr(self, name)))
        if self.quota_policy not in ("warn", "refuse"):
            raise _bad("quota_policy", '"warn" or "refuse"')
        if not _matches(_CLIENT_ID_PREFIX, self.client_id_prefix):
            raise _bad("client_id_prefix", "1–64 of A-Za-z0-9_.-")
        if self.proxy is not None and self.proxy != "":
            check_url("proxy", self.proxy, schemes=("http",), login=True)
            self._set("proxy", Secret(self.proxy))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


_SECONDS = (
    "long_poll_timeout",
    "poll_grace",
    "api_timeout",
    "light_timeout",
    "qr_status_timeout",
    "stale_token_pause",
    "send_retry_delay",
    "poll_retry_delay",
    "poll_backoff_delay",
    "quota_window",
    "dedupe_window",
    "typing_keepalive",
    "outbox_max_age",
)
_COUNTS = {  # the least and the most that make sense
    "max_workers": (1, MAX_THREADS),
    "max_queued_messages": (1, MAX_COUNT),
    "max_text_bytes": (MIN_TEXT_BYTES, MAX_COUNT),
    "send_burst": (1, MAX_COUNT),
    "send_retries": (0, MAX_COUNT),
    "upload_tries": (1, MAX_COUNT),
    "max_download_bytes": (1, MAX_BYTES),
    "poll_failures_before_backoff": (1, MAX_COUNT),
    "quota_limit": (1, MAX_COUNT),
    "max_seen_ids": (1, MAX_COUNT),
    "max_quotes": (0, MAX_COUNT),
    "outbox_max_count": (1, MAX_COUNT),
}


def cdn_ciphers(config: WeixinConfig) -> Dict[str, str]:
    """The OpenSSL cipher string for the host of the CDN, as HttpDoor takes it."""
    return {urlsplit(config.cdn_base_url).netloc: CDN_CIPHERS}


def check_token(token: object) -> Secret:
    """*token* as a Secret; ConfigError unless it is text that fits a header and is not empty."""
    checked = _token(token)
    if not checked:
        raise _bad("token", "the text that the login gave")
    return checked


def check_url(name: str, url: object, *, schemes: Tuple[str, ...] = ("https", "http"), login: bool = False) -> None:
    """ConfigError unless *url* is scheme://host[:port][/path] and nothing else. login: user:password@ is allowed."""
    wanted = f"{' or '.join(f'{scheme}://host' for scheme in schemes)}, with port and path if need be"
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise _bad(name, wanted)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise _bad(name, wanted) from exc
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    extras = parts.query or parts.fragment or "?" in url or "#" in url or (parts.username is not None and not login)
    if parts.scheme not in schemes or not _HOST.fullmatch(host) or port == 0 or extras:
        raise _bad(name, wanted)


def server_url(name: str, url: object) -> str:
    """*url* as every other spelling of the same server is written, too; ConfigError as ``check_url`` raises it.

    Scheme and host in small letters, no port that goes without saying, no slash at the end.
    """
    check_url(name, url)
    parts = urlsplit(str(url))
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


def _bad(name: str, wanted: str) -> ConfigError:
    # The value stays out of the text: it may be a secret in the wrong place.
    return ConfigError(f"{name} is not usable.", remedy=f"Give {wanted}.")


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _token(token: object) -> Secret:
    if not isinstance(token, str) or len(token) > MAX_TOKEN_CHARS or not _TOKEN.fullmatch(token):
        raise _bad("token", "printable ASCII text without spaces")
    return Secret(token)


def _check_number(name: str, value: object, above: float, up_to: float) -> None:
    # Comparing refuses NaN and infinity too.
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not above < value <= up_to:
        raise _bad(name, f"a number above {above:g}, up to {up_to:g}")


def _check_count(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _bad(name, f"a whole number from {low} to {high}")


def _hosts(name: str, hosts: Iterable[str]) -> Tuple[str, ...]:
    if isinstance(hosts, (str, bytes)):
        raise _bad(name, 'a tuple of host names such as ("example.com",)')
    try:
        listed = tuple(hosts)
    except TypeError as exc:
        raise _bad(name, "a tuple of host names") from exc
    if not all(_matches(_HOST, host) for host in listed):
        raise _bad(name, "host names without scheme, port and path")
    return tuple(host.lower() for host in listed)
