"""The decisions of the poll loop (docs/protocol/ilink, 2). Performs nothing: the loop does what a ``PollStep`` says.

::

    state = first_state(config, cursor)
    while running:
        try:     verdict = judge_answer(http_status, http_body)
        except TransportError as exc:     verdict = judge_error(exc)
        step = after_poll(state, verdict, elapsed=..., unit=..., config=config)
        state = step.state            # then store step.cursor with step.messages, report step.error, wait step.delay …
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum
from typing import Iterable, Optional, Tuple

from ..core.backoff import jittered
from ..errors import TokenStale, TransportError, WxError
from .config import WeixinConfig
from .endpoints import GET_UPDATES
from .errors import UNREADABLE_CODE, code_of, decode_answer, error_for
from .raw_message import RawMessage, raw_messages
from .wire import UpdatesReply, decode_updates

MIN_HOLD, MAX_HOLD = 1.0, 120.0  # s; bounds of longpolling_timeout_ms. Above it, a dead line is noticed too late
MIN_SPACING = 0.5  # s between the starts of polls that bring nothing: two a second at most; docs/protocol/ilink, 2
CUT_STATUS = 524  # a gateway's "the origin took too long"; docs/protocol/ilink, 2
CUT_MARGIN = 2.0  # s; the next hold ends this long before the gateway cut the last one
MIN_CUT_HOLD = 5.0  # s; a cut that comes sooner is no cut of a hold
MAX_UNHEARD = 60.0  # s; with nothing but such cuts for longer, health() tells. It promises to be right after 65


class Kind(Enum):
    """What one poll came to."""

    ANSWER = "answer"
    NOTHING = "nothing"  # the deadline passed: an empty answer
    CUT = "cut"  # a gateway ended the hold
    FAILURE = "failure"
    STALE = "stale"  # -14


@dataclass(frozen=True)
class Verdict:
    """One poll's outcome: *reply* and *messages* of an ANSWER, *error* of a FAILURE or STALE."""

    kind: Kind
    reply: Optional[UpdatesReply] = None
    error: Optional[WxError] = None
    messages: Tuple[RawMessage, ...] = ()


@dataclass(frozen=True)
class PollState:
    """What the loop knows between two polls.

    cursor: get_updates_buf of the next poll. hold: seconds it is expected to be held; full_hold: seconds without a
    gateway that cuts it. grace: seconds that a poll waits beyond the hold. failures: in a row, since the last long
    wait. stale: the token was refused at the last answer. unheard: seconds since the platform last answered, or held a
    poll until a gateway cut it.
    """

    cursor: str
    hold: float
    full_hold: float
    grace: float
    failures: int = 0
    stale: bool = False
    unheard: float = 0.0

    @property
    def deadline(self) -> float:
        """Seconds that the next poll may take in all."""
        return self.hold + self.grace


@dataclass(frozen=True)
class PollStep:
    """What to do after a poll, in this order.

    messages: to be stored in one transaction with *cursor* (None: unchanged), then handled. error: to be reported.
    token_stale: call on_token_stale with it, once per stale token. silence: the platform said nothing in all the time
    it had, or a gateway lets nothing through to it; no failure, but health() should tell. delay: seconds to wait.
    notify_start: then send one notifystart. Then poll again with *state*.
    """

    state: PollState
    messages: Tuple[RawMessage, ...] = ()
    cursor: Optional[str] = None
    error: Optional[WxError] = None
    token_stale: Optional[TokenStale] = None
    silence: Optional[WxError] = None
    delay: float = 0.0
    notify_start: bool = False


def first_state(config: WeixinConfig, cursor: str = "") -> PollState:
    """Where the loop begins; *cursor* is the last one stored."""
    hold = min(config.long_poll_timeout, MAX_HOLD)
    return PollState(cursor, hold, hold, config.poll_grace)


def after_new_token(state: PollState) -> PollState:
    """A new bot token starts anew: the old cursor means nothing to it."""
    return PollState("", state.full_hold, state.full_hold, state.grace)


def judge_answer(status: int, body: bytes, *, secrets: Iterable[str] = ()) -> Verdict:
    """What the answer to a poll means, whatever it is. *secrets* of the request are kept out of the error."""
    if status == CUT_STATUS:
        return Verdict(Kind.CUT)
    try:
        raw = decode_answer(status, body, endpoint=GET_UPDATES.path)
    except TransportError as exc:
        return Verdict(Kind.FAILURE, error=exc)
    messages = tuple(raw_messages(raw.pop("msgs", None)))  # each is decoded when it is read
    reply = decode_updates(raw)
    # An unreadable code must not cost the messages beside it; what else is wrong shows at the next poll.
    error = None if code_of(reply) == UNREADABLE_CODE else error_for(reply, endpoint=GET_UPDATES.path, secrets=secrets)
    if error is None:
        return Verdict(Kind.ANSWER, reply=reply, messages=messages)
    return Verdict(Kind.STALE if isinstance(error, TokenStale) else Kind.FAILURE, reply=reply, error=error)


