"""CallbackClient: answers the platform's HTTP requests, whatever web framework brings them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import threading
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple, Union, cast

from ..aibot.bodies import as_wire
from ..aibot.callback_crypto import WecomCrypto
from ..aibot.card_rules import check_card
from ..aibot.checks import MAX_IMAGE_BYTES, check_push, check_userids, check_welcome
from ..aibot.download import Downloads
from ..aibot.field_checks import need_object, need_text
from ..aibot.frames import WsFrame
from ..errors import ConfigError, LimitExceeded, Unsupported, WxError
from ..health import Health, HealthState
from ..log import get_logger
from ..runtime.clock import Clock
from ..runtime.forked import tell_of_forks
from ..runtime.health_record import Vitals
from ..runtime.receiver import Receiver
from ..runtime.store import Change, Store, as_store
from .bubble_rules import Snapshot, stream_id_of, unknown_stream
from .config import CallbackOptions
from .desk import Desk, lane_of
from .exchange import Exchange, Passive, Record
from .keeper import Keeper
from .received import CallbackReceived
from .request_rules import (
    CallbackResponse,
    Called,
    Ignored,
    Query,
    Refresh,
    Refused,
    Verified,
    plain_response,
    read_request,
    sealed_answer,
)
from .response_rules import late_body
from .response_url import ResponseUrls, url_of
from .stream import CallbackStream

log = get_logger(__name__)

MAX_PICTURE_BYTES = MAX_IMAGE_BYTES
LOOK_EVERY = 0.1  # seconds between two looks for the answer of another worker
DEFAULT_SHUTDOWN = 5.0  # seconds

Body = Dict[str, Any]
OnError = Callable[[BaseException, Optional[WsFrame]], None]


class CallbackClient:
    """One AI bot in callback mode. Any thread, and any number of processes on one *store*.

    store: where messages, snapshots and what was used once are kept; workers of one bot share it. A MemoryStore (the
    default) serves one process. Making a client starts and opens nothing. Without a Bot it has no handlers.
    """

    def __init__(
        self, options: CallbackOptions, *, store: Optional[Store] = None, _clock: Optional[Clock] = None
    ) -> None:
        if not isinstance(options, CallbackOptions):
            raise ConfigError(
                "The options are not CallbackOptions.",
                remedy="Give CallbackOptions(bot_id, token, encoding_aes_key).",
            )
        self.options = options
        self.store = as_store(store)
        self._clock = _clock or Clock()
        self._crypto = WecomCrypto(options.token, options.encoding_aes_key, options.receive_id)
        self._receiver: Optional[Receiver] = None
        self._error_handlers: Tuple[OnError, ...] = ()
        self._downloads = Downloads(cast(Any, options))  # it reads the settings that both kinds of options have
        self._vitals = Vitals(self._clock)
        self._forget()
        tell_of_forks(self)

    def __repr__(self) -> str:
        return f"CallbackClient({self.options.bot_id!r}, {self.health().state.value})"

    def _forget(self) -> None:
        """Begin without anything that runs: in a new client, and in a forked child."""
        self._lock = threading.RLock()  # guards what follows
        self._by_key: Dict[str, Exchange] = {}
        self._by_stream: Dict[str, Exchange] = {}
        self._keeper: Optional[Keeper] = None
        self._lanes: Dict[str, int] = {}  # chat and user -> messages in progress
        self._not_to_hand_over: Set[str] = set()  # messages whose rows say nothing about whether they are handled
        self._warned: Dict[str, bool] = {}
        worker = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._desk = Desk(self.store, self.options.bot_id, worker, self._clock)
        self._urls = ResponseUrls(self.options, self._desk, self._clock)

    def _after_fork(self) -> None:
        self._forget()
        self._vitals.after_fork()

    # -- life ----------------------------------------

    def start(self) -> CallbackClient:
        """Take messages from now on; what an earlier run left unhandled is handed over. Again changes nothing."""
        with self._lock:
            if self._keeper is not None:
                return self
            keeper = Keeper(self.options, self._desk, self._clock, self)
            self._keeper = keeper
            self._run_vitals = self._vitals.of_run()
        if self.store.durable:
            self._desk.beat()  # before any message, or other workers would take this one for dead
        self._run_vitals.enter(HealthState.RUNNING)
        keeper.start()
        return self

    def shutdown(self, timeout: float = DEFAULT_SHUTDOWN) -> bool:
        """Take no more messages and end the threads within *timeout* seconds; True when all have ended.

        Handlers are the Bot's, which stops them first. Requests that come later are answered with 503, so that the
        platform calls again, and refreshes still are.
        """
        with self._lock:
            keeper, self._keeper = self._keeper, None
        if keeper is None:
            return True
        ended = keeper.stop(timeout)
        self._run_vitals.stopped()
        self._urls.close()
        self._downloads.close()
        return ended

    def set_receiver(self, receiver: Optional[Receiver]) -> None:
        """Give received messages to *receiver* from now on."""
        self._receiver = receiver

    def __enter__(self) -> CallbackClient:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def health(self) -> Health:
        """How the client is doing; RUNNING while it takes messages."""
        receiver = self._receiver
        return self._vitals.snapshot(queued=0 if receiver is None else receiver.queued)

    def on_error(self, handler: OnError) -> OnError:
        """Register ``handler(exc, frame)`` for what could not be delivered, or went wrong by itself. A decorator."""
        self._error_handlers = (*self._error_handlers, handler)
        return handler

    # -- requests ----------------------------------------

    def handle(
        self, method: str, query: Query, body: bytes, headers: Optional[Mapping[str, str]] = None
    ) -> CallbackResponse:
        """Answer one HTTP request. Never raises, and takes at most answer_timeout seconds whatever the handler does.

        query: the raw query string, or a mapping. body: the bytes as they came. headers: not read yet; a
        mapping with names in any case.
        """
        deadline = self._clock.now() + self.options.answer_timeout
        try:
            return self._handle(method, query, bytes(body or b""), deadline)
        except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
            log.error("a callback could not be answered (%s); the platform will call again", type(exc).__name__)
            self._report(exc, None)
            return plain_response(503, "The bot cannot answer now.")

    def _handle(self, method: str, query: Query, body: bytes, deadline: float) -> CallbackResponse:
        request = read_request(method, query, body, self.options, self._crypto, self._clock.wall())
        if isinstance(request, Refused):
            log.warning("a callback was refused with %d: %s", request.status, request.why)
            return plain_response(request.status, request.why)
        if isinstance(request, Verified):
            log.info("the callback address was verified")
            return plain_response(200, request.echo)
        if isinstance(request, Ignored):
            log.info("a callback is left out: %s", request.reason)
            return plain_response(200)
        if isinstance(request, Refresh):
            return self._sealed(self._refreshed(request.stream_id), request.nonce)
        if self._keeper is None or self._receiver is None:
            self._warn_once("callbacks come although the bot is not running; they are answered with 503")
            return plain_response(503, "The bot is not running.")
        return self._sealed(self._called(request, deadline), request.nonce)

    def _sealed(self, body: Optional[Body], nonce: str) -> CallbackResponse:
        if body is None:
            return plain_response(200)
        self._vitals.outbound()
        return sealed_answer(self._crypto, body, int(self._clock.wall()), nonce)

    def _called(self, request: Called, deadline: float) -> Optional[Body]:
        """The answer to a message or an event."""
        frame = request.frame
        self._check_bot_id(frame)
        key = frame.msgid or _fingerprint(frame)
        with self._lock:
            exchange = self._by_key.get(key)
        if exchange is None:
            exchange = self._taken_in(key, frame)
        if exchange is None:
            return self._elsewhere(key, frame, deadline)
        passive = exchange.first_answer(self.options.stream_after, max(deadline - self._clock.now(), 0.0))
        self._answered(exchange, passive)
        return passive.body

    def _taken_in(self, key: str, frame: WsFrame) -> Optional[Exchange]:
        """The exchange of a new message; None when it is known, or another worker's."""
        with self._lock:
            self._not_to_hand_over.add(key)  # its row is in the store before its exchange is known here
        try:
            return self._hand_over(key, frame) if self._desk.take_in(key, frame) else None
        finally:
            with self._lock:
                self._not_to_hand_over.discard(key)

    def _hand_over(self, key: str, frame: WsFrame, *, age: float = 0.0) -> Exchange:
        """Make the exchange of a message and give it to the receiver."""
        self._vitals.inbound()
        stream_id = stream_id_of(self.options.bot_id, key)
        notices = self.options.stream_notices
        exchange = Exchange(frame, key, stream_id, self._clock, self._note_changed, notices=notices, age=age)
        lane, keeper = lane_of(frame), self._keeper
        with self._lock:
            self._by_key[key] = self._by_stream[stream_id] = exchange
            self._lanes[lane] = self._lanes.get(lane, 0) + 1
        if keeper is not None and self.store.durable:
            keeper.expect_addressed()
        received = CallbackReceived(key, frame, self.store, age > 0, self._finish)
        receiver = self._receiver
        if receiver is not None:
            receiver.received([received])
        return exchange

    def _answered(self, exchange: Exchange, passive: Passive) -> None:
        """Let the other workers know what was answered, before the platform asks them."""
        if passive.complete:
            exchange.collected = True
            return
        self._publish(exchange)
        keeper = self._keeper
        if keeper is not None:
            keeper.watch(exchange)

    def _elsewhere(self, key: str, frame: WsFrame, deadline: float) -> Optional[Body]:
        """The answer to a message that another worker handles, or that was handled before."""
        is_event = frame.msgtype == "event"
        if not is_event:
            deadline = min(deadline, self._clock.now() + self.options.stream_after)
        stream_id = stream_id_of(self.options.bot_id, key)
        stopping = self._clock.event()
        while True:
            done = self._desk.is_done(key)
            record = self._desk.published(stream_id)
            if record is not None:
                return record.passive().body
            if done:
                return None
            left = deadline - self._clock.now()
            if left <= 0 and is_event:
                return None
            if left <= 0:
                # The stream's id follows from the message, so the worker that handles it goes on with this stream.
                begun = Snapshot(stream_id, opened=True)
                ends_at = self._clock.wall() + self.options.stream_life
                self._desk.publish_first(stream_id, Record(begun, None, ends_at))
                return begun.body()
            stopping.wait(min(LOOK_EVERY, left))

    def _refreshed(self, stream_id: str) -> Body:
        """The newest snapshot of a stream."""
        with self._lock:
            exchange = self._by_stream.get(stream_id)
        if exchange is not None:
            passive = exchange.refresh()
            if passive.complete:
                exchange.collected = True
                self._desk.note_collected(stream_id)
            return passive.body or unknown_stream(stream_id)
        record = self._desk.published(stream_id)
        if record is None or record.snapshot is None:
            if not self.store.durable:
                self._warn_once(
                    "a stream that this process does not know was asked for: with several workers the bot needs a store"
                    " that they share (SQLiteStore on one machine, RedisStore across)"
                )
            return unknown_stream(stream_id)
        passive = record.refresh(self._clock.wall(), self.options.stream_notices)
        if passive.complete:
            self._desk.note_collected(stream_id)
        return passive.body or unknown_stream(stream_id)

    def _check_bot_id(self, frame: WsFrame) -> None:
        found = frame.raw_body.get("aibotid")
        if found and found != self.options.bot_id:
            self._warn_once("messages come for another bot_id than that of the options; they are handled all the same")

    def _warn_once(self, text: str) -> None:
        with self._lock:
            if self._warned.setdefault(text, False):
                return
            self._warned[text] = True
        log.warning(text)

    # -- what handlers say ----------------------------------------

    def open_stream(self, frame: WsFrame, *, feedback: Any = None) -> CallbackStream:
        """Begin a streamed answer to a message. Unsupported for an event, and when the message is handled already."""
        exchange = self._exchange(frame)
        if exchange is None:
            raise Unsupported("The message is handled, and its bubble has ended: nothing was sent.")
        return CallbackStream(exchange, feedback)

    def reply_text(self, frame: WsFrame, text: str) -> None:
        """Say *text* (Markdown) in the bubble of a message, as the welcome of enter_chat, else by the response_url.

        All that is said while the handler runs goes into one bubble. Raises LimitExceeded when a welcome comes too late
        or the response_url is used up, Unsupported when there is none, ApiError and TransportError for its POST.
        """
        need_text(text, "text")
        exchange = self._exchange(frame)
        if exchange is not None and frame.eventtype == "enter_chat":
            body = {"msgtype": "text", "text": {"content": text}}
            check_welcome(body)
            exchange.answer_event(body)
        elif exchange is None or exchange.is_event or not exchange.say(text):
            self._post(frame, exchange, late_body(text, None))

    def reply_card(self, frame: WsFrame, card: Any, userids: Optional[Sequence[str]] = None) -> None:
        """Show a card: in the bubble, as the welcome, as the update of the card that was clicked, or by response_url.

        A click's answer is the update under the event's task_id; *userids*: whose view of it changes, None for all.
        Raises as ``reply_text`` does.
        """
        body = need_object(as_wire(card), "template_card")
        exchange = self._exchange(frame)
        if exchange is None or not exchange.is_event:
            if exchange is None or not exchange.show_card(body):
                check_card(body)
                self._post(frame, exchange, late_body("", body))
        elif frame.eventtype == "template_card_event":
            exchange.answer_event(self._card_update(frame, body, userids))
        else:
            welcome = {"msgtype": "template_card", "template_card": body}
            check_welcome(welcome)
            exchange.answer_event(welcome)

    def reply_picture(self, frame: WsFrame, data: bytes) -> None:
        """Show a JPG or PNG at the end of the bubble. Unsupported where there is none: nothing else takes media."""
        exchange = self._exchange(frame)
        if exchange is None or exchange.is_event:
            raise Unsupported("A picture goes out with the bubble of a message that is being handled only.")
        exchange.show_picture(data)

    def takes_stream(self, frame: WsFrame) -> bool:
        """Whether the bubble of the message still grows, so that ``open_stream`` works."""
        exchange = self._exchange(frame)
        return exchange is not None and not exchange.is_event and not exchange.ended

    def hold(self, answer: WsFrame, asked: WsFrame) -> None:
        """Keep the bubble of *answer* open although it is marked as handled: the handler of *asked* goes on with it.

        Of a click, it is the response_url that is kept, for what is said to *asked* when its own is used up.
        """
        exchange, asking = self._exchange(answer), self._exchange(asked)
        if exchange is not None and not exchange.is_event:
            exchange.held = True
        elif asking is not None and url_of(answer):
            asking.more_urls = (answer, *asking.more_urls)

    def let_go(self, frame: WsFrame) -> None:
        """End the bubble: the handler waits for the user's next message, or has ended."""
        exchange = self._exchange(frame)
        if exchange is None or exchange.is_event:
            return
        if exchange.held:
            exchange.held = False
            self._end([exchange], [exchange.key], ())
        else:
            self._end_bubble(exchange)

    def mark_failed(self, frame: WsFrame) -> None:
        """The handler broke off: the bubble ends with a notice where anything was shown."""
        exchange = self._exchange(frame)
        if exchange is not None:
            exchange.failed = True

    def _card_update(self, frame: WsFrame, card: Body, userids: Optional[Sequence[str]]) -> Body:
        event = frame.raw_body.get("event")
        clicked = event.get("template_card_event") if isinstance(event, dict) else None
        task_id = clicked.get("task_id") if isinstance(clicked, dict) else None
        update: Body = {"response_type": "update_template_card", "template_card": {**card, "task_id": task_id}}
        check_card(update["template_card"])
        if userids is not None:
            check_userids(list(userids))
            update["userids"] = list(userids)
        return update

    def _exchange(self, frame: WsFrame) -> Optional[Exchange]:
        """The exchange of a message that is being handled."""
        with self._lock:
            exchange = self._by_key.get(frame.msgid or _fingerprint(frame))
        return None if exchange is None or exchange.settled else exchange

    def _post(self, frame: WsFrame, exchange: Optional[Exchange], body: Optional[Body]) -> None:
        """Post *body* to a response_url: the newest that a click of the conversation brought, else that of *frame*."""
        if body is None:
            return
        check_push(body)
        frames = [frame] if exchange is None else [*exchange.more_urls, frame]
        for place, one in enumerate(frames):
            age = self._age(one, exchange if one is frame else None)
            try:
                self._urls.post(one.msgid or _fingerprint(one), one, age, body)
                break
            except LimitExceeded:  # it is used up, or over
                if place + 1 == len(frames):
                    raise
        self._vitals.outbound()

    def _age(self, frame: WsFrame, exchange: Optional[Exchange]) -> float:
        if exchange is not None:
            return self._clock.now() - exchange.started_at
        made = frame.raw_body.get("create_time")
        return max(self._clock.wall() - made, 0.0) if isinstance(made, (int, float)) else 0.0

    # -- media ----------------------------------------

    def download_file(self, url: str, aes_key: Optional[str] = None) -> Tuple[bytes, str]:
        """The bytes and the name of a file that a user sent. Raises as ``WSClient.download_file`` does.

        aes_key: of the message, where it has one; else the EncodingAESKey is the key (docs/protocol/callback, 1).
        """
        return self._downloads.to_memory(url, aes_key or str(self.options.encoding_aes_key))

    def save_file(self, url: str, aes_key: Optional[str], folder: Union[str, os.PathLike[str]]) -> Path:
        """Save the file into *folder* in constant memory; its path. Raises as ``WSClient.save_file`` does."""
        return self._downloads.to_folder(url, aes_key or str(self.options.encoding_aes_key), folder)

    # -- ends ----------------------------------------

    def _finish(self, keys: Sequence[str], changes: Sequence[Change]) -> None:
        """The receiver is done with messages: end their bubbles, and mark them as handled in one write with *changes*.

        Of several that were handled as one, the answer is in the bubble of one; those of the others end empty.
        """
        with self._lock:
            exchanges = [self._by_key[key] for key in keys if key in self._by_key]
        if any(exchange.held for exchange in exchanges):
            self._owe(keys, changes)
            exchanges = [exchange for exchange in exchanges if not exchange.held]
            self._end(exchanges, (), ())
        else:
            self._end(exchanges, keys, changes)

    def _end(self, exchanges: Sequence[Exchange], keys: Sequence[str], changes: Sequence[Change]) -> None:
        records: List[Change] = []
        for exchange in exchanges:
            if not exchange.is_event:
                self._end_bubble(exchange)
            record = self._record(exchange)
            if record.passive().body is not None:
                records.append(self._desk.put_record(exchange.stream_id, record))
        self._owe(keys, [*changes, *records, *self._lanes_left(exchanges)])
        keeper = self._keeper
        for exchange in exchanges:
            exchange.settle()
            if keeper is None or exchange.collected or exchange.is_event or not exchange.opened:
                self._drop(exchange)
            else:
                keeper.watch(exchange)

    def _lanes_left(self, exchanges: Sequence[Exchange]) -> List[Change]:
        """The changes that let go of the lanes in which nothing is in progress once *exchanges* are done."""
        left = []
        with self._lock:
            for exchange in exchanges:
                lane = lane_of(exchange.frame)
                count = self._lanes.get(lane, 1) - 1
                self._lanes[lane] = count
                if count <= 0:
                    del self._lanes[lane]
                    left.append(lane)
        try:
            return [change for lane in left for change in self._desk.leave_lane(lane)]
        except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
            log.warning("a lane could not be left: %s", type(exc).__name__)
            return []

    def _owe(self, keys: Sequence[str], changes: Sequence[Change]) -> None:
        try:
            self._desk.finished(keys, changes)
        except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
            log.warning("a handled message stays in the store and may be handed over again: %s", type(exc).__name__)
            with self._lock:
                self._not_to_hand_over.update(keys)
            keeper = self._keeper
            if keeper is not None:
                keeper.owe(keys, changes)

    def _end_bubble(self, exchange: Exchange) -> None:
        """Finish the bubble and send by the response_url what it could not hold. Errors go to on_error."""
        rest = exchange.finish_bubble(failed=exchange.failed)
        if rest is None:
            return
        body = late_body(rest.text, rest.card)
        try:
            if body is not None:
                self._post(exchange.frame, exchange, body)
                exchange.rescued = True
            if rest.lost or (rest.text and rest.card is not None):
                raise LimitExceeded(
                    "The answer is longer than a bubble and the response_url hold together (in bytes): its end was"
                    " left out.",
                    limit=rest.limit,
                    actual=rest.limit + rest.lost,
                )
        except WxError as exc:
            exchange.error = exc
            self._report(exc, exchange.frame)
        except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
            self._report(exc, exchange.frame)

    def rescue(self, exchange: Exchange) -> None:
        """Post the end of a stream that the platform did not ask for to the response_url; the keeper calls it."""
        with contextlib.suppress(WxError):
            if not (exchange.collected or self._desk.is_collected(exchange.stream_id)):
                body = exchange.refresh().body
                if body is not None and url_of(exchange.frame):
                    self._urls.post(exchange.key, exchange.frame, self._clock.now() - exchange.started_at, body)
                    exchange.rescued = True
        self._drop(exchange)

    def hand_over_again(self, key: str, frame: WsFrame, age: float) -> None:
        """Called by the keeper: a worker died with this message."""
        with self._lock:
            known = key in self._by_key
        if not known:
            log.warning("a message whose worker died is handed over again")
            self._hand_over(key, frame, age=max(age, 0.001))

    def look_for_addressed(self) -> None:
        """Called by the keeper: hand over the messages that other workers took in for this one."""
        for key, row in self._desk.addressed():
            with self._lock:
                known = key in self._by_key or key in self._not_to_hand_over
            if not known and not self._desk.is_done(key):
                self._hand_over(key, row.frame)
        keeper = self._keeper
        if self._lanes and keeper is not None:
            keeper.expect_addressed()

    def publish(self, exchange: Exchange) -> None:
        """Called by the keeper: let the other workers see the newest snapshot."""
        self._publish(exchange)

    def _drop(self, exchange: Exchange) -> None:
        with self._lock:
            self._by_key.pop(exchange.key, None)
            self._by_stream.pop(exchange.stream_id, None)

    def _record(self, exchange: Exchange) -> Record:
        left = self.options.stream_life - (self._clock.now() - exchange.started_at)
        return exchange.record(self._clock.wall() + left)

    def _publish(self, exchange: Exchange) -> None:
        if not self.store.durable:
            return
        try:
            self._desk.publish(exchange.stream_id, self._record(exchange))
        except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
            log.warning("other workers do not see the newest part of a stream: %s", type(exc).__name__)

    def _note_changed(self, exchange: Exchange) -> None:
        keeper = self._keeper
        if keeper is not None and not exchange.is_event:
            keeper.note_changed(exchange)

    def _report(self, exc: BaseException, frame: Optional[WsFrame]) -> None:
        handlers = self._error_handlers
        if not handlers:
            log.error("%s", exc if isinstance(exc, WxError) else type(exc).__name__)
        for handler in handlers:
            try:
                handler(exc, frame)
            except Exception:
                log.exception("an error callback raised itself")


def _fingerprint(frame: WsFrame) -> str:
    """The name of a message without a msgid: that of its content, so that a repetition has the same."""
    text = repr(sorted((name, repr(part)) for name, part in frame.raw_body.items()))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
