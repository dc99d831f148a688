"""Sends what a handler returned or yielded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .adapter import Target, not_sendable
from .call import Call
from .chunks import text_of
from .results import dump_result, load_result


def deliver(call: Call, answer: Any) -> None:
    """Send *answer* as the answer of *call*. ConfigError, naming the handler, for what cannot be sent."""
    if answer is None:
        return
    if isinstance(answer, list):
        for one in answer:
            _check(call, one)
        for one in answer:
            _send_step(call, one)
        return
    _check(call, answer)
    if isinstance(answer, Iterator):
        _stream(call, answer)
    else:
        # Nothing runs between this send and the mark that the message is handled, so it needs no row in the journal.
        _send(call, call.last_target(), answer)


def is_card(value: Any) -> bool:
    """Return whether *value* is a TemplateCard. Cards are not imported for it: where nobody did, there is none."""
    cards = sys.modules.get("wxsdk.aibot.cards")
    return cards is not None and isinstance(value, cards.TemplateCard)


def _check(call: Call, answer: Any) -> None:
    if isinstance(answer, str) and not answer.strip():
        raise ConfigError(f"{call.handler} answered with an empty text.", remedy="Return None to say nothing.")
    if not isinstance(answer, (str, Path, Iterator)) and not is_card(answer):
        raise not_sendable(answer, call.handler)


def _send_step(call: Call, answer: Any) -> None:
    if answer is None:
        return
    if isinstance(answer, Iterator):
        _stream(call, answer)
    else:
        call.step("answer", lambda target: _send(call, target, answer), dump_result, load_result)


def _send(call: Call, target: Target, answer: Any) -> Any:
    if isinstance(answer, str):
        return call.adapter.send_text(target, answer)
    if isinstance(answer, Path):
        return call.adapter.send_file(target, answer, answer.name, None, None)
    return call.adapter.send_card(target, answer)


def _stream(call: Call, chunks: Iterator[Any]) -> None:
    """Write every chunk to a streamed answer; a question between two of them begins another one below it."""
    try:
        if call.adapter.streams:
            call.running_stream = call.open_stream(True)
            call.running_stream.thinking()
        for chunk in chunks:
            text = text_of(chunk)
            if text is None:
                raise ConfigError(
                    f"{call.handler} yielded {type(chunk).__name__}, which is not text.",
                    remedy="Yield str, or chunks of an OpenAI-compatible stream.",
                )
            call.check()
            if not text:
                continue
            if call.running_stream is None:
                call.running_stream = call.open_stream(True)
            call.running_stream.write(text)
    except BaseException as exc:
        stream = call.running_stream
        if stream is not None and not (stream.is_blank and isinstance(exc, Exception)):  # else an apology may end it
            call.running_stream = None
            stream.__exit__(type(exc), exc, None)
        raise
    finally:
        close = getattr(chunks, "close", None)
        if callable(close):
            close()  # a model's stream holds a connection
    stream, call.running_stream = call.running_stream, None
    if stream is not None:
        outcome = stream.finish()
        if outcome.state == "failed" and outcome.error is not None:
            raise outcome.error
