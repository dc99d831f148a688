"""The typing sign: shown once, ended, or kept up for a block (docs/protocol/ilink, 4)."""

from __future__ import annotations

import contextlib
import random
import threading
from typing import Dict, Iterator, List, Optional

from ..core.redact import Secret
from ..errors import ApiError, WxError
from ..log import get_logger
from ..runtime.clock import Clock, Event
from ..runtime.forked import tell_of_forks
from ..runtime.worker import Worker, join_all, next_number
from .api import ILinkApi
from .config import WeixinConfig
from .frames_out import check_recipient
from .tokens import ContextTokenStore
from .typing_rules import TypingTickets
from .wire import TypingStatus

log = get_logger(__name__)

END_GRACE = 2.0  # seconds that the end of a block waits for the sign to be ended; usually milliseconds
STOP_GRACE = 1.0  # seconds that a stop gives to signs being ended, before it ends their calls; a choice of ours


class TypingSigns:
    """Any thread may use it, without a running client too."""

    def __init__(self, config: WeixinConfig, clock: Clock, api: ILinkApi, tokens: ContextTokenStore) -> None:
        self._keepalive = config.typing_keepalive
        self._clock = clock
        self._api = api
        self._tokens = tokens
        self._tickets = TypingTickets()
        self._lock = threading.Lock()
        self._blocks: Dict[Worker, Event] = {}
        tell_of_forks(self)

    def show(self, user_id: str) -> None:
        """Show the sign for about 5 s. Raises TransportError or ApiError."""
        self._send(check_recipient(user_id), TypingStatus.TYPING)

    def cancel(self, user_id: str) -> None:
        """End the sign. Raises TransportError or ApiError."""
        self._send(check_recipient(user_id), TypingStatus.CANCEL)

    @contextlib.contextmanager
    def block(self, user_id: str) -> Iterator[None]:
        """Keep the sign up while the block runs, and end it afterwards; raises nothing of its own.

        All requests are made by a thread of the block, so the block itself never waits for the network.
        """
        stop = self._clock.event()
        worker = Worker(f"wxsdk-ilink-typing-{next_number()}", lambda: self._keep_up(user_id, stop))
        with self._lock:
            self._forget_ended()
            self._blocks[worker] = stop
        worker.start()
        try:
            yield
        finally:
            stop.set()
            worker.join(END_GRACE)
            with self._lock:
                self._forget_ended()  # a thread whose call hangs is kept, for the stop to end

    def end_blocks(self) -> None:
        """End the sign of every block that still runs."""
        with self._lock:
            stops = list(self._blocks.values())
        for stop in stops:
            stop.set()

    def end(self, deadline: float) -> List[str]:
        """End every block's sign, and its thread; what hangs is interrupted. Those still alive at *deadline*."""
        self.end_blocks()
        with self._lock:
            workers = list(self._blocks)
        now = self._clock.now()
        if not join_all(workers, self._clock, now + min((deadline - now) / 2, STOP_GRACE)):
            return []
        self._api.interrupt_signs()
        try:
            return join_all(workers, self._clock, deadline)
        finally:
            self._api.resume_signs()

    def _forget_ended(self) -> None:
        # One that has not started yet is not alive, either.
        for worker in [each for each, stop in self._blocks.items() if stop.is_set() and not each.alive]:
            del self._blocks[worker]

    def forget_tickets(self) -> None:
        """For another bot token."""
        with self._lock:
            self._tickets.clear()

    def _keep_up(self, user_id: str, stop: Event) -> None:
        shown = self._try(user_id, TypingStatus.TYPING)
        while not stop.wait(self._keepalive):
            shown = self._try(user_id, TypingStatus.TYPING) or shown
        if shown:
            self._try(user_id, TypingStatus.CANCEL)

    def _try(self, user_id: str, status: TypingStatus) -> bool:
        try:
            self._send(user_id, status)
        except WxError as error:
            log.info("the typing sign could not be changed: %s", error)
            return False
        return True

    def _send(self, user_id: str, status: TypingStatus) -> None:
        ticket = self._ticket(user_id)
        if ticket is None:
            return  # the platform has none for this user, or refused one lately
        try:
            self._api.send_typing(user_id, ticket, status)
        except ApiError:
            with self._lock:
                self._tickets.refused(user_id, self._clock.now())
            raise

    def _after_fork(self) -> None:
        self._lock = threading.Lock()  # in the child; a thread of the parent may have held the old one
        self._blocks = {}

    def _ticket(self, user_id: str) -> Optional[Secret]:
        with self._lock:
            choice = self._tickets.choose(user_id, self._clock.now())
        if not choice.fetch:
            return choice.ticket
        try:
            reply = self._api.get_config(user_id, self._tokens.get(user_id))
        except WxError:
            with self._lock:
                self._tickets.failed(user_id, self._clock.now())
            if choice.ticket is None:
                raise
            return choice.ticket  # the old one serves until it is refused
        with self._lock:
            self._tickets.fetched(user_id, reply.typing_ticket, self._clock.now(), random.random())
        return reply.typing_ticket or None
