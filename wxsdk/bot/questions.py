"""The questions that conversations wait for, and the handing over of the turn between a worker and a conversation.

A handler that asks keeps its thread; its lane goes on without it. The worker that brings an answer from the lane gives
the turn to the handler and waits until the handler asks again or ends: so messages of one lane are still handled one at
a time, and a conversation that goes on counts among max_workers.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from ..errors import Overloaded
from .choice_rules import Question, may_answer
from .facts import Facts

if TYPE_CHECKING:
    from .call import Call


class Turn:
    """Whose turn it is in one conversation. A lock each costs a tenth of an Event."""

    __slots__ = ("_handler", "_worker")

    def __init__(self) -> None:
        self._handler = threading.Lock()
        self._worker = threading.Lock()
        self._handler.acquire()
        self._worker.acquire()

    def give(self) -> None:
        """To the handler; the caller waits until ``give_back``."""
        self._handler.release()
        self._worker.acquire()

    def wake(self) -> None:
        """To the handler, without waiting: it has nothing left to do but to end."""
        self._handler.release()

    def await_it(self, timeout: Optional[float]) -> bool:
        """Wait for the turn, as the handler; False when *timeout* seconds passed first."""
        return self._handler.acquire(timeout=-1 if timeout is None else max(timeout, 0.0))

    def give_back(self) -> None:
        """The handler has asked again, or ended."""
        self._worker.release()


class OpenQuestion:
    """A question that waits. Exactly one of answer, timeout and end comes to it; the first one wins.

    It is open before it is sent, since a click on its card may be faster than the return of the send; *let_go* is free
    once its handler has let its lane go, which the one who brings an answer waits for.
    """

    __slots__ = ("answer", "call", "closed", "error", "let_go", "question", "step")

    def __init__(self, call: Call, question: Question, step: int) -> None:
        self.call = call
        self.question = question
        self.step = step
        self.closed = False
        self.answer: Any = None
        self.error: Optional[BaseException] = None
        self.let_go = threading.Lock()
        self.let_go.acquire()


class OpenQuestions:
    """The open questions of one Bot, by lane; the newest of a lane is the one that is answered. Any thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._by_lane: Dict[Any, List[OpenQuestion]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, lane: Any, asked: OpenQuestion) -> None:
        """*asked* may be answered from now on. Overloaded when too many conversations wait."""
        with self._lock:
            if self._count >= self._limit:
                raise Overloaded(
                    f"{self._limit} conversations wait for their users; this one cannot.",
                    remedy="Raise max_conversations of the Bot, or ask with a shorter timeout.",
                )
            self._count += 1
            self._by_lane.setdefault(lane, []).append(asked)

    def find(self, lane: Any, facts: Facts) -> Optional[OpenQuestion]:
        """Return the newest question of *lane* that a message may answer."""
        if not self._by_lane:
            return None
        with self._lock:
            waiting = self._by_lane.get(lane, ())
            return next((one for one in reversed(waiting) if may_answer(one.question, facts)), None)

    def of_lane(self, lane: Any) -> List[OpenQuestion]:
        """Return the open questions of *lane*."""
        with self._lock:
            return list(self._by_lane.get(lane, ()))

    def all(self) -> List[OpenQuestion]:
        """Return every open question."""
        with self._lock:
            return [one for waiting in self._by_lane.values() for one in waiting]

    def close(self, lane: Any, asked: OpenQuestion) -> bool:
        """Take *asked* out; True for the one caller that decides what becomes of it."""
        with self._lock:
            if asked.closed:
                return False
            asked.closed = True
            self._count -= 1
            waiting = self._by_lane[lane]
            waiting.remove(asked)
            if not waiting:
                del self._by_lane[lane]
            return True
