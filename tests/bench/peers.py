"""Installs the packages that wxsdk is measured against, in a folder of their own outside the repository.

The folder is ``wxsdk-bench`` in $XDG_CACHE_HOME or ~/.cache. What is there already in the right version is used again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Optional

PYTHON_PEERS = {  # the versions that the comparison page names
    "wecom-aibot-python-sdk": "1.0.2",
    "weixin-ilink-client": "0.1.3",
    "python-weixin-ilink": "0.1.4",
    "ilink-sdk": "2.4.11",
    "requests": "",
    "websocket-client": "",
}
NODE_PEERS = {"@wecom/aibot-node-sdk": "1.0.7"}


def home() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "wxsdk-bench"


def newest_python() -> str:
    """The newest interpreter at hand: one of the peers needs Python 3.13."""
    for minor in range(16, 8, -1):
        homes = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))
        for candidate in [*map(str, homes), shutil.which(f"python3.{minor}")]:
            if candidate and subprocess.run([candidate, "-c", "import venv, ssl"], capture_output=True).returncode == 0:
                return candidate
    return sys.executable


class Peers:
    """``python`` runs the Python peers, ``node_folder`` holds the Node one; None where it cannot be had."""

    def __init__(self) -> None:
        self.versions: Dict[str, str] = {}
        self.node_folder: Optional[Path] = None
        self.python = str(home() / "venv" / "bin" / "python")
        if not Path(self.python).exists():
            subprocess.run([newest_python(), "-m", "venv", str(home() / "venv")], check=True)
        for name, version in PYTHON_PEERS.items():
            self._install(name, version)
        if shutil.which("npm") and shutil.which("node"):
            self._node()

    def _install(self, name: str, version: str) -> None:
        if not self._installed(name):
            wish = f"{name}=={version}" if version else name
            subprocess.run([self.python, "-m", "pip", "install", "-q", wish], capture_output=True)
        found = self._installed(name)
        if found:
            self.versions[name] = found

    def _installed(self, name: str) -> str:
        asked = f"from importlib.metadata import version; print(version({name!r}))"
        return subprocess.run([self.python, "-c", asked], capture_output=True, text=True).stdout.strip()

    def _node(self) -> None:
        folder = home() / "node"
        folder.mkdir(parents=True, exist_ok=True)
        for name, version in NODE_PEERS.items():
            place = folder / "node_modules" / name / "package.json"
            if not place.exists():
                command: List[str] = ["npm", "install", "--no-audit", "--no-fund", f"{name}@{version}"]
                subprocess.run([*command, "--prefix", str(folder)], capture_output=True)
            if place.exists():
                self.versions[name] = json.loads(place.read_text("utf-8"))["version"]
                self.node_folder = folder
