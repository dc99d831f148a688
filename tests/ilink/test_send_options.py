"""What may be chosen for a single send: its id, its time, what it quotes, where its file comes from."""

from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest

from tests.runtime.servers import Peer, RawServer
from wxsdk.errors import ApiError, ConfigError, SendRejected, TransportError, UploadFailed
from wxsdk.ilink.client import WeixinClient
from wxsdk.ilink.config import WeixinConfig
from wxsdk.ilink.errors import REJECTED, UNKNOWN_USER, remedy_for
from wxsdk.ilink.wire import WeixinMessage
from wxsdk.sim import ILinkSim

from .bots import WAIT, Recorder, config_for, started

Answer = Callable[[Dict[str, Any]], Dict[str, Any]]


def _answering(answer: Answer, sent: List[Dict[str, Any]]) -> Callable[[Peer], None]:
    def handle(peer: Peer) -> None:
        while (request := peer.read_request()) is not None:
            msg = json.loads(request.body).get("msg", {})
            sent.append(msg)
            peer.answer(json.dumps(answer(msg)).encode())

    return handle


def _client(server: RawServer, **settings: Any) -> WeixinClient:
    quick = {"sends_per_second": None, "send_retry_delay": 0.01, "proxy": ""}
    return WeixinClient(WeixinConfig(token="t", base_url=server.url, **{**quick, **settings}))


# -- ids and time


@pytest.mark.parametrize("client_id", ["order-7", "wxsdk:1700000000000-0123abcd"])
def test_the_ids_of_all_parts_follow_from_the_given_one_so_a_repeat_doubles_nothing(
    client_id: str, sim: ILinkSim
) -> None:
    alice = sim.user("alice")
    alice.says("hi")
    runs = []
    for _ in range(2):
        client = WeixinClient(config_for(sim, max_text_bytes=20))
        result = client.send_text("alice", "one two three four five six seven eight", client_id=client_id)
        client.shutdown()
        runs.append([part.client_id for part in result.parts])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == len(runs[0]) > 1
    assert (runs[0][0] == client_id) is (":" in client_id)
    assert len(alice.received) == len(runs[0])


@pytest.mark.parametrize("client_id", ["", " ", "a b", "x" * 129, "ü", 7, "a\n"])
def test_a_client_id_that_cannot_be_one_is_refused_before_anything_is_sent(sim: ILinkSim, client_id: Any) -> None:
    client = WeixinClient(config_for(sim))
    with pytest.raises(ConfigError, match="client_id"):
        client.send_text("alice", "x", client_id=client_id)
    assert sim.count("sendmessage") == 0


def _held(peer: Peer) -> None:
    peer.read_request()
    peer.hold()


def test_a_timeout_bounds_the_whole_call_retries_included() -> None:
    with RawServer(_held) as server:
        client = _client(server, send_retries=50)
        with pytest.raises(TransportError) as raised:
            client.send_text("u@im", "x", timeout=0.2)
        client.shutdown()
    assert raised.value.kind == "timeout"
    assert raised.value.client_id
    assert server.connections <= 2


def test_a_timeout_bounds_the_wait_for_the_turn_and_for_the_pace(sim: ILinkSim) -> None:
    sim.user("alice").says("hi")
    client = WeixinClient(config_for(sim, sends_per_second=0.01, send_burst=1))
    client.send_text("alice", "takes the only slot")
    waiting = threading.Thread(target=lambda: _quietly(lambda: client.send_text("alice", "waits", timeout=5)))
    waiting.start()
    for _ in range(3):
        with pytest.raises(TransportError) as raised:
            client.send_text("alice", "in vain", timeout=0.05)
        assert (raised.value.kind, raised.value.may_have_been_sent) == ("timeout", False)
    client.shutdown()
    client._interrupt_sends()
    waiting.join(WAIT)
    assert not waiting.is_alive()
    assert sim.count("sendmessage") == 1


def _quietly(call: Callable[[], Any]) -> None:
    with pytest.raises(TransportError):
        call()


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "soon"])
def test_a_timeout_that_is_none_is_refused(sim: ILinkSim, timeout: Any) -> None:
    with pytest.raises(ConfigError, match="timeout"):
        WeixinClient(config_for(sim)).send_text("alice", "x", timeout=timeout)


