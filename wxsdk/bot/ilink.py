"""Personal WeChat for a Bot: the adapter of a WeixinClient."""

from __future__ import annotations

import contextlib
import json
import tempfile
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, ContextManager, Iterator, List, Optional, Tuple, Union

from ..aibot.stream_rules import StreamOutcome
from ..core.filenames import safe_name
from ..errors import ConfigError, Unsupported, WxError
from ..health import Health
from ..ilink.client import WeixinClient
from ..ilink.config import WeixinConfig
from ..ilink.context import MessageContext
from ..ilink.frames_out import SendResult
from ..ilink.handler import MessageHandler, TokenStaleInfo
from ..ilink.media import MediaInfo
from ..ilink.wire import WeixinMessage
from ..runtime.receiver import Receiver
from ..runtime.store import Store
from .adapter import Adapter, AnswerStream, FileInfo, OnFailure, Progress, QuoteInfo, Target
from .facts import Facts
from .paragraphs import KEPT_SENDS, Paragraphs


class ILinkAdapter(Adapter):
    """See ``Adapter``. The origin is a MessageContext."""

    platform = "ilink"

    def __init__(self, name: str, config: WeixinConfig, store: Optional[Store], **options: Any) -> None:
        self.name = name
        self._handler = _Handler()
        self.client: WeixinClient = WeixinClient(config, self._handler, store=store, **options)

    # life

    def attach(self, receiver: Receiver, on_failure: OnFailure) -> None:
        self._handler.on_failure = on_failure
        self.client.set_receiver(receiver)

    def start(self) -> None:
        self.client.start()

    def stop(self, timeout: float) -> bool:
        return self.client.shutdown(timeout)

    def ended(self) -> Tuple[bool, Optional[BaseException]]:
        try:
            return self.client.wait(0), None
        except Exception as exc:  # noqa: BLE001  whatever ended the client
            return True, exc

    def health(self) -> Health:
        return self.client.health()

    # reading

    def facts(self, origin: MessageContext) -> Facts:
        user_id = origin.from_user_id
        return Facts(origin.message_id, _kind_of(origin), user_id, user_id, False, origin.text.strip())

    def created_at(self, origin: MessageContext) -> Optional[datetime]:
        if not origin.create_time_ms:
            return None
        try:
            return datetime.fromtimestamp(origin.create_time_ms / 1000, timezone.utc)
        except (OverflowError, ValueError, OSError):
            return None

    def files(self, origin: MessageContext) -> List[FileInfo]:
        return [_file_info(media) for media in origin.own_media]

    def quote(self, origin: MessageContext) -> Optional[QuoteInfo]:
        ref = origin.ref_message
        if ref is None:
            return None
        text = ref.quote_text or ref.body or ref.title or ""
        return QuoteInfo(text, [] if ref.media is None else [_file_info(ref.media)], ref.message_id)

    def save(self, origin: MessageContext, file: FileInfo, dest: Path, progress: Optional[Progress]) -> Path:
        return origin.download_media(file.token, dest, progress=progress)

    def read(self, origin: MessageContext, file: FileInfo) -> bytes:
        with tempfile.TemporaryDirectory(prefix="wxsdk-") as folder:
            return origin.download_media(file.token, folder).read_bytes()

    def dump(self, origin: MessageContext) -> str:
        return json.dumps(origin.message.to_dict())

    def load(self, text: str) -> MessageContext:
        return self.client.context_of(WeixinMessage.from_dict(json.loads(text)))

    # answering

    def send_text(self, target: Target, text: str) -> SendResult:
        # Under one client_id the platform shows a message once, though a restart sends it again.
        return self.client.send_text(target.facts.user_id, text, client_id=target.send_id or None)

    def send_file(
        self, target: Target, file: Union[Path, bytes], name: str, caption: Optional[str], progress: Optional[Progress]
    ) -> SendResult:
        with _named(file, name) as path:
            sent = self.client.send_media(target.facts.user_id, path, caption=caption, progress=progress)
        return _marked(sent, target)

    def open_stream(self, target: Target, progressive: bool) -> AnswerStream:
        return ParagraphStream(self, target, progressive)

    def typing(self, target: Target) -> ContextManager[None]:
        typing: ContextManager[None] = target.origin.typing()
        return typing

    # pushing

    def push(self, chat_id: str, thing: Any) -> Any:
        outbox = self.client.outbox if self.client.config.outbox else None
        if isinstance(thing, str):
            return outbox.send_text(chat_id, thing) if outbox else self.client.send_text(chat_id, thing)
        if isinstance(thing, Path):
            return outbox.send_media(chat_id, thing) if outbox else self.client.send_media(chat_id, thing)
        raise Unsupported("Personal WeChat shows no cards of bots.", remedy="Send a text.")


