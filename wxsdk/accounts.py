"""Keeps the accounts of bots: tokens and secrets in files that only you can read.

::

    from wxsdk import WeixinClient, accounts

    accounts.save("support", accounts.Account(token="…"))
    client = WeixinClient(accounts.config("support"), on_message)

Each account is a file in ``$WXSDK_HOME/accounts``, or without that variable in the platform's folder for configuration
(``~/.config/wxsdk/accounts`` on Linux), with mode 0600, written at once or not at all. The command line uses the same.
Any thread and any process may call these functions.
"""

from __future__ import annotations

import builtins
import dataclasses
import os
import time
from pathlib import Path
from typing import Any, Dict, Union

from .aibot.config import WSClientOptions
from .core.account_rules import Account, name_for, newest_tokens, settings_of
from .core.redact import Secret
from .errors import ConfigError
from .ilink.config import WeixinConfig
from .runtime import account_files

__all__ = [
    "Account",
    "config",
    "config_of",
    "folder",
    "import_openclaw",
    "list",
    "load",
    "load_file",
    "local_tokens",
    "remove",
    "rename",
    "save",
    "save_file",
]


def folder() -> Path:
    """Return the folder of the accounts, which need not exist."""
    return account_files.folder()


def list() -> builtins.list[str]:
    """Return the names of the saved accounts, sorted."""
    return account_files.names()


def load(name: str) -> Account:
    """Return the account *name*. Raises ConfigError when there is none or its file is damaged."""
    return account_files.read(account_files.path_of(name), f"The account {name!r}")


def save(name: str, account: Account) -> None:
    """Keep *account* as *name*, in place of one that has that name. Raises ConfigError."""
    if not isinstance(account, Account):
        raise ConfigError("That is not an account.", remedy="Give wxsdk.accounts.Account(token=…).")
    account_files.write(account_files.path_of(name), dataclasses.replace(account, saved_at=time.time()))


def load_file(path: Union[str, os.PathLike[str]]) -> Account:
    """Return the account in the file *path*, wherever it is. Raises ConfigError when there is none."""
    return account_files.read(_path(path), "The file of the account")


def save_file(path: Union[str, os.PathLike[str]], account: Account) -> None:
    """Keep *account* in the file *path*, as ``save`` does in the folder. Raises ConfigError."""
    account_files.write(_path(path), dataclasses.replace(account, saved_at=time.time()))


def remove(name: str) -> None:
    """Forget the account *name*; its bot goes on to exist. Raises ConfigError when there is none."""
    account_files.delete(name)


def rename(old: str, new: str) -> None:
    """Call the account *old* *new* from now on. Raises ConfigError when there is no *old*, or a *new* already."""
    account = load(old)
    path = account_files.path_of(new)
    if path.exists():
        raise ConfigError(f"There is an account {new!r} already.", remedy="Remove it first, or choose another name.")
    account_files.write(path, account)
    account_files.delete(old)


def config(name: str, **settings: Any) -> Union[WeixinConfig, WSClientOptions]:
    """Return the configuration for a client of the account *name*, with *settings* of yours beside its own.

    A WeixinConfig for personal WeChat, WSClientOptions for a WeCom AI bot. Raises ConfigError.
    """
    return config_of(load(name), **settings)


def config_of(account: Account, **settings: Any) -> Union[WeixinConfig, WSClientOptions]:
    """Return the configuration for a client of *account*, which need not be saved; as ``config`` does."""
    kind: Any = WeixinConfig if account.platform == "ilink" else WSClientOptions
    return kind(**{**settings_of(account.platform, account, {}), **settings})  # type: ignore[no-any-return]


def local_tokens(base_url: str = WeixinConfig.base_url) -> builtins.list[Secret]:
    """Return the tokens of the saved accounts for ``QrLogin.login(local_tokens=…)``, newest first, ten at most.

    With them the platform recognises a bot that is bound already. base_url: where the login is; tokens of a simulator
    go to that simulator alone.
    """
    return newest_tokens(account_files.read_all().values(), base_url)


def import_openclaw(folder: Union[str, os.PathLike[str], None] = None, *, replace: bool = False) -> Dict[str, Account]:
    """Save the accounts of the official plugin's state *folder* here, so that a bot moves over without a QR code.

    Returns them by name. folder: the plugin's state folder, by default $OPENCLAW_STATE_DIR or ~/.openclaw; it is only
    read. Token, addresses, route tag and bot agent come along. Stop the plugin's bot first: two clients of one bot take
    each other's messages. Raises ConfigError when the folder has no accounts, and, before anything is saved, when an
    account of the same name with another token exists and *replace* is False.
    """
    given = folder or os.environ.get("OPENCLAW_STATE_DIR") or "~/.openclaw"
    found = {name_for(plugin_id): each for plugin_id, each in account_files.plugin_accounts(_path(given)).items()}
    saved = account_files.read_all()
    taken = [name for name, each in found.items() if name in saved and saved[name].token != each.token]
    if taken and not replace:
        raise ConfigError(
            f"Accounts with another token exist under these names: {', '.join(sorted(taken))}.",
            remedy="Rename or remove them, or replace them (replace=True, --replace).",
        )
    for name, account in found.items():
        save(name, account)
    return found


def _path(given: Union[str, os.PathLike[str]]) -> Path:
    if not isinstance(given, (str, os.PathLike)):
        raise ConfigError("folder is not a path.", remedy="Give a str or a pathlib.Path.")
    return Path(given).expanduser()
