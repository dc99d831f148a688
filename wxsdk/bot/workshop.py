"""Workshop: brings received messages to their handlers, on threads of its own, and sees them through to their end.

Per lane (a chat; in a group, a chat and a user) one message at a time and in order; urgent commands and events with a
deadline have workers of their own. Routing, arguments and the journal are decided by the pure modules.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import Any, Callable, Dict, Hashable, List, Optional, Set, Tuple

from ..errors import Cancelled
from ..log import get_logger
from ..runtime import hooks
from ..runtime.clock import Clock
from ..runtime.dispatch import KeyedDispatcher
from ..runtime.worker import next_number
from .answers import deliver
from .call import Call, Suspended
from .choice_rules import key_in, list_text
from .facts import CONVERSATIONAL, Facts, is_slashed
from .merging import Merger
from .message import Message
from .questions import OpenQuestion, OpenQuestions
from .routes import Match, Routes

log = get_logger(__name__)

URGENT_WORKERS = 16  # threads for urgent commands and for events with a deadline of 5 s; a choice of ours
LIFE_LANE = "life"

Middleware = Callable[[Message, Callable[[], Any]], Any]
Submission = Tuple[Hashable, Callable[[], None], Message]
OnError = Callable[[BaseException, Optional[Message]], Any]


class Workshop:
    """The handlers at work, from one start of a Bot to its stop. Any thread."""

    def __init__(
        self,
        routes: Routes,
        middleware: List[Middleware],
        on_error: List[OnError],
        *,
        clock: Clock,
        questions: OpenQuestions,
        max_workers: int,
        max_conversations: int,
        merge_window: float,
        state_ttl: Optional[float],
        apology: Optional[str],
    ) -> None:
        self.routes = routes
        self.clock = clock
        self.questions = questions
        self.state_ttl = state_ttl
        self._middleware = tuple(middleware)
        self._on_error = tuple(on_error)
        self._apology = apology
        name = f"wxsdk-bot-{next_number()}"
        self._main = KeyedDispatcher(name, max_workers=max_workers, clock=clock, on_error=self._defect)
        self._urgent = KeyedDispatcher(
            f"{name}-urgent",
            max_workers=URGENT_WORKERS,
            clock=clock,
            on_error=self._defect,
            setting="the number of handlers",
        )
        self._life = KeyedDispatcher(f"{name}-life", max_workers=1, clock=clock, on_error=self._defect)
        self._merger = Merger(merge_window, clock, self._submit) if merge_window > 0 else None
        self._lock = threading.Lock()
        self._handling: Dict[int, Message] = {}  # what handlers have before them, by the idents of their threads
        self._idle = threading.Condition(self._lock)
        self._watching = 0  # threads that wait for _idle
        self._earlier: List[Workshop] = []
        self._held: Set[Hashable] = set()  # lanes that a later workshop holds back
        self._followers: Dict[int, Callable[[], None]] = {}  # what follows the handler of a thread
        self._finished_late: Set[Tuple[str, str]] = set()  # bots and keys of messages handled after the end
        self._no_more = False  # what stays in a durable inbox is not begun any more
        self._closed = False  # nothing new is begun: what comes stays in its inbox

    def start(self, earlier: List[Workshop]) -> None:
        """Start what does not start with the first message.

        earlier: those whose handlers outlived their stop. Until these end, the later messages of their lanes wait, and
        what they have before them is not handed out again.
        """
        self._earlier = earlier
        for workshop in earlier:
            workshop.let_follow(self._main)
        if self._merger is not None:
            self._merger.start()

    @property
    def is_over(self) -> bool:
        """Whether no handler of it is left."""
        return not self._handling

    def let_follow(self, dispatcher: KeyedDispatcher) -> None:
        """Hold the lanes of what is still being handled here in *dispatcher*, each until it is over."""
        with self._lock:
            for ident, message in list(self._handling.items()):
                lane = message.lane
                if lane not in self._held:
                    self._held.add(lane)
                    dispatcher.hold(lane, ident)
                    self._followers[ident] = partial(dispatcher.release, lane)

    # numbers

    @property
    def queued(self) -> int:
        held_back = 0 if self._merger is None else self._merger.queued
        return self._main.queued + self._urgent.queued + held_back

    @property
    def busy(self) -> int:
        return self._main.busy + self._urgent.busy

    @property
    def workers(self) -> int:
        return self._main.max_workers + self._urgent.max_workers

    def wait_for_room(self, limit: int, timeout: Optional[float]) -> bool:
        """Wait until fewer than *limit* messages wait for a worker."""
        return self._main.wait_for_room(limit, timeout)

    # taking in

    def take_in(self, messages: List[Message]) -> None:
        """Bring *messages* to their lanes. On the thread that received them: nothing of the user's runs here."""
        if self._no_more:
            messages = [message for message in messages if not message.received.store.durable]
        plain: List[Submission] = []
        for message in messages:
            facts = message.facts
            if not facts.urgent and self._merger is None and not is_slashed(facts.text):
                plain.append(self._task(message))
                continue
            if plain:
                self._main.submit_many(plain)
                plain = []
            self._take_in_specially(message)
        if plain:
            self._main.submit_many(plain)

    def _take_in_specially(self, message: Message) -> None:
        facts = message.facts
        if facts.urgent:
            self._urgent.submit_many([self._task(message)])
            return
        command = self.routes.command_in(facts)
        if command is not None and command[0].urgent:
            self._urgent.submit(message, partial(self._handle, message), message)  # a lane of its own
            return
        if self._merger is not None:
            lane = message.lane
            if facts.kind in CONVERSATIONAL and not self._is_command(facts):
                self._merger.add(lane, message)
                return
            self._merger.flush(lane)
        self._submit(message)

    def _submit(self, message: Message) -> None:
        self._main.submit_many([self._task(message)])

    def _task(self, message: Message) -> Submission:
        return message.lane, partial(self._handle, message), message

    def submit_turn(self, lane: Hashable, take_turn: Callable[[], None]) -> bool:
        """Let a conversation whose question ran out go on when *lane* has come to it."""
        return self._main.submit(lane, take_turn)

    def later(self, task: Callable[[], None]) -> bool:
        """Run *task* on the thread of the Bot's own life."""
        return self._life.submit(LIFE_LANE, task)

    def leave(self, call: Call) -> None:
        """The caller's thread belongs to the conversation *call* from now on."""
        if not self._main.leave():
            self._urgent.leave()

    def calls_of(self, lane: Hashable) -> List[Call]:
        """Return the handlers of *lane* that run or wait."""
        handling = list(self._handling.values())
        return [self.call_of(message) for message in handling if message.lane == lane]

    @property
    def is_inside(self) -> bool:
        """True on a thread of a handler."""
        return threading.get_ident() in self._handling or self._life.is_inside

    # handling

    def _handle(self, message: Message) -> None:
        if self._closed or (self._no_more and message.received.store.durable):
            return
        if self._earlier and message.redelivered and self._is_handled(message):
            message.received.finish((), message.also)
            return
        facts = message.facts
        if self.questions:
            asked = None if self._is_command(facts) else self.questions.find(message.lane, facts)
            if asked is not None and self._answer(asked, message):
                return
        match = self.routes.find(facts)
        if match is None:
            message.received.finish((), message.also)
        else:
            message.args = match.args
            self._guarded(message, match.handler.name, partial(self._answer_of, message, match))

    def _is_handled(self, message: Message) -> bool:
        name = (message.bot, message.received.key)
        return any(name in workshop._finished_late for workshop in self._earlier)

    def _is_command(self, facts: Facts) -> bool:
        return self.routes.command_in(facts) is not None or self.routes.is_help(facts)

    def _answer(self, asked: OpenQuestion, message: Message) -> bool:
        """Give *message* to the conversation that asked; False when it no longer waits."""
        if asked.question.options is None:
            return asked.call.take_answer(asked, message, None)
        key = key_in(asked.question, message.facts)
        if key is not None:
            return self._choose(asked, message, key)
        self._guarded(message, "choose", lambda: list_text(asked.question))
        return True

    def _choose(self, asked: OpenQuestion, message: Message, key: str) -> bool:
        call = asked.call
        if message.facts.choice is None:
            return call.take_answer(asked, message, key)
        # A click comes by the urgent workers, since its card must be updated within 5 s; the rest takes its turn.
        target = Call(self, call.adapter, message.received, (), message.facts).peek_target()
        try:
            call.adapter.show_chosen(target, asked.question, key)
        except Exception as exc:  # noqa: BLE001  the choice counts although its card cannot show it
            log.warning("the card of a choice could not be updated: %s", exc)
        self._main.submit(call.lane, partial(self._take_choice, asked, message, key), message)
        return True

    def _take_choice(self, asked: OpenQuestion, message: Message, key: str) -> None:
        if not self._closed and not asked.call.take_answer(asked, message, key):
            message.received.finish()  # a second click, or one after the timeout

    def _answer_of(self, message: Message, match: Match) -> Any:
        """Return what the handler returns, through every middleware."""
        if not self._middleware:
            return match.handler.function(message, **match.arguments)
        return self._proceed(message, match, 0)

    def _proceed(self, message: Message, match: Match, depth: int) -> Any:
        if depth == len(self._middleware):
            return match.handler.function(message, **match.arguments)
        return self._middleware[depth](message, lambda: self._proceed(message, match, depth + 1))

    def _guarded(self, message: Message, handler: str, answer: Callable[[], Any]) -> None:
        """Send what *answer* returns, and mark *message* as handled unless the Bot stopped its handler.

        Most handlers of a busy bot touch little, so the Call is made by the first thing that needs it (``call_of``).
        """
        ident = threading.get_ident()
        message.begin(self, handler, ident)
        self._handling[ident] = message
        try:
            if self._closed:  # looked at after the line before, so that no stop misses this handler
                return
            try:
                if hooks.OBSERVERS.wanted:
                    with hooks.handling(message.platform):
                        self._let_answer(message, answer)
                else:  # asking costs less than a block that does nothing
                    self._let_answer(message, answer)
            except Suspended:
                log.info("a handler was ended by the stop; its message is handed over again at the next start")
                return
            except BaseException as exc:  # noqa: BLE001  a handler's SystemExit must not end a worker
                self._failed(exc, message)
                self._finish(message, keep_state=False)
            else:
                self._finish(message, keep_state=True)
        finally:
            self._over(ident, message)

    def _let_answer(self, message: Message, answer: Callable[[], Any]) -> None:
        given = answer()
        if given is not None:
            deliver(self.call_of(message), given)
        if message.call is not None:
            message.call.check_state()

    def call_of(self, message: Message) -> Call:
        """Return the call that handles *message*, made when it is first needed."""
        with self._lock:
            call = message.call
            if call is None:
                call = message.call = Call(self, message.adapter, message.received, message.also, message.facts)
                call.handler, call.thread = message.handler, message.thread
        return call

    def _finish(self, message: Message, *, keep_state: bool) -> None:
        if self._closed:
            self._finished_late.add((message.bot, message.received.key))
        if message.call is None:
            message.received.finish((), message.also)
        else:
            message.call.finish(keep_state=keep_state)

    def _over(self, ident: int, message: Message) -> None:
        if message.call is not None:
            message.call.over()
        del self._handling[ident]
        if self._watching or self._closed:
            with self._lock:
                self._idle.notify_all()
                follow = self._followers.pop(ident, None)
            if follow is not None:
                follow()

    def recalled(self, call: Call, origin: Any, facts: Facts) -> Message:
        """Return the answer that a conversation got before a restart."""
        return Message(call.adapter, RecalledAnswer(call, origin), facts).join(call)

    # failures

    def _failed(self, exc: BaseException, message: Message) -> None:
        call = self.call_of(message)
        if isinstance(exc, Cancelled) and call.stop_reason is not None:
            return  # it was wanted
        log.error("%s raised %s", message.handler, type(exc).__name__, exc_info=exc)
        self.report(exc, message)
        if self._apology is not None and call.stop_reason is None:
            try:
                call.apologise(self._apology)
            except Exception as again:  # noqa: BLE001  the failure itself has been reported
                log.warning("the apology could not be sent: %s", again)

    def report(self, exc: BaseException, message: Optional[Message]) -> None:
        """Tell every on_error function of *exc*."""
        for function in self._on_error:
            try:
                function(exc, message)
            except BaseException:  # its SystemExit must not keep the message from being done with
                log.exception("on_error raised itself")

    def _defect(self, exc: BaseException, context: Any) -> None:
        log.error("handling %r failed", context, exc_info=exc)
        self.report(exc, context if isinstance(context, Message) else None)

    # the end

    def stop_taking(self) -> None:
        """Begin no message that stays in a durable inbox, and end every conversation that waits.

        Both go on at the next start. What nobody keeps is handled as long as there is time.
        """
        self._no_more = True
        for asked in self.questions.all():
            asked.call.end(Suspended, "")

    def drain(self, deadline: float) -> bool:
        """Wait until every handler has ended and nothing waits, the caller's own aside; False at *deadline*."""
        drained = self._main.drain(self._left(deadline))
        drained = self._urgent.drain(self._left(deadline)) and drained
        return self._await_calls(deadline) and drained

    def close(self) -> None:
        """Begin nothing more: what still waits stays in its inbox."""
        self._closed = True

    def end_calls(self, notice: str) -> None:
        """End the handlers that still run, and their streams with *notice*."""
        for message in list(self._handling.values()):
            self.call_of(message).end(Suspended, notice)

    def end_threads(self, deadline: float) -> List[str]:
        """End the workers; the names of those still alive at *deadline*."""
        merging = [] if self._merger is None else self._merger.stop(deadline)
        self._life.drain(self._left(deadline))
        return merging + [name for each in (self._main, self._urgent, self._life) for name in each.close(deadline)]

    def _await_calls(self, deadline: float) -> bool:
        ident = threading.get_ident()
        with self._lock:
            self._watching += 1
            try:
                return self.clock.wait_for(self._idle, lambda: not set(self._handling) - {ident}, self._left(deadline))
            finally:
                self._watching -= 1

    def _left(self, deadline: float) -> float:
        return max(deadline - self.clock.now(), 0.0)


class RecalledAnswer:
    """The place of an answer whose message was marked as handled before a restart."""

    redelivered = True
    key = ""

    def __init__(self, call: Call, origin: Any) -> None:
        self.origin = origin
        self.store = call.received.store

    def finish(self, changes: Any = (), also: Any = ()) -> None:
        """It is handled already."""
