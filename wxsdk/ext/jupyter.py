"""Jupyter: a bot in a notebook, where cells are run again and again.

.. code-block:: python

    from wxsdk.ext.jupyter import serve

    serve(client)        # starts it; run the cell again, with a new client of the same bot, and the old one is replaced
    serve.stop()         # stops what runs

A QR login shows its code as a picture when its session is the value of a cell. ``log_in()`` does the whole login.
"""

from __future__ import annotations

import html
from typing import Any, Dict, Optional, Union

from IPython.display import display

from ..aibot.client import WSClient
from ..errors import ConfigError
from ..ilink.client import WeixinClient
from ..ilink.config import WeixinConfig
from ..ilink.login import LoginStatus
from ..ilink.qr import QrLoginSession, StandaloneQrLogin

__all__ = ["log_in", "serve"]

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
    """Starts clients from cells; one per bot runs at a time."""

    def __init__(self) -> None:
        self._running: Dict[Any, Client] = {}

    def __call__(self, client: Client) -> Served:
        """Start *client*, after stopping the one that an earlier run of the cell started for the same bot."""
        key = _identity(client)
        earlier = self._running.pop(key, None)
        if earlier is not None and earlier is not client:
            _stop(earlier)
        if isinstance(client, WSClient):
            client.connect(wait=client.options.request_timeout)
        else:
            client.start()
        self._running[key] = client
        return Served(client)

    def stop(self) -> bool:
        """Stop every client that runs; True when all their threads ended."""
        running, self._running = list(self._running.values()), {}
        ended = [_stop(client) for client in running]  # a list: the others must stop even when one does not
        return all(ended)


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


def _identity(client: Client) -> Any:
    if isinstance(client, WSClient):
        return client.options.ws_url, client.options.bot_id
    if isinstance(client, WeixinClient):
        return client.config.base_url, str(client.config.token)
    raise ConfigError("serve() takes a WeixinClient or a WSClient.")


def _stop(client: Client) -> bool:
    return client.disconnect() if isinstance(client, WSClient) else client.shutdown()
