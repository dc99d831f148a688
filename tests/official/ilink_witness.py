"""The vendor's iLink plugin in the hands of a test: one account of the driver, against one simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional

from tests.official.node import Node, Pending
from wxsdk.sim.ilink.simulator import ILinkSim

_numbers = iter(range(1, 10**9))


class Witness:
    """One account of the vendor's plugin, its token and addresses set to the simulator's."""

    def __init__(self, node: Node, sim: ILinkSim, token: Optional[str] = None) -> None:
        self.node, self.sim, self.account = node, sim, f"account-{next(_numbers)}"
        self._running = False
        node.call(
            "save",
            account=self.account,
            token=token or sim.token,
            baseUrl=sim.base_url,
            cdnBaseUrl=sim.cdn_base_url,
        )

    @property
    def options(self) -> Dict[str, Any]:
        """What its low-level functions want to know."""
        return {"baseUrl": self.sim.base_url, "token": self.sim.token}

    def start(self, *script: Dict[str, Any]) -> None:
        """Begin to poll; each message of a user is told and answered with the steps of *script*."""
        self.node.call("start", account=self.account, script=script)
        self._running = True

    def stop(self) -> None:
        if self._running:
            self._running = False
            self.node.call("stop", account=self.account)

    def inbound(self) -> Dict[str, Any]:
        """What the host was handed for the next message, each once."""
        context: Dict[str, Any] = self.node.event(self.account, "inbound")
        return context

    def call(self, module: str, name: str, *args: Any) -> Any:
        """Call an exported function of one of its modules."""
        return self.node.call("call", module=module, name=name, args=args)

    def until(self, module: str, name: str, *args: Any) -> None:
        """Wait until an exported function says true."""
        self.node.call("until", module=module, name=name, args=args)

    def send_text(self, to: str, text: str) -> Any:
        return self.node.call("sendText", account=self.account, to=to, text=text)

    def send_media(self, to: str, file: Path, caption: str = "") -> Any:
        return self.node.call("sendMedia", account=self.account, to=to, text=caption, file=str(file))

    def begin_login(self) -> Pending:
        return self.node.begin("login", account=self.account)

    def told(self, name: str) -> List[Any]:
        return self.node.told(self.account, name)
