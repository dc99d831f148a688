"""The Jupyter integration: cells that are run again, and what they show."""

from __future__ import annotations

from typing import Any, List

import pytest

from wxsdk import ConfigError, WeixinClient, WeixinConfig, WSClient, WSClientOptions
from wxsdk.ext import jupyter


def test_a_cell_that_is_run_again_replaces_its_client(aibot_sim: Any) -> None:
    def cell(answer: str) -> jupyter.Served:
        client = WSClient(WSClientOptions(aibot_sim.bot_id, aibot_sim.secret, ws_url=aibot_sim.ws_url))

        @client.on_message_text
        def reply(frame: Any) -> None:
            with client.open_stream(frame) as stream:
                stream.write(answer)

        return jupyter.serve(client)

    cell("first")
    served = cell("second")
    aibot_sim.user("bob").says("hello")
    assert aibot_sim.user("bob").expects().text == "second"
    assert "running" in served._repr_html_()
    assert jupyter.serve.stop()


def test_both_kinds_of_client_are_served(ilink_sim: Any) -> None:
    config = WeixinConfig(token=ilink_sim.token, base_url=ilink_sim.base_url)
    served = jupyter.serve(WeixinClient(config, lambda ctx: ctx.reply_text("yes")))
    ilink_sim.user("alice").says("hello")
    assert ilink_sim.user("alice").expects().text == "yes"
    assert repr(served).startswith("<bot ")
    assert jupyter.serve.stop()


def test_something_else_is_refused() -> None:
    with pytest.raises(ConfigError):
        jupyter.serve("a client")  # type: ignore[arg-type]


def test_the_login_shows_its_code_as_a_picture(ilink_sim: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: List[Any] = []

    def display(session: Any) -> None:
        shown.append(session)
        ilink_sim.scan(session.qrcode, user="alice")
        ilink_sim.confirm()

    monkeypatch.setattr(jupyter, "display", display)
    status = jupyter.log_in(WeixinConfig(token="", base_url=ilink_sim.base_url))
    assert status.state.name == "CONFIRMED"
    assert shown[0]._repr_png_().startswith(b"\x89PNG")
