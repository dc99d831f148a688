"""wxsdk: the synchronous SDK for WeChat bots (personal WeChat through iLink, and WeCom AI bots).

A name is imported when it is first asked for, so a program waits for the protocol that it uses only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Dict, List

from ._version import __version__
from .errors import (
    AckTimeout,
    AlreadyRunning,
    ApiError,
    AuthFailed,
    Cancelled,
    ConfigError,
    ConnectionLost,
    DecryptError,
    DownloadFailed,
    InvalidReqId,
    Kicked,
    LeaseLost,
    LimitExceeded,
    LoginError,
    MediaError,
    NoAnswer,
    NotSubscribed,
    Overloaded,
    RateLimited,
    ReconnectExhausted,
    ReplyQueueFull,
    SendRejected,
    StoreError,
    StreamExpired,
    TokenStale,
    TransportError,
    Unsupported,
    UploadFailed,
    WxError,
)

if TYPE_CHECKING:
    from .aibot.bodies import (
        Feedback,
        MarkdownBody,
        MarkdownContent,
        MediaContent,
        ReplyImage,
        ReplyMsgItem,
        StreamBody,
        StreamContent,
        StreamWithTemplateCardBody,
        TemplateCardBody,
        TextBody,
        TextContent,
        VideoOptions,
        WeComMediaType,
    )
    from .aibot.callback_crypto import Encrypted, WecomCrypto
    from .aibot.cards import (
        ActionMenu,
        Button,
        CardAction,
        CardImage,
        CardSource,
        Checkbox,
        EmphasisContent,
        HorizontalContent,
        ImageTextArea,
        Jump,
        MainTitle,
        MenuAction,
        Option,
        QuoteArea,
        Selection,
        SubmitButton,
        TemplateCard,
        TemplateCardType,
        VerticalContent,
    )
    from .aibot.client import WSClient
    from .aibot.config import WSClientOptions
    from .aibot.frames import WsCmd, WsFrame
    from .aibot.ids import generate_req_id
    from .aibot.inbound import EventType, FeedbackType, InboundBody, MessageType
    from .aibot.logger import DefaultLogger
    from .aibot.stream import ReplyStream
    from .aibot.stream_notices import StreamNotices
    from .aibot.stream_rules import StreamOutcome
    from .aibot.upload_rules import UploadMediaResult
    from .bot.adapter import AnswerStream
    from .bot.bot import Bot
    from .bot.facts import Choice
    from .bot.message import Attachment, Message, Quote
    from .callback.client import CallbackClient
    from .callback.config import CallbackOptions
    from .callback.request_rules import CallbackResponse
    from .callback.stream import CallbackStream
    from .core.outbox_rules import OutboxItem
    from .core.textsplit import split_text
    from .fleet.fleet import BotStatus, Fleet, FleetStatus
    from .health import Health, HealthState
    from .ilink.api import ILinkApi
    from .ilink.client import WeixinClient
    from .ilink.config import WeixinConfig
    from .ilink.context import MessageContext
    from .ilink.frames_out import SendResult
    from .ilink.handler import MessageHandler, TokenStaleInfo
    from .ilink.login import QrLogin, QrLoginSession, StandaloneQrLogin
    from .ilink.login_rules import LoginState, LoginStatus
    from .ilink.markdown import StreamingMarkdownFilter, filter_markdown
    from .ilink.media import MediaInfo
    from .ilink.outbound_run import OutboundRun
    from .ilink.pending_login import PendingLogin
    from .ilink.quotes import RefMessageInfo
    from .ilink.send_limits_rules import Quota
    from .ilink.tokens import ContextTokenStore
    from .ilink.wire import CDNMedia, MessageItem, MessageItemType, WeixinMessage
    from .runtime.lease import Lease
    from .runtime.postgres_store import PostgresStore
    from .runtime.redis_store import RedisStore
    from .runtime.sqlite_store import SQLiteStore
    from .runtime.store import MemoryStore, Store

__all__ = [
    "AckTimeout",
    "ActionMenu",
    "AlreadyRunning",
    "AnswerStream",
    "ApiError",
    "Attachment",
    "AuthFailed",
    "Bot",
    "BotStatus",
    "Button",
    "CDNMedia",
    "CallbackClient",
    "CallbackOptions",
    "CallbackResponse",
    "CallbackStream",
    "Cancelled",
    "CardAction",
    "CardImage",
    "CardSource",
    "Checkbox",
    "Choice",
    "ConfigError",
    "ConnectionLost",
    "ContextTokenStore",
    "DecryptError",
    "DefaultLogger",
    "DownloadFailed",
    "EmphasisContent",
    "Encrypted",
    "EventType",
    "Feedback",
    "FeedbackType",
    "Fleet",
    "FleetStatus",
    "Health",
    "HealthState",
    "HorizontalContent",
    "ILinkApi",
    "ImageTextArea",
    "InboundBody",
    "InvalidReqId",
    "Jump",
    "Kicked",
    "Lease",
    "LeaseLost",
    "LimitExceeded",
    "LoginError",
    "LoginState",
    "LoginStatus",
    "MainTitle",
    "MarkdownBody",
    "MarkdownContent",
    "MediaContent",
    "MediaError",
    "MediaInfo",
    "MemoryStore",
    "MenuAction",
    "Message",
    "MessageContext",
    "MessageHandler",
    "MessageItem",
    "MessageItemType",
    "MessageType",
    "NoAnswer",
    "NotSubscribed",
    "Option",
    "OutboundRun",
    "OutboxItem",
    "Overloaded",
    "PendingLogin",
    "PostgresStore",
    "QrLogin",
    "QrLoginSession",
    "Quota",
    "Quote",
    "QuoteArea",
    "RateLimited",
    "ReconnectExhausted",
    "RedisStore",
    "RefMessageInfo",
    "ReplyImage",
    "ReplyMsgItem",
    "ReplyQueueFull",
    "ReplyStream",
    "SQLiteStore",
    "Selection",
    "SendRejected",
    "SendResult",
    "StandaloneQrLogin",
    "Store",
    "StoreError",
    "StreamBody",
    "StreamContent",
    "StreamExpired",
    "StreamNotices",
    "StreamOutcome",
    "StreamWithTemplateCardBody",
    "StreamingMarkdownFilter",
    "SubmitButton",
    "TemplateCard",
    "TemplateCardBody",
    "TemplateCardType",
    "TextBody",
    "TextContent",
    "TokenStale",
    "TokenStaleInfo",
    "TransportError",
    "Unsupported",
    "UploadFailed",
    "UploadMediaResult",
    "VerticalContent",
    "VideoOptions",
    "WSClient",
    "WSClientOptions",
    "WeComMediaType",
    "WecomCrypto",
    "WeixinClient",
    "WeixinConfig",
    "WeixinMessage",
    "WsCmd",
    "WsFrame",
    "WxError",
    "__version__",
    "filter_markdown",
    "generate_req_id",
    "split_text",
]

_NAMES_OF = {  # as they are imported above
    ".aibot.bodies": (
        "Feedback MarkdownBody MarkdownContent MediaContent ReplyImage ReplyMsgItem StreamBody StreamContent "
        "StreamWithTemplateCardBody TemplateCardBody TextBody TextContent VideoOptions WeComMediaType"
    ),
    ".aibot.callback_crypto": "Encrypted WecomCrypto",
    ".aibot.cards": (
        "ActionMenu Button CardAction CardImage CardSource Checkbox EmphasisContent HorizontalContent "
        "ImageTextArea Jump MainTitle MenuAction Option QuoteArea Selection SubmitButton TemplateCard "
        "TemplateCardType VerticalContent"
    ),
    ".aibot.upload_rules": "UploadMediaResult",
    ".aibot.client": "WSClient",
    ".aibot.config": "WSClientOptions",
    ".aibot.frames": "WsCmd WsFrame",
    ".aibot.ids": "generate_req_id",
    ".aibot.inbound": "EventType FeedbackType InboundBody MessageType",
    ".aibot.logger": "DefaultLogger",
    ".aibot.stream": "ReplyStream",
    ".aibot.stream_notices": "StreamNotices",
    ".aibot.stream_rules": "StreamOutcome",
    ".fleet.fleet": "BotStatus Fleet FleetStatus",
    ".health": "Health HealthState",
    ".ilink.api": "ILinkApi",
    ".ilink.client": "WeixinClient",
    ".ilink.config": "WeixinConfig",
    ".ilink.context": "MessageContext",
    ".ilink.handler": "MessageHandler TokenStaleInfo",
    ".ilink.login_rules": "LoginState LoginStatus",
    ".ilink.markdown": "StreamingMarkdownFilter filter_markdown",
    ".ilink.media": "MediaInfo",
    ".ilink.frames_out": "SendResult",
    ".ilink.login": "QrLogin QrLoginSession StandaloneQrLogin",
    ".ilink.pending_login": "PendingLogin",
    ".ilink.send_limits_rules": "Quota",
    ".ilink.quotes": "RefMessageInfo",
    ".ilink.outbound_run": "OutboundRun",
    ".ilink.tokens": "ContextTokenStore",
    ".ilink.wire": "CDNMedia MessageItem MessageItemType WeixinMessage",
    ".bot.adapter": "AnswerStream",
    ".bot.bot": "Bot",
    ".bot.facts": "Choice",
    ".bot.message": "Attachment Message Quote",
    ".callback.client": "CallbackClient",
    ".callback.config": "CallbackOptions",
    ".callback.request_rules": "CallbackResponse",
    ".callback.stream": "CallbackStream",
    ".core.outbox_rules": "OutboxItem",
    ".runtime.lease": "Lease",
    ".runtime.postgres_store": "PostgresStore",
    ".runtime.redis_store": "RedisStore",
    ".runtime.sqlite_store": "SQLiteStore",
    ".runtime.store": "MemoryStore Store",
    ".core.textsplit": "split_text",
}
_PACKAGES = ("accounts", "aibot", "bot", "hooks", "ilink", "runtime", "sim", "testing")
_HOMES: Dict[str, str] = {name: module for module, names in _NAMES_OF.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Import what is asked for the first time; from then on it is a plain attribute."""
    if name in _PACKAGES:
        return import_module(f".{name}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name], __name__), name)
    return value


def __dir__() -> List[str]:
    return sorted({*globals(), *_HOMES})
