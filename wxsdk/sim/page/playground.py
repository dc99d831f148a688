"""Runs both simulators and the page to chat with a bot through them."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Optional

from ..aibot.simulator import AiBotSim
from ..ilink.simulator import ILinkSim
from .server import PageServer


class Playground:
    """Both simulators and their page. A context manager; start() and stop() do the same by hand.

    *ilink*, *aibot*: running simulators to show, made and owned by the playground when left out. *port*: the page's
    port, a free one when 0. *state*: a folder that keeps ports, tokens and history over restarts; it holds secrets.
    """

    def __init__(
        self,
        ilink: Optional[ILinkSim] = None,
        aibot: Optional[AiBotSim] = None,
        *,
        port: int = 0,
        state: Optional[Path] = None,
    ) -> None:
        self._owned = (ilink is None, aibot is None)
        self.ilink = ilink or ILinkSim()
        self.aibot = aibot or AiBotSim()
        self._state = state
        self._server = PageServer(self.ilink, self.aibot, port)

    def start(self) -> Playground:
        """Serve; returns when the page can be opened. Raises ConfigError when a port is in use."""
        if self._owned[0]:
            self.ilink.start()
        if self._owned[1]:
            self.aibot.start()
        self._server.__enter__()
        return self

    def stop(self) -> bool:
        """End everything that start() began; True when all threads have ended. Twice is once."""
        self._server.__exit__()
        ended = self.aibot.stop() if self._owned[1] else True
        return (self.ilink.stop() if self._owned[0] else True) and ended

    def __enter__(self) -> Playground:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where to look."""
        return self._server.url

    def environment(self) -> Dict[str, str]:
        """Return what a bot needs to find the simulators, by environment variable. Two of them are secrets: show them
        on a terminal, never on the page.
        """
        return {
            "WXSDK_TOKEN": self.ilink.token,
            "WXSDK_BASE_URL": self.ilink.base_url,
            "WXSDK_CDN_BASE_URL": self.ilink.cdn_base_url,
            "WXSDK_BOT_ID": self.aibot.bot_id,
            "WXSDK_SECRET": self.aibot.secret,
            "WXSDK_WS_URL": self.aibot.ws_url,
        }