# -- refusals by cause


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"ret": -2, "errmsg": "prepare failed"}, "context_token"),
        ({"errcode": -2, "errmsg": "Unknown Error"}, "session is stale"),
        ({"ret": -2, "errmsg": "rate limited"}, "about 10 messages"),
        ({"ret": -2}, "about 10 messages"),
        ({"ret": -2, "errmsg": "invalid arguments"}, "text and media"),
        ({"ret": -3}, "case-sensitive"),
    ],
)
def test_a_refusal_names_the_remedy_of_its_cause(answer: Dict[str, Any], words: str) -> None:
    sent: List[Dict[str, Any]] = []
    with RawServer(_answering(lambda _: answer, sent)) as server:
        client = _client(server)
        with pytest.raises(ApiError) as raised:
            client.send_text("u@im", "x", "ctx")
        client.shutdown()
    assert words in raised.value.remedy
    assert isinstance(raised.value, SendRejected) == (-2 in answer.values())
    assert len(sent) == 1


def test_a_poll_that_is_refused_with_401_points_to_the_token() -> None:
    def refuse(peer: Peer) -> None:
        while peer.read_request() is not None:
            peer.answer(b"no", status="401 Unauthorized")

    with RawServer(refuse) as server:
        client = _client(server)
        with pytest.raises(TransportError) as raised:
            client.api.get_updates()
        client.shutdown()
    assert raised.value.status == 401
    assert "set_token" in raised.value.remedy


def test_every_cause_has_a_remedy_of_its_own() -> None:
    said = {remedy_for(REJECTED, text) for text in ("prepare failed", "unknown error", "invalid arguments", "")}
    assert len(said | {remedy_for(UNKNOWN_USER, ""), remedy_for(-99, "")}) == 6


@pytest.mark.parametrize("cause", ["prepare failed", "unknown error"])
def test_a_text_goes_once_more_without_its_token_where_that_is_wanted(cause: str) -> None:
    sent: List[Dict[str, Any]] = []

    def answer(msg: Dict[str, Any]) -> Dict[str, Any]:
        return {"ret": -2, "errmsg": cause} if "context_token" in msg else {"message_id": "9"}

    with RawServer(_answering(answer, sent)) as server:
        client = _client(server, resend_without_context_token=True)
        result = client.send_text("u@im", "x", "ctx")
        client.shutdown()
    assert (result.confirmed, result.message_id) == (False, "9")
    assert [msg.get("context_token") for msg in sent] == ["ctx", None]
    assert len({msg["client_id"] for msg in sent}) == 1


@pytest.mark.parametrize(
    ("errmsg", "wanted", "token"), [("rate limited", True, "ctx"), ("prepare failed", False, "ctx"), ("", True, None)]
)
def test_nothing_goes_twice_without_need(errmsg: str, wanted: bool, token: Any) -> None:
    sent: List[Dict[str, Any]] = []
    with RawServer(_answering(lambda _: {"ret": -2, "errmsg": errmsg}, sent)) as server:
        client = _client(server, resend_without_context_token=wanted)
        with pytest.raises(SendRejected):
            client.send_text("u@im", "x", token)
        client.shutdown()
    assert len(sent) == 1


def test_a_preset_message_id_is_an_int64_of_the_time_and_unique_and_absent_by_default() -> None:
    sent: List[Dict[str, Any]] = []
    with RawServer(_answering(lambda _: {"message_id": "1"}, sent)) as server:
        for wanted in (True, False):
            client = _client(server, preset_message_id=wanted)
            for _ in range(3):
                client.send_text("u@im", "x", "ctx")
            client.shutdown()
    ids = [msg.get("message_id") for msg in sent]
    assert ids[3:] == [None] * 3
    assert len(set(ids[:3])) == 3
    assert all(isinstance(each, int) and 1.6e18 < each < 2**63 for each in ids[:3])


def test_a_quote_by_the_preset_id_finds_what_was_sent() -> None:
    sent: List[Dict[str, Any]] = []
    with RawServer(_answering(lambda _: {"message_id": "another"}, sent)) as server:
        client = _client(server, preset_message_id=True)
        client.send_text("u@im", "the answer", "ctx")
        found = client._quoted("u@im", str(sent[0]["message_id"]))
        client.shutdown()
    assert found is not None
    assert found.item_list
    assert found.item_list[0].text_item.text == "the answer"  # type: ignore[union-attr]


def test_an_outbound_quote_names_the_message_and_stands_in_the_first_part_only() -> None:
    sent: List[Dict[str, Any]] = []
    with RawServer(_answering(lambda _: {"message_id": "1"}, sent)) as server:
        client = _client(server, max_text_bytes=20)
        client.send_text("u@im", "one two three four five six", "ctx", reply_to="77")
        with pytest.raises(ConfigError, match="reply_to"):
            client.send_text("u@im", "x", "ctx", reply_to="")
        client.shutdown()
    quoting = [msg["item_list"][0].get("ref_msg") for msg in sent]
    assert quoting[0]["svr_id"] == "77"
    assert set(map(str, quoting[1:])) == {"None"}


