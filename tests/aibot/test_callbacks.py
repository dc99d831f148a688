from __future__ import annotations

from typing import Any

import pytest

from wxsdk.aibot.callbacks import Callbacks
from wxsdk.errors import ConfigError

EVENTS = {
    "connected authenticated disconnected reconnecting error",
    "message message_text message_image message_mixed message_voice message_file message_video",
    "event event_enter_chat event_template_card_event event_feedback_event event_disconnected_event",
}


@pytest.mark.parametrize("event", sorted(" ".join(EVENTS).split()))
def test_every_callback_is_a_decorator_and_a_plain_call(event: str) -> None:
    callbacks = Callbacks()

    @getattr(callbacks, f"on_{event}")  # type: ignore[untyped-decorator]
    def first(*arguments: object) -> str:
        return "still itself"

    def second(*arguments: object) -> None:
        """Registered by a call."""

    assert first() == "still itself"
    assert getattr(callbacks, f"on_{event}")(second) is second
    assert callbacks.handlers(event) == (first, second)
    assert sum(len(callbacks.handlers(other)) for other in " ".join(EVENTS).split()) == 2


def test_a_callback_must_be_callable() -> None:
    with pytest.raises(ConfigError):
        Callbacks().on_message("not a function")  # type: ignore[type-var]


def test_a_coroutine_function_is_refused_because_calling_it_would_do_nothing() -> None:
    async def answer(frame: object) -> None:
        """Never runs."""

    callbacks = Callbacks()
    with pytest.raises(ConfigError, match="use def"):
        callbacks.on_message(answer)
    assert callbacks.handlers("message") == ()


@pytest.mark.parametrize(
    ("event", "handler"),
    [
        ("message", lambda: None),
        ("message_text", lambda frame, more: None),
        ("event_enter_chat", lambda frame, *, needed: None),
        ("connected", lambda frame: None),
        ("error", lambda: None),
        ("outbox_given_up", lambda item: None),
        ("reconnecting", Callbacks.handlers),  # a method without its object
    ],
)
def test_a_handler_that_could_not_be_called_is_refused_when_it_is_registered(event: str, handler: Any) -> None:
    callbacks = Callbacks()
    with pytest.raises(ConfigError, match=f"on_{event} cannot be called with"):
        getattr(callbacks, f"on_{event}")(handler)
    assert callbacks.handlers(event) == ()


@pytest.mark.parametrize("handler", [print, lambda *all: None, lambda frame, more=1: None, dict, [].append])
def test_a_handler_that_can_take_one_argument_is_taken(handler: Any) -> None:
    assert Callbacks().on_message(handler) is handler


def test_an_event_nobody_registered_for_has_no_handlers() -> None:
    assert Callbacks().handlers("event_from_the_future") == ()
