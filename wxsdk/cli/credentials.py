"""The file in which ``wxsdk login`` keeps a token: JSON that only its owner can read, written at once or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from ..core.redact import Secret
from ..errors import ConfigError


@dataclass(frozen=True)
class Credentials:
    """What a QR login gave. The repr hides the token."""

    token: Secret
    base_url: Optional[str] = None
    ilink_bot_id: Optional[str] = None
    ilink_user_id: Optional[str] = None


def default_path() -> Path:
    """``$XDG_CONFIG_HOME/wxsdk/ilink.json``, or the same under ~/.config."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "wxsdk" / "ilink.json"


def save(path: Path, credentials: Credentials) -> None:
    """Write *credentials* with mode 0600; a crash leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    values = {
        "token": str(credentials.token),
        "base_url": credentials.base_url,
        "ilink_bot_id": credentials.ilink_bot_id,
        "ilink_user_id": credentials.ilink_user_id,
    }
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # made with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(values, file, indent=2)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def load(path: Path) -> Credentials:
    """Read what ``save`` wrote; ConfigError when there is none or it is not usable."""
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"No credentials at {path}.", remedy="Run: wxsdk login") from exc
    except ValueError as exc:
        raise ConfigError(f"{path} is not a credentials file.", remedy="Move it away and run: wxsdk login") from exc
    if not isinstance(values, dict) or not isinstance(values.get("token"), str) or not values["token"]:
        raise ConfigError(f"{path} holds no token.", remedy="Run: wxsdk login")
    return Credentials(
        Secret(values["token"]), values.get("base_url"), values.get("ilink_bot_id"), values.get("ilink_user_id")
    )
