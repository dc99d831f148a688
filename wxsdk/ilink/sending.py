"""Sender: everything that goes to users; one message in flight for each of them, in the order of the calls."""

from __future__ import annotations

import itertools
import random
import secrets
import threading
from dataclasses import replace
from functools import partial
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set

from ..core.redact import hide
from ..core.settings import check_seconds
from ..core.textsplit import split_text
from ..errors import ApiError, ConfigError, SendRejected, TransportError, WxError
from ..log import get_logger
from ..runtime import hooks
from ..runtime.clock import Clock
from ..runtime.files import FileLike, ProgressCallback, open_source
from ..runtime.forked import tell_of_forks
from ..runtime.health_record import Vitals
from ..runtime.turns import KeyedTurns, TurnTimeout
from .api import ILinkApi
from .cdn import MediaDoor
from .config import WeixinConfig
from .endpoints import new_client_id
from .errors import misses_token, retry_delay
from .frames_out import (
    SendResult,
    check_client_id,
    check_context_token,
    check_kind,
    check_recipient,
    check_text,
    check_tool_call,
    media_item,
    message,
    part_id,
    reference,
    send_result,
    text_item,
    tool_result_item,
    tool_start_item,
)
from .markdown import filter_markdown
from .patience import Patience
from .send_limits import Allowance
from .state import Book
from .tokens import ContextTokenStore
from .wire import MessageItem, MessageItemType, SendReply, WeixinMessage

log = get_logger(__name__)

MAX_TOLD = 10_000  # users of whom is remembered that the log has said it
VOICE_ENDINGS = (".silk", ".amr", ".spx", ".mp3", ".wav", ".m4a", ".ogg", ".aac")  # a voice bubble is never shown


class Way(NamedTuple):
    """How the messages of one call are sent. client_id: of the first of them, None for new ones."""

    context_token: Optional[str]
    run_id: Optional[str]
    client_id: Optional[str]
    patience: Patience


