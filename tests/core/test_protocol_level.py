from __future__ import annotations

import json
from pathlib import Path

from wxsdk.core import protocol_level as level
from wxsdk.ilink.config import WeixinConfig

OFFICIAL = Path(__file__).parents[1] / "official" / "npm"
WANTED = {
    level.ILINK_PACKAGE: level.ILINK_LEVEL,
    level.AIBOT_PACKAGE: level.AIBOT_LEVEL,
    level.CALLBACK_PACKAGE: level.CALLBACK_LEVEL,
}


def test_the_packages_that_are_run_are_of_the_level_that_is_named() -> None:
    assert json.loads((OFFICIAL / "package.json").read_text("utf-8"))["dependencies"] == WANTED
    locked = json.loads((OFFICIAL / "package-lock.json").read_text("utf-8"))["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in WANTED} == WANTED


def test_every_locked_package_has_a_checksum_and_no_address() -> None:
    locked = json.loads((OFFICIAL / "package-lock.json").read_text("utf-8"))["packages"]
    assert all("integrity" in one and "resolved" not in one for name, one in locked.items() if name)


def test_the_platform_is_told_the_level() -> None:
    assert WeixinConfig("").channel_version == level.ILINK_LEVEL
