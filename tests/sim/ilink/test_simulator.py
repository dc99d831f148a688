"""The main road through ILinkSim: users write, the bot polls, answers, sends files; start and stop."""

from __future__ import annotations

import ast
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
import requests

import wxsdk.sim
from wxsdk.sim import ILinkSim

from .fixtures import bot, sim
from .speaker import BASE_INFO, UPDATES, Speaker

__all__ = ["bot", "sim"]  # fixtures


def test_what_a_user_says_comes_with_the_next_poll(sim: ILinkSim, bot: Speaker) -> None:
    message_id = sim.user("alice").says("hello")
    (message,) = bot.poll()["msgs"]
    assert message["item_list"][0]["text_item"] == {"text": "hello"}
    assert (message["from_user_id"], message["to_user_id"]) == ("alice", sim.bot_id)
    assert str(message["message_id"]) == message_id
    assert message["message_id"] > 2**53
    assert message["context_token"] == sim.user("alice").context_token
    assert sim.violations == []


def test_a_held_poll_is_answered_by_a_new_message_at_once() -> None:
    with ILinkSim(hold=30) as sim, Speaker(sim) as bot:
        with bot.held_poll() as answers:
            sim.user("alice").says("hello")
        assert len(answers[0]["msgs"]) == 1
        assert sim.most_polls_in_flight == 1


def test_what_the_bot_sends_is_expected_in_order(sim: ILinkSim, bot: Speaker) -> None:
    alice = sim.user("alice")
    alice.says("hello")
    first = bot.send("alice", "one", context_token=alice.context_token, run_id="run-1")
    bot.send("alice", "two")
    message = alice.expects()
    assert (message.kind, message.text, message.run_id) == ("text", "one", "run-1")
    assert message.context_token == alice.context_token
    assert message.message_id == str(first["message_id"])
    assert alice.expects().text == "two"
    assert [one.text for one in alice.received] == ["one", "two"]
    assert sim.violations == []


def test_expecting_in_vain_tells_what_did_arrive(sim: ILinkSim, bot: Speaker) -> None:
    alice = sim.user("alice")
    alice.says("hello")
    bot.send("alice", "something else")
    bot.call("sendmessage", msg={})
    alice.expects()
    with pytest.raises(AssertionError) as failure:
        alice.expects(timeout=0.01)
    assert "something else" in str(failure.value)
    assert "violation: sendmessage: msg has no to_user_id" in str(failure.value)


def test_a_file_the_bot_sends_is_decrypted_with_the_key_of_its_message(sim: ILinkSim, bot: Speaker) -> None:
    sim.user("alice").says("hello")
    bot.send_file("alice", b"content" * 1000, "a.txt")
    message = sim.user("alice").expects()
    assert (message.kind, message.file_name, message.size) == ("file", "a.txt", 7000)
    assert message.data == b"content" * 1000
    assert sim.violations == []


def test_a_user_is_the_same_object_each_time(sim: ILinkSim) -> None:
    assert sim.user("alice") is sim.user("alice")


def test_several_requests_share_one_connection(sim: ILinkSim, bot: Speaker) -> None:
    bot.poll()
    bot.poll()
    assert len({seen.connection for seen in sim.requests}) == 1
    assert [seen.n for seen in sim.requests] == [1, 2]
    assert sim.requests[0].json["get_updates_buf"] == ""


def test_stopping_ends_held_polls_and_every_thread() -> None:
    sim = ILinkSim(hold=60).start()
    errors = []

    def poll() -> None:
        with Speaker(sim) as bot:
            try:
                bot.poll()
            except requests.ConnectionError as error:
                errors.append(error)

    polls = [threading.Thread(target=poll) for _ in range(5)]
    for one in polls:
        one.start()
    sim.wait_for(lambda: sim.polls_in_flight == 5)
    assert sim.stop() is True
    for one in polls:
        one.join(5)
    assert len(errors) == 5
    assert [one.name for one in threading.enumerate() if one.name.startswith("wxsdk-sim")] == []


def test_starting_and_stopping_twice_is_once_and_the_port_stays() -> None:
    sim = ILinkSim(hold=0)
    sim.start()
    url = sim.start().base_url
    sim.stop()
    assert sim.stop() is True
    sim.user("alice").says("while it was down")
    with sim, Speaker(sim) as bot:
        assert sim.base_url == url
        assert len(bot.poll()["msgs"]) == 1


def test_a_poll_whose_client_went_away_takes_no_message() -> None:
    with ILinkSim(hold=30, cursor="forgets") as sim, Speaker(sim) as bot:
        url = f"{sim.base_url}/ilink/bot/getupdates"
        with pytest.raises(requests.ReadTimeout):
            requests.post(url, json=UPDATES, headers=bot.headers(), timeout=0.05)
        sim.wait_for(lambda: sim.count("getupdates") == 1 and sim.polls_in_flight == 0)
        sim.user("alice").says("hello")
        assert len(bot.poll()["msgs"]) == 1


@pytest.mark.parametrize("name", ["cursor", "cursor_field", "message_ids", "upload_urls", "stale_tokens"])
def test_a_misspelt_option_is_an_error(name: str) -> None:
    options: Any = {name: "misspelt"}
    with pytest.raises(ValueError, match=f"{name} must be one of"):
        ILinkSim(**options)


def test_neither_repr_shows_a_secret(sim: ILinkSim, bot: Speaker) -> None:
    sim.user("alice").says("hello")
    bot.send_file("alice", b"x", "a.txt")
    message = sim.user("alice").expects()
    shown = f"{sim!r} {sim.requests!r} {sim.user('alice')!r} {message!r} {message.stored!r}"
    assert message.stored is not None
    assert message.stored.key is not None
    secrets = (sim.token, sim.user("alice").context_token, message.stored.key.hex(), message.stored.param)
    assert [secret for secret in secrets if secret and secret in shown] == []


FOLDER = Path(wxsdk.sim.__file__).parent


@pytest.mark.parametrize("path", [*FOLDER.glob("ilink*.py"), *FOLDER.glob("fault*.py")], ids=lambda path: path.name)
def test_the_simulator_imports_nothing_of_the_clients(path: Path) -> None:
    packages = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            packages |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= 1, "imports from outside wxsdk.sim"
            packages |= {(node.module or "").partition(".")[0]} if node.level == 0 else set()
    assert packages & {"wxsdk", "requests", "urllib3", "websocket", "dataclasses_json"} == set()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_it_can_be_served_over_tls(tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
    ]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(make, check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with ILinkSim(hold=30, tls=context) as sim, Speaker(sim) as bot:
        bot.session.verify = str(cert)
        assert sim.base_url.startswith("https://")
        with bot.held_poll() as answers:
            sim.user("alice").says("hello")
        assert len(answers[0]["msgs"]) == 1
        stored = sim.cdn.put(b"x" * 5_000_000)
        assert len(requests.get(stored.url, verify=str(cert), timeout=10).content) == stored.blob.size
        assert sim.stop() is True


def test_a_poll_in_flight_has_arrived_as_a_whole(sim: ILinkSim, bot: Speaker) -> None:
    sim.settings.hold = 5
    head, end, body = bot.bytes_of_a_poll().partition(b"\r\n\r\n")
    with socket.create_connection(bot.address) as client:
        client.sendall(head + end)
        client.sendall(body)
        sim.wait_for(lambda: sim.polls_in_flight == 1)
    sim.wait_for(lambda: sim.polls_in_flight == 0)
    assert sim.requests[-1].json["base_info"] == BASE_INFO
