"""Makes a client's configuration of a command's options, a saved account and the environment."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, Dict, Optional, Union

from .. import SQLiteStore, WeixinConfig, WSClientOptions, accounts
from ..errors import ConfigError
from .texts import text

FILE_VARIABLE = "WXSDK_CREDENTIALS"  # names the file of an account, as --credentials does

Config = Union[WeixinConfig, WSClientOptions]


def config_of(options: argparse.Namespace, **settings: Any) -> Config:
    """Return the configuration that *options* ask for. Raises ConfigError; a named thing has to exist."""
    path = file_of(options)
    if path is not None and options.account:
        raise ConfigError(text("trouble.account_and_file"), remedy=text("trouble.account_and_file.remedy"))
    if path is not None:
        return accounts.config_of(
            accounts.load_file(path), **_given(options, settings, accounts.load_file(path).platform)
        )
    name = options.account or os.environ.get("WXSDK_ACCOUNT")
    is_aibot = options.aibot or (bool(name) and accounts.load(str(name)).platform == "aibot")
    if is_aibot:
        return WSClientOptions.from_env(options.account, **_given(options, settings, "aibot"))
    return WeixinConfig.from_env(options.account, **_given(options, settings, "ilink"))


def file_of(options: argparse.Namespace) -> Optional[Path]:
    """Return the file of an account that is named by --credentials, or, where no account is named, by the variable."""
    if options.credentials is not None:
        return Path(options.credentials)
    named = os.environ.get(FILE_VARIABLE)
    return Path(named) if named and not options.account and not options.aibot else None


def _given(options: argparse.Namespace, settings: Dict[str, Any], platform: str) -> Dict[str, Any]:
    names = ("base_url", "cdn_base_url") if platform == "ilink" else ("ws_url",)
    addresses = {name: getattr(options, name) for name in names if getattr(options, name)}
    return {**addresses, **settings}


def store_of(options: argparse.Namespace) -> Optional[SQLiteStore]:
    """Return the store that --store names, None without one."""
    return SQLiteStore(options.store) if options.store else None
