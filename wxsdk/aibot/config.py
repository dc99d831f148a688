"""The settings of a WSClient. Every unusable value is refused when the options are made, not when they are used."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Callable, Dict, Optional, Tuple
from urllib.parse import urlsplit

from ..core.redact import Secret
from ..core.settings import by_name_after
from ..errors import ConfigError

DEFAULT_WS_URL = "wss://openws.work.weixin.qq.com"  # docs/protocol/aibot, 1
UNLIMITED = -1  # attempts; api
_MAX_SECONDS = 31_536_000  # a year; waits of the operating system overflow somewhere beyond it


@by_name_after("logger")
@dataclass(frozen=True)
class WSClientOptions:
    """The settings of one bot connection; times are seconds, sizes bytes. What stands behind logger is keyword-only.

    Raises ConfigError, naming the setting, for a value of the wrong type, NaN, infinite, out of range or empty.

    bot_id, secret: from the WeCom administration page of the bot. The repr hides the secret.
    reconnect_interval: first delay before a reconnect; each further one doubles (docs/protocol/aibot, 2).
    reconnect_max_delay: where the doubling ends. Every delay is multiplied by a random 0.8 to 1.2.
    max_reconnect_attempts: failed connects before ReconnectExhausted, -1 for no limit (docs/protocol/aibot, 2).
    max_auth_failure_attempts: refused subscribes in a row before AuthFailed, -1 for no limit (docs/protocol/aibot, 2).
    kick_cooldown: time away after another client subscribed this bot; None: for good (docs/protocol/aibot, 2).
    heartbeat_interval: between two pings; two missed answers end the connection (docs/protocol/aibot, 2).
    request_timeout: for a connect, a subscribe, a media download's silence, and the wait of a call for readiness.
    ack_timeout: from writing a frame to its acknowledgement (docs/protocol/aibot, 4).
    chunk_ack_timeout: the same for one chunk of an upload (docs/protocol/aibot, 4).
    ws_url: the gateway, ws:// or wss:// (private deployments have their own).
    scene, plug_version: sent with the subscribe where given (docs/protocol/aibot, 1).
    max_reply_queue_size: frames that wait of a req_id, then ReplyQueueFull (docs/protocol/aibot, 4).
    max_workers: threads that run callbacks. priority_workers: threads kept for enter_chat and card clicks (5 s).
    max_queued_messages: received messages waiting for a worker, then Overloaded (api). As many enter_chat and card
        clicks may wait for theirs.
    max_seen_ids: message ids remembered to drop duplicates (docs/protocol/aibot, 3).
    max_frame_bytes: a longer frame from the gateway is skipped (a guard of ours; a push is a few KB).
    max_download_bytes: a longer media file is refused (api).
    trusted_media_hosts: hosts that a media download may be redirected to although they are private addresses.
    stream_interval: least time between two frames of an open_stream (ours: a few frames a second).
    stream_keepalive, stream_life: most time between two of its frames, and from a message's first to its last; the
        platform's limits, 6 and 10 minutes, are disputed (docs/protocol/aibot, 4).
    outbox: keep pushes of ``client.outbox`` that cannot go now. outbox_max_age: how long each of them may wait.
        outbox_max_count: how many may wait (86,400 s and 1,000, choices of ours).
    single_instance: refuse, with AlreadyRunning, a second client of this bot on this machine (it would kick the first).
    ssl_context: an ssl.SSLContext of yours (a private CA), for the gateway and for media downloads.
    proxy: "http://[user:password@]host:port", a CONNECT proxy; "" for none, None for what the environment says. User
        and password are percent-encoded: "p%40ss" for "p@ss". Without a port it is 80.
    logger: an object with debug, info, warning (or warn) and error; None: the standard logger "wxsdk.aibot".
    """

    bot_id: str
    secret: str
    reconnect_interval: float = 1.0
    max_reconnect_attempts: int = 10
    max_auth_failure_attempts: int = 5
    heartbeat_interval: float = 30.0
    request_timeout: float = 10.0
    ack_timeout: float = 5.0
    ws_url: str = DEFAULT_WS_URL
    scene: Optional[int] = None
    plug_version: Optional[str] = None
    max_reply_queue_size: int = 500
    max_workers: int = 16
    reconnect_max_delay: float = 30.0
    kick_cooldown: Optional[float] = None
    chunk_ack_timeout: float = 30.0
    max_download_bytes: int = 104_857_600
    trusted_media_hosts: Tuple[str, ...] = ()
    ssl_context: Optional[Any] = field(default=None, repr=False)
    proxy: Optional[str] = field(default=None, repr=False)
    logger: Optional[Any] = field(default=None, repr=False)
    priority_workers: int = 4
    max_queued_messages: int = 10_000
    max_seen_ids: int = 10_000
    max_frame_bytes: int = 16_777_216
    stream_interval: float = 0.3
    stream_keepalive: float = 240.0
    stream_life: float = 570.0
    single_instance: bool = True
    outbox: bool = False
    outbox_max_age: float = 86_400.0
    outbox_max_count: int = 1000

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            object.__setattr__(self, each.name, _CHECKS[each.name](each.name, value))


def _refuse(name: str, wanted: str) -> ConfigError:
    # The value itself is not quoted: it may be the secret, or a URL with a password in it.
    return ConfigError(f"WSClientOptions: {name} must be {wanted}.")


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _refuse(name, "a non-empty str")
    try:
        value.encode()
    except UnicodeEncodeError:
        # "from None": the cause would quote the value
        raise _refuse(name, "text without halves of characters (lone surrogates)") from None
    return value


def _secret(name: str, value: Any) -> Secret:
    return Secret(_text(name, value))


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _refuse(name, "a number of seconds")
    if not 0 < value <= _MAX_SECONDS:  # NaN fails this too
        raise _refuse(name, "a finite number of seconds above 0, and at most a year")
    return float(value)


def _count(least: int) -> Callable[[str, Any], int]:
    def check(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise _refuse(name, f"an int of at least {least}")
        return value

    return check


def _attempts(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or (value < 1 and value != UNLIMITED):
        raise _refuse(name, "an int of at least 1, or -1 for no limit")
    return value


def _integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refuse(name, "an int")
    return value


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _refuse(name, "True or False")
    return value


def _hosts(name: str, value: Any) -> Tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, (tuple, list, set, frozenset)):
        raise _refuse(name, "a tuple of host names (a single host is written (host,))")
    return tuple(_text(name, host).lower() for host in value)


def _url(*schemes: str, login: bool = False) -> Callable[[str, Any], str]:
    wanted = " or ".join(f"{scheme}://" for scheme in schemes) + " URL with a host" + " and no user" * (not login)

    def check(name: str, value: Any) -> str:
        url = _text(name, value).strip()
        try:
            parts = urlsplit(url)
            usable = parts.scheme.lower() in schemes and bool(parts.hostname) and parts.port != 0
            if parts.username is not None and not login:  # the handshake would not send it, and a repr would show it
                usable = False
        except ValueError:  # a port that is no number, or an address in broken brackets
            usable = False
        if not usable:
            raise _refuse(name, f"a {wanted}")
        return url

    return check


def _having(*choices: Tuple[str, ...]) -> Callable[[str, Any], Any]:
    """A check for duck types: of each choice, one method must be there."""

    def check(name: str, value: Any) -> Any:
        for choice in choices:
            if not any(callable(getattr(value, method, None)) for method in choice):
                raise _refuse(name, f"an object with a method {' or '.join(choice)}")
        return value

    return check


def _proxy(name: str, value: Any) -> Optional[str]:
    # "" is a wish, too: no proxy, whatever the environment says.
    return value if value is None or value == "" else _url("http", login=True)(name, value)


def _optional(check: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    return lambda name, value: None if value is None else check(name, value)


_CHECKS: Dict[str, Callable[[str, Any], Any]] = {
    "bot_id": _text,
    "secret": _secret,
    "reconnect_interval": _seconds,
    "max_reconnect_attempts": _attempts,
    "max_auth_failure_attempts": _attempts,
    "heartbeat_interval": _seconds,
    "request_timeout": _seconds,
    "ack_timeout": _seconds,
    "ws_url": _url("ws", "wss"),
    "scene": _optional(_integer),
    "plug_version": _optional(_text),
    "max_reply_queue_size": _count(0),
    "max_workers": _count(1),
    "reconnect_max_delay": _seconds,
    "kick_cooldown": _optional(_seconds),
    "chunk_ack_timeout": _seconds,
    "max_download_bytes": _count(1),
    "trusted_media_hosts": _hosts,
    "ssl_context": _optional(_having(("wrap_socket",))),
    "proxy": _proxy,
    "logger": _optional(_having(("debug",), ("info",), ("warning", "warn"), ("error",))),
    "priority_workers": _count(1),
    "max_queued_messages": _count(1),
    "max_seen_ids": _count(1),
    "max_frame_bytes": _count(1024),
    "stream_interval": _seconds,
    "stream_keepalive": _seconds,
    "stream_life": _seconds,
    "single_instance": _flag,
    "outbox": _flag,
    "outbox_max_age": _seconds,
    "outbox_max_count": _count(1),
}
