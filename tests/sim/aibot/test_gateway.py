from __future__ import annotations

import shutil
import socket
import ssl
import struct
import subprocess
from pathlib import Path
from typing import List

import pytest
import websocket

from tests.sim.aibot.raw_bot import RawBot
from wxsdk.sim.aibot import wire
from wxsdk.sim.aibot.simulator import AiBotSim


def rules_broken(sim: AiBotSim) -> List[str]:
    return [violation.rule for violation in sim.violations]


def test_nothing_is_answered_before_the_subscription(sim: AiBotSim) -> None:
    bot = RawBot(sim, subscribe=False)
    assert bot.ask("ping")["errcode"] == 846609
    assert bot.ask("aibot_send_msg", {"chatid": "a"})["errcode"] == 846609
    assert rules_broken(sim) == ["frame before subscribe"] * 2
    assert bot.subscribe()["errcode"] == 0
    assert bot.ask("ping")["errcode"] == 0
    bot.close()


def test_credentials_are_checked(sim: AiBotSim) -> None:
    bot = RawBot(sim, subscribe=False)
    assert bot.subscribe(bot_id="nobody")["errcode"] == 93019
    assert bot.subscribe(secret="guess")["errcode"] == 853000
    assert not sim.connections[0].subscribed
    sim.add_bot("second", "its secret")
    assert bot.subscribe("second", "its secret")["errcode"] == 0
    assert [frame.errcode for frame in sim.subscribes] == [93019, 853000, 0]
    assert sim.wait_subscribed("second").number == 1
    assert sim.secret not in repr(sim.frames)
    bot.close()


def test_two_bots_get_their_own_messages(sim: AiBotSim, bot: RawBot) -> None:
    sim.add_bot("second", "s")
    second = RawBot(sim, subscribe=False)
    second.subscribe("second", "s")
    alice = sim.user("a")
    alice.says("to the second", bot="second")
    frame = second.read()
    assert frame["body"]["aibotid"] == "second"
    assert bot.stream(frame, "not mine", finish=True) == 846605
    assert second.stream(frame, "mine", finish=True) == 0
    assert alice.expects().bot_id == "second"
    assert sim.connections[0].subscribed
    second.close()


def test_pings_are_recorded_with_their_times(sim: AiBotSim, bot: RawBot) -> None:
    bot.ask("ping")
    bot.ask("ping")
    first, second = sim.pings
    assert first.at <= second.at
    assert (first.cmd, first.connection, first.errcode) == ("ping", 1, 0)


def test_a_second_subscriber_kicks_the_first(sim: AiBotSim, bot: RawBot) -> None:
    second = RawBot(sim)
    kicked = bot.read()
    assert kicked["cmd"] == "aibot_event_callback"
    assert kicked["body"]["event"] == {"eventtype": "disconnected_event"}
    assert bot.ended()
    sim.user("a").says("x")
    assert second.read()["body"]["text"]["content"] == "x"
    second.close()


def test_a_kicked_socket_can_stay_open_and_pings_are_answered(sim: AiBotSim, bot: RawBot) -> None:
    sim.settings.kick_keeps_open = True
    second = RawBot(sim)
    assert bot.read()["body"]["event"]["eventtype"] == "disconnected_event"
    assert bot.ask("ping")["errcode"] == 0
    assert bot.ask("aibot_send_msg", {"chatid": "a"})["errcode"] == 846609
    second.close()


def test_the_end_of_each_connection_is_recorded(sim: AiBotSim) -> None:
    first = RawBot(sim)
    first.ws.close(status=1001)
    sim.wait_for(lambda: not sim.connections[0].open)
    second = RawBot(sim)
    second.ws.shutdown()
    sim.wait_for(lambda: not sim.connections[1].open)
    third = RawBot(sim)
    third.ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    third.ws.sock.close()
    sim.wait_for(lambda: not sim.connections[2].open)
    assert [record.ended for record in sim.connections] == ["client closed", "client gone", "client reset"]
    assert [record.close_received for record in sim.connections] == [1001, None, None]
    assert all(record.upgraded and not record.subscribed for record in sim.connections)


def test_a_ping_of_the_websocket_is_noted_and_answered_with_a_mask(sim: AiBotSim, bot: RawBot) -> None:
    bot.ws.ping("x")
    assert bot.ws.sock.recv(100)[:2] == bytes([0x8A, 0x81])
    sim.settings.masked_pong = False
    bot.ws.ping("x")
    assert bot.ws.sock.recv(100) == bytes([0x8A, 0x01]) + b"x"
    assert rules_broken(sim) == ["websocket ping"] * 2


