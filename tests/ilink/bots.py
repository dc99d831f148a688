"""What the tests of the client share: quick settings, and a handler that keeps what happened."""

from __future__ import annotations

import queue
import threading
from typing import Any, Callable, List, Optional

from wxsdk.ilink.client import WeixinClient
from wxsdk.ilink.config import WeixinConfig
from wxsdk.ilink.context import MessageContext
from wxsdk.ilink.handler import MessageHandler, TokenStaleInfo
from wxsdk.sim import ILinkSim

WAIT = 10.0  # seconds after which a test gives up


def config_for(sim: ILinkSim, **settings: Any) -> WeixinConfig:
    """Settings for *sim*: no pacing, short waits after failures."""
    quick = {
        "sends_per_second": None,
        "poll_retry_delay": 0.05,
        "poll_backoff_delay": 0.1,
        "send_retry_delay": 0.01,
        "token": sim.token,
        "base_url": sim.base_url,
        "cdn_base_url": sim.cdn_base_url,
        "trusted_media_hosts": ("127.0.0.1",),
    }
    return WeixinConfig(**{**quick, **settings})


class Recorder(MessageHandler):
    """Notes every call, in order, and answers with *answer(ctx)* where there is one."""

    def __init__(self, answer: Optional[Callable[[MessageContext], Any]] = None) -> None:
        self._answer = answer
        self._changed = threading.Condition()
        self.contexts: List[MessageContext] = []
        self.events: List[str] = []
        self.cursors: List[str] = []
        self.errors: List[BaseException] = []
        self.error_contexts: List[Optional[MessageContext]] = []
        self.stale: List[TokenStaleInfo] = []
        self.threads: List[str] = []

    def on_message(self, ctx: MessageContext) -> None:
        self._note(f"message {ctx.body}", self.contexts, ctx)
        if self._answer is not None:
            self._answer(ctx)

    def on_sync_buf_updated(self, sync_buf: str) -> None:
        self._note("cursor", self.cursors, sync_buf)

    def on_start(self) -> None:
        self._note("start")

    def on_shutdown(self) -> None:
        self._note("shutdown")

    def on_token_stale(self, info: TokenStaleInfo) -> None:
        self._note("stale", self.stale, info)

    def on_error(self, exc: BaseException, ctx: Optional[MessageContext]) -> None:
        self.error_contexts.append(ctx)
        self._note("error", self.errors, exc)

    def wait_for(self, predicate: Callable[[], Any]) -> None:
        with self._changed:
            assert self._changed.wait_for(predicate, WAIT), f"only this happened: {self.events}"

    @property
    def bodies(self) -> List[Optional[str]]:
        return [ctx.body for ctx in self.contexts]

    def _note(self, event: str, target: Optional[List[Any]] = None, value: Any = None) -> None:
        with self._changed:
            self.events.append(event)
            self.threads.append(threading.current_thread().name)
            if target is not None:
                target.append(value)
            self._changed.notify_all()


def echo(ctx: MessageContext) -> None:
    assert ctx.body is not None
    ctx.reply_text(ctx.body)


class Gate:
    """A place where handlers wait until the test lets them go on."""

    def __init__(self) -> None:
        self._inside: queue.Queue[str] = queue.Queue()
        self._open = threading.Event()

    def pass_through(self, who: str = "") -> None:
        self._inside.put(who)
        assert self._open.wait(WAIT), "the gate was never opened"

    def wait_entered(self) -> str:
        return self._inside.get(timeout=WAIT)

    def open(self) -> None:
        self._open.set()


def started(sim: ILinkSim, handler: Any, *, store: Any = None, **settings: Any) -> WeixinClient:
    """A client that polls by the time this returns."""
    client = WeixinClient(config_for(sim, **settings), handler, store=store)
    client.start()
    sim.wait_for(lambda: sim.count("getupdates") > 0, WAIT)
    return client
