"""One connection of the gateway: its ends, and what it writes."""

from __future__ import annotations

import socket

import pytest

from tests.sim.aibot.raw_bot import RawBot
from wxsdk.sim.aibot.simulator import AiBotSim


def test_how_a_connection_ended_is_recorded() -> None:
    with AiBotSim() as sim:
        polite, gone = RawBot(sim), RawBot(sim, subscribe=False)
        polite.ws.send_close(1000)
        gone.ws.shutdown()
        plain = socket.create_connection(("127.0.0.1", sim.port))
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")  # no upgrade
        sim.wait_for(lambda: all(one.ended for one in sim.connections) and len(sim.connections) == 3)
        plain.close()
        polite.close()
        assert [one.ended for one in sim.connections] == ["client closed", "client gone", "refused"]
        assert sim.connections[0].close_received == 1000
        assert all(one.closed_at is not None and not one.open for one in sim.connections)


def test_stop_ends_what_is_open_and_says_so() -> None:
    with AiBotSim() as sim:
        bot = RawBot(sim)
    assert sim.connections[0].ended == "stopped"
    assert bot.ended()
    bot.close()


def test_after_its_own_close_frame_nothing_is_written() -> None:
    with AiBotSim() as sim:
        bot = RawBot(sim)
        (connection,) = sim._desk.live()
        connection.close(1000)
        assert not connection.send(b"late")
        assert not connection.exclusively(lambda write: pytest.fail("it ran"))
        assert bot.ended()
        bot.close()
        sim.wait_for(lambda: not sim.connections[0].open)
        assert (sim.connections[0].close_sent, sim.connections[0].ended) == (1000, "sim closed")


def test_a_half_open_connection_swallows_what_is_sent() -> None:
    with AiBotSim() as sim:
        bot = RawBot(sim)
        (connection,) = sim._desk.live()
        sim.faults.half_open()
        assert connection.send(b"into the void")
        bot.ws.settimeout(0.05)
        with pytest.raises(Exception, match="timed out"):
            bot.ws.recv()
        bot.close()


def test_a_ping_of_websocket_is_answered_with_a_mask_as_the_platform_does() -> None:
    with AiBotSim() as sim:
        bot = RawBot(sim)
        bot.ws.ping("hello")
        header = bot.ws.sock.recv(2)
        assert header[0] == 0x8A
        assert header[1] & 0x80
        sim.wait_for(lambda: sim.violations)
        assert sim.violations[0].rule == "websocket ping"
        bot.close()
