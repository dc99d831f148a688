from __future__ import annotations

import json
import socket
import struct
import threading
from typing import Any, List, Optional

import pytest
import websocket

from tests.sim.aibot.raw_bot import RawBot
from wxsdk.sim.aibot import wire
from wxsdk.sim.aibot.simulator import AiBotSim, SimTimeout


def answers(sim: AiBotSim, bot: RawBot, count: int = 1) -> List[Any]:
    """Say something, answer it, and read *count* frames."""
    said = sim.user("a").says("x")
    bot.read()
    bot.write("aibot_respond_msg", {"msgtype": "markdown", "markdown": {"content": "hi"}}, said.req_id)
    return [bot.read() for _ in range(count)]


# -- the connection ----------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 1011, 4000])
def test_a_close_has_its_code(sim: AiBotSim, bot: RawBot, code: int) -> None:
    assert sim.faults.close(code, "bye") == 1
    opcode, data = bot.ws.recv_data(control_frame=True)
    assert (opcode, data) == (8, struct.pack("!H", code) + b"bye")
    bot.ws.shutdown()
    sim.wait_for(lambda: sim.connections[0].ended == "sim closed")
    assert (sim.connections[0].close_sent, sim.connections[0].close_received) == (code, 1000)


@pytest.mark.parametrize(("code", "data"), [(None, b""), (1005, b"")])
def test_a_close_may_have_no_code(sim: AiBotSim, bot: RawBot, code: Optional[int], data: bytes) -> None:
    sim.faults.close(code)
    assert bot.ws.recv_data(control_frame=True) == (8, data)
    assert sim.connections[0].close_sent == 1005


def test_1006_is_an_end_without_a_close_frame(sim: AiBotSim, bot: RawBot) -> None:
    sim.faults.close(1006)
    assert bot.ws.sock.recv(10) == b""


def test_a_reset_is_a_reset(sim: AiBotSim, bot: RawBot) -> None:
    assert sim.faults.reset() == 1
    with pytest.raises(ConnectionResetError):
        bot.ws.sock.recv(10)
    sim.wait_for(lambda: sim.connections[0].ended == "sim reset")
    assert sim.faults.reset() == 0


def test_a_closed_connection_gets_no_messages_and_the_next_one_does(sim: AiBotSim, bot: RawBot) -> None:
    sim.faults.close(1000)
    assert not sim.user("a").says("lost", wait=0).delivered
    second = RawBot(sim)
    sim.user("a").says("heard")
    assert second.read()["body"]["text"]["content"] == "heard"
    second.close()


def test_a_half_open_connection_is_silent_and_a_new_one_is_not(sim: AiBotSim, bot: RawBot) -> None:
    assert sim.faults.half_open() == 1
    bot.write("ping")
    second = RawBot(sim)
    assert second.ask("ping")["errcode"] == 0
    bot.ws.settimeout(0.02)
    with pytest.raises(websocket.WebSocketTimeoutException):
        bot.read()
    assert [frame.connection for frame in sim.pings] == [2]
    assert sim.connections[0].open
    second.close()


def test_refused_connections_come_back_on_the_same_port(sim: AiBotSim, bot: RawBot) -> None:
    url = sim.ws_url
    sim.faults.refuse_connections()
    sim.faults.refuse_connections()
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            RawBot(sim)
    assert bot.ask("ping")["errcode"] == 0
    sim.faults.restore()
    sim.faults.restore()
    assert sim.ws_url == url
    RawBot(sim).close()
    assert len(sim.connections) == 2


def test_stop_while_connections_are_refused() -> None:
    sim = AiBotSim().start()
    sim.faults.refuse_connections()
    assert sim.stop()
    with sim:
        RawBot(sim).close()


