"""Reads and writes accounts as values, and says which settings one gives a client."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple
from urllib.parse import urlsplit

from ..errors import ConfigError
from .redact import Secret
from .settings import MAX_HEADER_CHARS

DEFAULT_NAME = "default"
MAX_LOCAL_TOKENS = 10  # docs/protocol/ilink, 6
PLATFORMS = ("ilink", "aibot")

_NAME = re.compile(r"[\w@+-][\w@+.-]{0,63}")  # becomes a file's name
_DEVICE = re.compile(r"(?i)(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?")  # files that Windows takes for devices
_SECRETS = ("token", "secret")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

# Of each platform: the setting, and the environment variable that gives it where no account does.
ENVIRONMENT: Dict[str, Dict[str, str]] = {
    "ilink": {
        "token": "WXSDK_TOKEN",
        "base_url": "WXSDK_BASE_URL",
        "cdn_base_url": "WXSDK_CDN_BASE_URL",
        "route_tag": "WXSDK_ROUTE_TAG",
        "bot_agent": "WXSDK_BOT_AGENT",
    },
    "aibot": {"bot_id": "WXSDK_BOT_ID", "secret": "WXSDK_SECRET", "ws_url": "WXSDK_WS_URL"},
}
ACCOUNT_VARIABLE = "WXSDK_ACCOUNT"


@dataclass(frozen=True)
class Account:
    """What a bot needs to log in: for personal WeChat a token, for a WeCom AI bot its bot_id and secret.

    token, base_url, ilink_bot_id, ilink_user_id: what a QR login gave (LoginStatus). cdn_base_url, route_tag,
    bot_agent, ws_url: settings of the account, None for the client's own. saved_at: Unix seconds, set by ``save``.
    The repr hides token and secret. Raises ConfigError unless it is one of the two.
    """

    token: Optional[str] = None
    base_url: Optional[str] = None
    cdn_base_url: Optional[str] = None
    route_tag: Optional[str] = None
    bot_agent: Optional[str] = None
    ilink_bot_id: Optional[str] = None
    ilink_user_id: Optional[str] = None
    bot_id: Optional[str] = None
    secret: Optional[str] = None
    ws_url: Optional[str] = None
    saved_at: Optional[float] = None

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == "saved_at" or value is None:
                continue
            if not isinstance(value, str):
                raise ConfigError(f"{each.name} of the account is not text.", remedy="Give a str or None.")
            if each.name in _SECRETS:
                object.__setattr__(self, each.name, Secret(value))
        if bool(self.token) == bool(self.secret) or bool(self.bot_id) != bool(self.secret):
            raise ConfigError(
                "An account has a token (personal WeChat), or a bot_id and a secret (WeCom).",
                remedy="Give one of the two, and not both.",
            )

    @classmethod
    def of_login(cls, status: Any, cdn_base_url: Optional[str] = None) -> Account:
        """Return the account that a confirmed LoginStatus gives."""
        return cls(
            token=status.bot_token,
            base_url=status.base_url,
            cdn_base_url=cdn_base_url,
            ilink_bot_id=status.ilink_bot_id,
            ilink_user_id=status.ilink_user_id,
        )

    @property
    def platform(self) -> str:
        """Return "ilink" (personal WeChat) or "aibot" (a WeCom AI bot)."""
        return "ilink" if self.token else "aibot"

    @property
    def bot(self) -> str:
        """Return what tells this bot from others and is not secret: its id, or "" where that is not known."""
        return (self.ilink_bot_id if self.token else self.bot_id) or ""


def check_name(name: object) -> str:
    """Return *name*; ConfigError when an account cannot be called so."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or _DEVICE.fullmatch(name):
        raise ConfigError(
            "That is not a name for an account.", remedy="Give 1 to 64 letters, digits and _ @ + - . (not first)."
        )
    return name


# -- as a file ----------------------------------------


def to_json(account: Account) -> str:
    """Return *account* as the text of its file, secrets included."""
    held = {each.name: getattr(account, each.name) for each in fields(account)}
    return json.dumps(
        {name: str(value) if isinstance(value, str) else value for name, value in held.items() if value is not None},
        indent=2,
        ensure_ascii=False,
    )


def from_json(text: str, where: str) -> Account:
    """Return the account in *text*; ConfigError that names *where* it stands, and quotes nothing of it."""
    remedy = "Move the file away and save the account again, for example with: wxsdk login"
    try:
        values: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError(f"{where} is not the file of an account.", remedy=remedy) from None  # the cause quotes it
    if not isinstance(values, dict):
        raise ConfigError(f"{where} is not the file of an account.", remedy=remedy)
    known = {each.name for each in fields(Account)}  # a later version may have written more
    try:
        return Account(**{name: value for name, value in values.items() if name in known})
    except ConfigError as exc:
        raise ConfigError(f"{where} holds no usable account: {exc.what}", remedy=remedy) from exc


