"""Call: one run of a handler for one message, with what it may do and what it has brought about."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence, TypeVar

from ..core.settings import check_seconds
from ..errors import Cancelled, ConfigError, NoAnswer, WxError
from ..log import get_logger
from ..runtime.receiver import Received
from ..runtime.store import Change, Delete, Put
from . import journal_rules as journal
from .adapter import BROKEN, Adapter, AnswerStream, Target
from .choice_rules import Question, check_options, check_question, list_text
from .facts import CONVERSATIONAL, Facts
from .questions import OpenQuestion, Turn
from .state import ChatState
from .streams import CallStream, ReplayedStream

if TYPE_CHECKING:
    from .message import Message
    from .workshop import Workshop

log = get_logger(__name__)

T = TypeVar("T")


class Suspended(BaseException):
    """Ends a handler whose bot stops. Its message is handed over again at the next start.

    Not an Exception: a handler's "except Exception" must not answer the user in its place.
    """

    is_silent = False


class Call:
    """One handler call. The handler's thread, but for ``cancel``, ``suspend`` and what streams do.

    received: the message's place in the inbox; also: those that were merged into it.
    """

    __slots__ = (
        *("_asking", "_is_past_journal", "_keeps", "_lock", "_owes_turn", "_state", "_steps", "_streams", "_turn"),
        *("adapter", "also", "facts", "handler", "lane", "newest", "newest_facts", "received", "running_stream"),
        *("stop_notice", "stop_reason", "thread", "workshop"),
    )

    def __init__(
        self, workshop: Workshop, adapter: Adapter, received: Received, also: Sequence[Received], facts: Facts
    ) -> None:
        self.workshop = workshop
        self.adapter = adapter
        self.received = received
        self.also = also
        self.facts = facts
        self.lane = (adapter.name, facts.lane)
        self.handler = "the handler"  # its name, once it is chosen
        self.newest: Any = received.origin  # what answers go to: the last message of the conversation
        self.newest_facts = facts
        self.thread = 0
        self._state: Optional[ChatState] = None
        self.stop_reason: Optional[Callable[[], BaseException]] = None  # once set, what the handler does raises it
        self.stop_notice = ""  # what then ends the streams
        self._keeps = received.store.durable
        self._steps = 0
        self._lock = threading.Lock()
        self._streams: List[AnswerStream] = []
        self._turn: Optional[Turn] = None
        self._asking: Optional[OpenQuestion] = None
        self._is_past_journal = False
        self._owes_turn = False  # a worker waits until this conversation asks again or ends
        self.running_stream: Optional[AnswerStream] = None  # of the iterator that is being answered with

    @property
    def state(self) -> ChatState:
        """What the handler knows of the chat."""
        if self._state is None:
            workshop = self.workshop
            self._state = ChatState(self.received.store, self.facts.lane, workshop.clock, workshop.state_ttl)
        return self._state

    def check_state(self) -> None:
        """ConfigError, naming the key, when the state cannot be kept."""
        if self._state is not None:
            self._state.check()

    # being stopped

    def check(self) -> None:
        """Raise what ended this call, if anything has."""
        if self.stop_reason is not None:
            raise self.stop_reason()

    def end(self, reason: Callable[[], BaseException], notice: str) -> None:
        """Let everything that the handler does from now on raise *reason*, and end its streams with *notice*."""
        with self._lock:
            if self.stop_reason is not None:
                return
            self.stop_reason, self.stop_notice = reason, notice
            streams = list(self._streams)
            asking = self._asking
        for stream in streams:
            stream.break_off(notice)
        if asking is not None and self.workshop.questions.close(self.lane, asking):
            asking.error = reason()
            assert self._turn is not None
            self._turn.wake()

    def cancel_others(self) -> bool:
        """End every other call of this lane; whether there was one."""
        others = [call for call in self.workshop.calls_of(self.lane) if call is not self and call.stop_reason is None]
        for call in others:
            call.end(cancelled, "")
        return bool(others)

    # steps

    def step(self, kind: str, do: Callable[[Target], T], dump: Callable[[T], Any], load: Callable[[Any], T]) -> T:
        """Do one step that must not happen twice, or return what it returned before a restart."""
        self.check()
        number = self.next_step()
        row = self._row(number, kind)
        if row is not None:
            return load(row.value)
        result = do(self.target(number))
        self._note(number, journal.Row(kind, journal.SENT, dump(result)))
        return result

    def target(self, step: int) -> Target:
        """Return where the answer of *step* goes, which has no row in the journal."""
        # The first such step may have been done by the process that died before it could write the row.
        may_repeat = self.received.redelivered and not self._is_past_journal
        self._is_past_journal = True
        # The key is the same after a restart only where the inbox is durable; elsewhere there is nothing to repeat.
        send_id = f"wxsdk-{self.received.key}-{step}" if self._keeps else ""
        return Target(self.newest, self.newest_facts, send_id, may_repeat)

    def peek_target(self) -> Target:
        """Return where answers go; for what is no step, such as the typing sign."""
        return Target(self.newest, self.newest_facts)

    def last_target(self) -> Target:
        """Where an answer goes after which the message is marked as handled, so that it needs no row of its own."""
        self.check()
        return self.target(self.next_step())

    def next_step(self) -> int:
        """Return the number of the next step of the handler."""
        with self._lock:
            number, self._steps = self._steps, self._steps + 1
            return number

    def _row(self, step: int, kind: str) -> Optional[journal.Row]:
        if not self._keeps or not self.received.redelivered:
            return None
        row = journal.decode_row(self.received.store.get(journal.TABLE, journal.row_key(self.received.key, step)))
        if row is not None:
            journal.check_same(row, kind, self.handler)
        return row

    def _note(self, step: int, row: journal.Row) -> None:
        """Write the row of a step that is done. A store that fails costs no more than a repeat after a crash."""
        if not self._keeps:
            return
        try:
            self.received.store.write([self._put(step, row)])
        except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
            log.warning("a step of %s is not in the journal: %s", self.handler, type(exc).__name__)

    def _put(self, step: int, row: journal.Row) -> Change:
        return Put(journal.TABLE, journal.row_key(self.received.key, step), row.encode(), self.workshop.clock.wall())

    # asking

    def ask(self, message: Message, text: Any, options: Any, timeout: float) -> Any:
        """Return the answer to a question: a Message, or of a choice its key."""
        if threading.get_ident() != self.thread:
            raise ConfigError("ask and choose are for the handler's own thread.", remedy="Ask in the handler itself.")
        self.check()
        timeout = check_seconds("timeout", timeout)
        kind = "ask" if options is None else "choose"
        known = None if options is None else check_options(options)
        step = self.next_step()
        question = Question(check_question(text), known, f"wxsdk-{self.received.key}-{step}")
        row = self._row(step, kind)
        wall = self.workshop.clock.wall()
        if row is not None and row.state == journal.ANSWERED:
            return self._recalled(row, known)
        if row is not None and row.state == journal.UNANSWERED:
            raise _no_answer(timeout)
        if row is not None:
            timeout = min(max(float(row.value) - wall, 0.0), timeout)
        asked = OpenQuestion(self, question, step)
        self._begin_to_ask(asked)
        try:
            is_said = self._end_running_stream(question.text)
            if row is None:
                if not is_said or known is not None:
                    self._send_question(question, step)
                self._note(step, journal.Row(kind, journal.ASKED, wall + timeout))
            self.adapter.let_go(self.newest)
        except BaseException:
            if self.workshop.questions.close(self.lane, asked):
                self._asking = None
                raise
            # It was answered, or ended, all the same.
        return self._await(asked, timeout)

    def _send_question(self, question: Question, step: int) -> None:
        target = self.target(step)
        if question.options is None:
            self.adapter.send_text(target, question.text)
        elif not self.adapter.send_choice(target, question):
            self.adapter.send_text(target, list_text(question))

    def _begin_to_ask(self, asked: OpenQuestion) -> None:
        with self._lock:
            self.check()
            if self._turn is None:
                self._turn = Turn()
            self.workshop.questions.add(self.lane, asked)
            self._asking = asked

    def _await(self, asked: OpenQuestion, timeout: float) -> Any:
        turn = self._turn
        assert turn is not None
        self._let_go(turn)
        asked.let_go.release()
        if not turn.await_it(timeout):
            if self.workshop.questions.close(self.lane, asked):
                # Nobody answers any more; the handler goes on when its lane has room for it.
                asked.error = _no_answer(timeout)
                if self.workshop.submit_turn(self.lane, self._take_turn):
                    turn.await_it(None)
            else:
                turn.await_it(None)  # whoever closed it gives the turn
        self._asking = None
        if asked.error is not None:
            if isinstance(asked.error, NoAnswer):
                self._note(asked.step, journal.Row(self._kind(asked), journal.UNANSWERED))
            raise asked.error
        return asked.answer

    def _let_go(self, turn: Turn) -> None:
        """Let the lane go on, and leave the workers at the first question."""
        if self._owes_turn:
            self._owes_turn = False
            turn.give_back()
        else:
            self.workshop.leave(self)

    def _take_turn(self) -> None:
        """On a worker: let the conversation go on, and wait until it asks again or ends."""
        turn = self._turn
        assert turn is not None
        self._owes_turn = True
        turn.give()

    def take_answer(self, asked: OpenQuestion, answer: Message, key: Optional[str]) -> bool:
        """On a worker: *answer* answers *asked*. False when the question is closed already."""
        if not self.workshop.questions.close(self.lane, asked):
            return False
        value = key if asked.question.options is not None else self.adapter.dump(answer.raw)
        row = journal.Row(self._kind(asked), journal.ANSWERED, {"answer": value})
        asked.let_go.acquire()
        self.adapter.hold(answer.raw, self.newest)
        answer.received.finish([self._put(asked.step, row)] if self._keeps else (), answer.also)
        if answer.facts.kind in CONVERSATIONAL:  # a click takes fewer kinds of answers than a message
            self.newest, self.newest_facts = answer.raw, answer.facts
        asked.answer = key if asked.question.options is not None else answer.join(self)
        self._take_turn()
        return True

    def _recalled(self, row: journal.Row, options: Optional[Dict[str, str]]) -> Any:
        value = row.value["answer"]
        if options is not None:
            return value
        origin = self.adapter.load(value)
        facts = self.adapter.facts(origin)
        self.newest, self.newest_facts = origin, facts
        return self.workshop.recalled(self, origin, facts)

    @staticmethod
    def _kind(asked: OpenQuestion) -> str:
        return "ask" if asked.question.options is None else "choose"

    # streams

    def open_stream(self, progressive: bool) -> AnswerStream:
        """Return a new stream of this call; one that was finished before a restart only plays dead."""
        self.check()
        step = self.next_step()
        row = self._row(step, "stream")
        if row is not None:
            return ReplayedStream(self, row.value)
        stream = CallStream(self, self.adapter.open_stream(self.target(step), progressive), step)
        with self._lock:
            reason = self.stop_reason
            self._streams.append(stream)
        if reason is not None:
            stream.break_off("")
            raise reason()
        return stream

    def note_stream(self, step: int, outcome: Any) -> None:
        """The stream of *step* is finished."""
        self._note(step, journal.Row("stream", journal.SENT, outcome.state))

    def _end_running_stream(self, question: str) -> bool:
        """A question stands below what was streamed until now; where that is nothing but an animation, it ends it.

        True when the question was said like that.
        """
        stream, self.running_stream = self.running_stream, None
        if stream is None:
            return False
        if stream.is_blank and stream.is_animated:
            stream.finish(question)
            return True
        stream.finish()
        return False

    def apologise(self, text: str) -> None:
        """Tell the user *text*; an animation that still turns ends with it."""
        stream, self.running_stream = self.running_stream, None
        if stream is not None and stream.is_blank and stream.is_animated:
            stream.finish(text)
        else:
            self.adapter.send_text(self.target(self.next_step()), text)

    # the end

    def finish(self, *, keep_state: bool) -> None:
        """Mark the message as handled; with keep_state, its state is written in the same write."""
        changes = self._state_changes() if keep_state else []
        if self._keeps and self._steps:
            keys = (journal.row_key(self.received.key, step) for step in range(self._steps))
            changes += [Delete(journal.TABLE, key) for key in keys]
        self.received.finish(changes, self.also)
        self.adapter.let_go(self.newest)

    def _state_changes(self) -> List[Change]:
        if self._state is None:
            return []
        try:
            return self._state.changes()
        except Exception as exc:
            log.error("the state of %s could not be kept: %s", self.lane, type(exc).__name__, exc_info=exc)
            self.workshop.report(exc, None)
            return []

    def over(self) -> None:
        """The handler's thread is through with it."""
        for stream in self._streams:
            if stream.outcome is None:
                stream.break_off(BROKEN if self.stop_reason is None else "")
        if self._owes_turn:
            self._owes_turn = False
            assert self._turn is not None
            self._turn.give_back()


def _no_answer(timeout: float) -> WxError:
    return NoAnswer(f"The user did not answer within {timeout:g} s.", remedy="Ask again, or go on without an answer.")


def cancelled() -> Cancelled:
    """Make the error that a cancelled handler meets."""
    return Cancelled("The handler was cancelled by message.cancel_running().")
