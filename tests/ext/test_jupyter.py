"""The Jupyter integration: cells that are run again, and what they show."""

from __future__ import annotations

from typing import Any, List

import pytest

from wxsdk import AuthFailed, ConfigError, WeixinClient, WeixinConfig, WSClient, WSClientOptions, accounts
from wxsdk.ext import jupyter

from ..delivery.waiting import until

KERNEL_PATIENCE = 40.0  # seconds for a kernel to start where other programs run


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


# -- the table, the bars, the kernel ----------------------------------------


class Shown:
    """Stands for IPython's display: keeps what is shown last."""

    def __init__(self) -> None:
        self.updates: List[str] = []

    def __call__(self, value: Any, display_id: bool = False) -> Shown:
        self.update(value)
        return self

    def update(self, value: Any) -> None:
        self.updates.append(value._repr_html_())


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    stand_in = Shown()
    monkeypatch.setattr(jupyter, "display", stand_in)
    return stand_in


def test_the_table_shows_messages_as_they_come_until_it_is_stopped(ilink_sim: Any, shown: Shown) -> None:
    config = WeixinConfig(token=ilink_sim.token, base_url=ilink_sim.base_url)
    table = jupyter.watch(config, answer=lambda ctx: ctx.reply_text("seen"))
    ilink_sim.user("alice").says("hello <b>there</b>")
    assert ilink_sim.user("alice").expects().text == "seen"
    until(lambda: "hello &lt;b&gt;there&lt;/b&gt;" in shown.updates[-1])
    assert "<b>" not in shown.updates[-1]
    assert [row["text"] for row in table.rows] == ["hello <b>there</b>"]
    assert table.stop()
    assert "bot stopped" in shown.updates[-1]
    assert jupyter.serve.stop()


def test_a_flood_of_messages_is_no_flood_of_updates(aibot_sim: Any, shown: Shown) -> None:
    table = jupyter.watch(WSClientOptions(aibot_sim.bot_id, aibot_sim.secret, ws_url=aibot_sim.ws_url), shown=5)
    for number in range(30):
        aibot_sim.user("bob").says(f"message {number}", wait=0)
    until(lambda: len(table.rows) == 30)
    until(lambda: "message 29" in shown.updates[-1])
    assert "message 20<" not in shown.updates[-1]
    assert len(shown.updates) < 15
    assert jupyter.serve.stop()
    assert "bot stopped" in shown.updates[-1]


def test_a_saved_account_is_watched_by_its_name_and_odd_things_are_refused(
    ilink_sim: Any, shown: Shown, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("WXSDK_HOME", str(tmp_path))
    accounts.save("mine", accounts.Account(token=ilink_sim.token, base_url=ilink_sim.base_url))
    table = jupyter.watch("mine")
    ilink_sim.user("alice").says("hello")
    until(lambda: table.rows)
    assert jupyter.serve.stop()
    for odd in ("missing", 5, None):
        with pytest.raises(ConfigError):
            jupyter.watch(odd)  # type: ignore[arg-type]


def test_a_progress_bar_is_updated_once_a_percent(shown: Shown) -> None:
    report = jupyter.progress("a <file>")
    for done in range(0, 100_001, 10):
        report(done, 100_000)
    assert "100 %" in shown.updates[-1]
    assert "a &lt;file&gt;" in shown.updates[-1]
    assert len(shown.updates) <= 103


def test_a_login_shows_a_picture_and_keeps_the_account(
    ilink_sim: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("WXSDK_HOME", str(tmp_path))
    monkeypatch.setenv("WXSDK_BASE_URL", ilink_sim.base_url)
    pictures: List[bytes] = []

    def show(session: Any) -> None:
        pictures.append(session._repr_png_())
        ilink_sim.scan(session.qrcode, user="alice")
        ilink_sim.confirm()

    monkeypatch.setattr(jupyter, "display", show)
    jupyter.log_in("mine")
    assert pictures[0].startswith(b"\x89PNG")
    assert accounts.load("mine").base_url == ilink_sim.base_url


@pytest.mark.may_leak(reason="the kernel's manager keeps sockets of its own until the process ends")
def test_a_kernel_that_is_restarted_leaves_nothing_and_the_cell_runs_again(
    aibot_sim: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")  # without it older versions of jupyter_core warn, an error here
    from jupyter_client.manager import KernelManager

    cell = (
        "from wxsdk import WSClient, WSClientOptions\nfrom wxsdk.ext.jupyter import serve, watch\n"
        f"watch(WSClientOptions({aibot_sim.bot_id!r}, {str(aibot_sim.secret)!r}, ws_url={aibot_sim.ws_url!r}))\n"
    )
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    try:
        for number in (1, 2):
            with_client = manager.client()
            with_client.start_channels()
            with_client.wait_for_ready(timeout=KERNEL_PATIENCE)
            reply = with_client.execute_interactive(cell, timeout=KERNEL_PATIENCE, output_hook=lambda message: None)
            assert reply["content"]["status"] == "ok", reply["content"]
            aibot_sim.wait_subscribed(timeout=KERNEL_PATIENCE)
            assert len(aibot_sim.subscribes) == number
            with_client.stop_channels()
            if number == 1:
                manager.restart_kernel(now=False)
                aibot_sim.wait_for(
                    lambda: all(not each.open for each in aibot_sim.connections), timeout=KERNEL_PATIENCE
                )
    finally:
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