# -- as settings ----------------------------------------


def settings_of(platform: str, account: Optional[Account], environment: Mapping[str, str]) -> Dict[str, str]:
    """Return the settings that *account*, and for what it leaves open *environment*, give a client of *platform*."""
    settings: Dict[str, str] = {}
    for name, variable in ENVIRONMENT[platform].items():
        value = getattr(account, name) if account is not None else None
        value = value or environment.get(variable)
        if value:
            settings[name] = Secret(value) if name in _SECRETS else value
    base_url = settings.get("base_url", "")
    if "cdn_base_url" not in settings and is_loopback(base_url):
        settings["cdn_base_url"] = f"{base_url.rstrip('/')}/c2c"  # a simulator has its own
    return settings


def choose(platform: str, accounts: Mapping[str, Account]) -> Optional[str]:
    """Return the name of the account to use when none is named: "default", else the only one of *platform*."""
    fitting = [name for name, account in accounts.items() if account.platform == platform]
    return DEFAULT_NAME if DEFAULT_NAME in fitting else fitting[0] if len(fitting) == 1 else None


def missing(platform: str, accounts: Mapping[str, Account]) -> ConfigError:
    """Make the error for a client of *platform* that has no account."""
    fitting = sorted(name for name, account in accounts.items() if account.platform == platform)
    if fitting:
        return ConfigError(
            "Several accounts are saved, and none is named.", remedy=f"Name one of these: {', '.join(fitting)}."
        )
    if platform == "ilink":
        return ConfigError(
            "There is no account for personal WeChat.", remedy="Run wxsdk login, or set WXSDK_TOKEN or WXSDK_ACCOUNT."
        )
    return ConfigError(
        "There is no account for a WeCom AI bot.",
        remedy="Run wxsdk login --aibot, or set WXSDK_BOT_ID and WXSDK_SECRET, or WXSDK_ACCOUNT.",
    )


def newest_tokens(accounts: Iterable[Account], base_url: str) -> List[Secret]:
    """Return the tokens that a login at *base_url* may be shown, newest first, ten at most.

    A token goes only to the kind of server that made it: those of a simulator to that very simulator, and those of
    the platform to no simulator.
    """
    place = urlsplit(base_url).netloc if is_loopback(base_url) else ""
    fitting = [
        account
        for account in accounts
        if account.token and (urlsplit(account.base_url or "").netloc if is_loopback(account.base_url) else "") == place
    ]
    fitting.sort(key=lambda account: account.saved_at or 0.0, reverse=True)
    return [Secret(account.token or "") for account in fitting[:MAX_LOCAL_TOKENS]]


def is_loopback(url: Optional[str]) -> bool:
    """Return whether *url* is on this machine, as a simulator's is."""
    try:
        return urlsplit(url or "").hostname in _LOOPBACK
    except ValueError:
        return False


# -- the official plugin's state ----------------------------------------


def account_of_plugin(account_id: str, stored: Any, config: Any) -> Optional[Account]:
    """Return the account that the official plugin keeps as *account_id*, None for one without a token.

    stored: its file, config: the plugin's openclaw.json, both as JSON values of any kind (the package
    @tencent-weixin/openclaw-weixin 2.4.9, src/auth/accounts.ts).
    """
    held = stored if isinstance(stored, dict) else {}
    token = _text(held.get("token"))
    if not token:
        return None
    section = _dict(_dict(_dict(config).get("channels")).get("openclaw-weixin"))
    own = _dict(_dict(section.get("accounts")).get(account_id))
    return Account(
        token=token,
        base_url=_text(held.get("baseUrl")),
        cdn_base_url=_text((own or section).get("cdnBaseUrl")),
        route_tag=_text(own.get("routeTag")) or _text(section.get("routeTag")),
        bot_agent=_text(section.get("botAgent")),
        ilink_bot_id=raw_id(account_id),
        ilink_user_id=_text(held.get("userId")),
    )


def raw_id(account_id: str) -> str:
    """Return the bot's id for the name under which the plugin keeps it: "abc@im.bot" for "abc-im-bot"."""
    for ending, raw in (("-im-bot", "@im.bot"), ("-im-wechat", "@im.wechat")):
        if account_id.endswith(ending):
            return account_id[: -len(ending)] + raw
    return account_id


def plugin_file_names(account_id: str) -> Tuple[str, ...]:
    """Return the names that the account's file may have, the newer one first."""
    return tuple(dict.fromkeys((f"{account_id}.json", f"{raw_id(account_id)}.json")))


def name_for(account_id: str) -> str:
    """Return a name for an account of the plugin."""
    kept = re.sub(r"[^\w@+.-]", "_", account_id)[:64].lstrip(".")
    return kept or DEFAULT_NAME


def _dict(value: Any) -> Dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> Optional[str]:
    """Return *value* as text; a route tag may be a number."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value).strip()[:MAX_HEADER_CHARS] or None