# -- files from anywhere


class Pipe(io.RawIOBase):
    """A binary file that cannot seek."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        return self._data.readinto(target)


DATA = bytes(range(256)) * 5000 + b"end"


def _standing_at(file: Any, position: int) -> Any:
    file.seek(position)
    return file


SOURCES: Dict[str, Callable[[Path], Any]] = {
    "str": str,
    "path": lambda path: path,
    "bytes": lambda path: DATA,
    "bytearray": lambda path: bytearray(DATA),
    "memoryview": lambda path: memoryview(DATA),
    "BytesIO": lambda path: io.BytesIO(DATA),
    "BytesIO in the middle": lambda path: _standing_at(io.BytesIO(b"skip" + DATA), 4),
    "no seek": lambda path: Pipe(DATA),
}


@pytest.fixture
def heard(sim: ILinkSim) -> Iterator[WeixinClient]:
    sim.user("alice").says("hi")
    client = WeixinClient(config_for(sim))
    yield client
    client.shutdown()


@pytest.mark.parametrize("name", SOURCES)
def test_a_file_is_sent_from_wherever_it_is(name: str, heard: WeixinClient, sim: ILinkSim, tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(DATA)
    progress: List[Any] = []
    heard.send_media("alice", SOURCES[name](path), filename="数据.pdf", progress=lambda *step: progress.append(step))
    received = sim.user("alice").expects(WAIT)
    assert (received.data, received.file_name, received.kind) == (DATA, "数据.pdf", "file")
    assert progress[-1] == (len(DATA), len(DATA))


def test_an_open_file_is_sent_from_where_it_stands_under_its_name_and_stays_open(
    heard: WeixinClient, sim: ILinkSim, tmp_path: Path
) -> None:
    (tmp_path / "a.pdf").write_bytes(DATA)
    with open(tmp_path / "a.pdf", "rb") as file:
        file.seek(10)
        heard.send_media("alice", file)
        assert not file.closed
    received = sim.user("alice").expects(WAIT)
    assert (received.data, received.file_name) == (DATA[10:], "a.pdf")


@pytest.mark.parametrize(
    ("name", "kind", "sent"),
    [
        ("a.webp", None, "file"),
        ("a.webm", None, "file"),
        ("a.webp", "image", "image"),
        ("a.png", None, "image"),
        ("a.png", "file", "file"),
        ("a.mp4", None, "video"),
        ("noname", "video", "video"),
    ],
)
def test_a_file_goes_as_what_wechat_shows_unless_asked_otherwise(
    name: str, kind: Any, sent: str, heard: WeixinClient, sim: ILinkSim
) -> None:
    heard.send_media("alice", b"x" * 100, filename=name, kind=kind)
    assert sim.user("alice").expects(WAIT).kind == sent


@pytest.mark.parametrize(
    ("source", "options", "error"),
    [
        (io.StringIO("text"), {}, ConfigError),
        (7, {}, ConfigError),
        (None, {}, ConfigError),
        (b"x", {"filename": ""}, ConfigError),
        (b"x", {"filename": "a/"}, ConfigError),
        (b"x", {"kind": "voice"}, ConfigError),
        ("/nowhere/at/all", {}, UploadFailed),
    ],
)
def test_what_cannot_be_sent_is_refused_before_any_request(
    source: Any, options: Dict[str, Any], error: Any, heard: WeixinClient, sim: ILinkSim
) -> None:
    with pytest.raises(error) as raised:
        heard.send_media("alice", source, **options)
    assert raised.value.remedy
    assert sim.count("getuploadurl") == 0


def test_a_closed_file_and_one_that_fails_are_told(heard: WeixinClient, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    with open(tmp_path / "a", "rb") as file:
        pass
    with pytest.raises(ConfigError):
        heard.send_media("alice", file)
    read, write = os.pipe()
    os.close(write)
    os.close(read)


def test_files_are_fetched_outside_of_a_handler(sim: ILinkSim, tmp_path: Path) -> None:
    bot = Recorder()
    client = started(sim, bot)
    sim.user("alice").sends(DATA, name="a.pdf")
    bot.wait_for(lambda: bot.contexts)
    client.shutdown()
    (context,) = bot.contexts
    assert context.media is not None
    saved = client.download_media(context.media, tmp_path)
    (again,) = client.download_all(context.message, tmp_path)
    assert saved.read_bytes() == again.read_bytes() == DATA
    assert saved != again
    assert client.download_all(WeixinMessage(), tmp_path) == []
    with pytest.raises(ConfigError):
        client.download_all("no message", tmp_path)  # type: ignore[arg-type]
    client.shutdown()
