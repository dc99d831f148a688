"""A receiver in place of a Bot, and a small web server in front of a CallbackClient."""

from __future__ import annotations

import contextlib
import threading
from socketserver import ThreadingMixIn
from typing import Any, Callable, Iterator, List, Optional
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from wxsdk.callback.client import CallbackClient
from wxsdk.callback.config import CallbackOptions
from wxsdk.runtime.receiver import Received
from wxsdk.sim import AiBotSim

Handler = Callable[[CallbackClient, Any], None]


class Desk:
    """Runs *handler(client, frame)* for each message on a thread of its own, and finishes it."""

    def __init__(self, client: CallbackClient, handler: Handler) -> None:
        self.client = client
        self.handler = handler
        self.seen: List[Received] = []
        self.failures: List[BaseException] = []
        self.threads: List[threading.Thread] = []
        client.on_error(lambda exc, frame: self.failures.append(exc))
        client.set_receiver(self)

    @property
    def queued(self) -> int:
        return 0

    def wait_for_room(self, limit: int, timeout: Optional[float]) -> bool:
        return True

    def received(self, batch: List[Received]) -> None:
        for one in batch:
            self.seen.append(one)
            thread = threading.Thread(target=self._run, args=(one,), name="test-handler", daemon=True)
            self.threads.append(thread)
            thread.start()

    def _run(self, one: Received) -> None:
        try:
            self.handler(self.client, one.origin)
        except Exception as exc:  # noqa: BLE001  shown by the test
            self.failures.append(exc)
            self.client.mark_failed(one.origin)
        one.finish()

    def join(self) -> None:
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = True
    request_queue_size = 128


@contextlib.contextmanager
def served(application: Any) -> Iterator[str]:
    """The base URL of a loopback server that runs *application*."""
    server = make_server("127.0.0.1", 0, application, server_class=_Threaded, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def options_of(sim: AiBotSim, **more: Any) -> CallbackOptions:
    return CallbackOptions(sim.bot_id, sim.token, sim.encoding_aes_key, **more)
