"""The vendors' clients, installed into a cache folder outside the tree, once for each state of npm/package-lock.json.

Nothing of them enters the tree. The lock file names every package with its checksum, so what runs here is what was
looked at when the level was raised (docs/fidelity.rst tells how to raise it).
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Dict

import pytest

from tests.guard.loopback_guard import REPORT, unwatched_children

REQUIRE = "WXSDK_OFFICIAL"  # set to "require", what cannot run fails in place of being skipped
LISTS = Path(__file__).parent / "npm"
OLDEST_NODE = (20, 6)  # the first with `node --import` and module.register()
INSTALL_SECONDS = 50.0  # less than a test may take
NPM_CI = ("npm", "ci", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def unavailable(reason: str) -> None:
    """Skip, or fail when the environment says that these tests must run."""
    if os.environ.get(REQUIRE) == "require":
        pytest.fail(f"{REQUIRE}=require, but {reason}", pytrace=False)
    pytest.skip(f"the vendors' clients cannot run: {reason}")


@functools.cache
def official_clients() -> Path:
    """The folder whose node_modules holds the vendors' clients. Skips the test when they cannot be had."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            unavailable(f"{tool} is not installed")
    found = subprocess.run(("node", "--version"), capture_output=True, text=True, timeout=30, check=True).stdout
    version = tuple(int(part) for part in re.findall(r"\d+", found)[:2])
    if version < OLDEST_NODE:
        unavailable(f"node {found.strip()} is older than {'.'.join(map(str, OLDEST_NODE))}")
    lock = hashlib.sha256((LISTS / "package-lock.json").read_bytes()).hexdigest()[:16]
    root = _cache() / lock
    if not (root / "node_modules").is_dir():
        _install(root)
    return root


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wxsdk-official"


def _unguarded() -> Dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("NODE_OPTIONS", REPORT)}


def _install(root: Path) -> None:
    """Install beside *root* and rename: of two runs that install at once, one wins and the other uses its work."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix="installing-") as folder:
        here = Path(folder) / "clients"
        shutil.copytree(LISTS, here)
        try:
            with unwatched_children(reason="npm fetches the vendors' clients"):
                done = subprocess.run(
                    NPM_CI, cwd=here, env=_unguarded(), capture_output=True, text=True, timeout=INSTALL_SECONDS
                )
        except subprocess.TimeoutExpired:
            unavailable(f"npm took longer than {INSTALL_SECONDS:g} s to install them")
        if done.returncode:
            unavailable(f"npm could not install them: {done.stderr.strip()[-500:]}")
        try:
            here.rename(root)
        except OSError:
            if not (root / "node_modules").is_dir():
                raise
