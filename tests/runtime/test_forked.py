"""A client whose process forks: the child knows that nothing runs in it, and leaves its parent's connection alone."""

from __future__ import annotations

import os
import traceback
from typing import Any, Callable

import pytest

from wxsdk import AlreadyRunning, ConnectionLost, WeixinClient, WeixinConfig, WSClient, WSClientOptions
from wxsdk.health import HealthState

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="only POSIX forks"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]
MARKDOWN = {"msgtype": "markdown", "markdown": {"content": "hello"}}


def in_a_child(check: Callable[[], None]) -> None:
    """Run *check* in a forked child; AssertionError when it fails there."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            check()
        except BaseException:  # noqa: BLE001  it is told
            os.write(writing, traceback.format_exc()[-4000:].encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        told = pipe.read().decode()
    os.waitpid(child, 0)
    assert not told, told


@pytest.fixture
def weixin(ilink_sim: Any) -> WeixinClient:
    config = WeixinConfig(token=ilink_sim.token, base_url=ilink_sim.base_url, cdn_base_url=ilink_sim.cdn_base_url)
    return WeixinClient(config, lambda ctx: ctx.reply_text("yes"))


@pytest.fixture
def wecom(aibot_sim: Any) -> WSClient:
    client = WSClient(WSClientOptions(aibot_sim.bot_id, aibot_sim.secret, ws_url=aibot_sim.ws_url))
    client.on_message_text(lambda frame: client.reply_stream(frame, "s", "yes", True))
    return client


def test_a_child_of_a_running_weixin_client_runs_nothing_and_does_not_start_a_second_one(
    weixin: WeixinClient, ilink_sim: Any
) -> None:
    def check() -> None:
        assert weixin.health().state is HealthState.STOPPED
        assert weixin.wait(0)
        with pytest.raises(AlreadyRunning) as caught:
            weixin.start()
        assert caught.value.pid == os.getppid()

    with weixin:
        in_a_child(check)
        assert ilink_sim.polls_in_flight <= 1
        ilink_sim.user("alice").says("still there?")
        assert ilink_sim.user("alice").expects().text == "yes"


def test_a_child_of_a_connected_wecom_client_writes_nothing_into_the_connection(
    wecom: WSClient, aibot_sim: Any
) -> None:
    def check() -> None:
        assert wecom.health().state is HealthState.STOPPED
        assert wecom.wait(0)
        with pytest.raises(ConnectionLost) as caught:
            wecom.send_message("alice", MARKDOWN)
        assert not caught.value.may_have_been_sent
        with pytest.raises(AlreadyRunning):
            wecom.connect(wait=5)
        assert wecom.disconnect()

    with wecom:
        aibot_sim.wait_subscribed()
        frames = len(aibot_sim.frames)
        in_a_child(check)
        assert len(aibot_sim.frames) == frames
        aibot_sim.user("alice").says("still there?")
        assert aibot_sim.user("alice").expects().text == "yes"
        assert len(aibot_sim.connections) == 1


def test_a_child_may_take_over_once_its_parent_has_stopped(wecom: WSClient, aibot_sim: Any) -> None:
    go_reading, go = os.pipe()

    def check() -> None:
        os.close(go)
        os.read(go_reading, 1)  # ends when the parent has disconnected
        wecom.connect(wait=5).send_message("alice", MARKDOWN)
        assert wecom.health().state is HealthState.RUNNING
        assert wecom.disconnect()

    with wecom:
        aibot_sim.user("alice").says("hello")
        assert aibot_sim.user("alice").expects().text == "yes"
        child = os.fork()
        if child == 0:
            try:
                check()
            except BaseException:  # noqa: BLE001  it is printed
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
    os.close(go_reading)
    os.close(go)
    assert aibot_sim.user("alice").expects().text == "hello"
    _, status = os.waitpid(child, 0)
    assert status == 0


def test_a_fork_before_the_start_changes_nothing(weixin: WeixinClient, wecom: WSClient) -> None:
    def check() -> None:
        with weixin, wecom:
            wecom.connect(wait=5)
            assert wecom.health().state is HealthState.RUNNING

    in_a_child(check)
