"""The Jupyter integration: cells that are run again, and what they show."""

from __future__ import annotations

from typing import Any, List

import pytest

from wxsdk import AuthFailed, ConfigError, WeixinClient, WeixinConfig, WSClient, WSClientOptions
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


def wecom(sim: Any, bot_id: str, secret: str, **settings: Any) -> WSClient:
    return WSClient(WSClientOptions(bot_id, secret, ws_url=sim.ws_url, **settings))


def personal(sim: Any, token: str, answer: str = "yes") -> WeixinClient:
    return WeixinClient(WeixinConfig(token=token, base_url=sim.base_url), lambda ctx: ctx.reply_text(answer))


def state(served: jupyter.Served) -> str:
    return served.client.health().state.value


def test_a_cell_that_is_run_again_with_another_token_replaces_its_client_and_says_so(
    ilink_sim: Any, caplog: pytest.LogCaptureFixture
) -> None:
    first = jupyter.serve(personal(ilink_sim, ilink_sim.token, "old"))
    second = jupyter.serve(personal(ilink_sim, ilink_sim.mint_token(), "new"))
    assert state(first) == "stopped"
    assert "serve(client, name=…) runs two side by side" in caplog.text
    ilink_sim.user("alice").says("hello")
    assert ilink_sim.user("alice").expects().text == "new"
    assert jupyter.serve.stop()
    assert state(second) == "stopped"


def test_another_wecom_bot_runs_beside_the_first_and_another_secret_replaces_it(aibot_sim: Any) -> None:
    aibot_sim.add_bot("other", "its secret")
    first = jupyter.serve(wecom(aibot_sim, aibot_sim.bot_id, aibot_sim.secret))
    second = jupyter.serve(wecom(aibot_sim, "other", "its secret"))
    assert (state(first), state(second)) == ("running", "running")
    aibot_sim.add_bot("other", "its new secret")
    third = jupyter.serve(wecom(aibot_sim, "other", "its new secret"))
    assert (state(first), state(second), state(third)) == ("running", "stopped", "running")
    assert jupyter.serve.stop()


def test_bots_with_names_of_their_own_and_of_both_protocols_run_side_by_side(aibot_sim: Any, ilink_sim: Any) -> None:
    aibot_sim.add_bot("other", "its secret")
    served = [
        jupyter.serve(wecom(aibot_sim, aibot_sim.bot_id, aibot_sim.secret)),
        jupyter.serve(wecom(aibot_sim, "other", "its secret"), name="other"),
        jupyter.serve(personal(ilink_sim, ilink_sim.token)),
    ]
    assert "stopped" not in [state(each) for each in served]
    assert jupyter.serve.stop()
    assert [state(each) for each in served] == ["stopped"] * 3


def test_the_same_bot_under_another_name_replaces_its_client(ilink_sim: Any) -> None:
    client = personal(ilink_sim, ilink_sim.token)
    first = jupyter.serve(client, name="first")
    client.set_token(ilink_sim.mint_token())
    second = jupyter.serve(personal(ilink_sim, str(client.api.token)), name="second")
    assert state(first) == "stopped"
    assert jupyter.serve(second.client).client is second.client
    assert state(second) != "stopped"
    assert jupyter.serve.stop()


def test_a_start_that_failed_leaves_nothing_that_keeps_the_next_one_from_starting(aibot_sim: Any) -> None:
    with pytest.raises(AuthFailed):
        jupyter.serve(wecom(aibot_sim, aibot_sim.bot_id, "wrong", max_auth_failure_attempts=1))
    assert state(jupyter.serve(wecom(aibot_sim, aibot_sim.bot_id, aibot_sim.secret))) == "running"
    assert jupyter.serve.stop()


def test_a_replaced_client_that_is_stuck_is_not_forgotten(ilink_sim: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = personal(ilink_sim, ilink_sim.token)
    ended = [False, False, True]
    real = stuck.shutdown
    monkeypatch.setattr(stuck, "shutdown", lambda: real() and ended.pop(0))
    jupyter.serve(stuck)
    jupyter.serve(personal(ilink_sim, ilink_sim.mint_token()))
    assert [jupyter.serve.stop() for _ in range(3)] == [False, True, True]


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
