"""Running: one life of a client, from start() to its end. Owns the poll loop and the workers.

Messages and the client's own life have workers of their own, so that handlers that block delay no news.
"""

from __future__ import annotations

import math
import threading
from datetime import datetime, timezone
from functools import partial
from typing import Callable, Dict, List, Optional

from ..core.outbox_rules import OutboxItem
from ..errors import TokenStale, TransportError, WxError
from ..health import HealthState
from ..log import get_logger
from ..runtime import hooks
from ..runtime.clock import Clock
from ..runtime.dispatch import KeyedDispatcher
from ..runtime.health_record import RunVitals
from ..runtime.outbox_worker import Postbox
from ..runtime.receiver import Received, Receiver
from ..runtime.store import Change
from ..runtime.worker import Worker, join_all, next_number
from .api import ILinkApi
from .config import WeixinConfig
from .context import MessageContext
from .handler import MessageHandler, TokenStaleInfo
from .in_progress import Desk, Turn
from .inbox import Entry, Inbox
from .poll import PollLoop
from .received import EntryReceived
from .state import Book

log = get_logger(__name__)

LIFE_LANE = "life"  # on_start, on_shutdown, on_token_stale, on_outbox_given_up, and on_error without a context
CURSOR_LANE = "cursor"
LIFE_WORKERS = 2  # one for each lane of the client's own life
OUTBOX_GRACE = 1.0  # seconds that a shutdown gives to a message of the outbox that is being sent
STORE_GRACE = 0.2  # seconds that a stop waits for the store to take in what came last; a stop may take 0.5 s in all
ABORT_RESERVE = 0.5  # seconds at the end of a shutdown's time, kept for ending what handlers wait for