def judge_error(error: WxError) -> Verdict:
    """What a poll without an answer means: a deadline that passed while the server held it is an empty answer."""
    held = isinstance(error, TransportError) and error.kind == "timeout" and error.may_have_been_sent
    return Verdict(Kind.NOTHING) if held else Verdict(Kind.FAILURE, error=error)


def after_poll(state: PollState, verdict: Verdict, *, elapsed: float, unit: float, config: WeixinConfig) -> PollStep:
    """What follows one poll that took *elapsed* seconds. *unit*: a random number in [0, 1). Performs nothing."""
    cut_at_once = verdict.kind is Kind.CUT and elapsed < MIN_CUT_HOLD
    heard = not cut_at_once and verdict.kind in (Kind.ANSWER, Kind.CUT, Kind.STALE)
    unheard = 0.0 if heard else state.unheard + elapsed
    step = _next_step(state, verdict, elapsed=elapsed, unit=unit, config=config)
    if cut_at_once and unheard >= MAX_UNHEARD:
        step = dataclasses.replace(step, silence=_walled_off(unheard))
    return dataclasses.replace(
        step, state=dataclasses.replace(step.state, unheard=0.0 if heard else unheard + step.delay)
    )


def _next_step(state: PollState, verdict: Verdict, *, elapsed: float, unit: float, config: WeixinConfig) -> PollStep:
    if verdict.kind is Kind.STALE:
        return _after_stale(state, verdict.error, config)
    if verdict.kind is Kind.FAILURE:
        return _after_failure(state, verdict, unit, config)
    calm = dataclasses.replace(state, failures=0)
    spacing = max(MIN_SPACING - elapsed, 0.0)
    if verdict.kind is Kind.CUT:
        shorter = min(state.hold, elapsed - CUT_MARGIN)
        hold = shorter if shorter >= MIN_CUT_HOLD else state.hold
        return PollStep(dataclasses.replace(calm, hold=hold), delay=spacing)
    if verdict.reply is None:
        # No gateway cut in: wait as long as the server holds again.
        return PollStep(dataclasses.replace(calm, hold=state.full_hold), silence=_silence(state), delay=spacing)
    return _after_answer(dataclasses.replace(calm, stale=False), verdict.reply, verdict.messages, spacing)


def _silence(state: PollState) -> WxError:
    return TransportError(
        f"The platform did not answer a poll within {state.deadline:g} seconds.",
        kind="timeout",
        may_have_been_sent=True,
        remedy="If messages still come, it holds polls longer than expected: raise long_poll_timeout.",
    )


def _walled_off(unheard: float) -> WxError:
    return TransportError(
        f"No poll reached the platform for {unheard:.0f} seconds; its gateway answers with HTTP {CUT_STATUS} at once.",
        kind="http",
        may_have_been_sent=True,
        status=CUT_STATUS,
        remedy="The platform seems to be down, and polling goes on; if it lasts, check base_url and the proxy.",
    )


def _after_answer(state: PollState, reply: UpdatesReply, messages: Tuple[RawMessage, ...], spacing: float) -> PollStep:
    cursor = _cursor(reply)
    moved = cursor is not None and cursor != state.cursor
    return PollStep(
        dataclasses.replace(_with_hold(state, reply), cursor=cursor if cursor is not None else state.cursor),
        messages=messages,
        cursor=cursor if moved else None,
        # What brings nothing new must not be asked for in a tight loop, whatever makes the server answer at once.
        delay=0.0 if messages and moved else spacing,
    )


def _after_stale(state: PollState, error: Optional[WxError], config: WeixinConfig) -> PollStep:
    first = isinstance(error, TokenStale) and not state.stale
    return PollStep(
        dataclasses.replace(state, failures=0, stale=True),
        error=error,
        token_stale=error if first and isinstance(error, TokenStale) else None,
        delay=config.stale_token_pause,
        notify_start=True,
    )


def _after_failure(state: PollState, verdict: Verdict, unit: float, config: WeixinConfig) -> PollStep:
    failures = state.failures + 1
    backing_off = failures >= config.poll_failures_before_backoff
    delay = config.poll_backoff_delay if backing_off else config.poll_retry_delay
    return PollStep(
        dataclasses.replace(state, failures=0 if backing_off else failures),
        error=verdict.error,
        delay=jittered(delay, unit),
    )


def _cursor(reply: UpdatesReply) -> Optional[str]:
    return reply.get_updates_buf or reply.sync_buf or None


def _with_hold(state: PollState, reply: UpdatesReply) -> PollState:
    asked = reply.longpolling_timeout_ms
    if asked is None or asked <= 0:
        return state
    # Compared as integers: a huge one fits no float.
    hold = MAX_HOLD if asked >= MAX_HOLD * 1000 else max(asked / 1000, MIN_HOLD)
    return dataclasses.replace(state, hold=hold, full_hold=hold)
