"""Jupyter: a bot in a notebook, where cells are run again and again.

.. code-block:: python

    from wxsdk.ext.jupyter import serve

    serve(client)        # starts it; run the cell again, with a new client, and the old one is replaced
    serve.stop()         # stops what runs

WeCom bots are told apart by their bot_id. A personal bot has nothing that outlives its token, so one of them runs at a
time, unless they are given names: ``serve(second, name="second")`` runs beside the first.

A QR login shows its code as a picture when its session is the value of a cell. ``log_in()`` does the whole login.
"""

from __future__ import annotations

import html
from typing import Any, Dict, List, Optional, Union

from IPython.display import display

from ..aibot.client import WSClient
from ..errors import ConfigError
from ..ilink.client import WeixinClient
from ..ilink.config import WeixinConfig
from ..ilink.login import QrLoginSession, StandaloneQrLogin
from ..ilink.login_rules import LoginStatus
from ..log import get_logger

__all__ = ["log_in", "serve"]

log = get_logger(__name__)

Client = Union[WeixinClient, WSClient]


class Served:
    """What ``serve`` returns: shows the bot's health as a small table when it is the value of a cell."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def __repr__(self) -> str:
        return f"<bot {self.client.health().state.value}>"

    def _repr_html_(self) -> str:
        health = self.client.health()
        rows = {
            "state": health.state.value,
            "since": health.since,
            "last message in": health.last_inbound,
            "last message out": health.last_outbound,
            "waiting": health.queued,
            "last error": health.last_error,
            "what to do": health.remedy,
        }
        cells = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
            for name, value in rows.items()
            if value is not None
        )
        return f"<table>{cells}</table>"


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


def log_in(config: Optional[WeixinConfig] = None, **wishes: Any) -> LoginStatus:
    """Log in by QR code: shows each code as a picture, asks for the number when the phone wants one.

    *wishes* go to ``QrLogin.login``. Raises LoginError.
    """

    def show(session: QrLoginSession) -> None:
        display(session)  # type: ignore[no-untyped-call]

    def ask(was_wrong: bool) -> str:
        return input("That number was wrong. " * was_wrong + "The number shown on the phone: ")

    login = StandaloneQrLogin(config or WeixinConfig(token=""))
    return login.login(on_qrcode=show, ask_verify_code=ask, **wishes)


def _bot(client: Client) -> Any:
    """What tells the bot of *client* from others, as far as its settings do."""
    if isinstance(client, WSClient):
        return client.options.ws_url, client.options.bot_id
    if isinstance(client, WeixinClient):
        return client.api.base_url, str(client.api.token)  # set_token may have changed them
    raise ConfigError("serve() takes a WeixinClient or a WSClient.")