def test_a_silent_handshake_never_answers_and_does_not_delay_stop(sim: AiBotSim) -> None:
    sim.faults.silent_handshake()
    with socket.create_connection(("127.0.0.1", sim.port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        RawBot(sim).close()
        client.settimeout(0.02)
        with pytest.raises(socket.timeout):
            client.recv(1)
        assert not sim.connections[0].upgraded
        assert sim.stop()
    assert sim.connections[0].ended == "stopped"


def test_a_client_may_leave_a_silent_handshake(sim: AiBotSim) -> None:
    sim.faults.silent_handshake(times=None)
    socket.create_connection(("127.0.0.1", sim.port)).close()
    sim.wait_for(lambda: sim.connections and sim.connections[0].ended == "refused")


def test_a_handshake_can_be_refused_by_http(sim: AiBotSim) -> None:
    sim.faults.http_status(502, times=2)
    for _ in range(2):
        with pytest.raises(websocket.WebSocketBadStatusException) as caught:
            RawBot(sim)
        assert caught.value.status_code == 502
    RawBot(sim).close()
    assert [record.upgraded for record in sim.connections] == [False, False, True]


# -- the subscription ----------------------------------------


def test_auth_is_refused_as_often_as_asked(sim: AiBotSim) -> None:
    sim.faults.refuse_auth(93019, times=2)
    bot = RawBot(sim, subscribe=False)
    assert [bot.subscribe()["errcode"] for _ in range(3)] == [93019, 93019, 0]
    sim.faults.refuse_auth(times=None)
    assert [bot.subscribe()["errcode"] for _ in range(3)] == [853000] * 3
    sim.faults.clear()
    assert bot.subscribe()["errcode"] == 0
    bot.close()


def test_a_lost_subscription_refuses_everything_while_the_socket_is_open(sim: AiBotSim, bot: RawBot) -> None:
    assert sim.faults.lose_subscription() == 1
    assert bot.ask("ping")["errcode"] == 846609
    assert bot.send("a", {"msgtype": "markdown", "markdown": {"content": "x"}}) == 846609
    assert bot.subscribe()["errcode"] == 846609
    second = RawBot(sim)
    assert second.ask("ping")["errcode"] == 0
    assert not sim.violations
    second.close()


def test_a_kick_can_be_repeated_and_keep_the_socket(sim: AiBotSim, bot: RawBot) -> None:
    assert sim.faults.kick(keep_open=True, times=8) == 1
    assert {bot.read()["body"]["event"]["eventtype"] for _ in range(8)} == {"disconnected_event"}
    assert bot.ask("ping")["errcode"] == 0
    assert sim.faults.kick() == 0
    bot.subscribe()
    assert sim.faults.kick() == 1
    assert bot.ended()


# -- answers ----------------------------------------


def test_a_late_ack_waits_for_its_release(sim: AiBotSim, bot: RawBot) -> None:
    late = sim.faults.ack("aibot_respond_msg", late=True)
    said = sim.user("a").says("x")
    bot.read()
    markdown = {"msgtype": "markdown", "markdown": {"content": "hi"}}
    first = bot.write("aibot_respond_msg", markdown, said.req_id)
    late.wait_held()
    assert sim.user("a").expects().text == "hi"
    assert bot.ask("ping")["errcode"] == 0
    assert (late.held, late.hits, late.release(), late.release()) == (1, 1, 1, 0)
    assert bot.read()["headers"]["req_id"] == first
    assert bot.reply(said, markdown) == 0


def test_a_lost_ack_never_comes_though_the_frame_took_effect(sim: AiBotSim, bot: RawBot) -> None:
    sim.faults.ack(lost=True)
    answers(sim, bot, 0)
    assert sim.user("a").expects().text == "hi"
    assert bot.ask("ping")["errcode"] == 0
    assert sim.frames[1].errcode == 0


def test_a_doubled_ack_comes_twice(sim: AiBotSim, bot: RawBot) -> None:
    sim.faults.ack(doubled=True)
    first, second = answers(sim, bot, 2)
    assert first == second


def test_an_ack_without_req_id_can_carry_an_error(sim: AiBotSim, bot: RawBot) -> None:
    fault = sim.faults.ack(lambda frame: frame.body.get("msgtype") == "markdown", no_req_id=True, errcode=40058)
    assert answers(sim, bot) == [{"headers": {}, "errcode": 40058, "errmsg": "refused by the test"}]
    assert sim.user("a").unread == 0
    assert fault.hits == 1
    assert answers(sim, bot)[0]["errcode"] == 0


def test_every_error_can_lack_its_req_id(sim: AiBotSim, bot: RawBot) -> None:
    sim.settings.errors_without_req_id = True
    assert bot.ask("aibot_send_msg", {})["headers"] == {}
    assert bot.ask("ping")["headers"] != {}


def test_acks_are_held_and_released_in_order(sim: AiBotSim, bot: RawBot) -> None:
    held = sim.faults.hold_acks()
    sim.user("a")
    markdown = {"msgtype": "markdown", "markdown": {"content": "hi"}}
    wrote = [bot.write("aibot_send_msg", {"chatid": "a", **markdown}) for _ in range(3)]
    held.wait_held(3)
    assert bot.ask("ping")["errcode"] == 0
    assert held.release(1) == 1
    assert sim.faults.release_acks() == 2
    assert [bot.read()["headers"]["req_id"] for _ in range(3)] == wrote
    assert bot.send("a", markdown) == 0


def test_pings_can_go_unanswered(sim: AiBotSim, bot: RawBot) -> None:
    sim.faults.ack("ping", lost=True, times=2)
    bot.write("ping")
    bot.write("ping")
    assert bot.ask("ping")["errcode"] == 0
    assert len(sim.pings) == 3


def test_a_cancelled_fault_meets_nothing(sim: AiBotSim, bot: RawBot) -> None:
    fault = sim.faults.ack(errcode=40058, times=None)
    fault.cancel()
    assert answers(sim, bot)[0]["errcode"] == 0
    with pytest.raises(SimTimeout, match="held acks"):
        fault.wait_held(timeout=0.01)


# -- hostile frames ----------------------------------------


def test_hostile_frames_arrive_as_they_are(sim: AiBotSim, bot: RawBot) -> None:
    assert sim.faults.hostile("[]", b'{"\xff"', {"cmd": 1}, wire.binary(b"\x00"), wire.fragmented("whole", 2)) == 1
    seen = [bot.ws.recv_frame() for _ in range(7)]
    assert [frame.data for frame in seen] == [
        b"[]",
        b'{"\xff"',
        b'{"cmd":1}',
        b"\x00",
        b"who",
        b"between",
        b"le",
    ]
    assert [frame.opcode for frame in seen] == [1, 1, 1, 2, 1, 9, 0]


def test_all_samples_are_sent_when_none_is_named(sim: AiBotSim, bot: RawBot) -> None:
    assert sim.faults.hostile() == 1
    assert len([bot.ws.recv_frame() for _ in sim.faults.samples()]) == len(sim.faults.samples())
    assert bot.ask("ping")["errcode"] == 0


def test_control_characters_can_stand_raw_in_a_message(sim: AiBotSim, bot: RawBot) -> None:
    every = "".join(map(chr, range(0x20)))
    sim.user("a").says(every, raw_controls=True)
    data = bot.ws.recv()
    assert every in data
    assert json.loads(data, strict=False)["body"]["text"]["content"] == every


def test_a_huge_frame_has_the_size_that_was_asked(sim: AiBotSim, bot: RawBot) -> None:
    sender = threading.Thread(target=sim.faults.huge, args=(3_000_000,))
    sender.start()
    assert len(bot.ws.recv()) == 3_000_000
    sender.join()


def test_a_dripped_frame_is_not_overtaken(sim: AiBotSim, bot: RawBot) -> None:
    thread = sim.faults.drip({"cmd": "slow"}, every=0.001)
    assert bot.read() == {"cmd": "slow"}
    thread.join()
    assert bot.ask("ping")["errcode"] == 0


def test_stop_interrupts_a_drip_and_a_reader_who_waits_behind_it(sim: AiBotSim, bot: RawBot) -> None:
    thread = sim.faults.drip("x" * 1000, every=60.0)
    assert bot.ws.sock.recv(1) == b"\x81"
    bot.write("ping")
    sim.wait_for(lambda: sim.pings)
    assert sim.stop()
    assert not thread.is_alive()


def test_stop_interrupts_a_write_to_a_client_that_does_not_read(sim: AiBotSim, bot: RawBot) -> None:
    sender = threading.Thread(target=sim.faults.huge, args=(64 * 2**20,))
    sender.start()
    bot.ws.sock.recv(1)
    assert sim.stop()
    sender.join(5)
    assert not sender.is_alive()


def test_stop_ends_whoever_waits(sim: AiBotSim) -> None:
    failed: List[BaseException] = []

    def wait() -> None:
        try:
            sim.user("a").expects(timeout=60)
        except SimTimeout as error:
            failed.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    sim.stop()
    waiting.join(5)
    assert "the simulator was stopped" in str(failed[0])
