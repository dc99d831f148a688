"""A line to a simulator that a test can trouble: each new connection is relayed, or treated as the test says."""

from __future__ import annotations

import contextlib
import selectors
import socket
from typing import Callable, Iterator, Optional

from tests.runtime.servers import Peer, RawServer

BLOCK = 65_536  # bytes


class Line:
    """Where a client connects. *trouble*, when there is one, has each new connection for itself."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.trouble: Optional[Callable[[Peer], None]] = None
        self.server = RawServer(self._serve)

    @property
    def ws_url(self) -> str:
        return self.server.ws_url

    @property
    def base_url(self) -> str:
        return self.server.url

    def cut(self, trouble: Optional[Callable[[Peer], None]] = None) -> None:
        """End the connections that are open, and treat new ones with *trouble*."""
        self.trouble = trouble
        self.server.cut_all()

    def _serve(self, peer: Peer) -> None:
        trouble = self.trouble
        if trouble is not None:
            trouble(peer)
            return
        with socket.create_connection(("127.0.0.1", self._port)) as far, selectors.DefaultSelector() as selector:
            for here, there in ((peer.sock, far), (far, peer.sock)):
                selector.register(here, selectors.EVENT_READ, there)
            while not self.server.stopping.is_set():
                for key, _ in selector.select(0.05):
                    data = key.fileobj.recv(BLOCK)  # type: ignore[union-attr]
                    if not data:
                        return
                    key.data.sendall(data)


@contextlib.contextmanager
def line_to(port: int) -> Iterator[Line]:
    line = Line(port)
    with line.server:
        yield line
