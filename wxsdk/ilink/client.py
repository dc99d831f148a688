"""WeixinClient: a bot of personal WeChat, from start to shutdown (iLink)."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import List, Optional, Union

from ..core.redact import hide
from ..core.settings import check_patience, check_seconds, server_url
from ..errors import ConfigError
from ..health import Health
from ..log import get_logger
from ..runtime.clock import Clock
from ..runtime.files import FileLike, PathLike, ProgressCallback
from ..runtime.forked import tell_of_forks
from ..runtime.green import check_green_threads
from ..runtime.health_record import Vitals
from ..runtime.instance_lock import Owner
from ..runtime.lifecycle import wait_until_stopped
from ..runtime.receiver import Receiver
from ..runtime.store import Put, Store, as_store
from ..runtime.store_writer import StoreWriter
from ..runtime.worker import EarlierRuns
from .api import ILinkApi
from .cdn import MediaDoor
from .config import WeixinConfig, check_token
from .context import MessageContext
from .frames_out import SendResult
from .handler import MessageHandler, OnMessage, as_handler
from .in_progress import Desk
from .inbound import to_inbound
from .inbox import Entry
from .login import QrLogin
from .media import MediaInfo, all_media
from .outbound_run import OutboundRun
from .outbox import Outbox, make_outbox
from .ownership import Ownership, lock_of_bot
from .run import ABORT_RESERVE, Running
from .send_limits import Allowance
from .send_limits_rules import Quota
from .sending import Sender
from .state import Book
from .tables import ALL_TABLES, STATE
from .tokens import ContextTokenStore
from .typing_indicator import TypingSigns
from .wire import WeixinMessage

log = get_logger(__name__)

SHUTDOWN_TIMEOUT = 5.0  # seconds for all of a stop
DRAIN = 5.0  # seconds for the handlers that still run, as far as the stop has them; a choice
STORE_GRACE = 0.1  # seconds that a stop waits for a store in trouble, twice; it may take 0.5 s in all


class WeixinClient:
    """A bot of personal WeChat.

    handler: a MessageHandler, or a function in place of its on_message; without one the client only sends. store: what
    must survive the process goes there; a MemoryStore by default. Nothing is started or opened here.
    """

    def __init__(
        self,
        config: WeixinConfig,
        handler: Union[MessageHandler, OnMessage, None] = None,
        *,
        store: Optional[Store] = None,
        _clock: Optional[Clock] = None,
    ) -> None:
        if not isinstance(config, WeixinConfig):
            raise ConfigError("The config is no WeixinConfig.", remedy='Give WeixinConfig(token="…").')
        self.config = config
        self._handler = as_handler(handler)
        self._clock = clock = _clock or Clock()
        self._store = StoreWriter(as_store(store), clock)
        self.api = ILinkApi(config)
        self._vitals = Vitals(clock)
        self._book = Book(self._store, config, clock)
        self._allowance = Allowance(self._store, config, clock)
        self._tokens = ContextTokenStore(self._store, clock)
        self._media_door = MediaDoor(config, self.api, pause=self._allowance.pause)
        self._typing_signs = TypingSigns(config, clock, self.api, self._tokens)
        self._sender = Sender(
            config, clock, self.api, self._book, self._tokens, self._allowance, self._media_door, self._vitals
        )
        self._postbox = make_outbox(self._store, config, clock, self._sender, self._tokens, self._allowance)
        self.outbox = Outbox(self._postbox, self._sender, config, clock)
        self._life = threading.Lock()  # orders start, set_token and the end of a run
        self._receiver: Optional[Receiver] = None
        self._running: Optional[Running] = None
        self._earlier = EarlierRuns()
        self._desk = Desk()
        self._ownership = Ownership(self._store, wanted=config.single_instance)
        tell_of_forks(self)

    def __repr__(self) -> str:
        return f"<WeixinClient {self.api.base_url} {self._vitals.snapshot().state.value}>"

    # life

    def start(self, sync_buf: Optional[str] = None) -> None:
        """Start the threads that receive, and return. A second call changes nothing; after shutdown it starts anew.

        sync_buf: begin after this cursor, whatever the store says. Raises ConfigError without a handler or a token,
        AlreadyRunning when the bot is served, or its store used, on this machine already, and what the store raises.
        """
        if sync_buf is not None and not isinstance(sync_buf, str):
            raise ConfigError("sync_buf is no str.", remedy="Give what on_sync_buf_updated got, or leave it out.")
        if self._handler is None:
            raise ConfigError("There is no handler.", remedy="Give WeixinClient one; it is needed to receive.")
        check_token(self.api.token)
        check_green_threads()
        with self._life:
            earlier = self._running
            if earlier is not None and not earlier.stopping:
                return
            try:
                self._ownership.acquire(self.api.base_url, self.api.token)
                self._book.claim(self.api.token)
                if earlier is not None:
                    self._earlier.add(earlier, self._clock.now())
                # Known before it starts: a signal may end this call at any point, and shutdown() must find the threads.
                self._running = self._make_running(self._handler)
                self._running.start(sync_buf)
            except Exception:
                if self._running is not earlier:
                    self._running = None
                self._ownership.release()
                raise

    def run(self, sync_buf: Optional[str] = None, *, drain: float = DRAIN) -> None:
        """start(), wait, and shut down on Ctrl-C, SIGTERM or a shutdown() from elsewhere.

        drain: as of shutdown(), for an end by a signal. Raises what start() raises, and what ended the client by
        itself.
        """
        drain = check_seconds("drain", drain)
        try:
            wait_until_stopped(self.wait, start=partial(self.start, sync_buf))
        finally:
            self.shutdown(max(SHUTDOWN_TIMEOUT, drain + ABORT_RESERVE), drain=drain)

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait until the client has ended; False when *timeout* seconds passed first. True when it does not run.

        Raises what ended the client by itself.
        """
        timeout = check_patience("timeout", timeout)
        running = self._running
        return True if running is None else running.wait(timeout)

    def shutdown(self, timeout: float = SHUTDOWN_TIMEOUT, *, drain: float = DRAIN) -> bool:
        """Stop receiving, let the handlers finish, end the threads; True when all that came about within *timeout*.

        drain: seconds, at most those of *timeout*, in which the handlers that run or wait may end by themselves.

        The order: end the poll, hand over what has come, wait for the handlers, on_shutdown, end the threads, close the
        store and the connections. After *drain*, or near the end of *timeout*, sends that handlers wait for end with a
        ConnectionLost or TransportError; their messages stay in the store and come again at the next start. Called
        again, it waits for what is left, threads of earlier start()s included. A handler may call it: its own thread
        ends by itself when it returns. A Ctrl-C ends the waiting; the rest is done in the background. Sends work
        afterwards, too.
        """
        timeout, drain = check_seconds("timeout", timeout), check_seconds("drain", drain)
        deadline = self._clock.now() + timeout
        running = self._running
        self._typing_signs.end_blocks()
        if running is not None and not running.finished:
            has_ended = running.shutdown(timeout, drain)
        else:
            signs = self._typing_signs.end(deadline)
            has_ended = (running is None or not running.alive(deadline)) and not signs
            self._close()  # sends, or a thread that was late, may have opened connections since
            self._ownership.release()
        return not self._earlier.alive(deadline) and has_ended

    def __enter__(self) -> WeixinClient:
        """start(), where there is a handler; a client without one only sends."""
        if self._handler is not None:
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def set_receiver(self, receiver: Optional[Receiver]) -> None:
        """Give what is received from the next start() on to *receiver* in place of ``on_message``, as a ``Bot`` does.

        The handler's other methods are called as ever.
        """
        self._receiver = receiver

    def context_of(self, message: WeixinMessage) -> MessageContext:
        """A context for a message that was kept elsewhere, to answer it or to fetch its files."""
        return self._make_context(Entry("", message, 0, redelivered=True))

    def take_over(self, earlier: WeixinClient) -> bool:
        """Go on where *earlier*, a stopped client of the same bot, ended; to be called before the first start().

        What it received and had not handled, its cursor, what it has seen, context tokens and quotas are copied where
        this client has a store that began empty and is not durable. False, and nothing is copied, in any other case.
        """
        if not isinstance(earlier, WeixinClient) or self.api.token != earlier.api.token:
            return False
        if self._store.durable or self._store.inner is earlier._store.inner or self._store.items(STATE):
            return False
        wall = self._clock.wall()
        copied = [Put(table, key, value, wall) for table in ALL_TABLES for key, value in earlier._store.items(table)]
        self._store.write(copied)
        return True

    # sending

    def send_text(
        self,
        to: str,
        text: str,
        context_token: Optional[str] = None,
        *,
        client_id: Optional[str] = None,
        timeout: Optional[float] = None,
        reply_to: Optional[str] = None,
    ) -> SendResult:
        """Send *text* to the user *to*, in several messages when it is long.

        context_token: None for the newest known one of that user. Messages to one user go out one at a time, in the
        order of the calls, and all of them at the pace of sends_per_second; a failed try is repeated under the same
        client_id, so it cannot be doubled. Returns the last message's result, with all of them in ``parts``.

        client_id: any text of yours, for a send that must not be doubled over a restart. The ids that the messages get
        follow from it, so a repeat sends the same ones (an id of the platform's form is sent as it is). timeout:
        seconds for the whole call, its turn, the pace and further tries included; then TransportError of kind
        "timeout". reply_to: the message_id of the message that is quoted; experimental, since no client of the
        platform's is known to send quotes, and WeChat may not show it.

        Raises ConfigError or Unsupported for unusable arguments and LimitExceeded by the policy "refuse", all before
        anything is sent; TransportError (``may_have_been_sent``, ``client_id``) without a usable answer; SendRejected,
        TokenStale or another ApiError for a refusal. The error's ``parts`` are the results of the messages before the
        failed one; those have gone out.
        """
        context_token = hide(context_token)
        self._ready()
        return self._sender.send_text(to, text, context_token, client_id=client_id, timeout=timeout, reply_to=reply_to)

    def send_media(
        self,
        to: str,
        path: FileLike,
        context_token: Optional[str] = None,
        *,
        filename: Optional[str] = None,
        kind: Optional[str] = None,
        caption: Optional[str] = None,
        progress: Optional[ProgressCallback] = None,
        client_id: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> SendResult:
        """Upload a file and send it to the user *to*: an image or video as such, anything else (voices too) as a file.

        path: a path, bytes, or a binary file from where it stands. filename: what the user sees, None for the file's
        own. kind: "image", "video" or "file"; None goes by the name, and what WeChat may not show (WebP, WebM …) as a
        file. client_id, timeout: as of ``send_text``.
        caption: a text that goes before it, as a message of its own; "" is none. progress(done_bytes, total_bytes): see
        ``MessageContext``. Memory use is constant. Raises as ``send_text`` does, and UploadFailed when the file cannot
        be read or did not reach the CDN; then no message was sent.
        """
        context_token = hide(context_token)
        self._ready()
        return self._sender.send_media(
            to,
            path,
            context_token,
            filename=filename,
            kind=kind,
            caption=caption,
            progress=progress,
            client_id=client_id,
            timeout=timeout,
        )

    # receiving files

    def download_media(self, media: MediaInfo, dest: PathLike, *, progress: Optional[ProgressCallback] = None) -> Path:
        """Fetch and decrypt *media*, outside of a handler as well; see ``MessageContext.download_media``."""
        return self._media_door.download(media, dest, progress=progress)

    def download_all(self, message: WeixinMessage, folder: PathLike) -> List[Path]:
        """Fetch every file of *message* into the existing *folder*, in order; the paths come back.

        A voice counts though it has a transcript. The first failure ends it; the files fetched before it stay. Raises
        as ``download_media`` does.
        """
        if not isinstance(message, WeixinMessage):
            raise ConfigError("What is to be fetched is not a message.", remedy="Give ctx.message.")
        return [self._media_door.download(media, folder) for media in all_media(message.item_list or [])]

    def send_typing(self, to: str) -> None:
        """Show the typing sign to the user *to* for about 5 s. Raises TransportError or ApiError."""
        self._ready()
        self._typing_signs.show(to)

    def cancel_typing(self, to: str) -> None:
        """End the typing sign. Raises TransportError or ApiError."""
        self._ready()
        self._typing_signs.cancel(to)

    def outbound_run(self, to: str, context_token: Optional[str] = None, run_id: Optional[str] = None) -> OutboundRun:
        """Messages and tool calls to the user *to* that belong together; a new run_id unless one is given."""
        context_token = hide(context_token)
        self._ready()
        return OutboundRun(self._sender, to, context_token, run_id)

    def quota(self, user_id: str) -> Quota:
        """How many messages the user may still get, as far as this client knows. Raises what the store raises."""
        self._ready()  # what the store has may be of another token
        return self._allowance.quota(user_id)

    @property
    def context_tokens(self) -> ContextTokenStore:
        """The newest context token of each user."""
        self._ready()
        return self._tokens

    # tokens

    def qr_login(self) -> QrLogin:
        """The login by QR code, at the server of the config. It changes nothing here: ``set_token`` does."""
        return QrLogin(self.config, self.api, self._clock)

    def set_token(self, token: str, *, base_url: Optional[str] = None) -> None:
        """Use another bot token from now on; a running client polls with it at once, be it the same one again.

        base_url: the server that the login named for it (``LoginStatus.base_url``); None: the one in use. The cursor
        and the context tokens of the old token are forgotten. ConfigError when one of them is unusable; AlreadyRunning
        when this client receives and another one on this machine does so for that bot. Then nothing has changed.
        """
        token = hide(token)
        checked = check_token(token)
        given = None if base_url is None else server_url("base_url", base_url)
        with self._life:
            server = given or self.api.base_url
            another_bot = checked != self.api.token
            changes = another_bot or server != self.api.base_url
            if changes:
                with self._ownership.moving(server, checked):
                    self._book.claim(checked)
                    self.api.set_token(checked, base_url=server)
            if another_bot:
                self._allowance.clear()
                self._typing_signs.forget_tickets()
            running = self._running
        self._postbox.wake()
        if running is not None and changes:
            running.loop.token_changed()
        elif running is not None:
            running.loop.end_pause()

    # health

    def owner(self) -> Optional[Owner]:
        """Return which process of this machine runs this bot (``pid``, ``since``), None when none does."""
        return lock_of_bot(self.api.base_url, str(self.api.token)).owner()

    def health(self) -> Health:
        """How the client is doing. Takes microseconds and never waits.

        Trouble shows within 65 s with the default settings. Only a line that is dead without a word may take longer
        where the platform announces longer holds: until the time of the poll is over it looks like one that is held,
        and that time is the hold (120 s at most) and poll_grace.
        """
        running = self._running
        if running is None:
            return self._vitals.snapshot()
        dispatcher = running.dispatcher
        return self._vitals.snapshot(
            queued=dispatcher.queued, workers_busy=dispatcher.busy, workers=dispatcher.max_workers
        )

    # the parts

    def _ready(self) -> None:
        if not self._book.belongs_to(self.api.token):
            with self._life:  # not amid set_token: claimed for the old token, the new one's state would be dropped
                self._book.claim(self.api.token)

    def _make_running(self, handler: MessageHandler) -> Running:
        return Running(
            self.config,
            self._clock,
            handler,
            self.api,
            self._book,
            self._vitals.of_run(),
            self._postbox,
            self._desk,
            receiver=self._receiver,
            make_context=self._make_context,
            heard=self._allowance.heard,
            abort=self._interrupt_sends,
            resume=self._resume_sends,
            end_signs=self._typing_signs.end,
            closed=self._run_ended,
        )

    def _make_context(self, entry: Entry) -> MessageContext:
        return MessageContext(
            entry.user_id,
            lambda: to_inbound(entry.message, partial(self._quoted, entry.user_id)),
            redelivered=entry.redelivered,
            sender=self._sender,
            media_door=self._media_door,
            typing_signs=self._typing_signs,
        )

    def _quoted(self, user_id: str, message_id: str) -> Optional[WeixinMessage]:
        try:
            return self._book.quoted(user_id, message_id)
        except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
            log.warning("a quoted message could not be looked up: %s", type(exc).__name__)
            return None  # the message itself must reach its handler

    def _interrupt_sends(self) -> None:
        self._allowance.interrupt()
        self.api.interrupt_calls()
        self._media_door.interrupt()

    def _resume_sends(self) -> None:
        self._media_door.resume()
        self.api.resume_calls()
        self._allowance.resume()

    def _run_ended(self, running: Running) -> None:
        with self._life:
            if running is self._running:  # else another start() has taken everything over
                self._close()
                self._ownership.release()

    def _close(self) -> None:
        self.api.close()
        self._media_door.close()
        if not self._store.end(STORE_GRACE):
            log.warning(
                "the store does not take %d change(s): what they note is lost if the process ends now, and messages"
                " that were handled may come again",
                self._store.waiting,
            )
        try:
            self._store.close()
        except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
            log.warning("the store could not be closed: %s", type(exc).__name__)

    def _after_fork(self) -> None:
        """In a forked child: nothing runs here; start() works as soon as the parent's client has ended."""
        self._life = threading.Lock()
        self._vitals.after_fork()
        self._postbox.after_fork()
        if self._running is not None:
            self._of_the_parent, self._running = self._running, None  # kept, so that nothing of it is closed here
            self._earlier, self._desk = EarlierRuns(), Desk()
            self._ownership.after_fork()
