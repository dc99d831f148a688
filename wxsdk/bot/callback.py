"""WeCom in callback mode for a Bot: the adapter of a CallbackClient."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional, Tuple, Union

from ..aibot.frames import WsFrame
from ..aibot.stream_rules import StreamOutcome
from ..callback.client import MAX_PICTURE_BYTES, CallbackClient
from ..callback.config import CallbackOptions
from ..callback.stream import CallbackStream
from ..errors import ConfigError, LimitExceeded, Unsupported
from ..ilink.frames_out import SendResult
from ..runtime.store import Store
from .adapter import AnswerStream, Progress, Target
from .aibot import PushStream, WeComAdapter
from .choice_rules import Question, card_of

_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")  # what a bubble takes at its end; docs/protocol/aibot, 4


class CallbackAdapter(WeComAdapter):
    """See ``Adapter``. All that a handler says to one message is one bubble (``callback.bubble_rules``)."""

    platform = "callback"
    streams = False  # the client opens a stream by itself when an answer takes its time

    def __init__(self, name: str, config: CallbackOptions, store: Optional[Store], **options: Any) -> None:
        self.name = name
        self.client: CallbackClient = CallbackClient(config, store=store, **options)
        self.client.on_error(self._on_error)

    # life

    def start(self) -> None:
        self.client.start()

    def stop(self, timeout: float) -> bool:
        return self.client.shutdown(timeout)

    def ended(self) -> Tuple[bool, Optional[BaseException]]:
        return False, None  # it is called, so nothing can end it but a stop

    # answering

    def send_text(self, target: Target, text: str) -> SendResult:
        self.client.reply_text(target.origin, text)
        return _result(target)

    def send_file(
        self, target: Target, file: Union[Path, bytes], name: str, caption: Optional[str], progress: Optional[Progress]
    ) -> SendResult:
        data = file if isinstance(file, bytes) else _picture_at(file)
        if not data.startswith(_PICTURES):
            raise Unsupported(
                "In callback mode only JPG and PNG pictures go out: the file was not sent.",
                remedy="Use a long connection (WSClientOptions) for files.",
            )
        self.client.reply_picture(target.origin, data)
        if caption:
            self.client.reply_text(target.origin, caption)
        if progress is not None:
            progress(len(data), len(data))
        return _result(target)

    def send_card(self, target: Target, card: Any) -> SendResult:
        self.client.reply_card(target.origin, card)
        return _result(target)

    def open_stream(self, target: Target, progressive: bool) -> AnswerStream:
        if not self.client.takes_stream(target.origin):
            return PushStream(self, target)
        return BubbleParagraph(self.client, target.origin, progressive)

    # choices

    def send_choice(self, target: Target, question: Question) -> bool:
        self.client.reply_card(target.origin, card_of(question))
        return True

    def show_chosen(self, target: Target, question: Question, key: str) -> None:
        self.client.reply_card(target.origin, card_of(question, key))

    # conversations

    def hold(self, answer: WsFrame, asked: WsFrame) -> None:
        self.client.hold(answer, asked)

    def let_go(self, origin: WsFrame) -> None:
        self.client.let_go(origin)

    # pushing

    def push(self, chat_id: str, thing: Any) -> Any:
        raise Unsupported(
            "Nothing can be pushed in callback mode: it was not sent.",
            remedy="Use a long connection (WSClientOptions) for messages that answer nothing.",
        )


class BubbleParagraph(AnswerStream):
    """A stream of the callback client: a paragraph of the bubble."""

    is_animated = False

    def __init__(self, client: CallbackClient, frame: WsFrame, progressive: bool) -> None:
        self._client = client
        self._frame = frame
        self._progressive = progressive
        self._held = ""  # when nothing is to be seen before the end
        self._stream: CallbackStream = client.open_stream(frame)
        self._outcome: Optional[StreamOutcome] = None
        self._is_blank = True

    @property
    def outcome(self) -> Optional[StreamOutcome]:
        return None if self._outcome is None else self._stream.outcome

    @property
    def is_blank(self) -> bool:
        return self._is_blank

    def write(self, delta: str) -> None:
        self._is_blank = self._is_blank and not delta
        if self._progressive:
            self._stream.write(delta)
        else:
            self._held += delta

    def replace(self, text: str) -> None:
        self._is_blank = not text
        if self._progressive:
            self._stream.replace(text)
        else:
            self._held = text

    def thinking(self) -> None:
        self._stream.thinking()

    def finish(self, text: Optional[str] = None) -> StreamOutcome:
        if self._outcome is None:
            self._outcome = self._stream.finish(self._held if text is None and not self._progressive else text)
        return self._stream.outcome

    def break_off(self, notice: str) -> None:
        if self._outcome is not None:
            return
        try:
            if notice:
                self.write(notice if self._is_blank else f"\n\n{notice}")
            self.finish()
        except ConfigError:
            self._outcome = self._stream.outcome  # its bubble has ended meanwhile


def _picture_at(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_PICTURE_BYTES:
            raise LimitExceeded("The picture is too large in bytes.", limit=MAX_PICTURE_BYTES, actual=size)
        return path.read_bytes()
    except OSError as exc:
        raise ConfigError(f"The file cannot be read: {exc.strerror}. Nothing was sent.") from exc


def _result(target: Target) -> SendResult:
    # Nobody acknowledges a bubble: the platform collects it.
    return SendResult(target.facts.id, None, False)
