"""Holds the demo's conversation over personal WeChat (iLink)."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Callable, List, Tuple

from .. import (
    LoginState,
    LoginStatus,
    MessageContext,
    MessageHandler,
    QrLoginSession,
    StandaloneQrLogin,
    WeixinClient,
    WeixinConfig,
)
from ..sim import ILinkSim
from .transcript import ProgressBar, Transcript, expect

FILE_BYTES = 5 * 2**20
LONG_TEXT = "\n\n".join(
    f"Chapter {n}. " + "The bot told a long story, and nobody lost a word of it. " * 30 for n in range(1, 22)
)


class DemoBot(MessageHandler):
    """Answers each kind of message in its own way."""

    def __init__(self, transcript: Transcript, folder: Path) -> None:
        self._transcript = transcript
        self._folder = folder

    def on_message(self, ctx: MessageContext) -> None:
        if ctx.media is not None:
            self._send_back(ctx)
        elif ctx.ref_message is not None:
            ctx.reply_text(f"You quoted: {ctx.ref_message.body or ctx.ref_message.title}")
        elif ctx.body == "Tell me a story":
            ctx.reply_text(LONG_TEXT)
        else:
            with ctx.typing():
                ctx.reply_text(f"You said: {ctx.body}")

    def on_error(self, exc: BaseException, ctx: object) -> None:
        self._transcript.note(f"{type(exc).__name__}: {exc}")

    def _send_back(self, ctx: MessageContext) -> None:
        assert ctx.media is not None
        path = ctx.download_media(ctx.media, self._folder, progress=ProgressBar(self._transcript, "downloaded"))
        ctx.reply_media(path, progress=ProgressBar(self._transcript, "uploaded  "))


def show_ilink(transcript: Transcript) -> None:
    transcript.heading("Personal WeChat: QR login, then a conversation with alice")
    with ILinkSim() as sim, tempfile.TemporaryDirectory() as folder:
        show = _Show(transcript, sim, Path(folder))
        transcript.step("QR login", show.log_in)
        config = WeixinConfig(
            token=show.token,
            base_url=show.base_url,
            cdn_base_url=sim.cdn_base_url,
            sends_per_second=None,  # the simulator blocks no bursts here, and a demo should not wait
        )
        downloads = Path(folder) / "downloads"
        downloads.mkdir()
        with WeixinClient(config, DemoBot(transcript, downloads)) as client:
            for name, step in show.steps():
                transcript.step(name, step)
            transcript.note(f"health: {client.health().state.name}; {client.quota('alice')}")
        transcript.step("the simulator saw no breach of the protocol", show.no_violations)


class _Show:
    """The pretend user's side of the conversation."""

    def __init__(self, transcript: Transcript, sim: ILinkSim, folder: Path) -> None:
        self._transcript = transcript
        self._sim = sim
        self._folder = folder
        self._alice = sim.user("alice")
        self.token = ""
        self.base_url = sim.base_url

    def steps(self) -> List[Tuple[str, Callable[[], None]]]:
        return [
            ("a text, with the typing sign", self._text),
            ("a long text, in several messages", self._long_text),
            ("a quote", self._quote),
            ("an image, there and back", self._image),
            ("a 5 MB file, there and back", self._file),
            ("a voice message with a transcript", self._voice),
        ]

    def log_in(self) -> None:
        def scan(session: QrLoginSession) -> None:
            print(session.terminal())
            self._transcript.says("alice", "(scans the code)")
            self._sim.scan(session.qrcode, user="alice")

        def confirm(status: LoginStatus) -> None:
            self._transcript.note(f"login: {status.state.name}")
            if status.state is LoginState.SCANNED:
                self._sim.confirm()

        login = StandaloneQrLogin(WeixinConfig(token="", base_url=self._sim.base_url))
        status = login.login(on_qrcode=scan, on_status=confirm, timeout=10)
        expect(status.state is LoginState.CONFIRMED and status.bot_token, f"the login ended as {status.state.name}")
        self.token = status.bot_token or ""
        self.base_url = status.base_url or self.base_url

    def no_violations(self) -> None:
        expect(not self._sim.violations, f"{self._sim.violations}")

    def _text(self) -> None:
        self._say("Hello, bot")
        answer = self._alice.expects()
        self._transcript.says("bot", answer.text)
        expect(answer.text == "You said: Hello, bot", "the answer is another one")
        self._sim.wait_for(lambda: self._sim.count("sendtyping") >= 2)  # the sign began and ended

    def _long_text(self) -> None:
        self._say("Tell me a story")
        parts: List[str] = []
        while len("".join("".join(parts).split())) < len("".join(LONG_TEXT.split())):  # white space at a cut may go
            parts.append(self._alice.expects().text)
            self._transcript.says("bot", parts[-1])
        expect(len(parts) > 1, "it came in one piece")
        expect("".join("".join(parts).split()) == "".join(LONG_TEXT.split()), "words are missing or doubled")

    def _quote(self) -> None:
        quoted = self._alice.received[0]
        self._transcript.says("alice", f"[quotes «{quoted.text}»] What do you mean?")
        self._alice.quotes(quoted, "What do you mean?")
        answer = self._alice.expects()
        self._transcript.says("bot", answer.text)
        expect(answer.text == f"You quoted: {quoted.text}", "the quote was not understood")

    def _image(self) -> None:
        picture = small_png(64, 64)
        self._transcript.says("alice", f"(an image, {len(picture)} bytes)")
        self._alice.sends(picture, kind="image", name="picture.png")
        answer = self._alice.expects()
        self._transcript.says("bot", f"({answer.kind}, {answer.size} bytes)")
        expect(answer.kind == "image" and answer.data == picture, "the image came back changed")

    def _file(self) -> None:
        content = os.urandom(FILE_BYTES)
        path = self._folder / "report.bin"
        path.write_bytes(content)
        self._transcript.says("alice", f"(the file report.bin, {FILE_BYTES / 2**20:.0f} MB)")
        self._alice.sends(path, kind="file")
        answer = self._alice.expects(timeout=10)
        digest = hashlib.sha256(answer.data).hexdigest()
        self._transcript.says("bot", f"({answer.kind} {answer.file_name}, sha256 {digest[:12]}…)")
        expect(digest == hashlib.sha256(content).hexdigest(), "the file came back changed")

    def _voice(self) -> None:
        self._transcript.says("alice", "(2 s of voice) «What time is it?»")
        self._alice.speaks(b"\x02#!SILK_V3", transcript="What time is it?")
        answer = self._alice.expects()
        self._transcript.says("bot", answer.text)
        expect(answer.text == "You said: What time is it?", "the transcript was not used")

    def _say(self, text: str) -> None:
        self._transcript.says("alice", text)
        self._alice.says(text)


def small_png(width: int, height: int) -> bytes:
    """Make a small picture, here so that the package needs to carry none."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(
        b"\0" + b"".join(bytes((x * 4 % 256, y * 4 % 256, 128)) for x in range(width)) for y in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