class Sender:
    """Sends texts, files and tool calls. Any thread may use it; every call blocks until the platform answered."""

    def __init__(
        self,
        config: WeixinConfig,
        clock: Clock,
        api: ILinkApi,
        book: Book,
        tokens: ContextTokenStore,
        allowance: Allowance,
        media_door: MediaDoor,
        vitals: Vitals,
    ) -> None:
        self._config = config
        self._clock = clock
        self._api = api
        self._book = book
        self._tokens = tokens
        self._allowance = allowance
        self._media_door = media_door
        self._vitals = vitals
        self._turns = KeyedTurns()
        self._lock = threading.Lock()
        self._numbers = itertools.count()  # apart in the same millisecond
        self._told: Set[str] = set()  # what the log has said once
        tell_of_forks(self)

    def send_text(
        self,
        to: str,
        text: str,
        context_token: Optional[str] = None,
        *,
        run_id: Optional[str] = None,
        client_id: Optional[str] = None,
        timeout: Optional[float] = None,
        reply_to: Optional[str] = None,
    ) -> SendResult:
        """See ``WeixinClient.send_text``."""
        items = self.text_items(text)
        if reply_to is not None:
            items[0]["ref_msg"] = reference(reply_to)
        return self._send_all(
            check_recipient(to),
            items,
            Way(check_context_token(context_token), run_id, check_client_id(client_id), self._patience(timeout)),
        )

    def send_media(
        self,
        to: str,
        file: FileLike,
        context_token: Optional[str] = None,
        *,
        filename: Optional[str] = None,
        kind: Optional[str] = None,
        caption: Optional[str] = None,
        progress: Optional[ProgressCallback] = None,
        run_id: Optional[str] = None,
        client_id: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> SendResult:
        """See ``WeixinClient.send_media``."""
        check_recipient(to)
        way = Way(check_context_token(context_token), run_id, check_client_id(client_id), self._patience(timeout))
        items = [] if caption in (None, "") else self.text_items(caption, name="caption")
        self._allowance.check(to, len(items) + 1)
        # Outside of the turn, so that a text to the same user need not wait for a large file.
        items.append(self.upload_item(to, file, progress, filename=filename, kind=kind, patience=way.patience))
        return self._send_all(to, items, way)

    def _patience(self, timeout: Optional[float]) -> Patience:
        return Patience(
            self._clock.now, None if timeout is None else check_seconds("timeout", timeout, above_zero=True)
        )

    def _send_all(self, to: str, items: List[Dict[str, Any]], way: Way) -> SendResult:
        return self._in_turn(to, partial(self._deliver_all, to, items, way), way)

    def upload_item(
        self,
        to: str,
        file: FileLike,
        progress: Optional[ProgressCallback] = None,
        *,
        filename: Optional[str] = None,
        kind: Optional[str] = None,
        patience: Optional[Patience] = None,
    ) -> Dict[str, Any]:
        """Upload *file*, to be sent to the user *to*; return the item of its message."""
        with open_source(file, filename) as source:
            kind = check_kind(kind, source.name)
            if source.name.lower().endswith(VOICE_ENDINGS):
                log.info("%s goes as a file, since WeChat shows no voice bubbles of bots", source.name)
            self._allowance.check(to)
            uploaded = self._media_door.upload(to, source, kind=kind, progress=progress, patience=patience)
            return media_item(kind, uploaded)

    def send_once(self, to: str, item: Dict[str, Any], client_id: str, context_token: Optional[str]) -> SendResult:
        """Make one try of the message that the caller keeps under *client_id*; raises as ``send_text`` does."""
        msg = message(to, item, client_id=client_id, context_token=context_token)
        return self._in_turn(to, partial(self._try_once, to, item, client_id, msg))

    def _try_once(self, to: str, item: Dict[str, Any], client_id: str, msg: Dict[str, Any]) -> SendResult:
        self._allowance.check(to)
        self._allowance.await_slot(client_id, self._patience(None))
        result = send_result(self._api.send_message(msg), item, client_id)
        self._note(to, item, result)
        return result

    def _in_turn(self, to: str, send: Callable[[], SendResult], way: Optional[Way] = None) -> SendResult:
        """Send when it is *to*'s turn, within the patience of *way*, and report the outcome to observers."""
        with hooks.sending("ilink"):
            if way is None:
                return self._turns.in_turn(to, send)
            try:
                return self._turns.in_turn(to, send, way.patience.left)
            except TurnTimeout:
                raise way.patience.over(way.client_id) from None

    def tool_call_start(
        self, to: str, name: str, call_id: Optional[str], context_token: Optional[str], run_id: str
    ) -> SendResult:
        """See ``OutboundRun.tool_call_start``."""
        check_tool_call(name, call_id)
        return self._send_tool(to, tool_start_item(name, call_id, self._now_ms()), context_token, run_id)

    def tool_call_result(
        self, to: str, name: str, call_id: Optional[str], status: str, context_token: Optional[str], run_id: str
    ) -> SendResult:
        """See ``OutboundRun.tool_call_result``."""
        check_tool_call(name, call_id, status)
        return self._send_tool(to, tool_result_item(name, call_id, status, self._now_ms()), context_token, run_id)

    def _send_tool(self, to: str, item: Dict[str, Any], context_token: Optional[str], run_id: str) -> SendResult:
        way = Way(hide(context_token), run_id, None, self._patience(None))
        return self._in_turn(check_recipient(to), partial(self._deliver, to, item, way), way)

    def text_items(self, text: str, *, name: str = "text") -> List[Dict[str, Any]]:
        """The items that *text* goes out as; ConfigError when nothing of it can."""
        checked = check_text(text, name=name)
        if self._config.markdown_filter:
            checked = filter_markdown(checked, images=self._config.markdown_images)
            if not checked.strip():
                raise ConfigError(
                    f"Nothing of the {name} is left without the Markdown that WeChat cannot show.",
                    remedy="Set markdown_filter=False to send it as it is.",
                )
        return [text_item(part) for part in split_text(checked, self._config.max_text_bytes)]

    def _deliver_all(self, to: str, items: List[Dict[str, Any]], way: Way) -> SendResult:
        """The messages of one call, in order; the error of a failed one names those before it in ``parts``.

        The caller has the recipient's turn. LimitExceeded before the first one when they are too many in all.
        """
        self._allowance.check(to, len(items))
        sent: List[SendResult] = []
        try:
            for index, item in enumerate(items):
                sent.append(self._deliver(to, item, self._part(way, index)))
        except WxError as error:
            error.parts = tuple(sent)
            raise
        return replace(sent[-1], parts=tuple(sent))

    def _part(self, way: Way, index: int) -> Way:
        """Return *way* for message *index* of a call."""
        if way.client_id is None:
            return way
        return way._replace(client_id=part_id(way.client_id, index, self._config.client_id_prefix))

    def _deliver(self, to: str, item: Dict[str, Any], way: Way) -> SendResult:
        """One message, tried again under the same client_id; the caller has the recipient's turn."""
        self._allowance.check(to)
        now_ms = self._now_ms()
        client_id = way.client_id or new_client_id(self._config.client_id_prefix, now_ms, secrets.token_hex(4))
        token = way.context_token or self._newest_token(to)
        preset = now_ms * 1_000_000 + next(self._numbers) % 1_000_000 if self._config.preset_message_id else None
        msg = message(to, item, client_id=client_id, context_token=token, run_id=way.run_id, message_id=preset)
        try:
            reply = self._try_often(msg, client_id, way.patience)
            result = send_result(reply, item, client_id)
        except SendRejected as error:
            if not self._goes_without_token(error, msg):
                raise
            log.info("the context token was refused; the text is sent once more without one: %s", error)
            del msg["context_token"]
            reply = self._try_often(msg, client_id, way.patience)
            # It was taken in, and users disagree on whether it arrives then.
            result = replace(send_result(reply, item, client_id), confirmed=False)
        self._note(to, item, result, now_ms, preset)
        return result

    def _goes_without_token(self, error: SendRejected, msg: Dict[str, Any]) -> bool:
        is_text = msg["item_list"][0]["type"] == MessageItemType.TEXT
        return self._config.resend_without_context_token and is_text and "context_token" in msg and misses_token(error)

    def _try_often(self, msg: Dict[str, Any], client_id: str, patience: Patience) -> SendReply:
        """Send *msg*, again when that failed on the way, within *patience*."""
        may_be_out = False
        for failures in itertools.count(1):
            try:
                self._allowance.await_slot(client_id, patience)
                patience.check(client_id)
                return self._api.send_message(msg, timeout=patience.cap(self._config.api_timeout))
            except (TransportError, ApiError) as error:
                if isinstance(error, TransportError):  # an earlier try may have gone out though this one did not
                    may_be_out = error.may_have_been_sent = may_be_out or error.may_have_been_sent
                if not self._retries(error, failures, patience):
                    raise
        raise AssertionError  # never reached: the count has no end

    def _retries(self, error: Any, failures: int, patience: Patience) -> bool:
        """Wait before the next try; False when there is to be none."""
        delay = retry_delay(
            error,
            failures,
            retries=self._config.send_retries,
            base=self._config.send_retry_delay,
            unit=random.random(),
        )
        if delay is None or self._allowance.ended or not patience.allows(delay):
            return False
        log.info("a send failed and is tried again in %.1f s: %s", delay, error)
        return self._allowance.pause(delay)

    def _newest_token(self, to: str) -> Optional[str]:
        token = self._tokens.get(to)
        if token is None and self._first_time(f"token {to}"):
            # As the official client does: the platform may take it, and says so when not.
            log.warning("no context token of %s is known; sending without one, which the platform may refuse", to)
        return token

    def _note(
        self, to: str, item: Dict[str, Any], result: SendResult, now_ms: int = 0, preset: Optional[int] = None
    ) -> None:
        """Count and remember a message that went out; what fails here must not make the send look failed."""
        self._vitals.outbound()
        items = [MessageItem.from_dict(item)]
        known_as = str(preset) if preset is not None else result.message_id
        sent = WeixinMessage(message_id=known_as, create_time_ms=now_ms or self._now_ms(), item_list=items)
        try:
            self._book.store.later(self._allowance.sent(to) + self._book.quote_changes(to, sent))
            self._book.trim_after_send()
        except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
            if self._first_time("store"):
                log.warning("the store failed (%s): sent messages are not counted in it", type(exc).__name__)

    def _first_time(self, what: str) -> bool:
        with self._lock:
            first = what not in self._told
            if len(self._told) >= MAX_TOLD:
                self._told.clear()
            self._told.add(what)
        return first

    def _after_fork(self) -> None:
        self._lock = threading.Lock()  # in the child; a thread of the parent may have held the old one

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)
