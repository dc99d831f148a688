"""Keeps pushes that cannot go out now in the store until they can."""

from __future__ import annotations

import random
from typing import Any, Callable, Dict, List, Optional

from ..core.outbox_rules import Entry, GiveUp, OutboxItem, Sent, Verdict
from ..errors import ConnectionLost, ReplyQueueFull, WxError
from ..runtime.clock import Clock
from ..runtime.outbox_worker import Keep, OutboxCalls, Postbox
from ..runtime.store import Store
from . import frames_out
from .ack_calls import Outcome
from .acks import Replies
from .config import WSClientOptions
from .frames import WsCmd
from .frames_out import Outgoing
from .ids import generate_req_id
from .outbox_rules import NOT_CONNECTED, after_failure, broken_off

TABLE = "aibot_outbox"  # and the bot_id: two bots may share a store
_PUSH = WsCmd.SEND_MSG.value


class Outbox(OutboxCalls):
    """``client.outbox``, off unless ``WSClientOptions(outbox=True)``.

    A push is written to the store and goes out as soon as the client is connected: at once, or after a reconnect, and
    later when the chat's rate is used up. Pushes to one chat go out in the order of the calls; those to others do not
    wait for them, and neither do direct calls. With a durable store they outlive the process.

    The platform cannot recognise a repeat, so none is ever made: a push whose acknowledgement did not come, or whose
    process was killed in the middle, is given up with an error whose may_have_been_sent is True. That, one that is
    refused for good, and one that waits longer than outbox_max_age, goes to ``on_outbox_given_up``.
    """

    def send_message(self, chatid: str, body: Any) -> OutboxItem:
        """Take in a push (Markdown, a card or media, as for ``client.send_message``) and return at once.

        Raises, before anything is stored, ConfigError, LimitExceeded or Unsupported as the direct call does,
        LimitExceeded when outbox_max_count messages wait, and what the store raises.
        """
        self._box.check_enabled()
        out = frames_out.push(generate_req_id(_PUSH), chatid, body)
        out.encoded()
        assert out.body is not None
        return self._box.put(chatid, str(out.body.get("msgtype", "message")), {"body": out.body, "sending": False})


class PushTry:
    """One try of a stored push, for the thread of the outbox. on_sent(body) hears of each that went out."""

    def __init__(
        self, options: WSClientOptions, replies: Replies, clock: Clock, on_sent: Callable[[Dict[str, Any]], None]
    ) -> None:
        self._options = options
        self._replies = replies
        self._clock = clock
        self._on_sent = on_sent

    def __call__(self, entry: Entry, row: int, keep: Keep) -> Verdict:
        """Send *entry* unless it may be out already. Raises what the store raises; nothing was sent then."""
        payload = entry.payload
        if payload["sending"]:
            return broken_off()
        if not self._replies.wait_ready(0):
            return NOT_CONNECTED
        entry.attempts += 1
        payload["sending"] = True
        try:
            keep()
        except BaseException:
            payload["sending"] = False  # nothing was sent
            raise
        error = self._push(payload["body"])
        if error is None:
            self._on_sent(payload["body"])
            return Sent()
        verdict = after_failure(error, failures=entry.failures + 1, row=row + 1, unit=random.random())
        if not isinstance(verdict, GiveUp):
            payload["sending"] = False
            keep()
        return verdict

    def _push(self, body: Dict[str, Any]) -> Optional[WxError]:
        """Write one frame if the connection is there, and wait for its outcome; the error, None for success."""
        out = Outgoing(_PUSH, generate_req_id(_PUSH), body)
        outcomes: List[Outcome] = []
        come = self._clock.event()

        def on_outcome(outcome: Outcome) -> None:
            outcomes.append(outcome)
            come.set()

        try:
            self._replies.post(out.req_id, _PUSH, out.encoded(), self._options.ack_timeout, on_outcome)
        except (ConnectionLost, ReplyQueueFull) as error:
            return error
        come.wait()
        return self._replies.to_error(outcomes[0], _PUSH)


def make_outbox(
    store: Store,
    options: WSClientOptions,
    replies: Replies,
    clock: Clock,
    on_sent: Callable[[Dict[str, Any]], None],
) -> Postbox:
    """Make the box of one client, without what it offers to users."""
    return Postbox(
        store,
        f"{TABLE} {options.bot_id}",
        clock,
        enabled=options.outbox,
        setting="outbox=True in WSClientOptions",
        max_age=options.outbox_max_age,
        max_count=options.outbox_max_count,
        deliver=PushTry(options, replies, clock, on_sent),
    )
