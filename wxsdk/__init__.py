"""wxsdk: the synchronous SDK for WeChat bots (personal WeChat through iLink, and WeCom AI bots)."""

from __future__ import annotations

from ._version import __version__
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
from .aibot.chunks import UploadMediaResult
from .aibot.client import WSClient
from .aibot.config import WSClientOptions
from .aibot.frames import WsCmd, WsFrame
from .aibot.ids import generate_req_id
from .aibot.inbound import EventType, FeedbackType, InboundBody, MessageType
from .aibot.logger import DefaultLogger
from .aibot.stream import ReplyStream
from .aibot.streams import StreamOutcome
from .errors import (
    AckTimeout,
    AlreadyRunning,
    ApiError,
    AuthFailed,
    ConfigError,
    ConnectionLost,
    DecryptError,
    DownloadFailed,
    InvalidReqId,
    Kicked,
    LimitExceeded,
    LoginError,
    MediaError,
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
from .health import Health, HealthState
from .ilink.api import ILinkApi
from .ilink.client import WeixinClient
from .ilink.config import WeixinConfig
from .ilink.context import MessageContext
from .ilink.handler import MessageHandler, TokenStaleInfo
from .ilink.login import LoginState, LoginStatus
from .ilink.markdown import StreamingMarkdownFilter, filter_markdown
from .ilink.media import MediaInfo
from .ilink.outbound import SendResult
from .ilink.qr import QrLogin, QrLoginSession, StandaloneQrLogin
from .ilink.quota import Quota
from .ilink.quotes import RefMessageInfo
from .ilink.runs import OutboundRun
from .ilink.tokens import ContextTokenStore
from .ilink.wire import CDNMedia, MessageItem, MessageItemType, WeixinMessage
from .outbox import OutboxItem
from .runtime.sqlite_store import SQLiteStore
from .runtime.store import MemoryStore, Store
from .textsplit import split_text

__all__ = [
    "AckTimeout",
    "ActionMenu",
    "AlreadyRunning",
    "ApiError",
    "AuthFailed",
    "Button",
    "CDNMedia",
    "CardAction",
    "CardImage",
    "CardSource",
    "Checkbox",
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
    "Health",
    "HealthState",
    "HorizontalContent",
    "ILinkApi",
    "ImageTextArea",
    "InboundBody",
    "InvalidReqId",
    "Jump",
    "Kicked",
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
    "MessageContext",
    "MessageHandler",
    "MessageItem",
    "MessageItemType",
    "MessageType",
    "NotSubscribed",
    "Option",
    "OutboundRun",
    "OutboxItem",
    "Overloaded",
    "QrLogin",
    "QrLoginSession",
    "Quota",
    "QuoteArea",
    "RateLimited",
    "ReconnectExhausted",
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
