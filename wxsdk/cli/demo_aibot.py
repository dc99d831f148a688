"""Holds the demo's conversation with a WeCom AI bot."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Callable, List, Tuple

from .. import Button, TemplateCard, WSClient, WSClientOptions, WsFrame
from ..sim import AiBotSim
from ..sim.aibot.views import SimMessage
from .demo_ilink import small_png
from .transcript import ProgressBar, Transcript, expect

FILE_BYTES = 3 * 2**20  # six chunks of an upload
WORDS = [f"word{n} " for n in range(400)]
LONG_ANSWER = "".join(f"{n}. 一个很长的回答,一个字也不能少。\n" for n in range(1, 700))


class DemoBot:
    """Registers the callbacks of the demo on a client."""

    def __init__(self, client: WSClient, transcript: Transcript, folder: Path) -> None:
        self._client = client
        self._transcript = transcript
        self._folder = folder
        client.on_message_text(self.answer)
        client.on_message_image(self.keep_image)
        client.on_message_file(self.send_back)
        client.on_event_enter_chat(self.welcome)
        client.on_event_template_card_event(self.thank)
        client.on_error(lambda exc: transcript.note(f"{type(exc).__name__}: {exc}"))

    def answer(self, frame: WsFrame) -> None:
        question = frame.body.text.content
        with self._client.open_stream(frame) as stream:
            stream.thinking()
            if question == "Tell me everything":
                stream.write(LONG_ANSWER)
            else:
                for word in WORDS:
                    stream.write(word)

    def welcome(self, frame: WsFrame) -> None:
        card = TemplateCard.button_interaction(
            title="Welcome", desc="Shall I help you?", buttons=[Button("Yes", key="yes"), Button("No", key="no")]
        )
        self._client.reply_welcome(frame, {"msgtype": "template_card", "template_card": card})

    def thank(self, frame: WsFrame) -> None:
        event = frame.body.event.template_card_event
        card = TemplateCard.text_notice(
            "Thank you", f"You chose {event.event_key}.", card_action="https://example.com", task_id=event.task_id
        )
        self._client.update_template_card(frame, card)

    def keep_image(self, frame: WsFrame) -> None:
        path = self._client.save_file(frame.body.image.url, frame.body.image.aeskey, self._folder)
        with self._client.open_stream(frame) as stream:
            stream.write(f"Your image has {path.stat().st_size} bytes.")

    def send_back(self, frame: WsFrame) -> None:
        path = self._client.save_file(frame.body.file.url, frame.body.file.aeskey, self._folder)
        progress = ProgressBar(self._transcript, "uploaded  ")
        media = self._client.upload_media(path, type="file", progress=progress)
        self._client.reply_media(frame, media.type, media.media_id)


def show_aibot(transcript: Transcript) -> None:
    transcript.heading("WeCom AI bot: subscribe, then a conversation with bob")
    with AiBotSim() as sim, tempfile.TemporaryDirectory() as folder:
        client = WSClient(WSClientOptions(bot_id=sim.bot_id, secret=sim.secret, ws_url=sim.ws_url))
        DemoBot(client, transcript, Path(folder))
        transcript.step("connect and subscribe", lambda: expect(client.connect(wait=5).is_connected, "not connected"))
        with client:
            show = _Show(transcript, sim, client)
            for name, step in show.steps():
                transcript.step(name, step)
            transcript.note(f"health: {client.health().state.name}")


class _Show:
    """The pretend user's side of the conversation."""

    def __init__(self, transcript: Transcript, sim: AiBotSim, client: WSClient) -> None:
        self._transcript = transcript
        self._sim = sim
        self._client = client
        self._bob = sim.user("bob")

    def steps(self) -> List[Tuple[str, Callable[[], None]]]:
        return [
            ("a welcome card, a click, the card updated", self._card),
            ("a streamed answer", self._stream),
            ("a long answer, continued in further messages", self._long_answer),
            ("an image, downloaded and decrypted", self._image),
            ("a 3 MB file, there and back", self._file),
            ("a message without being asked", self._push),
            ("a lost connection, restored", self._reconnect),
            ("no bubble left thinking, and no breach of the protocol", self._clean),
        ]

    def _card(self) -> None:
        self._transcript.says("bob", "(opens the chat)")
        self._bob.enters_chat()
        shown = self._bob.expects()
        self._transcript.says("bot", f"[card] {_title(shown)}")
        self._transcript.says("bob", "(presses «Yes»)")
        self._bob.clicks(shown, "yes")
        self._sim.wait_for(lambda: _title(shown) == "Thank you: You chose yes.")
        self._transcript.says("bot", f"[card] {_title(shown)}")

    def _stream(self) -> None:
        self._say("Count, please")
        answer = self._bob.expects()
        self._transcript.says("bot", answer.text)
        self._transcript.note(f"{len(WORDS)} tokens went out in {answer.updates} frames")
        expect(answer.text == "".join(WORDS), "the final text is another one")

    def _long_answer(self) -> None:
        self._say("Tell me everything")
        text = ""
        while len("".join(text.split())) < len("".join(LONG_ANSWER.split())):
            part = self._bob.expects()
            self._transcript.says("bot", part.text)
            text += part.text
        expect("".join(text.split()) == "".join(LONG_ANSWER.split()), "characters are missing or doubled")

    def _image(self) -> None:
        picture = small_png(64, 64)
        self._transcript.says("bob", f"(an image, {len(picture)} bytes)")
        self._bob.sends(picture, kind="image", name="picture.png")
        answer = self._bob.expects()
        self._transcript.says("bot", answer.text)
        expect(f" {len(picture)} bytes" in answer.text, "the image arrived changed")

    def _file(self) -> None:
        content = os.urandom(FILE_BYTES)
        self._transcript.says("bob", f"(the file report.bin, {FILE_BYTES / 2**20:.0f} MB)")
        self._bob.sends(content, kind="file", name="report.bin")
        answer = self._bob.expects(timeout=10)
        self._transcript.says("bot", f"({answer.kind} {answer.name}, {len(answer.data):,} bytes)")
        expect(answer.data == content and answer.name == "report.bin", "the file came back changed")

    def _push(self) -> None:
        self._client.send_message("bob", {"msgtype": "markdown", "markdown": {"content": "**Lunch** is ready."}})
        answer = self._bob.expects()
        self._transcript.says("bot", answer.text)
        expect(answer.via == "push", f"it came as a {answer.via}")

    def _reconnect(self) -> None:
        before = len(self._sim.subscribes)
        self._transcript.note("the gateway closes the connection")
        self._sim.faults.close(1000)
        self._sim.wait_for(lambda: len(self._sim.subscribes) > before)
        self._say("Still there?")
        expect(self._bob.expects().finished, "no answer after the reconnect")
        self._transcript.says("bot", "(answers)")

    def _clean(self) -> None:
        expect(not self._sim.thinking(), f"still thinking: {self._sim.thinking()}")
        expect(not self._sim.violations, f"{self._sim.violations}")

    def _say(self, text: str) -> None:
        self._transcript.says("bob", text)
        self._bob.says(text)


def _title(shown: SimMessage) -> str:
    """Return title and description of a card as the user sees it now."""
    title = (shown.card or {}).get("main_title", {})
    return f"{title.get('title')}: {title.get('desc')}"
