"""Loading the examples as what they are: single files, not a package."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any, Callable

import pytest

from wxsdk import WeixinConfig, WSClientOptions

FOLDER = Path(__file__).parents[2] / "examples" / "clients"


@pytest.fixture
def example() -> Callable[[str], ModuleType]:
    """Import the example of that name."""

    def load(name: str) -> ModuleType:
        path = next(path for path in (FOLDER / f"{name}.py", FOLDER.parent / f"{name}.py") if path.exists())
        spec = importlib.util.spec_from_file_location(f"example_{name}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def config(ilink_sim: Any) -> WeixinConfig:
    return WeixinConfig(
        token=ilink_sim.token,
        base_url=ilink_sim.base_url,
        cdn_base_url=ilink_sim.cdn_base_url,
        sends_per_second=None,
    )


@pytest.fixture
def options(aibot_sim: Any) -> WSClientOptions:
    return WSClientOptions(aibot_sim.bot_id, aibot_sim.secret, ws_url=aibot_sim.ws_url)
