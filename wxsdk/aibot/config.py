"""Defines the settings of a WSClient. An unusable value is refused when the options are made, not later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Tuple

from ..core.settings import (
    MAX_BYTES,
    MAX_THREADS,
    Check,
    attempts,
    by_name_after,
    check_settings,
    count,
    flag,
    having,
    hosts,
    optional,
    proxy,
    refusal,
    seconds,
    secret,
    server,
    text,
    whole_number,
)
from ..runtime.account_files import from_environment
from .stream_notices import StreamNotices

DEFAULT_WS_URL = "wss://openws.work.weixin.qq.com"  # docs/protocol/aibot, 1
MIN_FRAME_BYTES = 1024  # B; acknowledgements and pings need some hundred


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
    device_id: the same; by one report, a name of this installation lets a new connection take over the callbacks of one
        that died without a word (docs/protocol/aibot, 8). Not sent by default, as the vendor's client sends none.
    max_reply_queue_size: frames that wait of a req_id, then ReplyQueueFull (docs/protocol/aibot, 4).
    max_workers: threads that run callbacks. priority_workers: threads kept for enter_chat and card clicks (5 s).
    max_queued_messages: received messages waiting for a worker, then Overloaded (api). As many enter_chat and card
        clicks may wait for theirs.
    max_seen_ids: message ids remembered to drop duplicates (docs/protocol/aibot, 3).
    max_frame_bytes: a longer frame from the gateway is skipped (a choice of wxsdk; a push is a few KB).
    max_download_bytes: a longer media file is refused (api).
    trusted_media_hosts: hosts that a media download may be redirected to although they are private addresses.
    stream_interval: least time between two frames of an open_stream (ours: a few frames a second).
    stream_keepalive, stream_life: most time between two of its frames, and from a message's first to its last; the
        platform's limits, 6 and 10 minutes, are disputed (docs/protocol/aibot, 4).
    stream_notices: the words that a stream itself adds, as when it breaks off (StreamNotices).
    outbox: keep pushes of ``client.outbox`` that cannot go now. outbox_max_age: how long each of them may wait.
        outbox_max_count: how many may wait (86,400 s and 1,000, choices of wxsdk).
    single_instance: refuse, with AlreadyRunning, a second client of this bot on this machine (it would kick the first).
    ssl_context: your ssl.SSLContext (a private CA), for the gateway and for media downloads.
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
    device_id: Optional[str] = None
    stream_notices: StreamNotices = StreamNotices()  # noqa: RUF009  frozen

    def __post_init__(self) -> None:
        check_settings(self, CHECKS)

    @classmethod
    def from_env(cls, account: Optional[str] = None, **settings: Any) -> WSClientOptions:
        """Return the options that a saved account and the environment give.

        First come *settings*, by the names above; then the saved account *account*, or that which WXSDK_ACCOUNT names;
        then WXSDK_BOT_ID, WXSDK_SECRET and WXSDK_WS_URL. Without an account and a secret, the saved account "default"
        is used, else the only one for WeCom. Raises ConfigError when there is none, and for an account that is named
        and does not exist.
        """
        return cls(**from_environment("aibot", account, settings))


def _notices(name: str, value: Any) -> StreamNotices:
    if not isinstance(value, StreamNotices):
        raise refusal(name, "StreamNotices(broken=…, later=…, empty=…, pictures=…)")
    return value


CHECKS: Dict[str, Check] = {
    "bot_id": text,
    "secret": secret,
    "reconnect_interval": seconds,
    "max_reconnect_attempts": attempts,
    "max_auth_failure_attempts": attempts,
    "heartbeat_interval": seconds,
    "request_timeout": seconds,
    "ack_timeout": seconds,
    "ws_url": server("wss", "ws", query=True),
    "scene": optional(whole_number),
    "plug_version": optional(text),
    "max_reply_queue_size": count(0),
    "max_workers": count(1, MAX_THREADS),
    "reconnect_max_delay": seconds,
    "kick_cooldown": optional(seconds),
    "chunk_ack_timeout": seconds,
    "max_download_bytes": count(1, MAX_BYTES),
    "trusted_media_hosts": hosts,
    "ssl_context": optional(having(("wrap_socket",))),
    "proxy": proxy,
    "logger": optional(having(("debug",), ("info",), ("warning", "warn"), ("error",))),
    "priority_workers": count(1, MAX_THREADS),
    "max_queued_messages": count(1),
    "max_seen_ids": count(1),
    "max_frame_bytes": count(MIN_FRAME_BYTES, MAX_BYTES),
    "stream_interval": seconds,
    "stream_keepalive": seconds,
    "stream_life": seconds,
    "single_instance": flag,
    "outbox": flag,
    "outbox_max_age": seconds,
    "outbox_max_count": count(1),
    "device_id": optional(text),
    "stream_notices": _notices,
}
