"""Which adapter serves a config. Adapters are imported when they are needed, so a bot waits for its platforms only."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Dict, Optional, Tuple

from ..errors import ConfigError
from ..runtime.store import Store
from .adapter import Adapter

ADAPTERS: Dict[str, Tuple[str, str, str]] = {  # name of the config's class -> platform, module, adapter
    "WeixinConfig": ("ilink", "wxsdk.bot.ilink", "ILinkAdapter"),
    "WSClientOptions": ("aibot", "wxsdk.bot.aibot", "AiBotAdapter"),
    "CallbackOptions": ("callback", "wxsdk.bot.callback", "CallbackAdapter"),
}


def platform_of(config: Any) -> str:
    """Return the platform that *config* is for. ConfigError when it is for none."""
    return _row(config)[0]


def make_adapter(name: str, config: Any, store: Optional[Store], **options: Any) -> Adapter:
    """Return the adapter of a new client with *config*; *options* are those of the client's class."""
    _, module, adapter = _row(config)
    made: Adapter = getattr(import_module(module), adapter)(name, config, store, **options)
    return made


def account_config(name: str) -> Any:
    """Return the config of the saved account *name*. ConfigError when there is none."""
    return import_module("wxsdk.accounts").config(name)


def _row(config: Any) -> Tuple[str, str, str]:
    for base in type(config).__mro__:
        if base.__name__ in ADAPTERS:
            return ADAPTERS[base.__name__]
    raise ConfigError(
        f"add() got {type(config).__name__}, which is no config of a platform.",
        remedy='Give WeixinConfig(token="…"), WSClientOptions(bot_id="…", secret="…"), or the name of an account.',
    )
