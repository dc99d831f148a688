"""Simulates both platforms on free loopback ports, with pretend users and scripted faults.

``ILinkSim`` plays the iLink server of personal WeChat, ``AiBotSim`` the WebSocket server of the WeCom AI bot.
They import nothing of the clients, so that a misreading of the protocol cannot hide on both sides at once.
Needs the extra ``wxsdk[sim]``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, List

if TYPE_CHECKING:
    from .aibot.simulator import AiBotSim as AiBotSim
    from .ilink.simulator import ILinkSim as ILinkSim

__all__ = ["AiBotSim", "ILinkSim"]

_HOMES = {"AiBotSim": ".aibot.simulator", "ILinkSim": ".ilink.simulator"}


def __getattr__(name: str) -> Any:
    """Import a simulator when it is first asked for, so that neither needs what only the other needs."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)


def __dir__() -> List[str]:
    """The simulators, for completion in a shell."""
    return list(__all__)
