"""The vendor's own SDK for WeCom AI bots is content with AiBotSim, and a user of the simulator sees what it sent."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest

from tests.official.aibot_witness import Witness
from tests.official.node import Node, OfficialError
from wxsdk.sim.aibot.simulator import HOSTILE_NAMES, AiBotSim

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
BUTTONS: Dict[str, Any] = {
    "card_type": "button_interaction",
    "main_title": {"title": "Ship it?", "desc": "v1.2"},
    "button_list": [{"text": "Yes", "style": 1, "key": "yes"}, {"text": "No", "style": 2, "key": "no"}],
    "task_id": "task-1",
}
NOTICE: Dict[str, Any] = {
    "card_type": "text_notice",
    "main_title": {"title": "Done"},
    "card_action": {"type": 1, "url": "https://example.com/"},
    "task_id": "task-2",
}
MIB = 2**20


@pytest.fixture
def sim() -> Iterator[AiBotSim]:
    with AiBotSim() as running:
        yield running
        assert not running.violations
        assert not running.thinking()


Connect = Callable[..., Witness]


@pytest.fixture
def connect(aibot_node: Node, sim: AiBotSim) -> Iterator[Connect]:
    """Makes clients, with options of theirs, and disconnects them in the end."""
    made: List[Witness] = []

    def one(**options: Any) -> Witness:
        made.append(Witness(aibot_node, sim, **options))
        return made[-1]

    yield one
    for witness in made:
        witness.close()


@pytest.fixture
def witness(connect: Connect) -> Iterator[Witness]:
    """A subscribed client, which has not complained when the test is over."""
    one = connect()
    one.event("authenticated")
    yield one
    assert not one.complaints


def text_frame(witness: Witness, text: str = "hello", user: str = "alice") -> Any:
    return witness.gets(witness.sim.user(user).says(text), "message.text")


# -- the connection ----------------------------------------


def test_it_subscribes_and_its_pings_are_answered(connect: Connect, sim: AiBotSim) -> None:
    witness = connect(heartbeatInterval=200, scene=2, plug_version="3.1")
    witness.event("connected")
    witness.event("authenticated")
    assert sim.subscribes[0].body == {"bot_id": sim.bot_id, "secret": sim.secret, "scene": 2, "plug_version": "3.1"}
    sim.wait_for(lambda: len(sim.pings) >= 4, what="four pings")
    assert len(sim.connections) == 1, "unanswered pings make it connect again"
    assert not witness.complaints
    witness.close()
    sim.wait_for(lambda: not sim.connections[0].open)


def test_it_gives_up_after_the_allowed_tries_when_the_secret_is_wrong(connect: Connect, sim: AiBotSim) -> None:
    witness = connect(secret="wrong", maxAuthFailureAttempts=2)
    for attempt in (1, 2):
        assert "853000" in witness.event("error")["message"]
        assert witness.event("reconnecting") == attempt
    witness.event("error")
    assert witness.event("error")["code"] == "WS_AUTH_FAILURE_EXHAUSTED"
    assert [frame.errcode for frame in sim.subscribes] == [853000] * 3


def test_an_unknown_bot_is_refused(connect: Connect, sim: AiBotSim) -> None:
    witness = connect(botId="nobody", maxAuthFailureAttempts=0)
    assert "93019" in witness.event("error")["message"]
    assert witness.event("error")["code"] == "WS_AUTH_FAILURE_EXHAUSTED"


LOSSES: Dict[str, Callable[[AiBotSim], Any]] = {
    "close 1000": lambda sim: sim.faults.close(1000, "bye"),
    "close 1001": lambda sim: sim.faults.close(1001),
    "a close without a code": lambda sim: sim.faults.close(None),
    "a bare FIN": lambda sim: sim.faults.close(1006),
    "a reset": lambda sim: sim.faults.reset(),
    "half open": lambda sim: sim.faults.half_open(),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_it_comes_back_after(connect: Connect, sim: AiBotSim, loss: str) -> None:
    witness = connect(heartbeatInterval=60)
    witness.event("authenticated")
    LOSSES[loss](sim)
    witness.event("disconnected")
    assert witness.event("reconnecting") == 1
    witness.event("authenticated")
    assert text_frame(witness, "still there?")


def test_it_comes_back_after_a_bad_gateway_and_a_closed_port(connect: Connect, sim: AiBotSim) -> None:
    sim.faults.http_status(502, times=2)
    witness = connect(maxReconnectAttempts=-1)
    for _ in range(2):
        assert "502" in witness.event("error")["message"]
    witness.event("authenticated")
    sim.faults.refuse_connections()
    sim.faults.reset()
    refused = witness.node.wait_for(
        lambda: [e for e in witness.node.told(witness.channel, "error") if e.get("code") == "ECONNREFUSED"],
        10,
        "refusal",
    )
    assert refused
    sim.faults.restore()
    witness.event("authenticated")


def test_when_somebody_else_subscribes_it_is_told_and_stays_away(connect: Connect, sim: AiBotSim) -> None:
    first = connect()
    first.event("authenticated")
    second = connect()
    second.event("authenticated")
    kicked = first.event("event.disconnected_event")
    assert kicked["body"]["event"] == {"eventtype": "disconnected_event"}
    assert "New connection established" in first.event("disconnected")
    assert first.node.told(first.channel, "reconnecting") == []
    assert text_frame(second, "who is there?")
    assert first.node.told(first.channel, "message.text") == []
    assert len(sim.subscribes) == 2


def test_a_lost_subscription_refuses_replies_with_846609(connect: Connect, sim: AiBotSim) -> None:
    witness = connect()
    witness.event("authenticated")
    frame = text_frame(witness)
    sim.faults.lose_subscription()
    with pytest.raises(OfficialError) as refused:
        witness.do("replyStream", frame, "s1", "hello", True)
    assert refused.value.what["errcode"] == 846609


# -- what users send ----------------------------------------


def test_every_kind_of_message_arrives_under_its_name(witness: Witness, sim: AiBotSim) -> None:
    alice, group = sim.user("alice"), sim.group("wr-group", ["alice"])
    witness.gets(alice.says("hello"), "message.text")
    witness.gets(alice.says("in a group", chat=group), "message.text")
    witness.gets(alice.says("as I said", quote="earlier"), "message.text")
    witness.gets(alice.speaks("spoken words"), "message.voice")
    witness.gets(alice.sends(PNG), "message.image")
    witness.gets(alice.sends(b"%PDF-1.7", name="report.pdf"), "message.file")
    witness.gets(alice.sends(b"film", kind="video", name="film.mp4"), "message.video")
    witness.gets(alice.mixed(["look:", PNG]), "message.mixed")
    assert len(witness.node.told(witness.channel, "message")) == 8


def test_control_characters_in_a_text_do_not_lose_it(witness: Witness, sim: AiBotSim) -> None:
    sim.user("alice").says("bell \x07 and feed \x0c.", raw_controls=True)  # its own cure knows no raw tab
    assert "bell " in witness.event("message.text")["body"]["text"]["content"]


def test_every_event_arrives_under_its_name(witness: Witness, sim: AiBotSim) -> None:
    alice = sim.user("alice")
    witness.gets(alice.enters_chat(), "event.enter_chat")
    witness.gets(alice.clicks("task-9", "yes"), "event.template_card_event")
    witness.gets(alice.feedback("feedback-1", "bad", "wrong", [1, 3]), "event.feedback_event")
    witness.gets(alice.event("something_new", {"a": 1}), "event.something_new")
    assert len(witness.node.told(witness.channel, "event")) == 4


@pytest.mark.parametrize("disposition", ["both", "star", "quoted", "bare", "none"])
def test_an_encrypted_file_is_downloaded_decrypted_and_named(witness: Witness, sim: AiBotSim, disposition: str) -> None:
    data = PNG * 3 + b"tail"
    sent = sim.user("alice").sends(data, kind="file", name="report.pdf", disposition=disposition)
    body = witness.event("message.file")["body"]
    got = witness.download(body["file"]["url"], body["file"]["aeskey"])
    assert got["sha256"] == hashlib.sha256(data).hexdigest()
    assert got.get("filename") == (None if disposition == "none" else "report.pdf")
    assert sent.media[0].downloads == 1


def test_files_of_every_size_around_the_padding_are_decrypted(witness: Witness, sim: AiBotSim) -> None:
    for size in (0, 1, 31, 32, 33, 64):
        data = PNG[:size]
        sim.user("alice").sends(data, kind="file", name="f.bin", padded_key=size % 2 == 0)
        part = witness.event("message.file")["body"]["file"]
        assert witness.download(part["url"], part["aeskey"])["sha256"] == hashlib.sha256(data).hexdigest()


def test_a_plain_file_with_a_chinese_name_is_downloaded(witness: Witness, sim: AiBotSim) -> None:
    sim.user("alice").sends(b"plain", kind="file", name="报告 一.pdf", encrypt=False)
    part = witness.event("message.file")["body"]["file"]
    assert "aeskey" not in part
    got = witness.download(part["url"])
    assert (got["size"], got["filename"]) == (5, "报告 一.pdf")
    witness.forgive("No aesKey provided")


# -- streams ----------------------------------------


def test_a_stream_grows_and_ends(witness: Witness, sim: AiBotSim) -> None:
    frame = text_frame(witness)
    image = {
        "msgtype": "image",
        "image": {"base64": base64.b64encode(PNG).decode(), "md5": hashlib.md5(PNG).hexdigest()},
    }
    assert witness.do("replyStream", frame, "s1", "<think></think>", False, None, {"id": "rate-me"})["errcode"] == 0
    for text in ("Once", "Once upon", "Once upon a time"):
        assert witness.do("replyStream", frame, "s1", text)["errcode"] == 0
    assert sim.user("alice").unread == 0
    witness.do("replyStream", frame, "s1", "Once upon a time. The end.", True, [image])
    answer = sim.user("alice").expects()
    assert (answer.kind, answer.via, answer.text, answer.updates) == (
        "stream",
        "reply",
        "Once upon a time. The end.",
        5,
    )
    assert (answer.feedback_id, answer.images) == ("rate-me", [PNG])
    witness.gets(sim.user("alice").feedback(answer, "good"), "event.feedback_event")


def test_frames_of_one_stream_queue_up_behind_their_acks(witness: Witness, sim: AiBotSim) -> None:
    frame = text_frame(witness)
    waiting = [witness.begin("replyStream", frame, "s1", "x" * n, n == 20) for n in range(1, 21)]
    assert [one.result()["errcode"] for one in waiting] == [0] * 20
    assert sim.user("alice").expects().snapshots == ["x" * n for n in range(1, 21)]


def test_a_frame_is_skipped_while_one_is_in_flight(witness: Witness, sim: AiBotSim) -> None:
    frame = text_frame(witness)
    held = sim.faults.hold_acks()
    first = witness.begin("replyStreamNonBlocking", frame, "s1", "one")
    held.wait_held()
    assert witness.do("hasPendingReplyAck", frame) is True
    assert witness.do("replyStreamNonBlocking", frame, "s1", "two") == "skipped"
    final = witness.begin("replyStreamNonBlocking", frame, "s1", "three", True)
    sim.faults.release_acks()
    assert (first.result()["errcode"], final.result()["errcode"]) == (0, 0)
    assert sim.user("alice").expects().snapshots == ["one", "three"]


def test_an_expired_stream_is_refused_and_can_be_rescued_by_a_push(witness: Witness, sim: AiBotSim) -> None:
    frame = text_frame(witness)
    witness.do("replyStream", frame, "s1", "half")
    sim.expire_stream()
    with pytest.raises(OfficialError) as refused:
        witness.do("replyStream", frame, "s1", "whole", True)
    assert refused.value.what["errcode"] == 846608
    witness.do("sendMessage", "alice", {"msgtype": "markdown", "markdown": {"content": "whole"}})
    assert sim.user("alice").expects().text == "whole"
    witness.forgive("846608")


# -- cards, welcomes, pushes ----------------------------------------


def test_a_welcome_is_shown(witness: Witness, sim: AiBotSim) -> None:
    frame = witness.gets(sim.user("alice").enters_chat(), "event.enter_chat")
    witness.do("replyWelcome", frame, {"msgtype": "text", "text": {"content": "Welcome!"}})
    answer = sim.user("alice").expects()
    assert (answer.kind, answer.via, answer.text) == ("text", "welcome", "Welcome!")
    frame = witness.gets(sim.user("bob").enters_chat(), "event.enter_chat")
    witness.do("replyWelcome", frame, {"msgtype": "template_card", "template_card": NOTICE})
    assert sim.user("bob").expects().card == NOTICE


def test_a_card_is_shown_clicked_and_updated(witness: Witness, sim: AiBotSim) -> None:
    alice = sim.user("alice")
    witness.do("replyTemplateCard", text_frame(witness), BUTTONS, {"id": "rate-card"})
    card = alice.expects()
    assert card.card == {**BUTTONS, "feedback": {"id": "rate-card"}}
    click = witness.gets(alice.clicks(card, "yes"), "event.template_card_event")
    assert click["body"]["event"]["template_card_event"]["event_key"] == "yes"
    updated = {**NOTICE, "task_id": "task-1"}
    assert witness.do("updateTemplateCard", click, updated, ["alice"])["errcode"] == 0
    assert card.card == updated


def test_a_stream_and_its_card_arrive_together(witness: Witness, sim: AiBotSim) -> None:
    frame = text_frame(witness)
    options = {"streamFeedback": {"id": "f1"}, "templateCard": BUTTONS, "cardFeedback": {"id": "f2"}}
    witness.do("replyStreamWithCard", frame, "s1", "thinking about it", False, options)
    witness.do("replyStreamWithCard", frame, "s1", "thought about it", True)
    answer = sim.user("alice").expects()
    assert (answer.kind, answer.text, answer.feedback_id) == ("stream", "thought about it", "f1")
    assert answer.card == {**BUTTONS, "feedback": {"id": "f2"}}


def test_pushes_reach_a_person_and_a_group(witness: Witness, sim: AiBotSim) -> None:
    sim.user("alice")
    sim.group("wr-team", ["alice", "bob"])
    witness.do("sendMessage", "alice", {"msgtype": "markdown", "markdown": {"content": "**news**"}})
    witness.do("sendMessage", "wr-team", {"msgtype": "template_card", "template_card": NOTICE})
    pushed = sim.user("alice").expects()
    assert (pushed.kind, pushed.via, pushed.text) == ("markdown", "push", "**news**")
    assert sim.group("wr-team").expects().card == NOTICE


def test_a_push_to_nobody_is_refused(witness: Witness, sim: AiBotSim) -> None:
    with pytest.raises(OfficialError) as refused:
        witness.do("sendMessage", "no-such-user", {"msgtype": "markdown", "markdown": {"content": "x"}})
    assert refused.value.what["errcode"] == 93006
    witness.forgive("93006")


# -- media ----------------------------------------


@pytest.mark.parametrize(("chunks", "size"), [(1, 1000), (3, 2 * 512 * 1024 + 1), (12, 12 * 512 * 1024)])
def test_an_upload_arrives_whole_in(witness: Witness, sim: AiBotSim, tmp_path: Path, chunks: int, size: int) -> None:
    data = (PNG * (size // len(PNG) + 1))[:size]
    (tmp_path / "data").write_bytes(data)
    done = witness.upload(tmp_path / "data", "file", "报告.bin")
    assert done["type"] == "file"
    assert isinstance(done["created_at"], (int, str))
    assert sorted(sim.uploads[0].arrived) == list(range(chunks))
    witness.do("sendMediaMessage", sim.user("alice").id, "file", done["media_id"])
    got = sim.user("alice").expects()
    assert (got.kind, got.name, got.data) == ("file", "报告.bin", data)


def test_every_kind_of_media_can_answer_a_message(witness: Witness, sim: AiBotSim, tmp_path: Path) -> None:
    samples = {"image": PNG, "voice": b"#!AMR\n" + bytes(50), "video": b"\x00\x00\x00\x18ftypmp42", "file": b"text"}
    for kind, data in samples.items():
        (tmp_path / kind).write_bytes(data)
        media_id = witness.upload(tmp_path / kind, kind, f"a.{kind}")["media_id"]
        witness.do("replyMedia", text_frame(witness), kind, media_id, {"title": "T", "description": "D"})
        got = sim.user("alice").expects()
        assert (got.kind, got.data, got.media_id) == (kind, data, media_id)
        assert (got.title, got.description) == (("T", "D") if kind == "video" else (None, None))


def test_a_failed_chunk_is_sent_again(connect: Connect, sim: AiBotSim, tmp_path: Path) -> None:
    witness = connect()
    witness.event("authenticated")
    (tmp_path / "data").write_bytes(PNG)
    sim.faults.ack("aibot_upload_media_chunk", errcode=6000)
    assert witness.upload(tmp_path / "data", "image", "a.png")["media_id"]
    assert sum(frame.cmd == "aibot_upload_media_chunk" for frame in sim.frames) == 2


def test_hostile_file_names_do_not_hurt(connect: Connect, sim: AiBotSim) -> None:
    witness = connect()
    witness.event("authenticated")
    for name in HOSTILE_NAMES:
        sim.user("alice").sends(b"data", kind="file", name=name, disposition="star")
        part = witness.event("message.file")["body"]["file"]
        assert witness.download(part["url"], part["aeskey"])["size"] == 4
