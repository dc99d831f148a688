"""PollLoop: the thread that asks for messages, for as long as the client runs (docs/protocol/ilink, 2).

It never runs code of the user. What to do after each poll is decided in ``updates``; here it is done.
"""

from __future__ import annotations

import itertools
import random
import threading
from typing import Callable, List

from ..core.outbox_rules import backoff
from ..errors import StoreError, TokenStale, TransportError, WxError
from ..health import HealthState
from ..log import get_logger
from ..runtime import hooks
from ..runtime.clock import Clock
from ..runtime.health_record import RunVitals
from ..runtime.worker import Worker
from .api import ILinkApi
from .config import WeixinConfig
from .inbox import Entry, Inbox
from .poll_rules import Kind, PollStep, Verdict, after_new_token, after_poll, first_state, judge_answer, judge_error
from .state import Book

log = get_logger(__name__)

STORE_RETRY, LONGEST_STORE_RETRY = 0.5, 15.0  # seconds between two writes of a batch that a store refuses; choices
ROOM_CHECK = 0.1  # seconds between two looks at the stop while workers are behind; a stop may take 0.2 s in all
NOTIFY_START_DEADLINE = 2.0  # seconds; a courtesy as well, and what a platform that is slow with it may delay the polls
NOTIFY_STOP_DEADLINE = 0.1  # seconds; a courtesy to the platform that must not make a stop slow


