"""What both the vendor's iLink plugin and our client can do: each action done by either, to compare their bytes."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from tests.official.ilink_witness import Witness
from wxsdk import LoginState, MediaInfo, MessageContext, WeixinClient, WeixinConfig
from wxsdk.sim import ILinkSim

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
TEXT = "Übung 你好 <b>&\"'\\ \t\n 😀 a_b_c https://example.com/x_y?z=1&w=2"
HOST = "https://ilinkai.weixin.qq.com"  # known to the plugin's login by heart


class OfficialStage:
    """The vendor's plugin acts."""

    def __init__(self, sim: ILinkSim, folder: Path, witness: Witness) -> None:
        self.sim, self.folder, self.act = sim, folder, witness

    def file(self, name: str) -> Path:
        (self.folder / name).write_bytes(PNG)
        return self.folder / name

    def hear(self, *script: Dict[str, Any]) -> Dict[str, Any]:
        """Poll until a message of alice was answered with *script*, and stop."""
        self.act.start(*script)
        self.sim.user("alice").says("hello")
        context = self.act.inbound()
        self.sim.wait_for(lambda: self.sim.count("getupdates") == 2 and self.sim.polls_in_flight == 1)
        self.act.stop()
        return context

    def low(self, name: str, **more: Any) -> Any:
        return self.act.call("api/api.js", name, {**self.act.options, **more})


class OurStage:
    """wxsdk acts."""

    def __init__(self, sim: ILinkSim, folder: Path, **settings: Any) -> None:
        self.sim, self.folder = sim, folder
        self._contexts: queue.Queue[MessageContext] = queue.Queue()
        self._script: Callable[[MessageContext], Any] = lambda context: None
        addresses: Dict[str, Any] = {"base_url": sim.base_url, "cdn_base_url": sim.cdn_base_url}
        self.act = WeixinClient(WeixinConfig(sim.token, **addresses, **settings), self._on_message)

    def file(self, name: str) -> Path:
        (self.folder / name).write_bytes(PNG)
        return self.folder / name

    def hear(self, script: Callable[[MessageContext], Any] = lambda context: None) -> MessageContext:
        self._script = script
        with self.act:
            self.sim.user("alice").says("hello")
            context = self._contexts.get(timeout=10)
            self.sim.wait_for(lambda: self.sim.count("getupdates") == 2 and self.sim.polls_in_flight == 1)
        return context

    def _on_message(self, context: MessageContext) -> None:
        self._script(context)
        self._contexts.put(context)


class Action(NamedTuple):
    """The same thing done by the vendor's plugin and by our client, and the calls whose requests are compared."""

    official: Callable[[OfficialStage], Any]
    ours: Callable[[OurStage], Any]
    places: Tuple[str, ...]
    options: Optional[Dict[str, Any]] = None  # of the simulator


def _known(stage: Any) -> None:
    """alice has written once, and her context token is known to neither side."""
    stage.sim.user("alice").says("hello")


def _push(stage: OfficialStage) -> None:
    _known(stage)
    stage.act.send_text("alice", TEXT)


def _our_push(stage: OurStage) -> None:
    _known(stage)
    stage.act.send_text("alice", TEXT)


def _media(name: str) -> Tuple[Callable[[OfficialStage], Any], Callable[[OurStage], Any]]:
    def official(stage: OfficialStage) -> None:
        stage.hear({"text": "a caption", "mediaUrl": str(stage.file(name))})

    def ours(stage: OurStage) -> None:
        def answer(context: MessageContext) -> None:
            run = context.run()
            run.send_media(stage.file(name), caption="a caption")

        stage.hear(answer)

    return official, ours


def _tools(stage: OfficialStage) -> None:
    tool = {"name": "search", "itemId": "call-1"}
    start, end = {**tool, "phase": "start"}, {**tool, "phase": "end", "status": "completed"}
    stage.hear({"tool": start}, {"tool": end})
    stage.sim.user("alice").waits_for(lambda message: message.kind == "tool_call_result")


def _our_tools(stage: OurStage) -> None:
    def answer(context: MessageContext) -> None:
        run = context.run()
        run.tool_call_start("search", "call-1")
        run.tool_call_result("search", "call-1", "completed")

    stage.hear(answer)


