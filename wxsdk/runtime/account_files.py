"""Keeps accounts in files that only their owner can read: one each, written at once or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional

from ..core.account_rules import (
    ACCOUNT_VARIABLE,
    Account,
    account_of_plugin,
    check_name,
    choose,
    from_json,
    missing,
    plugin_file_names,
    settings_of,
    to_json,
)
from ..errors import ConfigError
from ..log import get_logger

log = get_logger(__name__)

HOME_VARIABLE = "WXSDK_HOME"
_ENDING = ".json"
_MAX_FILE_BYTES = 1 << 20  # an account has some hundred; more is another file


def folder() -> Path:
    """Return where accounts are kept: ``$WXSDK_HOME/accounts``, else in the platform's folder for configuration.

    That is ~/.config/wxsdk (or in $XDG_CONFIG_HOME) on Linux, ~/Library/Application Support/wxsdk on macOS and
    %LOCALAPPDATA%/wxsdk on Windows. It need not exist.
    """
    chosen = os.environ.get(HOME_VARIABLE)
    return (Path(chosen).expanduser() if chosen else _platform_folder()) / "accounts"


def _platform_folder() -> Path:
    try:
        home = Path.home()
    except RuntimeError as exc:  # no entry for the user, and no HOME
        raise ConfigError("This user has no home folder.", remedy=f"Set {HOME_VARIABLE} to a folder.") from exc
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "wxsdk"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "wxsdk"
    given = os.environ.get("XDG_CONFIG_HOME", "")  # a relative one is to be ignored; XDG Base Directory Specification
    return (Path(given) if os.path.isabs(given) else home / ".config") / "wxsdk"


def path_of(name: str) -> Path:
    """Return the file of the account *name*; ConfigError when no account can be called so."""
    return folder() / f"{check_name(name)}{_ENDING}"


def names() -> List[str]:
    """Return the names of the saved accounts, sorted."""
    try:
        found = [path.name[: -len(_ENDING)] for path in folder().iterdir() if path.name.endswith(_ENDING)]
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise ConfigError(f"{folder()} cannot be read ({exc.strerror}).", remedy="Check who owns it.") from exc
    return sorted(name for name in found if not name.startswith("."))


def read_all() -> Dict[str, Account]:
    """Return every account that can be read, by name; the log names the others."""
    found = {}
    for name in names():
        try:
            found[name] = read(path_of(name), f"The account {name!r}")
        except ConfigError as exc:
            log.warning("passed over: %s", exc.what)
    return found


def read(path: Path, what: str) -> Account:
    """Return the account in the file *path*, which becomes private if it was not. ConfigError says *what* it is."""
    try:
        with path.open("rb") as file:
            account = from_json(file.read(_MAX_FILE_BYTES).decode("utf-8", "replace"), str(path))
            # Only now: a path given by mistake may lead to a file of others, whose mode is not ours to change.
            _make_private(file.fileno(), path)
    except FileNotFoundError as exc:
        known = ", ".join(names())
        remedy = f"These are saved: {known}." if known else "Run: wxsdk login"
        raise ConfigError(f"{what} does not exist ({path}).", remedy=remedy) from exc
    except OSError as exc:
        raise ConfigError(f"{what} cannot be read: {path} ({exc.strerror}).", remedy="Check who owns it.") from exc
    return account


def _make_private(descriptor: int, path: Path) -> None:
    """Take the rights of others away from a file that was copied or restored with them."""
    if os.name == "posix" and stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
        os.fchmod(descriptor, 0o600)
        log.warning("others could read %s, which holds a secret; it is private now", path)


def write(path: Path, account: Account) -> None:
    """Write *account* with mode 0600; a crash leaves the old file or the new one. Raises ConfigError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _private_file(temporary) as file:
            file.write(to_json(account))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as exc:
        raise ConfigError(
            f"{path} cannot be written ({exc.strerror}).", remedy=f"Set {HOME_VARIABLE} to a folder of your own."
        ) from exc
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def _private_file(path: Path) -> Iterator[Any]:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        yield file


def delete(name: str) -> None:
    """Remove the account *name*; ConfigError when there is none."""
    path = path_of(name)
    try:
        path.unlink()
    except FileNotFoundError as exc:
        raise ConfigError(f"The account {name!r} does not exist.", remedy="wxsdk accounts list shows them.") from exc
    except OSError as exc:
        raise ConfigError(f"{path} cannot be removed ({exc.strerror}).", remedy="Check who owns it.") from exc


def from_environment(platform: str, name: Optional[str], given: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the settings for a client of *platform*: *given*, then those of an account, then those of the environment.

    The account is that called *name*, else that which WXSDK_ACCOUNT names. Where nothing gives a token or a secret, the
    account "default" is used, else the only one of the platform. Raises ConfigError when there is no such account, it
    is of the other platform, or nothing is there.
    """
    return {**_found_settings(platform, name, given, os.environ), **given}


def _found_settings(
    platform: str, name: Optional[str], given: Mapping[str, Any], environment: Mapping[str, str]
) -> Dict[str, str]:
    named = name if name is not None else environment.get(ACCOUNT_VARIABLE) or None
    account = None if named is None else read(path_of(named), f"The account {named!r}")
    settings = settings_of(platform, account, environment)
    needed = {"token"} if platform == "ilink" else {"bot_id", "secret"}
    if account is not None and account.platform != platform:
        wanted, found = ("personal WeChat", "WeCom") if platform == "ilink" else ("WeCom", "personal WeChat")
        raise ConfigError(f"The account {named!r} is for {found}, not for {wanted}.", remedy="Name another.")
    if not needed <= {*settings, *given}:
        accounts = read_all()
        chosen = choose(platform, accounts)
        if chosen is None:
            raise missing(platform, accounts)
        settings = settings_of(platform, accounts[chosen], environment)
    return settings


def plugin_accounts(state: Path) -> Dict[str, Account]:
    """Return the accounts in the official plugin's folder *state*, by the plugin's id. Writes nothing there.

    Raises ConfigError when *state* has none.
    """
    place = state / "openclaw-weixin"
    config = _json(Path(os.environ.get("OPENCLAW_CONFIG") or state / "openclaw.json"))
    listed = _json(place / "accounts.json")
    ids = [each for each in listed if isinstance(each, str) and each.strip()] if isinstance(listed, list) else []
    found: Dict[str, Account] = {}
    for account_id in ids:
        for file_name in plugin_file_names(os.path.basename(account_id)):
            account = account_of_plugin(account_id, _json(place / "accounts" / file_name), config)
            if account is not None:
                found[account_id] = account
                break
    if not found:
        legacy = account_of_plugin("default", _json(state / "credentials/openclaw-weixin/credentials.json"), config)
        if legacy is None:
            raise ConfigError(
                f"{state} holds no accounts of the official plugin.",
                remedy="Give the plugin's state folder, ~/.openclaw as a rule (OPENCLAW_STATE_DIR).",
            )
        found["default"] = legacy
    return found


def _json(path: Path) -> Any:
    """Return the JSON in *path*, None when there is none."""
    try:
        with path.open("rb") as file:
            return json.loads(file.read(_MAX_FILE_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
