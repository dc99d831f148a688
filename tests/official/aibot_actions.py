"""What both the vendor's WeCom client and ours can do: each action done by either, for their bytes to be compared."""

from __future__ import annotations

import base64
import hashlib
import queue
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from tests.official.aibot_witness import Witness
from wxsdk import Feedback, MarkdownBody, ReplyMsgItem, TemplateCard, TemplateCardBody, TextBody, WSClient, WsFrame
from wxsdk.sim.aibot.simulator import AiBotSim, SimMedia, SimSent

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
TEXTS = "Übung 你好 <b>&\"'\\ \t\n 😀 \u200b/"
NOTICE: Dict[str, Any] = {
    "card_type": "text_notice",
    "source": {"icon_url": "https://example.com/i.png", "desc": "来源", "desc_color": 1},
    "main_title": {"title": TEXTS, "desc": ""},
    "emphasis_content": {"title": "100", "desc": "%"},
    "quote_area": {"type": 1, "url": "https://example.com/q", "title": "q", "quote_text": "said"},
    "sub_title_text": "sub",
    "horizontal_content_list": [
        {"keyname": "who", "value": "alice", "type": 3, "userid": "alice"},
        {"keyname": "plain", "value": "x"},
    ],
    "jump_list": [{"type": 1, "title": "go", "url": "https://example.com/"}, {"type": 0, "title": "no link"}],
    "card_action": {"type": 1, "url": "https://example.com/"},
    "task_id": "task_1@x-y",
}
BUTTONS: Dict[str, Any] = {
    "card_type": "button_interaction",
    "action_menu": {"desc": "more", "action_list": [{"text": "mute", "key": "mute"}]},
    "main_title": {"title": "Ship it?"},
    "button_selection": {
        "question_key": "q1",
        "title": "which",
        "disable": False,
        "option_list": [{"id": "1", "text": "one"}, {"id": "2", "text": "two"}],
        "selected_id": "2",
    },
    "button_list": [{"text": "Yes", "style": 1, "key": "yes"}, {"text": "No", "style": 2, "key": "no"}],
    "task_id": "buttons",
}
VOTE: Dict[str, Any] = {
    "card_type": "vote_interaction",
    "main_title": {"title": "Vote"},
    "checkbox": {
        "question_key": "q",
        "mode": 0,
        "disable": False,
        "option_list": [{"id": "a", "text": "A", "is_checked": True}, {"id": "b", "text": "B", "is_checked": False}],
    },
    "submit_button": {"text": "Send", "key": "send"},
    "task_id": "vote",
}
NEWS: Dict[str, Any] = {
    "card_type": "news_notice",
    "main_title": {"title": "News"},
    "card_image": {"url": "https://example.com/p.png", "aspect_ratio": 1.5},
    "image_text_area": {
        "type": 1,
        "url": "https://example.com/",
        "title": "t",
        "desc": "d",
        "image_url": "https://x.y/",
    },
    "vertical_content_list": [{"title": "v", "desc": "d"}],
    "card_action": {"type": 1, "url": "https://example.com/"},
}
MULTIPLE: Dict[str, Any] = {
    "card_type": "multiple_interaction",
    "main_title": {"title": "Choose"},
    "select_list": [
        {"question_key": "s", "title": "t", "option_list": [{"id": "1", "text": "one"}], "selected_id": "1"},
    ],
    "submit_button": {"text": "Send", "key": "send"},
    "task_id": "multiple",
}
CARDS = (NOTICE, BUTTONS, VOTE, NEWS, MULTIPLE)
SMALL: Dict[str, Any] = {
    "card_type": "text_notice",
    "main_title": {"title": "Small"},
    "card_action": {"type": 1, "url": "https://example.com/"},
    "task_id": "small",
}
IMAGE = {"msgtype": "image", "image": {"base64": base64.b64encode(PNG).decode(), "md5": hashlib.md5(PNG).hexdigest()}}
VIDEO = {"title": "Title", "description": "Long text"}
MARKDOWN = {"msgtype": "markdown", "markdown": {"content": TEXTS}}
CHUNK = 512 * 1024
FILES: Dict[str, bytes] = {
    "image": PNG,
    "voice": b"#!AMR\n" + bytes(50),
    "video": b"\x00\x00\x00\x18ftypmp42",
    "file": b"some text",
}


class Stage:
    """One run of one action: the simulator, whoever acts, and the callbacks that were pushed so far."""

    def __init__(self, sim: AiBotSim, folder: Path) -> None:
        self.sim, self.folder = sim, folder
        self.requests: List[str] = []
        self.media: List[SimMedia] = []

    def sent_file(self) -> SimSent:
        """alice sends a file."""
        sent = self.sim.user("alice").sends(PNG, kind="file", name="报告.pdf")
        self.requests.append(sent.req_id)
        self.media += sent.media
        return sent

    def file(self, data: bytes) -> Path:
        path = self.folder / "data"
        path.write_bytes(data)
        return path


