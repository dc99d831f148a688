"""A client whose process forks: the child knows that nothing runs in it, and leaves its parent's connection alone."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import ssl
import threading
import traceback
from typing import Any, Callable, List

import pytest

from wxsdk import AlreadyRunning, ConnectionLost, WeixinClient, WeixinConfig, WSClient, WSClientOptions
from wxsdk.errors import TransportError
from wxsdk.health import HealthState
from wxsdk.runtime.http import HttpDoor

from .servers import Peer, RawServer

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


# --- the door to HTTP: each connection answers with its number


class Numbering:
    """Answers with the number of the connection; a request for /held only when told, and notes who has gone."""

    def __init__(self) -> None:
        self.held = threading.Event()
        self.go_on = threading.Event()
        self.gone = threading.Event()

    def __call__(self, peer: Peer) -> None:
        while True:
            request = peer.read_request()
            if request is None:
                break
            if request.path == "/held":
                self.held.set()
                self.go_on.wait(10)
            peer.answer(b"%d" % peer.number)
        self.gone.set()


def _ask(door: HttpDoor, url: str) -> int:
    return int(door.request("GET", url, timeout=10).body)


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param == "http":
        return None
    certificate: pathlib.Path = request.getfixturevalue("certificate")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    made: ssl.SSLContext = request.getfixturevalue("server_tls")
    return made


def test_a_child_uses_no_kept_connection_of_its_parents_and_ends_none(tls: Any) -> None:
    door = HttpDoor(proxy="")

    def check() -> None:
        assert [_ask(door, server.url) for _ in range(2)] == [2, 2]
        door.close()

    with RawServer(Numbering(), tls) as server:
        assert _ask(door, server.url) == 1
        in_a_child(check)
        in_a_child(door.interrupt)
        assert _ask(door, server.url) == 1
        door.close()
        assert server.connections == 2
    assert server.failures == []


def test_a_child_leaves_a_request_under_way_to_its_parent(tls: Any) -> None:
    door, numbering = HttpDoor(proxy=""), Numbering()
    answers: List[int] = []

    def check() -> None:
        door.interrupt()
        door.resume()
        assert _ask(door, server.url) == 2
        door.close()

    with RawServer(numbering, tls) as server:
        asking = threading.Thread(target=lambda: answers.append(_ask(door, server.url + "/held")))
        asking.start()
        assert numbering.held.wait(10)
        in_a_child(check)
        numbering.go_on.set()
        asking.join(10)
        door.close()
    assert answers == [1]


def test_a_child_that_lives_on_keeps_no_connection_of_its_parents_open(tls: Any) -> None:
    door, numbering = HttpDoor(proxy=""), Numbering()
    reading, go = os.pipe()
    with RawServer(numbering, tls) as server:
        assert _ask(door, server.url) == 1
        child = os.fork()
        if child == 0:
            os.close(go)
            os.read(reading, 1)  # ends when the parent closes its end
            os._exit(0)
        os.close(reading)
        door.close()
        assert numbering.gone.wait(10)
        os.close(go)
        assert os.waitpid(child, 0)[1] == 0


def test_a_body_that_was_being_read_at_the_fork_is_the_parents(tls: Any) -> None:
    door = HttpDoor(proxy="")

    def drip(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
        go_on.wait(10)
        peer.send(b"b")
        peer.hold()

    def check() -> None:
        with pytest.raises(TransportError):
            stream.read_all()

    go_on = threading.Event()
    with RawServer(drip, tls) as server:
        with door.open("GET", server.url, timeout=10) as stream:
            in_a_child(check)
            go_on.set()
            assert stream.read_all() == b"ab"
        door.close()


# --- sends: whatever another thread held at the fork is free in the child


def _locks_of_a_send(client: WeixinClient) -> List[Any]:
    parts = (client._sender, client._sender._turns, client._allowance, client._allowance._line, client._book)
    more = (client._store.inner, client._vitals, client._typing_signs)
    return [client._life, client._store._changed, client._store._access, *(part._lock for part in (*parts, *more))]  # type: ignore[attr-defined]


@pytest.mark.parametrize("runs", [False, True])
def test_a_child_sends_whatever_a_thread_of_its_parent_held(weixin: WeixinClient, ilink_sim: Any, runs: bool) -> None:
    def check() -> None:
        signal.alarm(20)  # a child that hangs fails
        weixin.send_text("alice", "from the child")
        weixin.send_typing("alice")
        os.write(writing, b"sent")

    def hold_the_turn_and_fork() -> None:
        with contextlib.ExitStack() as held:
            for lock in _locks_of_a_send(weixin):
                held.enter_context(lock)
            forking = threading.Thread(target=in_a_child, args=(check,))
            forking.start()
            forking.join(30)

    ilink_sim.user("alice").says("hello")
    reading, writing = os.pipe()
    with contextlib.ExitStack() as stack:
        if runs:
            stack.enter_context(weixin)
            assert ilink_sim.user("alice").expects().text == "yes"
        else:
            weixin.context_tokens.set("alice", ilink_sim.user("alice").context_token)
        weixin._allowance.interrupt()  # a shutdown of the parent ends none of the child's sends
        weixin._sender._turns.in_turn("alice", hold_the_turn_and_fork)
        weixin._allowance.resume()
        assert ilink_sim.user("alice").expects().text == "from the child"
    os.close(writing)
    with open(reading, "rb") as pipe:
        assert pipe.read() == b"sent"
    weixin.shutdown()


def test_a_child_of_a_wecom_client_is_told_at_once_whatever_a_thread_of_its_parent_held(
    wecom: WSClient, aibot_sim: Any
) -> None:
    def check() -> None:
        signal.alarm(20)  # a child that hangs fails
        assert wecom.sent_card("t") is None
        assert list(wecom._streams._open) == []
        with pytest.raises(ConnectionLost):
            wecom.send_message("alice", MARKDOWN)
        assert wecom.disconnect()

    with wecom, contextlib.ExitStack() as held:
        aibot_sim.wait_subscribed()
        for lock in (wecom._life, wecom._cards_lock, wecom._streams._lock, wecom._replies._lock):
            held.enter_context(lock)
        in_a_child(check)
