"""A WeCom client of the simulator, and something that it may push."""

from __future__ import annotations

from typing import Any, Optional

from wxsdk.aibot.client import WSClient
from wxsdk.aibot.config import WSClientOptions
from wxsdk.runtime.clock import Clock
from wxsdk.sim import AiBotSim

MARKDOWN = {"msgtype": "markdown", "markdown": {"content": "hi"}}


def client_for(sim: AiBotSim, clock: Optional[Clock] = None, **settings: Any) -> WSClient:
    """Not connected yet; *clock*: in place of the true one."""
    known = {"bot_id": sim.bot_id, "secret": sim.secret, "ws_url": sim.ws_url}
    return WSClient(WSClientOptions(**{**known, **settings}), _clock=clock)
