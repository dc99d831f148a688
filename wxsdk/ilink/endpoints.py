"""What goes out: paths, headers and bodies of every iLink request (docs/protocol/ilink, 1)."""

from __future__ import annotations

import base64
import re
from typing import Any, Dict, List, NamedTuple, Optional, Sequence
from urllib.parse import urlencode

from .._version import __version__
from ..core.redact import Secret
from ..errors import ConfigError
from .jsontext import check_whole_characters

APP_ID = "bot"  # iLink-App-Id; docs/protocol/ilink, 1
DEFAULT_BOT_AGENT = f"wxsdk/{__version__}"
MAX_BOT_AGENT_BYTES = 256  # docs/protocol/ilink, 1
MAX_LOCAL_TOKENS = 10  # newest tokens sent with the request for a QR code; docs/protocol/ilink, 1
BOT_TYPE = "3"  # bot_type of get_bot_qrcode; docs/protocol/ilink, 1
MAX_VERSION_PART = 255  # one byte each; docs/protocol/ilink, 1


class Endpoint(NamedTuple):
    """A call of the API. *setting* names the WeixinConfig field that holds its whole deadline in seconds."""

    method: str
    path: str
    setting: str


GET_UPDATES = Endpoint("POST", "ilink/bot/getupdates", "long_poll_timeout")
SEND_MESSAGE = Endpoint("POST", "ilink/bot/sendmessage", "api_timeout")
GET_UPLOAD_URL = Endpoint("POST", "ilink/bot/getuploadurl", "api_timeout")
GET_CONFIG = Endpoint("POST", "ilink/bot/getconfig", "light_timeout")
SEND_TYPING = Endpoint("POST", "ilink/bot/sendtyping", "light_timeout")
NOTIFY_START = Endpoint("POST", "ilink/bot/msg/notifystart", "light_timeout")
NOTIFY_STOP = Endpoint("POST", "ilink/bot/msg/notifystop", "light_timeout")
GET_QR_CODE = Endpoint("POST", "ilink/bot/get_bot_qrcode", "api_timeout")
GET_QR_STATUS = Endpoint("GET", "ilink/bot/get_qrcode_status", "qr_status_timeout")

_VERSION = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){0,2}")
_PRODUCT = re.compile(r"[A-Za-z0-9_.-]{1,32}/[A-Za-z0-9_.+-]{1,32}")
_COMMENT = re.compile(r"[\x20-\x27\x2a-\x7e]{1,64}")
_AGENT_TOKEN = re.compile(r"\([^)]*\)|\S+")  # a comment may hold spaces
_MAX_RAW_AGENT = 4096  # characters looked at


def client_version_number(version: str) -> int:
    """``major<<16 | minor<<8 | patch`` of *version*, "2.4.9" giving 132105. ConfigError when it is no such version."""
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise ConfigError("channel_version is not a version.", remedy='Give it as "major.minor.patch".')
    parts = [int(part) for part in version.split(".")] + [0, 0]
    if max(parts) > MAX_VERSION_PART:
        raise ConfigError("A part of channel_version is above 255.", remedy='Give it as "major.minor.patch".')
    return parts[0] << 16 | parts[1] << 8 | parts[2]


def sanitise_bot_agent(raw: object) -> str:
    """*raw* without what the grammar of bot_agent does not allow; the default when nothing is left. Never an error."""
    if not isinstance(raw, str):
        return DEFAULT_BOT_AGENT
    products: List[str] = []
    commentable = False
    for token in _AGENT_TOKEN.findall(" ".join(raw[:_MAX_RAW_AGENT].split())):
        if token.startswith("(") and token.endswith(")"):
            if commentable and _COMMENT.fullmatch(token[1:-1]):
                products[-1] += f" {token}"
            commentable = False
        else:
            commentable = _PRODUCT.fullmatch(token) is not None
            if commentable:
                products.append(token)
    while len(" ".join(products)) > MAX_BOT_AGENT_BYTES:  # all ASCII by now, so characters are bytes
        products.pop()
    return " ".join(products) or DEFAULT_BOT_AGENT


def request_headers(
    *, channel_version: str, route_tag: Optional[str], post: bool, token: Optional[str] = None, uint32: int = 0
) -> Dict[str, str]:
    """The headers of one request. uint32: a fresh random number, used by POST. token: none on the QR calls."""
    headers = {"iLink-App-Id": APP_ID, "iLink-App-ClientVersion": str(client_version_number(channel_version))}
    if route_tag:
        headers["SKRouteTag"] = route_tag
    if post:
        headers["Content-Type"] = "application/json"
        headers["AuthorizationType"] = "ilink_bot_token"
        headers["X-WECHAT-UIN"] = base64.b64encode(str(uint32).encode()).decode()
        if token:
            headers["Authorization"] = Secret(f"Bearer {token!s}")
    return headers


def endpoint_url(base_url: str, endpoint: Endpoint, **query: Optional[str]) -> str:
    """The address of *endpoint* under *base_url*; query parameters that are None are left out.

    ConfigError for a parameter with half of a character.
    """
    given = {name: value for name, value in query.items() if value is not None}
    for name, value in given.items():
        check_whole_characters(value, name)
    url = f"{base_url.rstrip('/')}/{endpoint.path}"
    return Secret(f"{url}?{urlencode(given)}") if given else url


def base_info(channel_version: str, bot_agent: str) -> Dict[str, str]:
    """base_info of every POST but the one for a QR code. *bot_agent* is already sanitised."""
    return {"channel_version": channel_version, "bot_agent": bot_agent}


def updates_body(cursor: str) -> Dict[str, Any]:
    """*cursor*: the newest get_updates_buf, "" at first."""
    return {"get_updates_buf": cursor}


def send_body(msg: Dict[str, Any]) -> Dict[str, Any]:
    return {"msg": msg}


def config_body(user_id: str, context_token: Optional[str]) -> Dict[str, Any]:
    body = {"ilink_user_id": user_id}
    if context_token:
        body["context_token"] = context_token
    return body


def typing_body(user_id: str, typing_ticket: str, status: int) -> Dict[str, Any]:
    return {"ilink_user_id": user_id, "typing_ticket": typing_ticket, "status": int(status)}


def qr_code_body(local_tokens: Sequence[str] = ()) -> Dict[str, Any]:
    """*local_tokens*: known bot tokens, newest first; ten are sent."""
    return {"local_token_list": [Secret(token) for token in local_tokens if token][:MAX_LOCAL_TOKENS]}


def new_client_id(prefix: str, now_ms: int, random_hex: str) -> str:
    """``<prefix>:<ms>-<8 hex>`` (docs/protocol/ilink, 4). *random_hex*: 8 random hex characters."""
    return f"{prefix}:{now_ms}-{random_hex}"