class _Handler(MessageHandler):
    """Hears of the client's own troubles; its messages go to the receiver."""

    on_failure: Optional[OnFailure] = None

    def on_message(self, ctx: MessageContext) -> None:
        """Never called: the receiver has them."""

    def on_error(self, exc: BaseException, ctx: Optional[MessageContext]) -> None:
        if self.on_failure is not None:
            self.on_failure(exc)

    def on_token_stale(self, info: TokenStaleInfo) -> None:
        from ..errors import TokenStale

        self.on_error(TokenStale(info.errcode, info.errmsg, remedy=info.remedy), None)


class ParagraphStream(AnswerStream):
    """An answer in paragraphs: each is a message of its own, as soon as it is complete and the quota allows it."""

    def __init__(self, adapter: ILinkAdapter, target: Target, progressive: bool) -> None:
        self._adapter = adapter
        self._target = target
        self._progressive = progressive
        self._lock = threading.RLock()  # a send stays in the order of the writes
        self._text = Paragraphs()
        self._sent: List[SendResult] = []
        self._outcome: Optional[StreamOutcome] = None
        self._typing = contextlib.ExitStack()
        self._is_typing = False

    @property
    def outcome(self) -> Optional[StreamOutcome]:
        return self._outcome

    @property
    def is_blank(self) -> bool:
        return not self._text.text

    def thinking(self) -> None:
        with self._lock:
            self._need_open()
            if not self._is_typing:
                self._is_typing = True
                self._typing.enter_context(self._target.origin.typing())

    def write(self, delta: str) -> None:
        if not isinstance(delta, str):
            raise ConfigError(f"write needs a str, not {type(delta).__name__}.")
        with self._lock:
            self.thinking()
            self._text.write(delta)
            self._send_complete()

    def replace(self, text: str) -> None:
        if not isinstance(text, str):
            raise ConfigError(f"replace needs a str, not {type(text).__name__}.")
        with self._lock:
            self.thinking()
            self._text.replace(text)

    def finish(self, text: Optional[str] = None) -> StreamOutcome:
        with self._lock:
            if self._outcome is not None:
                return self._outcome
            if text is not None:
                self._text.replace(text)
            return self._end("")

    def break_off(self, notice: str) -> None:
        with self._lock:
            if self._outcome is None:
                self._end(notice if self._text.text.strip() else "")

    def _end(self, notice: str) -> StreamOutcome:
        rest = self._text.take_rest()
        whole = "\n\n".join(part for part in (rest, notice) if part)
        error: Optional[WxError] = None
        try:
            if whole:
                self._send(whole)
        except WxError as exc:
            error = exc
        finally:
            self._typing.close()
        unknown = error is not None and getattr(error, "may_have_been_sent", False)
        state = "delivered" if error is None else "unknown" if unknown else "failed"
        self._outcome = StreamOutcome(state, frames=len(self._sent), error=error)
        return self._outcome

    def _send_complete(self) -> None:
        if not self._progressive:
            return
        remaining = self._adapter.client.quota(self._target.facts.user_id).remaining
        if remaining is not None and remaining <= KEPT_SENDS:
            return
        part = self._text.take_complete()
        if part.strip():
            self._send(part)

    def _send(self, text: str) -> None:
        self._sent.append(self._adapter.client.send_text(self._target.facts.user_id, text))

    def _need_open(self) -> None:
        if self._outcome is not None:
            raise ConfigError("The stream is finished.", remedy="Open another one.")


def _kind_of(origin: MessageContext) -> str:
    items = origin.message.item_list or []
    if len(items) == 1 and items[0].text_item is not None:
        return "text"  # nearly all
    media = origin.own_media
    if media and origin.text:
        return "mixed"
    if media:
        return media[0].kind if len(media) == 1 else "mixed"
    if origin.message.item_list and any(item.voice_item is not None for item in origin.message.item_list):
        return "voice"
    return "text"


def _file_info(media: MediaInfo) -> FileInfo:
    return FileInfo(media.kind, media.file_name, media.size, media)


def _marked(result: SendResult, target: Target) -> SendResult:
    """*result*, not confirmed when the same send may have gone out before."""
    if not target.may_repeat or not result.confirmed:
        return result
    return SendResult(result.client_id, result.message_id, False, result.parts)


@contextlib.contextmanager
def _named(file: Union[Path, bytes], name: str) -> Iterator[Path]:
    """*file* at a path that ends in *name*."""
    if isinstance(file, Path) and file.name == name:
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="wxsdk-") as folder:
        path = Path(folder) / safe_name(name, "file")
        path.write_bytes(file if isinstance(file, bytes) else file.read_bytes())
        yield path
