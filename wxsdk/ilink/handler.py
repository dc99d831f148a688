"""What a user of the client writes: a MessageHandler, or a function in its place."""

from __future__ import annotations

import abc
import inspect
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from ..core.outbox_rules import OutboxItem
from ..errors import ConfigError, WxError

if TYPE_CHECKING:
    from .context import MessageContext

OnMessage = Callable[["MessageContext"], Any]


@dataclass(frozen=True)
class TokenStaleInfo:
    """The bot token is no longer valid (docs/protocol/ilink, 2).

    errcode, errmsg: as the platform sent them. remedy: what to do. pause: seconds without a poll that begin now, ended
    by ``set_token``. since: when it was found out (aware, UTC).
    """

    errcode: int
    errmsg: str
    remedy: str
    pause: float
    since: datetime


class MessageHandler(abc.ABC):
    """What happens with messages. Every method is called on a worker thread and may block and raise.

    Messages of one user come one at a time and in order, those of different users in parallel. What a method raises
    goes to ``on_error`` and stops nothing.
    """

    @abc.abstractmethod
    def on_message(self, ctx: MessageContext) -> Any:
        """A user wrote. The return value is ignored."""

    def on_sync_buf_updated(self, sync_buf: str) -> Any:  # noqa: B027  may be left out
        """Every message up to this cursor has been handled; for those who keep it themselves and give it to start()."""

    def on_start(self) -> Any:  # noqa: B027  may be left out
        """Before the first poll, once for each start()."""

    def on_shutdown(self) -> Any:  # noqa: B027  may be left out
        """After the last message, once for each start()."""

    def on_token_stale(self, info: TokenStaleInfo) -> Any:  # noqa: B027  may be left out
        """The token was refused; once per token. Log in again and call ``client.set_token``."""

    def on_outbox_given_up(self, item: OutboxItem, error: WxError) -> Any:  # noqa: B027  may be left out
        """A message of ``client.outbox`` waited too long (LimitExceeded) or was refused for good (*error*).

        Called again after a restart when the process ended before this returned.
        """

    def on_error(self, exc: BaseException, ctx: Optional[MessageContext]) -> Any:  # noqa: B027  may be left out
        """Something raised: a handler with its *ctx*, or (once per row of failures) the receiving, with None."""


class FunctionHandler(MessageHandler):
    """A handler whose on_message is a function."""

    def __init__(self, function: OnMessage) -> None:
        self._function = function

    def on_message(self, ctx: MessageContext) -> Any:
        return self._function(ctx)


def as_handler(given: Union[MessageHandler, OnMessage, None]) -> Optional[MessageHandler]:
    """*given* as a MessageHandler, None for None. ConfigError when it is neither that nor a plain function."""
    if given is None:
        return None
    on_message = given.on_message if isinstance(given, MessageHandler) else given
    if isinstance(given, type) or not callable(on_message):
        raise ConfigError("The handler is neither a MessageHandler nor a function.", remedy="Give an instance of one.")
    if inspect.iscoroutinefunction(on_message):
        raise ConfigError("The handler is a coroutine function.", remedy="wxsdk calls plain functions: use def.")
    return given if isinstance(given, MessageHandler) else FunctionHandler(given)
