"""The vendor's WeCom client in the hands of a test: one client of the driver, against one simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

from tests.official.node import Node, Pending
from wxsdk.sim.aibot.simulator import AiBotSim, SimSent

Frame = Dict[str, Any]
_numbers = iter(range(1, 10**9))


class Witness:
    """One WSClient of the vendor's. Method names are theirs."""

    def __init__(self, node: Node, sim: AiBotSim, **options: Any) -> None:
        self.node, self.sim, self.channel = node, sim, f"client-{next(_numbers)}"
        self._forgiven: List[str] = []
        settings = {"botId": sim.bot_id, "secret": sim.secret, "wsUrl": sim.ws_url, "reconnectInterval": 5, **options}
        node.call("open", channel=self.channel, options=settings)

    def begin(self, method: str, *args: Any) -> Pending:
        return self.node.begin("do", channel=self.channel, method=method, args=args)

    def do(self, method: str, *args: Any) -> Any:
        """Call a method with these arguments; what its promise gives."""
        return self.begin(method, *args).result()

    def event(self, name: str) -> Any:
        """What came with the next event of that name, each once."""
        return self.node.event(self.channel, name)

    def gets(self, sent: SimSent, name: str) -> Frame:
        """The frame of the next event *name*, which is what the simulator pushed."""
        frame: Frame = self.event(name)
        assert frame == sent.frame
        return frame

    def upload(self, file: Path, kind: str, name: str) -> Any:
        return self.node.call("upload", channel=self.channel, file=str(file), options={"type": kind, "filename": name})

    def download(self, url: str, aeskey: Any = None) -> Any:
        return self.node.call("download", channel=self.channel, url=url, aeskey=aeskey)

    def close(self) -> None:
        self.node.call("close", channel=self.channel)

    @property
    def complaints(self) -> List[str]:
        """What the client warned of, such as frames that it does not know, and `forgive` has not met."""
        told: List[str] = self.node.told(self.channel, "warn") + self.node.told(self.channel, "log-error")
        return [one for one in told if not any(part in one for part in self._forgiven)]

    def forgive(self, part: str) -> None:
        """A complaint with *part* in it has come, as it should."""
        assert any(part in one for one in self.complaints)
        self._forgiven.append(part)
