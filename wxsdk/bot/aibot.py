"""WeCom over WebSocket for a Bot: the adapter of a WSClient."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

from ..aibot.client import WSClient
from ..aibot.config import WSClientOptions
from ..aibot.frames import WsFrame
from ..aibot.stream import ReplyStream
from ..aibot.stream_rules import StreamOutcome
from ..core.filenames import safe_name
from ..errors import ConfigError, InvalidReqId, LimitExceeded, StreamExpired, Unsupported, WxError
from ..health import Health
from ..ilink.frames_out import SendResult
from ..runtime.receiver import Receiver
from ..runtime.store import Store
from .adapter import Adapter, AnswerStream, FileInfo, OnFailure, Progress, QuoteInfo, Target
from .choice_rules import Question, card_of
from .facts import Choice, Facts, without_mention

_FILES = ("image", "file", "video")
_ENDINGS = {  # what WeCom shows as a picture, a video, a voice; anything else goes as a file
    **dict.fromkeys((".png", ".jpg", ".jpeg"), "image"),
    ".mp4": "video",
    ".amr": "voice",
}
_GONE = (InvalidReqId, StreamExpired, LimitExceeded, Unsupported)  # the message can be answered by a push alone


class WeComAdapter(Adapter):
    """Reads the frames of WeCom, however they came. The origin is a WsFrame."""

    _on_failure: Optional[OnFailure] = None

    # life

    def attach(self, receiver: Receiver, on_failure: OnFailure) -> None:
        self._on_failure = on_failure
        self.client.set_receiver(receiver)

    def health(self) -> Health:
        health: Health = self.client.health()
        return health

    def _on_error(self, exc: BaseException, *_: Any) -> None:
        if self._on_failure is not None:
            self._on_failure(exc)

    # reading

    def facts(self, origin: WsFrame) -> Facts:
        # Every message of a busy bot passes here on the reader, so the body is read without detours.
        body = origin.raw_body
        sender, chat_id = body.get("from"), body.get("chatid")
        user_id = sender.get("userid") if isinstance(sender, dict) else ""
        if not isinstance(user_id, str):
            user_id = ""
        if not chat_id or not isinstance(chat_id, str):
            chat_id = user_id
        is_group = chat_id != user_id or body.get("chattype") == "group"
        kind = origin.msgtype
        if kind == "event" or "event" in body:
            return _event_facts(origin, user_id, chat_id, is_group)
        text = _text_of(body, kind).strip()
        if is_group and text[:1] == "@":
            text = without_mention(text)
        return Facts(origin.msgid or "", kind, user_id, chat_id, is_group, text)

    def created_at(self, origin: WsFrame) -> Optional[datetime]:
        at = origin.body.create_time if origin.body is not None else None
        try:
            return None if at is None else datetime.fromtimestamp(at, timezone.utc)
        except (OverflowError, ValueError, OSError):
            return None

    def files(self, origin: WsFrame) -> List[FileInfo]:
        return _files_of(origin.raw_body)

    def quote(self, origin: WsFrame) -> Optional[QuoteInfo]:
        quoted = origin.raw_body.get("quote")
        if not isinstance(quoted, dict):
            return None
        kind = quoted.get("msgtype")
        return QuoteInfo(_text_of(quoted, kind if isinstance(kind, str) else ""), _files_of(quoted), None)

    def save(self, origin: WsFrame, file: FileInfo, dest: Path, progress: Optional[Progress]) -> Path:
        url, key = file.token
        if dest.is_dir():
            saved: Path = self.client.save_file(url, key, dest)
            return saved
        dest.write_bytes(self.read(origin, file))
        return dest

    def read(self, origin: WsFrame, file: FileInfo) -> bytes:
        url, key = file.token
        content: bytes = self.client.download_file(url, key)[0]
        return content

    def dump(self, origin: WsFrame) -> str:
        return json.dumps(origin.raw)

    def load(self, text: str) -> WsFrame:
        return WsFrame(json.loads(text))


class AiBotAdapter(WeComAdapter):
    """See ``Adapter``. The origin is a WsFrame."""

    platform = "aibot"

    def __init__(self, name: str, config: WSClientOptions, store: Optional[Store], **options: Any) -> None:
        self.name = name
        self.client: WSClient = WSClient(config, store=store, **options)
        self.client.on_error(self._on_error)

    # life

    def start(self) -> None:
        self.client.connect()

    def stop(self, timeout: float) -> bool:
        return self.client.disconnect(timeout)

    def ended(self) -> Tuple[bool, Optional[BaseException]]:
        try:
            return self.client.wait(0), None
        except Exception as exc:  # noqa: BLE001  whatever ended the client
            return True, exc

    # answering

    def send_text(self, target: Target, text: str) -> SendResult:
        frame: WsFrame = target.origin
        if frame.eventtype == "enter_chat":
            try:
                self.client.reply_welcome(frame, {"msgtype": "text", "text": {"content": text}})
                return _result(frame, target)
            except _GONE:
                pass  # its 5 seconds are over
        if frame.eventtype:
            return self._push_text(target, text)
        outcome = self.client.open_stream(frame).finish(text)
        return _result_of(outcome, frame, target)

    def send_file(
        self, target: Target, file: Union[Path, bytes], name: str, caption: Optional[str], progress: Optional[Progress]
    ) -> SendResult:
        kind = _ENDINGS.get(Path(name).suffix.lower(), "file")
        media = self.client.upload_media(file, type=kind, filename=safe_name(name, "file"), progress=progress)
        if caption:
            self.send_text(target, caption)
        frame: WsFrame = target.origin
        if not frame.eventtype:
            try:
                self.client.reply_media(frame, media.type, media.media_id)
                return _result(frame, target)
            except _GONE:
                pass
        return _result(self.client.send_media_message(frame.chat, media.type, media.media_id), target)

    def send_card(self, target: Target, card: Any) -> SendResult:
        frame: WsFrame = target.origin
        body = {"msgtype": "template_card", "template_card": card}
        ways = {
            "template_card_event": lambda: self.client.update_template_card(frame, card),
            "enter_chat": lambda: self.client.reply_welcome(frame, body),
            "": lambda: self.client.reply_template_card(frame, card),
        }
        answer = ways.get(frame.eventtype)
        if answer is not None:
            try:
                return _result(answer(), target)
            except _GONE:
                pass
        return _result(self.client.send_message(frame.chat, body), target)

    def open_stream(self, target: Target, progressive: bool) -> AnswerStream:
        if target.origin.eventtype:
            return PushStream(self, target)
        return BubbleStream(self.client.open_stream(target.origin))

    def _push_text(self, target: Target, text: str) -> SendResult:
        body = {"msgtype": "markdown", "markdown": {"content": text}}
        return _result(self.client.send_message(target.origin.chat, body), target)

    # choices

    def send_choice(self, target: Target, question: Question) -> bool:
        from ..aibot.cards import TemplateCard

        card = TemplateCard.from_dict(card_of(question))
        frame: WsFrame = target.origin
        body = {"msgtype": "template_card", "template_card": card}
        if frame.eventtype:
            self.client.send_message(frame.chat, body)
            return True
        try:
            self.client.reply_template_card(frame, card)
        except _GONE:
            self.client.send_message(frame.chat, body)
        return True

    def show_chosen(self, target: Target, question: Question, key: str) -> None:
        self.client.update_template_card(target.origin, card_of(question, key))

    # pushing

    def push(self, chat_id: str, thing: Any) -> Any:
        if isinstance(thing, Path):
            kind = _ENDINGS.get(thing.suffix.lower(), "file")
            media = self.client.upload_media(thing, type=kind)
            body: Dict[str, Any] = {"msgtype": media.type, media.type: {"media_id": media.media_id}}
        elif isinstance(thing, str):
            body = {"msgtype": "markdown", "markdown": {"content": thing}}
        else:
            body = {"msgtype": "template_card", "template_card": thing}
        if self.client.options.outbox:
            return self.client.outbox.send_message(chat_id, body)
        return self.client.send_message(chat_id, body)


class BubbleStream(AnswerStream):
    """A stream of WeCom: one bubble that grows."""

    is_animated = True

    def __init__(self, stream: ReplyStream) -> None:
        self._stream = stream
        self._is_blank = True

    @property
    def outcome(self) -> Optional[StreamOutcome]:
        return self._stream.outcome

    @property
    def is_blank(self) -> bool:
        return self._is_blank

    def write(self, delta: str) -> None:
        self._is_blank = self._is_blank and not delta
        self._stream.write(delta)

    def replace(self, text: str) -> None:
        self._is_blank = not text
        self._stream.replace(text)

    def thinking(self) -> None:
        self._stream.thinking()

    def finish(self, text: Optional[str] = None) -> StreamOutcome:
        return self._stream.finish(text)

    def break_off(self, notice: str) -> None:
        if self._stream.outcome is not None:
            return
        try:
            if notice:
                self._stream.write(notice if self._is_blank else f"\n\n{notice}")
            self._stream.finish()
        except WxError:
            pass  # it has ended by itself meanwhile


class PushStream(AnswerStream):
    """The answer to an event, which takes no stream: it is pushed when it is finished."""

    def __init__(self, adapter: Adapter, target: Target) -> None:
        self._adapter = adapter
        self._target = target
        self._text = ""
        self._outcome: Optional[StreamOutcome] = None

    @property
    def outcome(self) -> Optional[StreamOutcome]:
        return self._outcome

    @property
    def is_blank(self) -> bool:
        return not self._text

    def write(self, delta: str) -> None:
        self._need_open()
        self._text += delta

    def replace(self, text: str) -> None:
        self._need_open()
        self._text = text

    def thinking(self) -> None:
        self._need_open()

    def finish(self, text: Optional[str] = None) -> StreamOutcome:
        if self._outcome is None:
            self._text = self._text if text is None else text
            self._outcome = self._sent(self._text)
        return self._outcome

    def break_off(self, notice: str) -> None:
        if self._outcome is None:
            self._outcome = self._sent(f"{self._text}\n\n{notice}" if notice and self._text.strip() else self._text)

    def _sent(self, text: str) -> StreamOutcome:
        if not text.strip():
            return StreamOutcome("delivered")
        try:
            self._adapter.send_text(self._target, text)
        except WxError as exc:
            state = "unknown" if getattr(exc, "may_have_been_sent", False) else "failed"
            return StreamOutcome(state, error=exc)
        return StreamOutcome("delivered", frames=1)

    def _need_open(self) -> None:
        if self._outcome is not None:
            raise ConfigError("The stream is finished.", remedy="Open another one.")


def _event_facts(origin: WsFrame, user_id: str, chat_id: str, is_group: bool) -> Facts:
    event = origin.eventtype
    choice = _choice_of(origin.raw_body) if event == "template_card_event" else None
    kind = "choice" if choice is not None else "event"
    urgent = event in ("enter_chat", "template_card_event")
    return Facts(origin.msgid or "", kind, user_id, chat_id, is_group, "", event, choice, urgent)


def _result(frame: WsFrame, target: Target) -> SendResult:
    return SendResult(frame.headers.req_id, None, not target.may_repeat)


def _result_of(outcome: StreamOutcome, frame: WsFrame, target: Target) -> SendResult:
    if outcome.state == "failed" and outcome.error is not None:
        raise outcome.error
    return SendResult(frame.headers.req_id, None, outcome.state == "delivered" and not target.may_repeat)


def _text_of(body: Dict[str, Any], kind: str) -> str:
    """Return the words of a message; "" for none."""
    if kind == "mixed":
        parts = [_text_of(item, "text") for item in _items_of(body) if item.get("msgtype") == "text"]
        return "\n".join(part for part in parts if part)
    part = body.get(kind)
    content = part.get("content") if kind in ("text", "voice") and isinstance(part, dict) else None
    return content if isinstance(content, str) else ""


def _items_of(body: Dict[str, Any]) -> List[Dict[str, Any]]:
    mixed = body.get("mixed")
    items = mixed.get("msg_item") if isinstance(mixed, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _files_of(body: Dict[str, Any]) -> List[FileInfo]:
    kind = body.get("msgtype")
    if kind == "mixed":
        return [file for item in _items_of(body) for file in _files_of(item)]
    part = body.get(kind) if kind in _FILES else None
    url = part.get("url") if isinstance(part, dict) else None
    if not isinstance(url, str) or not url:
        return []
    assert isinstance(part, dict)
    key = part.get("aeskey")
    return [FileInfo(str(kind), None, None, (url, key if isinstance(key, str) else None))]


def _choice_of(body: Dict[str, Any]) -> Optional[Choice]:
    event = body.get("event")
    click = event.get("template_card_event") if isinstance(event, dict) else None
    if not isinstance(click, dict):
        return None
    answers: Dict[str, List[str]] = {}
    selected = click.get("selected_items")
    items = selected.get("selected_item") if isinstance(selected, dict) else None
    for item in items if isinstance(items, list) else ():
        ids = item.get("option_ids") if isinstance(item, dict) else None
        listed = ids.get("option_id") if isinstance(ids, dict) else None
        if isinstance(item, dict) and isinstance(item.get("question_key"), str):
            answers[item["question_key"]] = [str(one) for one in listed] if isinstance(listed, list) else []
    return Choice.of(str(click.get("event_key") or ""), str(click.get("task_id") or ""), answers)