class PollLoop:
    """One poll after another, each batch written to the inbox before *hand_over* gets it.

    ready(): waits until the first poll may be made; False when it may not now. room(seconds): waits for room for more
    messages. on_stale(error) is called once per stale token, on_failure(error) once per row of failures, on_recovery()
    when a poll works for the first time, and again after failures.
    """

    def __init__(
        self,
        number: int,
        api: ILinkApi,
        book: Book,
        inbox: Inbox,
        config: WeixinConfig,
        clock: Clock,
        vitals: RunVitals,
        *,
        ready: Callable[[float], bool],
        room: Callable[[float], bool],
        hand_over: Callable[[List[Entry]], None],
        on_stale: Callable[[TokenStale], None],
        on_failure: Callable[[WxError], None],
        on_recovery: Callable[[], None] = lambda: None,
        on_crash: Callable[[BaseException], None],
    ) -> None:
        self._api = api
        self._book = book
        self._inbox = inbox
        self._config = config
        self._clock = clock
        self._vitals = vitals
        self._ready = ready
        self._room = room
        self._hand_over = hand_over
        self._on_stale = on_stale
        self._on_failure = on_failure
        self._on_recovery = on_recovery
        self._working = False
        self._pauses = False  # since the token was refused
        self._greets = True  # a notifystart is due
        self._gate = threading.Lock()  # orders interrupt and resume of the polls
        self._stopping = False
        self._news = clock.event()  # set: stop waiting, something changed
        self._epoch = 0
        self._state = first_state(config)
        self._failures = 0
        self._silent = 0
        self._left_over: List[Entry] = []
        self.worker = Worker(f"wxsdk-ilink-poll-{number}", self._run, on_crash)

    def start(self, cursor: str, left_over: List[Entry]) -> None:
        """Hand over what is *left_over* of an earlier run, then poll after *cursor*."""
        self._state = first_state(self._config, cursor)
        self._left_over = left_over
        self._epoch = self._book.epoch
        self._vitals.enter(HealthState.STARTING)
        self.worker.start()

    def stop(self) -> None:
        """End the poll under way and make no more. Returns at once; join ``worker`` to wait for the end."""
        with self._gate:
            self._stopping = True
            self._api.interrupt_polls()
        self._news.set()

    def token_changed(self) -> None:
        """End the poll or pause in progress, since there is a new token to try."""
        with self._gate:
            self._greet_again()
            self._news.set()
            self._api.interrupt_polls()

    def end_pause(self) -> None:
        """Poll at once where the loop pauses; a poll in progress goes on."""
        with self._gate:
            if self._pauses:
                self._greet_again()
            self._news.set()

    def _greet_again(self) -> None:
        """Under the gate: what is known of the token is old; the platform is to be told before the next poll."""
        self._greets = True
        if not self._stopping:
            self._vitals.enter(HealthState.STARTING)

    @property
    def stopping(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopping

    # the thread

    def _run(self) -> None:
        began = self._wait_until(self._ready) and self._enter()
        if began:
            self._poll_on()
        self._vitals.stopped()  # whatever the handlers still do
        if began and not self._state.stale:
            self._notify_stop()

    def _poll_on(self) -> None:
        left_over, self._left_over = self._left_over, []
        self._hand_over(left_over)
        self._greet()
        while self._wait_until(self._room) and self._enter():
            try:
                self._greet()
                self._once()
            except Exception as exc:  # noqa: BLE001  the last net: no defect ends receiving
                self._recover(exc)

    def _greet(self) -> None:
        """Send notifystart before the first poll with a token."""
        if not self._greets:
            return
        self._greets = False
        if self._notify_start():
            # A first poll may be held for a minute; this shows as well that the platform can be reached.
            self._vitals.enter(HealthState.RUNNING)

    def _recover(self, exc: Exception) -> None:
        """Report an error that nothing here knows, as a failed poll, and wait as after one."""
        log.exception("receiving met an error that wxsdk does not know, and goes on; please report it")
        step = self._judge(Verdict(Kind.FAILURE, error=_unknown(exc)), 0.0)
        self._state = step.state
        self._report(step)
        self._news.wait(step.delay)

    def _wait_until(self, condition: Callable[[float], bool]) -> bool:
        """Wait for *condition*; False when a stop came first."""
        while not self._stopping:
            if condition(ROOM_CHECK):
                return True
        return False

    def _enter(self) -> bool:
        """Get ready for a request; False when it is time to stop."""
        with self._gate:
            if self._stopping:
                return False
            self._news.clear()
            self._api.resume_polls()
            if self._epoch != self._book.epoch:
                self._epoch = self._book.epoch
                self._state = after_new_token(self._state)
        return True

    def _once(self) -> None:
        started = self._clock.now()
        verdict = self._poll()
        if self._news.is_set() and verdict.kind is not Kind.ANSWER:
            return  # ended on purpose; but what came is taken in, since it may never come again
        step = self._judge(verdict, self._clock.now() - started)
        entries = self._take_in(step)
        if self._stopping and step.messages and not entries:
            return  # handed over to nobody, or nothing new in it
        self._state = step.state
        self._report(step)  # before the handlers run, so that health() tells them that the client receives
        if entries:
            self._vitals.inbound()
            self._hand_over(entries)
        self._pauses = isinstance(step.error, TokenStale)
        ended = step.delay > 0 and self._news.wait(step.delay)
        self._pauses = False
        if ended:
            return
        if step.notify_start and self._enter():
            self._notify_start()

    def _poll(self) -> Verdict:
        try:
            answer = self._api.poll(self._state.cursor, self._state.deadline)
        except TransportError as error:
            return judge_error(error)
        return judge_answer(answer.status, answer.body, secrets=(str(self._api.token),))

    def _judge(self, verdict: Verdict, elapsed: float) -> PollStep:
        return after_poll(self._state, verdict, elapsed=elapsed, unit=random.random(), config=self._config)

    def _take_in(self, step: PollStep) -> List[Entry]:
        """Store what came, to be handed over. While the store fails the batch is kept, and nothing else is asked for:

        a platform that forgets what it handed out would not send it again.
        """
        if not step.messages and step.cursor is None:
            return []
        for failures in itertools.count(1):
            try:
                return self._inbox.accept(step.messages, step.cursor, epoch=self._epoch)
            except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
                error = _not_taken_in(exc, len(step.messages))
            if not self._wait_for_store(error, failures):
                log.error(
                    "the store failed until the stop: %d received message(s) are given up; the platform sends them"
                    " again only if it has not forgotten them",
                    len(step.messages),
                )
                break
        return []

    def _wait_for_store(self, error: WxError, failures: int) -> bool:
        """Report that the store failed, and wait before the next try; False when it is time to stop."""
        delay = backoff(failures, random.random(), first=STORE_RETRY, longest=LONGEST_STORE_RETRY)
        self._report_failure(error, delay)
        while not self._stopping and self._news.wait(delay):
            with self._gate:
                if not self._stopping:
                    self._news.clear()  # a new token: the epoch says so when the batch is in
                    delay = 0.0
        return not self._stopping

    def _report(self, step: PollStep) -> None:
        working, self._working = self._working, step.error is None and step.silence is None
        if self._working and not working:
            self._on_recovery()
        if step.silence is not None:
            # A line that is dead without a word must show, too; the next answer makes it good again.
            self._silent += 1
            self._vitals.enter(HealthState.RETRYING, step.silence, retries=self._failures + self._silent)
            return
        self._silent = 0
        if step.error is None:
            if self._failures:
                log.info("receiving works again after %d failure(s)", self._failures)
            self._failures = 0
            self._vitals.enter(HealthState.RUNNING)
            return
        if isinstance(step.error, TokenStale):
            self._vitals.enter(HealthState.TOKEN_STALE, step.error)
            if step.token_stale is not None:
                log.error("the bot token is stale; polling pauses for %.0f s. %s", step.delay, step.error.remedy)
                self._on_stale(step.token_stale)
            return
        self._report_failure(step.error, step.delay)

    def _report_failure(self, error: WxError, delay: float) -> None:
        self._failures += 1
        hooks.emit("reconnect", "ilink", error=error)
        self._vitals.enter(HealthState.RETRYING, error, retries=self._failures)
        if self._failures == 1:
            log.warning("receiving failed, trying again in %.1f s: %s", delay, error)
            self._on_failure(error)
        else:
            log.debug("receiving failed %d times in a row: %s", self._failures, error)

    def _notify_start(self) -> bool:
        try:
            self._api.notify_start(timeout=min(NOTIFY_START_DEADLINE, self._config.light_timeout))
        except WxError as error:
            log.info("notifystart failed, which does no harm: %s", error)
            return False
        return True

    def _notify_stop(self) -> None:
        try:
            self._api.notify_stop(timeout=NOTIFY_STOP_DEADLINE)
        except WxError as error:
            log.info("notifystop failed, which does no harm: %s", error)


def _unknown(exc: Exception) -> WxError:
    """Make the error that health() shows for *exc*, which only a defect can have raised."""
    error = WxError(
        f"Receiving met an unexpected error ({type(exc).__name__}) and goes on.",
        remedy="Report it with the log's traceback: it is a defect of wxsdk or of a library under it.",
    )
    error.__cause__ = exc
    return error


def _not_taken_in(exc: Exception, count: int) -> WxError:
    """The report of a store that raised *exc*, with its own remedy where it knows one."""
    what = f"The store failed ({type(exc).__name__}); {count} received message(s) wait in memory until it works."
    remedy = "{} Nothing else is received until then, and messages may be lost if the process ends before."
    if isinstance(exc, StoreError):
        own = remedy.format(exc.remedy or "Check its file and its disk.")
        error: WxError = StoreError(f"{what} {exc.what}", number=exc.errno or 0, path=exc.path, remedy=own)
    else:
        error = WxError(what, remedy=remedy.format("Make room on the disk and check the store."))
    error.__cause__ = exc
    return error