def test_a_frame_without_a_mask_ends_the_connection(sim: AiBotSim, bot: RawBot) -> None:
    bot.ws.sock.sendall(wire.frame(b"{}"))
    assert bot.ended()
    assert rules_broken(sim) == ["websocket protocol"]
    assert "unmasked" in sim.violations[0].detail


def test_a_binary_frame_is_noted(sim: AiBotSim, bot: RawBot) -> None:
    bot.ws.send_binary(b"x")
    assert bot.ask("ping")["errcode"] == 0
    assert rules_broken(sim) == ["binary frame"]


@pytest.mark.parametrize(
    "text", ["[]", "x", "null", '{"cmd":"ping"}', '{"cmd":1,"headers":{"req_id":"r"}}', "[" * 3000]
)
def test_what_is_no_frame_gets_an_error_without_req_id(sim: AiBotSim, bot: RawBot, text: str) -> None:
    bot.ws.send(text)
    assert bot.read() == {"headers": {}, "errcode": 40058, "errmsg": sim.violations[0].detail}
    assert rules_broken(sim) == ["invalid frame"]
    assert bot.ask("ping")["errcode"] == 0


def test_what_does_not_belong_into_a_frame_is_noted(sim: AiBotSim, bot: RawBot) -> None:
    bot.ask("ping", {})
    bot.ws.send('{"cmd":"ping","headers":{"req_id":"r","trace":1},"extra":1}')
    bot.read()
    bot.ask("aibot_send_msg", "text")
    assert [violation.detail for violation in sim.violations if violation.rule == "unknown field"] == [
        "body",
        "extra",
        "headers.trace",
    ]
    assert "body is not an object" in [violation.detail for violation in sim.violations]


def test_frames_written_before_the_subscription_was_answered_are_noted(sim: AiBotSim) -> None:
    bot = RawBot(sim, subscribe=False)
    subscribe = {
        "cmd": "aibot_subscribe",
        "headers": {"req_id": "1"},
        "body": {"bot_id": sim.bot_id, "secret": sim.secret},
    }
    ping = {"cmd": "ping", "headers": {"req_id": "2"}}
    bot.ws.sock.sendall(wire.masked(subscribe) + wire.masked(ping))
    assert [bot.read()["errcode"], bot.read()["errcode"]] == [0, 0]
    assert rules_broken(sim) == ["frame before subscribe"]
    bot.close()


def test_a_large_frame_in_many_fragments_is_read(sim: AiBotSim, bot: RawBot) -> None:
    body = {"upload_id": "u", "chunk_index": 0, "base64_data": "A" * 1_000_000}
    assert bot.ask("aibot_upload_media_chunk", body)["errcode"] == 40058
    assert len(sim.frames[-1].body["base64_data"]) == 1_000_000
    bot.ws.send_frame(websocket.ABNF.create_frame('{"cmd":"ping",', 1, 0))
    bot.ws.send_frame(websocket.ABNF.create_frame('"headers":{"req_id":"p"}}', 0, 1))
    assert bot.read()["headers"]["req_id"] == "p"


def test_a_request_that_is_no_upgrade_is_refused(sim: AiBotSim) -> None:
    with socket.create_connection(("127.0.0.1", sim.port)) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert plain.recv(100).startswith(b"HTTP/1.1 400")
    sim.wait_for(lambda: sim.connections[0].ended == "refused")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl for a certificate")
    path = tmp_path_factory.mktemp("tls") / "pair.pem"
    command = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    command += [
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(path),
        "-out",
        str(path),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return path


def test_it_speaks_tls(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with AiBotSim(ssl_context=context) as sim:
        assert sim.ws_url.startswith("wss://")
        bot = RawBot(sim, sslopt={"ca_certs": str(certificate)})
        said = sim.user("a").says("字" * 20_000)
        assert bot.read()["body"]["text"]["content"] == "字" * 20_000
        assert bot.stream(said, "x" * 20_000, finish=True) == 0
        assert sim.user("a").expects().text == "x" * 20_000
        assert sim.faults.reset() == 1
        assert bot.ended()
        bot.close()


def test_stop_does_not_wait_for_a_tls_handshake(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    sim = AiBotSim(ssl_context=context).start()
    with socket.create_connection(("127.0.0.1", sim.port)) as silent:
        silent.sendall(b"\x16\x03")
        sim.wait_for(lambda: sim.connections)
        assert sim.stop()
    assert sim.connections[0].ended == "stopped"
