"""The vendor's own iLink plugin is content with ILinkSim, and a user of the simulator gets what it sent."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest

from tests.official.conftest import ilink_driver
from tests.official.ilink_witness import Witness
from tests.official.node import Node, OfficialError
from wxsdk.sim import ILinkSim
from wxsdk.sim.ilink.people import partial_text

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
SILK = b"\x02#!SILK_V3" + bytes(range(100))
ECHO = {"text": "you wrote"}

Connect = Callable[..., Witness]


@pytest.fixture
def connect(ilink_node: Node) -> Iterator[Connect]:
    """Makes accounts of the plugin, and stops them in the end."""
    made: List[Witness] = []

    def one(sim: ILinkSim, **options: Any) -> Witness:
        made.append(Witness(ilink_node, sim, **options))
        return made[-1]

    yield one
    for witness in made:
        witness.stop()


@pytest.fixture
def sim() -> Iterator[ILinkSim]:
    with ILinkSim() as running:
        yield running
        assert running.violations == []
        assert running.dropped == []


@pytest.fixture
def witness(connect: Connect, sim: ILinkSim) -> Witness:
    """An account that is not running yet."""
    return connect(sim)


# -- the poll loop ----------------------------------------


def test_it_starts_polls_answers_and_stops(witness: Witness, sim: ILinkSim) -> None:
    witness.start(ECHO)
    message_id = sim.user("alice").says("你好 hello")
    got = witness.inbound()
    assert (got["Body"], got["From"], got["MessageSidFull"]) == ("你好 hello", "alice", message_id)
    answer = sim.user("alice").expects()
    assert (answer.kind, answer.text) == ("text", "you wrote")
    assert answer.context_token == got["context_token"]
    assert answer.run_id
    sim.wait_for(lambda: sim.polls_in_flight == 1)
    witness.stop()
    sim.wait_for(lambda: sim.polls_in_flight == 0)
    calls = [seen.place for seen in sim.requests]
    assert calls == ["notifystart", "getupdates", "getconfig", "sendmessage", "getupdates", "notifystop"]
    assert sim.most_polls_in_flight == 1


@pytest.mark.parametrize("cursor", ["replays", "forgets"])
@pytest.mark.parametrize("batch", [None, 2])
def test_a_restart_goes_on_where_it_stopped(connect: Connect, cursor: str, batch: Any) -> None:
    with ILinkSim(cursor=cursor, batch=batch) as sim:
        witness = connect(sim)
        for n in range(3):
            sim.user("alice").says(f"before {n}")
        witness.start()
        assert [witness.inbound()["Body"] for _ in range(3)] == ["before 0", "before 1", "before 2"]
        sim.wait_for(lambda: sim.polls_in_flight == 1)
        witness.stop()
        sim.user("alice").says("meanwhile")
        witness.start()
        assert witness.inbound()["Body"] == "meanwhile"
        sim.wait_for(lambda: sim.polls_in_flight == 1)
        witness.stop()
        assert len(witness.told("inbound")) == 4
        assert sim.violations == []


@pytest.mark.parametrize("form", ["number", "string"])
def test_message_ids_beyond_a_double_arrive_whole(connect: Connect, form: str) -> None:
    with ILinkSim(message_ids=form) as sim:
        witness = connect(sim)
        witness.start(ECHO)
        message_id = sim.user("alice").says("x")
        assert int(message_id) > 2**53
        assert witness.inbound()["MessageSidFull"] == message_id
        options = {**witness.options, "contextToken": "", "accountId": witness.account}
        sent = witness.call("messaging/send.js", "sendMessageWeixin", {"to": "alice", "text": "y", "opts": options})
        # The echo of "x" may come before or after it.
        assert sent["serverMessageId"] in [message.message_id for message in sim.user("alice").received]
        assert sim.violations == []


def test_a_hold_that_the_client_cuts_short_loses_nothing(connect: Connect) -> None:
    with ILinkSim(announced_hold_ms=50) as sim:
        witness = connect(sim)
        witness.start()
        sim.user("alice").says("one")
        assert witness.inbound()["Body"] == "one"
        sim.wait_for(lambda: sim.count("getupdates") >= 6)
        sim.user("alice").says("two")
        assert witness.inbound()["Body"] == "two"
        assert sim.violations == []


TROUBLES: Dict[str, Callable[[ILinkSim], Any]] = {
    "a bad gateway": lambda sim: sim.faults.next("getupdates", status=502, times=4),
    "a ret": lambda sim: sim.faults.ret("getupdates", -1),
    "an errcode": lambda sim: sim.faults.errcode("getupdates", -1),
    "bad JSON": lambda sim: sim.faults.next("getupdates", body=b"<html>"),
    "a reset": lambda sim: sim.faults.cut("getupdates", at="after_reading"),
    "half an answer": lambda sim: sim.faults.cut("getupdates", at="mid_headers"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_it_polls_on_after(witness: Witness, sim: ILinkSim, trouble: str) -> None:
    TROUBLES[trouble](sim)
    witness.start()
    sim.user("alice").says("through all this")
    assert witness.inbound()["Body"] == "through all this"
    assert witness.told("error")


@pytest.mark.parametrize("field", ["ret", "errcode"])
def test_a_stale_token_pauses_it(witness: Witness, sim: ILinkSim, field: str) -> None:
    getattr(sim.faults, field)("getupdates", -14)
    witness.start()
    witness.until("api/session-guard.js", "isSessionPaused", witness.account)
    with pytest.raises(OfficialError, match="session paused"):
        witness.send_text("alice", "hello")  # it stops its own sends too, which wxsdk does not
    assert sim.count("getupdates") == 1


def test_a_revoked_token_is_told_to_a_held_poll_at_once(witness: Witness, sim: ILinkSim) -> None:
    witness.start()
    sim.wait_for(lambda: sim.polls_in_flight == 1)
    sim.revoke_token()
    witness.until("api/session-guard.js", "isSessionPaused", witness.account)
    assert sim.polls_in_flight == 0


# -- what users send ----------------------------------------


@pytest.mark.parametrize("address", ["both", "full_url", "param"])
@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("image", "hex"),
        ("image", "raw"),
        ("image", "aeskey"),
        ("image", None),
        ("video", "hex"),
        ("file", "hex"),
        ("file", "raw"),
        ("voice", "hex"),
    ],
)
def test_a_file_is_fetched_and_decrypted(witness: Witness, sim: ILinkSim, kind: str, key: Any, address: str) -> None:
    data = SILK if kind == "voice" else PNG[: 1000 + len(address)]
    witness.start()
    sim.user("alice").sends(data, kind=kind, name="报告.pdf", key=key, address=address)
    got = witness.inbound()
    assert Path(got["MediaPath"]).read_bytes() == data
    wanted = {"image": "image/*", "video": "video/mp4", "file": "application/pdf", "voice": "audio/silk"}
    assert got["MediaType"] == wanted[kind]
    assert not witness.told("error")


def test_a_voice_with_a_transcript_is_read_not_fetched(witness: Witness, sim: ILinkSim) -> None:
    witness.start()
    sim.user("alice").speaks(SILK, "what was said")
    got = witness.inbound()
    assert (got["Body"], got.get("MediaPath")) == ("what was said", None)
    assert sim.count("download") == 0


def test_quotes_are_understood(witness: Witness, sim: ILinkSim) -> None:
    alice = sim.user("alice")
    witness.start(ECHO)
    said = alice.says("the first thing")
    witness.inbound()
    alice.quotes(said, "quoting a text", title="Alice")
    got = witness.inbound()
    assert (got["Body"], got["ReplyToId"], got["ReplyToBody"]) == (
        "quoting a text",
        said,
        "Alice | the first thing",
    )
    picture = alice.sends(PNG)
    witness.inbound()
    alice.quotes(picture, "quoting a picture")
    assert Path(witness.inbound()["MediaPaths"][0]).read_bytes() == PNG
    alice.quotes(said, "by id only", by_id=True, partial="first")
    assert witness.inbound()["ReplyToId"] == said


def test_the_part_of_a_quote_is_found(witness: Witness) -> None:
    for full, part in [("one two one two", "one two"), ("ababab", "ab"), ("aaaa", "aa"), ("数一数二", "数二")]:
        found = witness.call("messaging/partial-quote.js", "resolvePartialQuote", full, partial_text(full, part))
        assert (found["fallback"], found["resolved"]) == (False, part)


# -- what the bot sends ----------------------------------------


def test_a_text_is_sent_with_the_newest_context_token(witness: Witness, sim: ILinkSim) -> None:
    witness.start()
    for n in range(2):
        sim.user("alice").says(str(n))
        newest = witness.inbound()["context_token"]
    sim.wait_for(lambda: sim.polls_in_flight == 1)
    witness.send_text("alice", "# Head\n**bold** and ![image](u)")
    got = sim.user("alice").expects()
    assert got.context_token == newest
    assert got.text.startswith("# Head\n**bold**")


@pytest.mark.parametrize("upload_urls", ["both", "param", "full_url"])
@pytest.mark.parametrize(("kind", "name"), [("image", "a.png"), ("video", "b.mp4"), ("file", "报告 c.pdf")])
def test_a_file_goes_up_and_arrives(connect: Connect, tmp_path: Path, kind: str, name: str, upload_urls: str) -> None:
    (tmp_path / name).write_bytes(PNG)
    with ILinkSim(upload_urls=upload_urls) as sim:
        witness = connect(sim)
        sim.user("alice").says("send me something")
        witness.send_media("alice", tmp_path / name, "a caption")
        caption, media = sim.user("alice").expects(), sim.user("alice").expects()
        assert (caption.kind, caption.text) == ("text", "a caption")
        assert (media.kind, media.data) == (kind, PNG)
        assert media.file_name == (name if kind == "file" else None)
        assert sim.violations == []


@pytest.mark.parametrize("size", [1, 15, 16, 17, 31, 32])
def test_files_of_every_size_around_the_padding_arrive(
    witness: Witness, sim: ILinkSim, tmp_path: Path, size: int
) -> None:
    (tmp_path / "f.bin").write_bytes(PNG[:size])
    sim.user("alice").says("hello")
    witness.send_media("alice", tmp_path / "f.bin")
    assert sim.user("alice").expects().data == PNG[:size]


def test_an_upload_is_tried_three_times(witness: Witness, sim: ILinkSim, tmp_path: Path) -> None:
    (tmp_path / "f.bin").write_bytes(PNG)
    sim.user("alice").says("hello")
    sim.faults.next("upload", status=500)
    sim.faults.drop_header("upload", "x-encrypted-param")
    witness.send_media("alice", tmp_path / "f.bin")
    assert sim.count("upload") == 3
    assert sim.user("alice").expects().data == PNG


def test_a_refused_upload_is_not_tried_again(witness: Witness, sim: ILinkSim, tmp_path: Path) -> None:
    (tmp_path / "f.bin").write_bytes(PNG)
    sim.user("alice").says("hello")
    sim.faults.next("upload", status=403, headers={"x-error-message": "no more room"})
    with pytest.raises(OfficialError, match="no more room"):
        witness.send_media("alice", tmp_path / "f.bin")
    assert sim.count("upload") == 1


def test_typing_tools_text_and_media_of_one_answer_arrive_in_order(
    witness: Witness, sim: ILinkSim, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    tool = {"name": "search", "itemId": "call-1"}
    witness.start(
        {"typing": True},
        {"tool": {**tool, "phase": "start"}},
        {"tool": {**tool, "phase": "end", "status": "completed"}},
        {"text": "found"},
        {"text": "look", "mediaUrl": str(tmp_path / "a.png")},
        {"typing": False},
    )
    alice = sim.user("alice")
    alice.says("find it")
    got = [alice.expects() for _ in range(5)]
    assert sorted(one.kind for one in got) == ["image", "text", "text", "tool_call_result", "tool_call_start"]
    assert len({one.run_id for one in got}) == 1
    result = next(one for one in got if one.kind == "tool_call_result")
    assert result.content == {"tool_name": "search", "tool_call_id": "call-1", "status": "completed"}
    sim.wait_for(lambda: sim.count("sendtyping") == 2)
    assert not alice.is_typing
    assert [seen.json["status"] for seen in sim.requests if seen.place == "sendtyping"] == [1, 2]


def test_the_typing_sign_shows(connect: Connect) -> None:
    with ILinkSim() as sim:
        witness = connect(sim)
        witness.start({"typing": True}, ECHO)
        sim.user("alice").says("hello")
        sim.user("alice").expects()
        assert sim.user("alice").is_typing
        assert sim.count("getconfig") == 1


def test_the_config_of_a_user_who_never_wrote_is_refused(witness: Witness, sim: ILinkSim) -> None:
    asked = {**witness.options, "ilinkUserId": "stranger"}
    assert witness.call("api/api.js", "getConfig", asked)["ret"] == -4
    sim.user("stranger").says("now I have")
    answer = witness.call("api/api.js", "getConfig", asked)
    assert answer["ret"] == 0
    assert base64.b64decode(answer["typing_ticket"], validate=True)


def test_a_send_past_the_quota_is_refused(connect: Connect) -> None:
    with ILinkSim(quota_limit=2) as sim:
        witness = connect(sim)
        sim.user("alice").says("hello")
        for n in range(2):
            witness.send_text("alice", str(n))
        with pytest.raises(OfficialError, match="ret=-2"):
            witness.send_text("alice", "too much")
        assert sim.violations == []


def test_an_unconfirmed_send_is_no_error(connect: Connect) -> None:
    with ILinkSim(confirms=False) as sim:
        witness = connect(sim)
        sim.user("alice").says("hello")
        witness.send_text("alice", "there")
        assert sim.user("alice").expects().text == "there"


# -- settings ----------------------------------------


def test_route_tag_and_agent_string_are_sent(clients_root: Path, tmp_path: Path, sim: ILinkSim) -> None:
    section = '{"channels": {"openclaw-weixin": {"routeTag": 7, "botAgent": "witness/1.0 (a test) bad/"}}}'
    (tmp_path / "openclaw.json").write_text(section)
    node = ilink_driver(clients_root, tmp_path).start()
    try:
        witness = Witness(node, sim)
        sim.user("alice").says("hello")
        witness.send_text("alice", "there")
    finally:
        node.close()
    assert sim.requests[-1].headers["SKRouteTag"] == "7"
    assert sim.requests[-1].json["base_info"]["bot_agent"] == "witness/1.0 (a test)"
