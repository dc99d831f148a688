"""Where the order or the number of requests is a part of the protocol, wxsdk keeps to it as the vendors' clients do."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest

from tests.official.aibot_witness import Witness as BotWitness
from tests.official.compare import ilink_record
from tests.official.ilink_actions import HOST
from tests.official.ilink_witness import Witness
from tests.official.node import Node
from wxsdk import AuthFailed, LoginError, WeixinClient, WeixinConfig, WSClient, WSClientOptions
from wxsdk.sim import ILinkSim
from wxsdk.sim.aibot.simulator import AiBotSim

CHUNK = 512 * 1024


@pytest.fixture
def aibot_sim() -> Iterator[AiBotSim]:
    with AiBotSim() as sim:
        yield sim


def our_client(sim: AiBotSim, **options: Any) -> WSClient:
    settings = {"bot_id": sim.bot_id, "secret": sim.secret, "ws_url": sim.ws_url, "reconnect_interval": 0.005}
    return WSClient(WSClientOptions(**{**settings, **options}))


# -- WeCom ----------------------------------------


def under_way(sim: AiBotSim, upload: Callable[[], Any], push: Callable[[], Any], chunks: int) -> int:
    """How many chunks of an upload are written before the first is acknowledged."""
    sim.user("alice")
    sim.faults.hold_acks("aibot_upload_media_chunk")
    worker = threading.Thread(target=upload)
    worker.start()
    try:
        sim.wait_for(lambda: len(chunk_frames(sim)) >= expected(chunks))
        push()  # whatever else was to be written at once stands before it
        return len(chunk_frames(sim))
    finally:
        sim.faults.clear()
        worker.join(20)


def chunk_frames(sim: AiBotSim) -> List[Any]:
    return [frame for frame in sim.frames if frame.cmd == "aibot_upload_media_chunk"]


def expected(chunks: int) -> int:
    return chunks if chunks <= 4 else 3 if chunks <= 10 else 2  # docs/protocol/aibot, 6


@pytest.mark.parametrize("chunks", [1, 2, 4, 5, 10, 11])
def test_as_many_chunks_are_under_way_at_once(aibot_node: Node, tmp_path: Path, chunks: int) -> None:
    data = b"x" * (chunks * CHUNK)
    (tmp_path / "data").write_bytes(data)
    body = {"msgtype": "markdown", "markdown": {"content": "meanwhile"}}
    with AiBotSim() as sim:
        witness = BotWitness(aibot_node, sim)
        witness.event("authenticated")
        upload = lambda: witness.upload(tmp_path / "data", "file", "data")  # noqa: E731
        assert under_way(sim, upload, lambda: witness.do("sendMessage", "alice", body), chunks) == expected(chunks)
        witness.close()
    with AiBotSim() as sim, our_client(sim) as client:
        client.connect(wait=5)
        send = lambda: client.upload_media(data, type="file", filename="data")  # noqa: E731
        assert under_way(sim, send, lambda: client.send_message("alice", body), chunks) == expected(chunks)


def test_two_unanswered_pings_end_the_connection(aibot_node: Node) -> None:
    with AiBotSim() as sim:
        sim.faults.ack("ping", lost=True, times=2)
        witness = BotWitness(aibot_node, sim, heartbeatInterval=30)
        sim.wait_for(lambda: len(sim.subscribes) == 2)
        assert [ping.connection for ping in sim.pings[:2]] == [1, 1]
        assert sum(ping.connection == 1 for ping in sim.pings) == 2
        witness.close()
    with AiBotSim() as sim:
        sim.faults.ack("ping", lost=True, times=2)
        with our_client(sim, heartbeat_interval=0.03):
            sim.wait_for(lambda: len(sim.subscribes) == 2)
            assert sum(ping.connection == 1 for ping in sim.pings) == 2


def test_a_refused_subscribe_is_tried_again_but_counted_in_all(aibot_node: Node, aibot_sim: AiBotSim) -> None:
    """A wanted difference: the vendor's number counts further tries, ours all of them (docs/protocol/aibot, 2)."""
    witness = BotWitness(aibot_node, aibot_sim, secret="wrong", maxAuthFailureAttempts=2)
    witness.node.wait_for(
        lambda: [e for e in witness.node.told(witness.channel, "error") if e.get("code")], 10, "the end"
    )
    assert len(aibot_sim.subscribes) == 3
    with pytest.raises(AuthFailed):
        our_client(aibot_sim, secret="wrong", max_auth_failure_attempts=2).connect(wait=5)
    assert len(aibot_sim.subscribes) == 3 + 2


# -- iLink ----------------------------------------


def test_three_qr_codes_are_shown_at_most(ilink_node: Node) -> None:
    with ILinkSim() as sim:
        ilink_node.call("place", origin=HOST, at=sim.base_url)
        witness = Witness(ilink_node, sim)
        ilink_node.call("forgetOthers", account=witness.account)
        pending = witness.begin_login()
        expire_all(sim)
        assert not pending.result()["connected"]
        official = [one["json"] for one in ilink_record(sim, "get_bot_qrcode")]
    with ILinkSim() as sim:
        client = WeixinClient(WeixinConfig("", base_url=sim.base_url))
        failures: List[BaseException] = []

        def login() -> None:
            try:
                client.qr_login().login(on_qrcode=lambda session: None)
            except LoginError as error:
                failures.append(error)

        worker = threading.Thread(target=login)
        worker.start()
        expire_all(sim)
        worker.join(20)
        client.shutdown()
        assert len(failures) == 1
        ours = [one["json"] for one in ilink_record(sim, "get_bot_qrcode")]
    assert len(official) == len(ours) == 3
    assert ours == [{"local_token_list": []}] * 3
    assert official == [{"local_token_list": ["<local_token_list>"]}] * 3  # its account has a token


def expire_all(sim: ILinkSim) -> None:
    sim.wait_for(lambda: len(sim.logins) == 1)
    sim.expire_qrcode()
    sim.wait_for(lambda: len(sim.logins) == 2, 10)
    sim.expire_qrcode()
    sim.wait_for(lambda: len(sim.logins) == 3, 10)
    sim.expire_qrcode()