class OfficialStage(Stage):
    """The vendor's client acts. Its methods that answer a callback get the newest one."""

    def __init__(self, sim: AiBotSim, folder: Path, witness: Witness) -> None:
        super().__init__(sim, folder)
        self.act = witness

    def message(self) -> Any:
        sent = self.sim.user("alice").says("hello")
        self.requests.append(sent.req_id)
        return self.act.gets(sent, "message.text")

    def entered(self) -> Any:
        sent = self.sim.user("alice").enters_chat()
        self.requests.append(sent.req_id)
        return self.act.gets(sent, "event.enter_chat")

    def clicked(self, task_id: str) -> Any:
        sent = self.sim.user("alice").clicks(task_id, "yes")
        self.requests.append(sent.req_id)
        return self.act.gets(sent, "event.template_card_event")

    def download(self) -> None:
        part = self.act.gets(self.sent_file(), "message.file")["body"]["file"]
        assert self.act.download(part["url"], part["aeskey"])["size"] == len(PNG)

    def upload(self, data: bytes, kind: str = "file", name: str = "报告.bin") -> str:
        media_id: str = self.act.upload(self.file(data), kind, name)["media_id"]
        return media_id


class OurStage(Stage):
    """wxsdk acts."""

    def __init__(self, sim: AiBotSim, folder: Path, client: WSClient) -> None:
        super().__init__(sim, folder)
        self.act = client
        self._frames: queue.Queue[WsFrame] = queue.Queue()
        client.on_message(self._frames.put)
        client.on_event(self._frames.put)

    def message(self) -> WsFrame:
        return self._next(self.sim.user("alice").says("hello").req_id)

    def entered(self) -> WsFrame:
        return self._next(self.sim.user("alice").enters_chat().req_id)

    def clicked(self, task_id: str) -> WsFrame:
        return self._next(self.sim.user("alice").clicks(task_id, "yes").req_id)

    def upload(self, data: bytes, kind: str = "file", name: str = "报告.bin") -> str:
        return self.act.upload_media(self.file(data), type=kind, filename=name).media_id

    def download(self) -> None:
        part = self._frame(self.sent_file().req_id).body.file
        assert self.act.download_file(part.url, part.aeskey) == (PNG, "报告.pdf")

    def _next(self, req_id: str) -> WsFrame:
        self.requests.append(req_id)
        return self._frame(req_id)

    def _frame(self, req_id: str) -> WsFrame:
        frame = self._frames.get(timeout=10)
        assert frame.headers.req_id == req_id
        return frame


class Action(NamedTuple):
    """The same thing done by the vendor's client and by ours. *options*: of the client, by the vendor's names."""

    official: Callable[[OfficialStage], Any]
    ours: Callable[[OurStage], Any]
    options: Optional[Dict[str, Any]] = None


def _nothing(stage: Any) -> None:
    """Subscribing is all."""


def _pinged(stage: Any) -> None:
    stage.sim.wait_for(lambda: stage.sim.pings)


def _stream(stage: OfficialStage) -> None:
    frame = stage.message()
    stage.act.do("replyStream", frame, "s1", "<think></think>", False, None, {"id": "rate"})
    stage.act.do("replyStream", frame, "s1", TEXTS)
    stage.act.do("replyStream", frame, "s1", TEXTS + ".", True, [IMAGE, IMAGE])


def _our_stream(stage: OurStage) -> None:
    frame = stage.message()
    stage.act.reply_stream(frame, "s1", "<think></think>", feedback={"id": "rate"})
    stage.act.reply_stream(frame, "s1", TEXTS)
    stage.act.reply_stream(frame, "s1", TEXTS + ".", True, msg_item=[IMAGE, IMAGE])


def _with_card(stage: OfficialStage) -> None:
    options = {"streamFeedback": {"id": "f1"}, "templateCard": BUTTONS, "cardFeedback": {"id": "f2"}}
    frame = stage.message()
    stage.act.do("replyStreamWithCard", frame, "s1", "one", False, options)
    stage.act.do("replyStreamWithCard", frame, "s1", "two", True, {"msgItem": [IMAGE]})


def _our_with_card(stage: OurStage) -> None:
    frame = stage.message()
    stage.act.reply_stream_with_card(
        frame, "s1", "one", stream_feedback={"id": "f1"}, template_card=BUTTONS, card_feedback={"id": "f2"}
    )
    stage.act.reply_stream_with_card(frame, "s1", "two", True, msg_item=[IMAGE])


def _cards(stage: OfficialStage) -> None:
    for card in CARDS:
        stage.act.do("replyTemplateCard", stage.message(), card)
    stage.act.do("replyTemplateCard", stage.message(), {**NOTICE, "task_id": "task-f"}, {"id": "rate"})


def _our_cards(stage: OurStage) -> None:
    for card in CARDS:
        stage.act.reply_template_card(stage.message(), card)
    stage.act.reply_template_card(stage.message(), {**NOTICE, "task_id": "task-f"}, {"id": "rate"})


