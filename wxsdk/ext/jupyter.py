"""Runs bots in a notebook, where cells are run again and again.

.. code-block:: python

    from wxsdk.ext.jupyter import log_in, progress, serve, watch

    log_in("support")    # a QR code as a picture; keeps the account
    watch("support")     # a live table of what users write; .stop() ends it, .rows has the messages
    serve(client)        # starts a client; run the cell again, with a new one, and the old one is replaced
    serve.stop()         # stops everything that runs
    client.send_media("user", "report.pdf", progress=progress("report.pdf"))

WeCom bots are told apart by their bot_id. A personal bot has nothing that outlives its token, so one of them runs at a
time, unless they are given names: ``serve(second, name="second")`` runs beside the first. When the kernel ends or is
restarted, everything is stopped.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from datetime import datetime
from typing import Any, Callable, Dict, List, Optional, Union

from IPython.display import HTML, display

from .. import MessageContext, WSClientOptions, WsFrame, accounts
from ..accounts import Account
from ..aibot.client import WSClient
from ..errors import ConfigError
from ..ilink.client import WeixinClient
from ..ilink.config import WeixinConfig
from ..ilink.login import QrLoginSession, StandaloneQrLogin
from ..ilink.login_rules import LoginStatus
from ..log import get_logger
from ..runtime.worker import Worker, next_number
from .jupyter_html import health_table, messages_table, progress_bar

__all__ = ["log_in", "progress", "serve", "watch"]

log = get_logger(__name__)

Client = Union[WeixinClient, WSClient]
Target = Union[WeixinConfig, WSClientOptions, str]

REFRESH_EVERY = 0.2  # seconds between two updates of a table


class Served:
    """What ``serve`` returns: shows the bot's health as a small table when it is the value of a cell."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def __repr__(self) -> str:
        return f"<bot {self.client.health().state.value}>"

    def _repr_html_(self) -> str:
        return health_table(self.client.health())


class _Serve:
    """Starts clients from cells; one of each name, and one of each bot, runs at a time."""

    def __init__(self) -> None:
        self._running: Dict[str, Client] = {}
        self._stuck: List[Client] = []  # told to stop, but a thread of theirs goes on

    def __call__(self, client: Client, *, name: Optional[str] = None) -> Served:
        """Start *client*, after stopping the one of that *name* and any other of the same bot.

        name: None for the bot_id of a WeCom bot, and for one name that all personal bots share; where such a one is
        replaced by one with another token, the log says so. Raises what starting it raises.
        """
        bot = _bot(client)
        if name is None:
            name = f"wecom {client.options.bot_id}" if isinstance(client, WSClient) else "weixin"
        for other, earlier in list(self._running.items()):
            if other == name or earlier is client or _bot(earlier) == bot:
                del self._running[other]
                if earlier is not client:
                    self._end(earlier)
                    if isinstance(client, WeixinClient) and isinstance(earlier, WeixinClient):
                        client.take_over(earlier)  # else the messages that it handled would come again
                    if _bot(earlier) != bot:
                        log.warning("the bot served before was stopped; serve(client, name=…) runs two side by side")
        self._running[name] = client  # before it starts: a start that is interrupted may leave it running
        if isinstance(client, WSClient):
            client.connect(wait=client.options.request_timeout)
        else:
            client.start()
        return Served(client)

    def stop(self) -> bool:
        """Stop every client that runs; True when all their threads, and those of replaced clients, ended."""
        for watched in list(_watched):
            watched.stop()
        clients = [*self._running.values(), *self._stuck]
        self._running, self._stuck = {}, []
        for client in clients:
            self._end(client)
        return not self._stuck

    def _end(self, client: Client) -> None:
        ended = client.disconnect() if isinstance(client, WSClient) else client.shutdown()
        if not ended:
            self._stuck.append(client)


serve = _Serve()


