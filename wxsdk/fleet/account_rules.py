"""Turns the config of a bot into a row of the store and back, and names the bot that it is for."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from importlib import import_module
from typing import Any, Dict, Tuple

from ..errors import ConfigError

CONFIGS: Dict[str, str] = {  # name of the config's class -> its module
    "WeixinConfig": "wxsdk.ilink.config",
    "WSClientOptions": "wxsdk.aibot.config",
    "CallbackOptions": "wxsdk.callback.config",
}
_IDENTITIES = {  # the settings that say which bot it is
    "WeixinConfig": ("base_url", "token"),
    "WSClientOptions": ("ws_url", "bot_id"),
    "CallbackOptions": ("bot_id",),
}


def dump_config(config: Any) -> str:
    """*config* as text: the settings that differ from the defaults. ConfigError for one that no text can hold."""
    kind = type(config).__name__
    if kind not in CONFIGS:
        raise ConfigError(
            f"A {kind} is not a config of a platform.", remedy="Give WeixinConfig, WSClientOptions or CallbackOptions."
        )
    settings: Dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.default is not dataclasses.MISSING and value == field.default:
            continue
        if field.default_factory is not dataclasses.MISSING and value == field.default_factory():
            continue
        settings[field.name] = _plain(field.name, value)
    return json.dumps({"kind": kind, "settings": settings})


def load_config(text: str) -> Any:
    """The config that ``dump_config`` wrote, except that no lock of the machine is asked for: the fleet's lease is."""
    row = json.loads(text)
    kind = row["kind"]
    cls: Any = getattr(import_module(CONFIGS[kind]), kind)
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in row["settings"].items()}
    if any(field.name == "single_instance" for field in dataclasses.fields(cls)):
        settings["single_instance"] = False
    return cls(**settings)


def identity_of(config: Any) -> str:
    """The same for two configs of one bot; hides the token."""
    kind = type(config).__name__
    parts: Tuple[str, ...] = tuple(str(getattr(config, name)) for name in _IDENTITIES[kind])
    return f"{kind} {hashlib.sha256(json.dumps(parts).encode()).hexdigest()}"


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (tuple, list)) and all(isinstance(one, str) for one in value):
        return [str(one) for one in value]
    raise ConfigError(
        f"The setting {name} cannot be kept in a store.",
        remedy="A fleet takes settings that are texts, numbers, flags and tuples of texts.",
    )