def _typed(stage: OfficialStage) -> None:
    frame = stage.message()
    stage.act.do("replyStream", frame, "s1", "one", False, None, {"id": "rate"})
    stage.act.do("replyStream", frame, "s1", "two", True, [IMAGE])
    stage.act.do("reply", stage.message(), MARKDOWN)
    stage.act.do("replyWelcome", stage.entered(), {"msgtype": "text", "text": {"content": "hi"}})
    for card in CARDS:
        stage.act.do("replyTemplateCard", stage.message(), card, {"id": "rate"})
    stage.act.do("sendMessage", "alice", {"msgtype": "template_card", "template_card": SMALL})


def _our_typed(stage: OurStage) -> None:
    """The same from dataclasses: what is not set must be absent, not null."""
    frame = stage.message()
    stage.act.reply_stream(frame, "s1", "one", feedback=Feedback("rate"))
    stage.act.reply_stream(frame, "s1", "two", True, msg_item=[ReplyMsgItem.of(PNG)])
    stage.act.reply(stage.message(), MarkdownBody.of(TEXTS))
    stage.act.reply_welcome(stage.entered(), TextBody.of("hi"))
    for card in CARDS:
        stage.act.reply_template_card(stage.message(), TemplateCard.from_dict(card), Feedback("rate"))
    small = TemplateCard.text_notice("Small", card_action="https://example.com/", task_id="small")
    stage.act.send_message("alice", TemplateCardBody(small))


def _welcome(stage: OfficialStage) -> None:
    stage.act.do("replyWelcome", stage.entered(), {"msgtype": "text", "text": {"content": TEXTS}})
    stage.act.do("replyWelcome", stage.entered(), {"msgtype": "template_card", "template_card": NOTICE})


def _our_welcome(stage: OurStage) -> None:
    stage.act.reply_welcome(stage.entered(), {"msgtype": "text", "text": {"content": TEXTS}})
    stage.act.reply_welcome(stage.entered(), {"msgtype": "template_card", "template_card": NOTICE})


def _update(stage: OfficialStage) -> None:
    stage.act.do("replyTemplateCard", stage.message(), BUTTONS)
    stage.act.do("updateTemplateCard", stage.clicked("buttons"), BUTTONS, ["alice"])
    stage.act.do("updateTemplateCard", stage.clicked("buttons"), {**NOTICE, "task_id": "buttons"})


def _our_update(stage: OurStage) -> None:
    stage.act.reply_template_card(stage.message(), BUTTONS)
    stage.act.update_template_card(stage.clicked("buttons"), BUTTONS, ["alice"])
    stage.act.update_template_card(stage.clicked("buttons"), {**NOTICE, "task_id": "buttons"})


def _push(stage: OfficialStage) -> None:
    stage.sim.user("alice")
    for body in (MARKDOWN, {"msgtype": "template_card", "template_card": NEWS}):
        stage.act.do("sendMessage", "alice", body)


def _our_push(stage: OurStage) -> None:
    stage.sim.user("alice")
    for body in (MARKDOWN, {"msgtype": "template_card", "template_card": NEWS}):
        stage.act.send_message("alice", body)


def _media(stage: OfficialStage) -> None:
    for kind, data in FILES.items():
        media_id = stage.upload(data, kind, f"a.{kind}")
        options = VIDEO if kind == "video" else None
        stage.act.do("replyMedia", stage.message(), kind, media_id, options)
        stage.act.do("sendMediaMessage", "alice", kind, media_id, options)


def _our_media(stage: OurStage) -> None:
    for kind, data in FILES.items():
        media_id = stage.upload(data, kind, f"a.{kind}")
        options = VIDEO if kind == "video" else None
        stage.act.reply_media(stage.message(), kind, media_id, options)
        stage.act.send_media_message("alice", kind, media_id, options)


def _upload(size: int) -> Callable[[Any], Any]:
    return lambda stage: stage.upload((PNG * (size // len(PNG) + 1))[:size])


ACTIONS: Dict[str, Action] = {
    "subscribe": Action(_nothing, _nothing),
    "subscribe with scene and version": Action(_nothing, _nothing, {"scene": 2, "plug_version": "3.1"}),
    "ping": Action(_pinged, _pinged, {"heartbeatInterval": 100}),
    "stream": Action(_stream, _our_stream),
    "stream with card": Action(_with_card, _our_with_card),
    "reply markdown": Action(
        lambda stage: stage.act.do("reply", stage.message(), MARKDOWN),
        lambda stage: stage.act.reply(stage.message(), MARKDOWN),
    ),
    "cards": Action(_cards, _our_cards),
    "dataclasses": Action(_typed, _our_typed),
    "welcome": Action(_welcome, _our_welcome),
    "update card": Action(_update, _our_update),
    "push": Action(_push, _our_push),
    "media": Action(_media, _our_media),
    "download": Action(lambda stage: stage.download(), lambda stage: stage.download()),
    "upload in 1 chunk": Action(_upload(CHUNK), _upload(CHUNK)),
    "upload in 3 chunks": Action(_upload(2 * CHUNK + 1), _upload(2 * CHUNK + 1)),
    "upload in 12 chunks": Action(_upload(12 * CHUNK - 7), _upload(12 * CHUNK - 7)),
}