def _typing(context: MessageContext) -> None:
    context.send_typing()
    context.cancel_typing()


def _config(stage: OfficialStage) -> None:
    _known(stage)
    stage.low("getConfig", ilinkUserId="alice")
    stage.low("getConfig", ilinkUserId="alice", contextToken="a token")


def _our_config(stage: OurStage) -> None:
    _known(stage)
    stage.act.api.get_config("alice")
    stage.act.api.get_config("alice", "a token")


def _download(stage: OfficialStage, address: str) -> None:
    stage.act.start()
    stage.sim.user("alice").sends(PNG, address=address)
    stage.act.inbound()
    stage.act.stop()


def _our_download(stage: OurStage, address: str) -> None:
    got: List[Path] = []

    def answer(context: MessageContext) -> None:
        assert isinstance(context.media, MediaInfo)
        got.append(context.download_media(context.media, stage.folder))

    stage._script = answer
    with stage.act:
        stage.sim.user("alice").sends(PNG, address=address)
        stage._contexts.get(timeout=10)
    assert got[0].read_bytes() == PNG


def _login(stage: OfficialStage) -> None:
    stage.act.node.call("place", origin=HOST, at=stage.sim.base_url)
    stage.act.node.call("forgetOthers", account=stage.act.account)  # their tokens would be sent along
    pending = stage.act.begin_login()
    stage.sim.scan()
    stage.sim.demand_verify_code("42")
    stage.act.node.wait_for(lambda: stage.sim.logins[-1].told == "need_verifycode", 10, "the demand")
    stage.act.node.call("type", text="42\n")
    stage.sim.wait_for(lambda: stage.sim.logins[-1].told == "scaned")
    stage.sim.confirm()
    assert pending.result()["connected"]


def _our_login(stage: OurStage) -> None:
    login = stage.act.qr_login()
    session = login.start(local_tokens=[stage.sim.token])
    stage.sim.scan()
    stage.sim.demand_verify_code("42")
    while login.poll_status(session).state is not LoginState.NEED_VERIFY_CODE:
        pass
    login.poll_status(session, verify_code="42")
    stage.sim.confirm()
    while login.poll_status(session).state is not LoginState.CONFIRMED:
        pass


IMAGE, VIDEO, FILE = (_media(name) for name in ("a.png", "b.mp4", "报告 c.pdf"))
LIFE = ("notifystart", "getupdates", "notifystop")
UPLOAD = ("getuploadurl", "upload", "sendmessage")

ACTIONS: Dict[str, Action] = {
    "start, poll and stop": Action(lambda stage: stage.hear(), lambda stage: stage.hear(), LIFE),
    "push a text": Action(_push, _our_push, ("sendmessage",)),
    "answer with a text": Action(
        lambda stage: stage.hear({"text": TEXT}),
        lambda stage: stage.hear(lambda context: context.run().send_text(TEXT)),
        ("sendmessage",),
    ),
    "answer with an image": Action(*IMAGE, UPLOAD),
    "answer with a video": Action(*VIDEO, UPLOAD),
    "answer with a file": Action(*FILE, UPLOAD),
    "upload by parameter": Action(*FILE, UPLOAD, {"upload_urls": "param"}),
    "upload by URL": Action(*FILE, UPLOAD, {"upload_urls": "full_url"}),
    "tool calls": Action(_tools, _our_tools, ("sendmessage",)),
    "typing": Action(
        lambda stage: stage.hear({"typing": True}, {"typing": False}),
        lambda stage: stage.hear(_typing),
        ("getconfig", "sendtyping"),
    ),
    "config": Action(_config, _our_config, ("getconfig",)),
    "download by URL": Action(
        lambda stage: _download(stage, "full_url"), lambda stage: _our_download(stage, "full_url"), ("download",)
    ),
    "download by parameter": Action(
        lambda stage: _download(stage, "param"), lambda stage: _our_download(stage, "param"), ("download",)
    ),
    "login": Action(_login, _our_login, ("get_bot_qrcode", "get_qrcode_status")),
}