class Watched:
    """What ``watch`` returns. rows: the messages, oldest first, as dicts with the columns' names."""

    COLUMNS = ("time", "user", "chat", "text", "file")

    def __init__(self, target: Target, answer: Optional[Callable[[Any], Any]], shown: int) -> None:
        self.rows: List[Dict[str, Any]] = []
        self._answer = answer
        self._shown = shown
        self._changed = threading.Event()
        self._stopping = threading.Event()
        config = accounts.config(target) if isinstance(target, str) else target
        self.client = self._make_client(config)
        self._handle = display(self, display_id=True)  # type: ignore[no-untyped-call]
        self._worker = Worker(f"wxsdk-table-{next_number()}", self._keep_fresh)

    def _make_client(self, config: Any) -> Client:
        if isinstance(config, WeixinConfig):
            return WeixinClient(config, self._on_ilink)
        if isinstance(config, WSClientOptions):
            client = WSClient(config)
            client.on_message(self._on_aibot)
            return client
        raise ConfigError("watch() takes a WeixinConfig, WSClientOptions or the name of a saved account.")

    def start(self) -> Watched:
        serve(self.client)
        self._worker.start()
        _watched.add(self)
        return self

    def stop(self) -> bool:
        """End it; the table stays as it is. True when all its threads ended. Twice is once."""
        self._stopping.set()
        self._changed.set()
        ended = self.client.disconnect() if isinstance(self.client, WSClient) else self.client.shutdown()
        return self._worker.join(5.0) and ended

    def __repr__(self) -> str:
        return f"<{len(self.rows)} messages, bot {self.client.health().state.value}>"

    def _repr_html_(self) -> str:
        newest = self.rows[-self._shown :][::-1]
        state = "stopped" if self._stopping.is_set() else self.client.health().state.value
        return messages_table(f"{len(self.rows)} messages, bot {state}", self.COLUMNS, newest)

    def _keep_fresh(self) -> None:
        while not self._stopping.is_set():
            self._changed.wait()
            self._changed.clear()
            self._handle.update(self)
            self._stopping.wait(REFRESH_EVERY)  # a flood of messages must not flood the browser
        self._handle.update(self)

    def _on_ilink(self, ctx: MessageContext) -> None:
        file = None if ctx.media is None else ctx.media.file_name or ctx.media.kind
        self._note(ctx.from_user_id, None, ctx.body, file)
        if self._answer is not None:
            self._answer(ctx)

    def _on_aibot(self, frame: WsFrame) -> None:
        body = frame.body
        text = body.text.content if body.text else body.voice.content if body.voice else None
        kind = None if body.msgtype in ("text", "voice") else body.msgtype
        chat = body.chatid if body.chattype == "group" else None
        self._note(body.from_.userid if body.from_ else None, chat, text, kind)
        if self._answer is not None:
            self._answer(frame)

    def _note(self, user: Optional[str], chat: Optional[str], text: Optional[str], file: Optional[str]) -> None:
        now = f"{datetime.now():%H:%M:%S}"
        self.rows.append({"time": now, "user": user, "chat": chat, "text": text, "file": file})
        self._changed.set()


_watched: weakref.WeakSet[Watched] = weakref.WeakSet()


def watch(target: Target, *, answer: Optional[Callable[[Any], Any]] = None, shown: int = 20) -> Watched:
    """Show a live table of what users write to a bot, until ``.stop()``, ``serve.stop()`` or the kernel's end.

    target: a WeixinConfig, WSClientOptions, or the name of a saved account. answer: called with each MessageContext or
    WsFrame besides. shown: the newest messages that the table has; ``.rows`` has all. It replaces a client of the same
    bot that ``serve`` runs. Raises what starting the client raises.
    """
    return Watched(target, answer, shown).start()


def progress(label: str) -> Callable[[int, int], None]:
    """Make a progress callback that shows a bar below the cell, for uploads and downloads."""
    handle = display(HTML(progress_bar(label, 0, 1)), display_id=True)  # type: ignore[no-untyped-call]
    shown = [-1]

    def report(done: int, total: int) -> None:
        percent = 100 * done // max(total, 1)
        if percent != shown[0]:
            shown[0] = percent
            handle.update(HTML(progress_bar(label, done, total)))  # type: ignore[no-untyped-call]

    return report


def log_in(account: Union[str, WeixinConfig, None] = None, **wishes: Any) -> LoginStatus:
    """Log in by QR code: shows each code as a picture, asks for the number when the phone wants one.

    account: the name to keep the account under, or a WeixinConfig to log in with and keep nothing. *wishes* go to
    ``QrLogin.login``. Raises LoginError.
    """

    def show(session: QrLoginSession) -> None:
        display(session)  # type: ignore[no-untyped-call]

    def ask(was_wrong: bool) -> str:
        return input("That number was wrong. " * was_wrong + "The number shown on the phone: ")

    config = account if isinstance(account, WeixinConfig) else WeixinConfig.from_env(token="")
    wishes = {"local_tokens": accounts.local_tokens(config.base_url), **wishes}
    status = StandaloneQrLogin(config).login(on_qrcode=show, ask_verify_code=ask, **wishes)
    if isinstance(account, str) and status.bot_token:
        accounts.save(account, Account.of_login(status))
    return status


def _stop_at_exit() -> None:
    """Leave no connection behind when the kernel ends, so that after a restart the cells can run at once."""
    for each in list(_watched):
        each.stop()
    serve.stop()


atexit.register(_stop_at_exit)


def _bot(client: Client) -> Any:
    """Return what tells the bot of *client* from others, as far as its settings do."""
    if isinstance(client, WSClient):
        return client.options.ws_url, client.options.bot_id
    if isinstance(client, WeixinClient):
        return client.api.base_url, str(client.api.token)  # set_token may have changed them
    raise ConfigError("serve() takes a WeixinClient or a WSClient.")
