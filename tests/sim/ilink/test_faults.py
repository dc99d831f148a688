"""Scripted trouble, as it looks from the other end of the wire."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any, List

import pytest
import requests

from wxsdk.sim import ILinkSim
from wxsdk.sim.ilink.faults import DROP, Faults

from .fixtures import bot
from .fixtures import sim_with_alice as sim
from .speaker import UPDATES, Speaker

__all__ = ["bot", "sim"]  # fixtures


def exchange(bot: Speaker) -> bytes:
    """One poll over a bare socket; all that comes back until the end, ConnectionResetError for a reset."""
    with socket.create_connection(bot.address, timeout=5) as sock:
        sock.sendall(bot.bytes_of_a_poll())
        return b"".join(iter(lambda: sock.recv(65536), b""))


# what the answer says


def test_the_next_answer_is_an_error_page_and_the_one_after_is_true(sim: ILinkSim, bot: Speaker) -> None:
    sim.faults.next("getupdates", status=502)
    answer = bot.post("getupdates", UPDATES)
    assert (answer.status_code, answer.headers["Content-Type"], b"<html>" in answer.content) == (
        502,
        "text/html",
        True,
    )
    assert len(bot.poll()["msgs"]) == 1


def test_faults_of_one_sort_come_in_order_and_as_often_as_told(sim: ILinkSim, bot: Speaker) -> None:
    sim.faults.ret("getupdates", -14, times=2)
    sim.faults.errcode("getupdates", -1)
    answers = [bot.poll("") for _ in range(4)]
    assert [(one.get("ret"), one.get("errcode")) for one in answers] == [(-14, None)] * 2 + [
        (None, -1),
        (0, None),
    ]
    assert sim.faults.pending == []


def test_a_fault_for_ever_lasts_until_it_is_cleared(sim: ILinkSim, bot: Speaker) -> None:
    sim.faults.next("*", status=524, forever=True)
    assert {bot.post(call, UPDATES).status_code for call in ("getupdates", "getupdates", "getconfig")} == {524}
    sim.faults.clear()
    assert bot.poll()["ret"] == 0


def test_a_fault_can_wait_for_a_certain_request(sim: ILinkSim, bot: Speaker) -> None:
    sim.user("bob").says("hello")
    sim.faults.ret("sendmessage", -2, when=lambda seen: seen.json["msg"]["to_user_id"] == "bob")
    assert "ret" not in bot.send("alice", "one")
    assert bot.send("bob", "one")["ret"] == -2
    assert sim.user("bob").received == []


def test_an_answer_can_lie_about_what_was_carried_out(sim: ILinkSim, bot: Speaker) -> None:
    sim.faults.next("sendmessage", status=502, handled=True)
    with pytest.raises(requests.HTTPError):
        bot.send("alice", "one")
    assert sim.user("alice").expects().text == "one"


def test_a_true_answer_can_be_altered(sim: ILinkSim, bot: Speaker) -> None:
    sim.faults.alter("getupdates", {"msgs": None, "get_updates_buf": DROP, "extra": [1]})
    assert bot.poll("") == {"ret": 0, "msgs": None, "extra": [1]}


def test_an_upload_can_lose_its_header(sim: ILinkSim, bot: Speaker) -> None:
    sim.faults.drop_header("upload", "x-encrypted-param")
    url = bot.announce(b"abc")["upload_full_url"]
    assert "x-encrypted-param" not in bot.upload(url, b"abc").headers
    assert "x-encrypted-param" in bot.upload(url, b"abc").headers


def test_the_cdn_can_refuse_with_a_message(sim: ILinkSim, bot: Speaker) -> None:
    sim.faults.next("upload", status=403, body=b"", headers={"x-error-message": "expired"})
    answer = bot.store(b"x" * 300_000)
    assert (answer.status_code, answer.headers["x-error-message"]) == (403, "expired")


# when it comes


def test_a_held_request_is_released_by_the_test(sim: ILinkSim, bot: Speaker) -> None:
    hold = sim.faults.hold("sendmessage")
    sending = threading.Thread(target=bot.send, args=("alice", "one"))
    sending.start()
    hold.wait_entered()
    assert (hold.inside, sim.user("alice").received, sim.most_sends_in_flight("alice")) == (1, [], 1)
    hold.release()
    sending.join(5)
    assert sim.user("alice").expects().text == "one"
    assert hold.inside == 0


def test_waiting_for_a_request_that_never_comes_fails(sim: ILinkSim) -> None:
    with pytest.raises(AssertionError, match="0 of 1 requests to upload"):
        sim.faults.hold("upload").wait_entered(timeout=0.01)


def test_a_slow_answer_takes_its_time(sim: ILinkSim, bot: Speaker) -> None:
    sim.faults.slow("getupdates", 0.05)
    started = time.monotonic()
    bot.poll()
    assert time.monotonic() - started >= 0.05


def test_latency_is_the_same_row_for_the_same_seed() -> None:
    rows: List[List[Any]] = []
    for _ in range(2):
        faults = Faults()
        faults.latency("x", 0, 1, seed=7)
        rows.append([faults.plan("x").wait.seconds() for _ in range(3)])  # type: ignore[union-attr,misc]
    assert rows[0] == rows[1]
    assert len(set(rows[0])) == 3


def test_a_request_can_be_held_after_it_was_carried_out(sim: ILinkSim, bot: Speaker) -> None:
    hold = sim.faults.hold("sendmessage", late=True)
    sending = threading.Thread(target=bot.send, args=("alice", "one"))
    sending.start()
    hold.wait_entered()
    assert sim.user("alice").expects().text == "one"
    assert sending.is_alive()
    hold.release()
    sending.join(5)


def test_an_upload_can_be_read_sip_by_sip(sim: ILinkSim, bot: Speaker) -> None:
    sim.faults.sip("upload", interval=0, chunk=1000)
    data = b"x" * 100_000
    assert bot.store(data).status_code == 200


# how its bytes travel


@pytest.mark.parametrize("at", ["before_reading", "after_reading", "after_handling", "mid_request"])
def test_a_reset_comes_without_a_byte(sim: ILinkSim, bot: Speaker, at: str) -> None:
    sim.faults.cut("getupdates", at=at)
    with pytest.raises(ConnectionResetError):
        exchange(bot)
    assert exchange(bot).endswith(b"}")


def test_a_plain_close_comes_without_a_reset(sim: ILinkSim, bot: Speaker) -> None:
    sim.faults.cut("getupdates", at="after_handling", reset=False)
    assert exchange(bot) == b""


def test_a_close_in_the_middle_of_headers_and_body(sim: ILinkSim, bot: Speaker) -> None:
    whole = exchange(bot)
    head, _, body = whole.partition(b"\r\n\r\n")
    sim.faults.cut("getupdates", at="mid_headers", reset=False)
    assert exchange(bot) == whole[: (len(head) + 4) // 2]
    sim.faults.cut("getupdates", at="mid_body", reset=False)
    assert len(exchange(bot)) == len(head) + 4 + len(body) // 2


def test_a_cut_after_so_many_bytes_of_the_answer(sim: ILinkSim, bot: Speaker) -> None:
    sim.faults.cut("getupdates", after=20, reset=False)
    assert len(exchange(bot)) == 20


def test_a_message_cut_after_handling_was_delivered_and_its_repetition_is_not(sim: ILinkSim, bot: Speaker) -> None:
    message = bot.message("alice", {"type": 1, "text_item": {"text": "one"}})
    sim.faults.cut("sendmessage", at="after_handling")
    with pytest.raises(requests.ConnectionError):
        bot.call("sendmessage", msg=message)
    first = sim.user("alice").expects()
    assert str(bot.call("sendmessage", msg=message)["message_id"]) == first.message_id
    assert len(sim.user("alice").received) == 1
    assert [one.client_id for one in sim.duplicates] == [message["client_id"]]
    assert sim.violations == []


def test_a_message_cut_after_reading_was_not_delivered(sim: ILinkSim, bot: Speaker) -> None:
    sim.faults.cut("sendmessage", at="after_reading")
    with pytest.raises(requests.ConnectionError):
        bot.send("alice", "one")
    assert sim.user("alice").received == []


def test_an_upload_cut_in_the_middle_of_the_request(sim: ILinkSim, bot: Speaker) -> None:
    data = b"x" * 3_000_000
    url = bot.announce(data)["upload_full_url"]
    sim.faults.cut("upload", at="mid_request", after=100_000)
    with pytest.raises(requests.ConnectionError):
        bot.upload(url, data)
    assert bot.upload(url, data).status_code == 200


def test_a_download_cut_in_the_middle(sim: ILinkSim) -> None:
    stored = sim.cdn.put(b"x" * 1_000_000)
    sim.faults.cut("download", after=500_000)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        requests.get(stored.url, timeout=5)
    assert len(requests.get(stored.url, timeout=5).content) == stored.blob.size


def test_raw_bytes_in_place_of_an_answer(sim: ILinkSim, bot: Speaker) -> None:
    sim.faults.raw("getupdates", b"HTTP/9.9 what\r\n\r\n")
    assert exchange(bot) == b"HTTP/9.9 what\r\n\r\n"


def test_a_dripping_answer_is_whole_in_the_end(sim: ILinkSim, bot: Speaker) -> None:
    sim.faults.drip("getupdates", interval=0.0, chunk=7)
    assert len(bot.poll()["msgs"]) == 1


def test_stopping_ends_dripping_holding_and_slow_answers_at_once() -> None:
    with ILinkSim(hold=60) as sim:
        sim.faults.drip("getconfig", interval=30)
        sim.faults.slow("sendtyping", 60)
        hold = sim.faults.hold("notifystart")

        def call(path: str) -> None:
            with (
                Speaker(sim) as bot,
                pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)),
            ):
                bot.call(path)

        callers = [threading.Thread(target=call, args=(one,)) for one in ("getconfig", "sendtyping", "msg/notifystart")]
        for one in callers:
            one.start()
        hold.wait_entered()
        sim.wait_for(lambda: len(sim.requests) == 3)
        started = time.monotonic()
        assert sim.stop() is True
        assert time.monotonic() - started < 1.0
        for one in callers:
            one.join(5)
            assert not one.is_alive()
    assert [one.name for one in threading.enumerate() if one.name.startswith("wxsdk-sim")] == []


# beyond one request


def test_an_outage_refuses_connections_until_it_is_over(sim: ILinkSim, bot: Speaker) -> None:
    sim.settings.hold = 30
    bot.poll()
    ended: List[str] = []

    def poll() -> None:
        try:
            bot.poll()
        except requests.ConnectionError as error:
            ended.append(type(error).__name__)

    polling = threading.Thread(target=poll)
    polling.start()
    sim.wait_for(lambda: sim.polls_in_flight == 1)
    url = sim.base_url
    sim.faults.refuse_connections()
    polling.join(5)
    assert ended == ["ConnectionError"]
    with pytest.raises(requests.ConnectionError):
        bot.poll()
    sim.faults.restore()
    sim.settings.hold = 0
    assert sim.base_url == url
    assert bot.poll()["ret"] == 0


def test_an_outage_ends_what_another_fault_stalls(sim: ILinkSim) -> None:
    hold = sim.faults.hold("getconfig")
    ended: List[str] = []

    def ask() -> None:
        with Speaker(sim) as other:
            try:
                other.call("getconfig", ilink_user_id="alice")
            except requests.ConnectionError as error:
                ended.append(type(error).__name__)

    asking = threading.Thread(target=ask)
    asking.start()
    hold.wait_entered()
    sim.faults.refuse_connections()
    asking.join(5)
    assert ended == ["ConnectionError"]
    sim.faults.restore()


def test_garbage_on_the_port_leaves_the_server_alive(sim: ILinkSim, bot: Speaker) -> None:
    for garbage in (
        b"\x16\x03\x01\x00\xa5",
        b"GET\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    ):
        with socket.create_connection(bot.address, timeout=5) as sock:
            sock.sendall(garbage)
            sock.shutdown(socket.SHUT_WR)
            sock.recv(1000)
    assert bot.poll()["ret"] == 0


def test_a_duplicated_message_comes_twice(sim: ILinkSim, bot: Speaker) -> None:
    bot.poll()
    sim.faults.duplicate_messages(1)
    sim.user("alice").says("one")
    sim.user("alice").says("two")
    texts = [one["item_list"][0]["text_item"]["text"] for one in bot.poll()["msgs"]]
    assert texts == ["one", "one", "two"]


@pytest.mark.parametrize(
    ("script", "error", "sentence"),
    [
        (lambda faults: faults.next("getupdate"), ValueError, "no endpoint 'getupdate'"),
        (lambda faults: faults.cut("upload", at="sometime"), ValueError, "at must be one of"),
        (lambda faults: faults.ret("upload", 1, times=0), ValueError, "times must be at least 1"),
        (lambda faults: faults.ret("upload", 1, often=3), TypeError, "unexpected argument 'often'"),
        (lambda faults: faults.drip("upload", interval=1, chunk=0), ValueError, "chunk must be at least 1"),
    ],
)
def test_a_misspelt_script_is_an_error(sim: ILinkSim, script: Any, error: Any, sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        script(sim.faults)


def test_a_simulator_without_outages_says_so() -> None:
    with pytest.raises(RuntimeError, match="cannot refuse connections"):
        Faults().refuse_connections()
