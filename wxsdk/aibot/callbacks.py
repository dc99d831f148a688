"""Registers the callbacks of a WSClient."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Dict, Tuple, TypeVar

from ..core.outbox_rules import OutboxItem
from ..errors import ConfigError, WxError
from .frames import WsFrame

# One for each shape of handler, so that a type checker refuses a function that takes something else.
Nullary = TypeVar("Nullary", bound=Callable[[], object])
OfReason = TypeVar("OfReason", bound=Callable[[str], object])
OfAttempt = TypeVar("OfAttempt", bound=Callable[[int], object])
OfError = TypeVar("OfError", bound=Callable[[Any], object])
OfFrame = TypeVar("OfFrame", bound=Callable[[WsFrame], object])
OfItem = TypeVar("OfItem", bound=Callable[[OutboxItem, WxError], object])
Registered = TypeVar("Registered", bound=Callable[..., object])
Handler = Callable[..., Any]


class Callbacks:
    """The ``on_…`` methods of a WSClient.

    Each takes a function and gives it back, so it serves as a decorator and as a plain call. Several functions per
    event are called in the order of their registration; one that raises stops neither the others nor the client, and
    its exception goes to the log and to on_error. Registering is allowed at any time, from any thread.

    Frames of one chat are handled one at a time and in order, those of different chats side by side, on the worker
    threads of the client; a callback may block and may call every method of the client.
    """

    def __init__(self) -> None:
        # Tuples, replaced as a whole: the reader looks them up without a lock.
        self._handlers: Dict[str, Tuple[Handler, ...]] = {}

    def handlers(self, event: str) -> Tuple[Handler, ...]:
        """Return the functions registered for *event*, in order."""
        return self._handlers.get(event, ())

    def on_connected(self, handler: Nullary) -> Nullary:
        """``handler()`` when a socket is open, before the subscribe."""
        return self._register("connected", handler, 0)

    def on_authenticated(self, handler: Nullary) -> Nullary:
        """``handler()`` when subscribed: the bot is ready."""
        return self._register("authenticated", handler, 0)

    def on_disconnected(self, handler: OfReason) -> OfReason:
        """``handler(reason)`` when an open connection ended; *reason* is a sentence."""
        return self._register("disconnected", handler)

    def on_reconnecting(self, handler: OfAttempt) -> OfAttempt:
        """``handler(attempt)`` when the pause before a further try begins; 1 is the first."""
        return self._register("reconnecting", handler)

    def on_error(self, handler: OfError) -> OfError:
        """``handler(exc)`` for what a callback raised, for dropped messages (Overloaded), for a streamed answer that
        was refused or lost, and for the error that ended the client (AuthFailed, ReconnectExhausted, Kicked)."""
        return self._register("error", handler)

    def on_outbox_given_up(self, handler: OfItem) -> OfItem:
        """``handler(item, error)`` for a push of ``client.outbox`` that is given up: it waited too long
        (LimitExceeded), was refused for good, or may have gone out without anybody knowing
        (``error.may_have_been_sent``). Called again after a restart when the process ended before it returned."""
        return self._register("outbox_given_up", handler, 2)

    def on_message(self, handler: OfFrame) -> OfFrame:
        """``handler(frame)`` for every message, before those of its type."""
        return self._register("message", handler)

    def on_message_text(self, handler: OfFrame) -> OfFrame:
        """``handler(frame)`` for a text: ``frame.body.text.content``."""
        return self._register("message_text", handler)

    def on_message_image(self, handler: OfFrame) -> OfFrame:
        """``handler(frame)`` for a picture: ``frame.body.image``."""
        return self._register("message_image", handler)

    def on_message_mixed(self, handler: OfFrame) -> OfFrame:
        """``handler(frame)`` for text and pictures in one message: ``frame.body.mixed.msg_item``."""
        return self._register("message_mixed", handler)

    def on_message_voice(self, handler: OfFrame) -> OfFrame:
        """``handler(frame)`` for a voice message: ``frame.body.voice.content`` is its transcript."""
        return self._register("message_voice", handler)

    def on_message_file(self, handler: OfFrame) -> OfFrame:
        """``handler(frame)`` for a file: ``frame.body.file``."""
        return self._register("message_file", handler)

    def on_message_video(self, handler: OfFrame) -> OfFrame:
        """``handler(frame)`` for a video: ``frame.body.video``."""
        return self._register("message_video", handler)

    def on_event(self, handler: OfFrame) -> OfFrame:
        """``handler(frame)`` for every event, before those of its type; of unknown types too."""
        return self._register("event", handler)

    def on_event_enter_chat(self, handler: OfFrame) -> OfFrame:
        """``handler(frame)`` when a user opens the chat; answer with reply_welcome within 5 seconds."""
        return self._register("event_enter_chat", handler)

    def on_event_template_card_event(self, handler: OfFrame) -> OfFrame:
        """``handler(frame)`` for a click on a card; answer with update_template_card within 5 seconds."""
        return self._register("event_template_card_event", handler)

    def on_event_feedback_event(self, handler: OfFrame) -> OfFrame:
        """``handler(frame)`` when a user rates an answer: ``frame.body.event.feedback_event``."""
        return self._register("event_feedback_event", handler)

    def on_event_disconnected_event(self, handler: OfFrame) -> OfFrame:
        """``handler(frame)`` when another client connected with this bot."""
        return self._register("event_disconnected_event", handler)

    def _register(self, event: str, handler: Registered, arguments: int = 1) -> Registered:
        if not callable(handler):
            raise ConfigError(f"on_{event} needs a function.")
        if inspect.iscoroutinefunction(handler):  # calling it would do nothing
            raise ConfigError("The handler is a coroutine function.", remedy="wxsdk calls plain functions: use def.")
        if not _takes(handler, arguments):
            raise ConfigError(
                f"The handler given to on_{event} cannot be called with {arguments} argument(s).",
                remedy=f"Look at the description of on_{event} for what a handler is given.",
            )
        self._handlers[event] = (*self._handlers.get(event, ()), handler)
        return handler


def _takes(handler: Handler, arguments: int) -> bool:
    """True unless it is certain that *handler* cannot be called with that many arguments."""
    try:
        inspect.signature(handler).bind(*range(arguments))
    except TypeError:
        return False
    except ValueError:  # a function in C without a signature
        return True
    return True
