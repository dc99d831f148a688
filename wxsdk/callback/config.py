"""Holds the settings of a CallbackClient and refuses unusable ones when they are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Tuple

from ..aibot.stream_notices import StreamNotices
from ..core import settings
from ..core.redact import Secret
from ..core.settings import Check, by_name_after

PLATFORM_WAITS = 5.0  # seconds for an answer; docs/protocol/callback, 1
KEY_CHARACTERS = 43  # of an EncodingAESKey: base64 of 32 bytes without padding; docs/protocol/aibot, 7


@by_name_after("receive_id")
@dataclass(frozen=True)
class CallbackOptions:
    """The settings of a bot in callback mode; times are seconds, sizes bytes. Those after receive_id are keyword-only.

    Raises ConfigError, naming the setting and quoting no value, for one of the wrong type, out of range or empty.

    bot_id: the bot's id, as its messages carry it (aibotid).
    token, encoding_aes_key: from the bot's page in the administration; the key has 43 characters. The repr hides both.
    receive_id: "" for AI bots (docs/protocol/callback); a corp id here makes every message fail to decrypt.
    answer_timeout: a request is answered within it, whatever the handler does; the platform waits 5 s
        (docs/protocol/callback, 1).
    stream_after: how long a message's answer may take before a stream is opened for it (ours: what an eye follows).
    stream_life: from a message to the end of its stream; the platform asks for 6 minutes (docs/protocol/callback, 3),
        and half a minute is left for the last refresh.
    collect_timeout: how long the end of a stream waits to be asked for before it goes to the response_url.
    max_body_bytes: a longer request is refused with 413 (docs/protocol/callback, 1).
    max_request_age: a request signed longer ago, or that much ahead, is refused, since a replay of a message that is
        forgotten would be handled again (ours). Messages are remembered twice as long.
    flush_interval: how often the snapshot of a growing stream goes to the store, for other workers (ours).
    request_timeout: for a POST to a response_url, and the silence of a media download.
    max_download_bytes, trusted_media_hosts, ssl_context, proxy: as in WSClientOptions.
    stream_notices: the words that a bubble adds where the answer alone would mislead.
    """

    bot_id: str
    token: str
    encoding_aes_key: str
    receive_id: str = ""
    answer_timeout: float = 4.0
    stream_after: float = 1.0
    stream_life: float = 330.0
    collect_timeout: float = 30.0
    max_body_bytes: int = 1_048_576
    max_request_age: float = 3600.0
    flush_interval: float = 0.3
    request_timeout: float = 10.0
    max_download_bytes: int = 104_857_600
    trusted_media_hosts: Tuple[str, ...] = ()
    ssl_context: Optional[Any] = field(default=None, repr=False)
    proxy: Optional[str] = field(default=None, repr=False)
    stream_notices: StreamNotices = field(default_factory=StreamNotices)

    def __post_init__(self) -> None:
        settings.check_settings(self, _CHECKS)
        if self.stream_after > self.answer_timeout:
            raise settings.refusal("stream_after", "at most answer_timeout")


def _key(name: str, value: Any) -> Secret:
    if not isinstance(value, str) or len(value.strip().rstrip("=")) != KEY_CHARACTERS:
        raise settings.refusal(name, f"the {KEY_CHARACTERS} characters of the bot's page")
    return settings.secret(name, value.strip())


def _receive_id(name: str, value: Any) -> str:
    return "" if value == "" else settings.text(name, value)


def _answer_timeout(name: str, value: Any) -> float:
    if settings.seconds(name, value) >= PLATFORM_WAITS:
        raise settings.refusal(name, f"less than {PLATFORM_WAITS:g} seconds, after which the platform calls again")
    return float(value)


def _notices(name: str, value: Any) -> StreamNotices:
    if not isinstance(value, StreamNotices):
        raise settings.refusal(name, "StreamNotices")
    return value


_CHECKS: Dict[str, Check] = {
    "bot_id": settings.text,
    "token": settings.secret,
    "encoding_aes_key": _key,
    "receive_id": _receive_id,
    "answer_timeout": _answer_timeout,
    "stream_after": settings.seconds_or_zero,
    "stream_life": settings.seconds,
    "collect_timeout": settings.seconds,
    "max_body_bytes": settings.count(1, settings.MAX_BYTES),
    "max_request_age": settings.seconds,
    "flush_interval": settings.seconds,
    "request_timeout": settings.seconds,
    "max_download_bytes": settings.count(1, settings.MAX_BYTES),
    "trusted_media_hosts": settings.hosts,
    "ssl_context": settings.optional(settings.having(("wrap_socket",))),
    "proxy": settings.proxy,
    "stream_notices": _notices,
}