class Running:
    """One life of a client.

    make_context(entry): what a handler gets. heard(user_id): what to write when a user wrote. abort() ends the sends
    that handlers wait for, resume() allows them again. end_signs(deadline) ends the typing signs' threads; the names of
    those that do not end. closed(running): called once, when everything has ended.
    desk: the client's; with it a handler that outlived an earlier run keeps its user's turn. receiver: gets the
    messages in place of the handler.
    """

    def __init__(
        self,
        config: WeixinConfig,
        clock: Clock,
        handler: MessageHandler,
        api: ILinkApi,
        book: Book,
        vitals: RunVitals,
        outbox: Postbox,
        desk: Desk,
        *,
        receiver: Optional[Receiver] = None,
        make_context: Callable[[Entry], MessageContext],
        heard: Callable[[str], List[Change]],
        abort: Callable[[], None],
        resume: Callable[[], None],
        end_signs: Callable[[float], List[str]],
        closed: Callable[[Running], None],
    ) -> None:
        self._config = config
        self._clock = clock
        self._handler = handler
        self._book = book
        self._vitals = vitals
        self._outbox = outbox
        self._desk = desk
        self._receiver = receiver
        self._make_context = make_context
        self._abort = abort
        self._resume = resume
        self._end_signs = end_signs
        self._closed = closed
        number = next_number()
        self._name = f"wxsdk-run-{number}"
        self.dispatcher = KeyedDispatcher(
            self._name, max_workers=config.max_workers, clock=clock, on_error=self._callback_raised
        )
        self._life = KeyedDispatcher(
            f"{self._name}-life", max_workers=LIFE_WORKERS, clock=clock, on_error=self._callback_raised
        )
        self._elsewhere: Dict[str, Turn] = {}  # key of entry -> what a handler of an earlier run has before it
        self._inbox = Inbox(book, config, clock, tell=self._tell_cursor, heard=heard)
        self._ready = clock.event()
        self.loop = self._make_loop(number, api)
        self._ended = clock.event()
        self._lock = threading.Lock()
        self._leaving = False
        self._farewell_said = False
        self._finished = False
        self._outbox_worker: Optional[Worker] = None
        self._stopper: Optional[Worker] = None  # goes on with a shutdown that a Ctrl-C interrupted
        self._aborting = clock.event()
        self.error: Optional[BaseException] = None

    def _make_loop(self, number: int, api: ILinkApi) -> PollLoop:
        return PollLoop(
            number,
            api,
            self._book,
            self._inbox,
            self._config,
            self._clock,
            self._vitals,
            ready=self._ready.wait,
            room=self._has_room,
            hand_over=self._hand_over,
            on_stale=self._token_stale,
            on_failure=self._report_later,
            on_recovery=partial(self._outbox.wake, users_too=False),  # what users wrote meanwhile comes with the polls
            on_crash=self._crashed,
        )

    @property
    def stopping(self) -> bool:
        """Whether the end has begun."""
        return self.loop.stopping

    @property
    def finished(self) -> bool:
        """Whether nothing of it runs any more."""
        return self._finished and self._ended.is_set()

    def start(self, sync_buf: Optional[str]) -> None:
        """Start the threads. Raises what the store raises."""
        self._elsewhere = self._desk.take_over(self)  # before the store is read: what ends meanwhile counts as handled
        if sync_buf is not None:
            self._book.begin_after(sync_buf)  # before anything is told or handled by the older one
        left_over = self._inbox.recover()
        cursor = self._book.cursor()
        self._outbox.load()
        if left_over:
            log.info("%d message(s) of an earlier run are handed over first", len(left_over))
        for turn in self._elsewhere.values():
            self.dispatcher.hold(turn.user_id, turn.thread)
            self._desk.after(turn, partial(self.dispatcher.release, turn.user_id))
        self._later(self._begin)
        self.loop.start(cursor, left_over)
        self._outbox.start(self._outbox_gave_up)
        self._outbox_worker = self._outbox.worker

    def wait(self, timeout: Optional[float]) -> bool:
        """Wait for the end; False when *timeout* seconds passed first. Raises what ended the client by itself."""
        ended = self._ended.wait(timeout)
        if self.error is not None:
            raise self.error
        return ended

    # the end

    def shutdown(self, timeout: float, drain: float = math.inf) -> bool:
        """Stop polling, handle what has come, say farewell, end the threads; whether all of that came about in time.

        drain: seconds of *timeout* that the handlers get.

        The order: flag, wake the poll and the outbox, join their threads, let the queued messages be handled and the
        news be heard; what still waits for the network near the end of *timeout* is ended with a typed error, and its
        message stays in the store. A callback may call it: its own thread then ends later by itself. A Ctrl-C ends the
        waiting alone: the rest is done in the background.
        """
        try:
            return self._shut_down(timeout, drain)
        except BaseException:
            self._stopper = stopper = Worker(f"{self._name}-stop", partial(self._shut_down_again, timeout, drain))
            stopper.start()
            raise

    def _shut_down_again(self, timeout: float, drain: float) -> None:
        self._resume()  # the interrupt may have kept that from being done
        self._shut_down(timeout, drain)

    def _shut_down(self, timeout: float, drain: float) -> bool:
        deadline = self._clock.now() + timeout
        inside = self.dispatcher.is_inside or self._life.is_inside
        with self._lock:
            first, self._leaving = not self._leaving, True
        self.loop.stop()
        self._outbox.stop()
        if inside and not first:
            return False  # whoever came first waits for this very thread
        alive = self._end_loop(deadline)
        self._ready.set()
        alive += self._end_sends(deadline, max(min(ABORT_RESERVE, timeout / 2), timeout - drain))
        alive += self._end_signs(deadline)
        if not inside:
            self._say_farewell()
        drained = self._drain(deadline)
        # Not the other way round: handlers that never return would use up the time of threads that end at once.
        alive += self._life.close(deadline) + self.dispatcher.close(deadline)
        if self._aborting.is_set():
            self._resume()
        self.dispatcher.call_when_idle(partial(self._life.call_when_idle, self._finish))
        if self._stopper is not None:
            alive += join_all([self._stopper], self._clock, deadline)
        for name in alive:
            log.warning("thread %s is still running after a shutdown of %.1f s", name, timeout)
        return drained and not alive

    def alive(self, deadline: float) -> List[str]:
        """Once shut down: join its threads until *deadline*; the names of those alive then, the caller's own aside."""
        workers = [each for each in (self.loop.worker, self._outbox_worker, self._stopper) if each is not None]
        alive = join_all(workers, self._clock, deadline)
        return alive + self._life.close(deadline) + self.dispatcher.close(deadline)

    def _end_loop(self, deadline: float) -> List[str]:
        """Join the poll loop, and end the wait for a store that is in trouble; its name if it is still alive."""
        while not self.loop.worker.join(min(STORE_GRACE, self._left(deadline))) and self._left(deadline):
            self._book.store.interrupt()
        return join_all([self.loop.worker], self._clock, deadline)

    def _end_sends(self, deadline: float, reserve: float) -> List[str]:
        """Let the outbox and the handlers finish, and end what they wait for when they do not; threads still alive."""
        sent = self._outbox.join(min(self._left(deadline) - reserve, OUTBOX_GRACE))
        drained = self._drain(deadline - reserve)
        if not drained:
            self._aborting.set()
        if drained and sent:
            return []
        self._abort()
        alive = self._outbox.join_until(deadline)
        if drained:
            self._resume()  # on_shutdown may still send
        return alive

    def _drain(self, deadline: float) -> bool:
        """Wait until everything was handled, and then heard: handling makes news, and not the other way round."""
        handled = self.dispatcher.drain(self._left(deadline))
        return self._life.drain(self._left(deadline)) and handled

    def _left(self, deadline: float) -> float:
        return max(deadline - self._clock.now(), 0.0)

    def _say_farewell(self) -> None:
        with self._lock:
            if self._farewell_said:
                return
            self._farewell_said = True
        if not self._later(self._handler.on_shutdown):
            # The workers are gone, since a handler stopped the client: this is its thread.
            self._guarded(self._handler.on_shutdown)

    def _finish(self) -> None:
        try:
            with self._lock:
                if self._finished:
                    return
                self._finished = True
            self._say_farewell()
            if self.error is None:
                self._vitals.stopped()
            self._closed(self)
            self._ended.set()
        except BaseException:
            self._finished = False  # a Ctrl-C; what goes on in the background does it again
            raise

    def _crashed(self, exc: BaseException) -> None:
        # A defect of ours: nothing is received any more, so run() and wait() must hear of it.
        self.error = exc
        self._vitals.enter(HealthState.FAILED, exc)
        self._report_later(exc)
        self._ended.set()

    # callbacks

    def _begin(self) -> None:
        try:
            self._handler.on_start()
        finally:
            self._ready.set()

    def _hand_over(self, entries: List[Entry]) -> None:
        for entry in entries:
            hooks.emit("received", "ilink", queued=self.dispatcher.queued)
            self._outbox.heard(entry.user_id)
        if self._receiver is not None:
            self._receiver.received([one for one in map(self._received, entries) if one is not None])
            return
        # In one go: one lock and one wake-up for the whole batch.
        self.dispatcher.submit_many([(entry.user_id, partial(self._handle, entry), None) for entry in entries])

    def _received(self, entry: Entry) -> Optional[Received]:
        """*entry* for the receiver; None when there is no making a context of it, which is reported."""
        try:
            return EntryReceived(entry, self._make_context(entry), self._inbox, self._book.store)
        except Exception as exc:  # noqa: BLE001  the poll loop must go on
            self._report_later(exc)
            self._inbox.finish(entry)
            return None

    def _handle(self, entry: Entry) -> None:
        earlier = self._elsewhere.pop(entry.key, None)
        if earlier is not None and earlier.handled:
            self._inbox.finish(entry)
            return
        # What is not begun stays in the store, for the next start, or has come from there to the run that took over.
        if self._aborting.is_set() or self._desk.begin(self, entry) is None:
            return
        handled = False
        try:
            with hooks.handling("ilink") as failures:
                handled = self._heard_out(entry, failures)
            if handled:
                self._inbox.finish(entry)
        finally:
            self._desk.end(entry, handled=handled)

    def _heard_out(self, entry: Entry, failures: List[BaseException]) -> bool:
        """Let the handler have *entry*; False when a shutdown ended it, so that it has to get it again."""
        context: Optional[MessageContext] = None
        try:
            context = self._make_context(entry)
            self._handler.on_message(context)
        except BaseException as exc:  # noqa: BLE001  a handler's SystemExit must not end a worker
            if self._aborting.is_set() and isinstance(exc, TransportError):
                log.info("a handler was ended by the shutdown; its message stays in the store")
                return False
            failures.append(exc)
            self._callback_raised(exc, context)
        return True

    def _has_room(self, seconds: float) -> bool:
        limit = self._config.max_queued_messages
        if self._receiver is not None and not self._receiver.wait_for_room(limit, seconds):
            return False
        return self.dispatcher.wait_for_room(limit, seconds) and self._life.wait_for_room(limit, seconds)

    def _tell_cursor(self, cursor: str) -> None:
        told = self._handler.on_sync_buf_updated
        if getattr(told, "__func__", None) is MessageHandler.on_sync_buf_updated:
            return  # it does nothing, and waking a thread for that costs more than a short handler
        self._life.submit(CURSOR_LANE, partial(self._guarded, partial(told, cursor)))

    def _token_stale(self, error: TokenStale) -> None:
        info = TokenStaleInfo(
            error.errcode,
            error.errmsg,
            error.remedy,
            self._config.stale_token_pause,
            datetime.fromtimestamp(self._clock.wall(), timezone.utc),
        )
        self._later(lambda: self._handler.on_token_stale(info))

    def _outbox_gave_up(self, item: OutboxItem, error: WxError, done: Callable[[], None]) -> bool:
        def tell() -> None:
            self._guarded(partial(self._handler.on_outbox_given_up, item, error))
            done()

        return self._life.submit(LIFE_LANE, tell)

    def _later(self, callback: Callable[[], object]) -> bool:
        return self._life.submit(LIFE_LANE, partial(self._guarded, callback))

    def _guarded(self, callback: Callable[[], object]) -> None:
        try:
            callback()
        except BaseException as exc:  # noqa: BLE001  user code may raise anything, and stops nothing
            self._callback_raised(exc, None)

    def _callback_raised(self, exc: BaseException, context: Optional[MessageContext]) -> None:
        log.error("a callback raised %s", type(exc).__name__, exc_info=exc)
        self._report(exc, context)

    def _report_later(self, exc: BaseException) -> None:
        self._life.submit(LIFE_LANE, partial(self._report, exc, None))

    def _report(self, exc: BaseException, context: Optional[MessageContext]) -> None:
        try:
            self._handler.on_error(exc, context)
        except BaseException:  # its SystemExit must not keep the message from being done with
            log.exception("on_error raised itself")
