"""Keeps a playground's ports, tokens and history in a folder, for the next start."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, Optional

from ...errors import ConfigError

FILE_NAME = "playground.json"


class StateFolder:
    """One folder. It holds tokens, so that only its owner may read it, where the system knows owners."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.files = self.path / "files"
            self.files.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigError(
                f"The folder {self.path} cannot be used to keep the playground's state: {error.strerror}.",
                remedy="Name a folder that you may write, or leave --state out.",
            ) from error

    def load(self) -> Optional[Dict[str, Any]]:
        """Return what was saved last; None for a new folder. ConfigError for a file that is not a playground's."""
        path = self.path / FILE_NAME
        try:
            saved = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{path} cannot be read: {error}.", remedy="Remove the file, or name another folder with --state."
            ) from error
        if not isinstance(saved, dict):
            raise ConfigError(
                f"{path} holds no state of a playground.", remedy="Remove it, or name another folder with --state."
            )
        return saved

    def save(self, text: str) -> None:
        """Write the JSON *text* whole or not at all, whenever the process ends."""
        path, fresh = self.path / FILE_NAME, self.path / (FILE_NAME + ".new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(fresh, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
