from __future__ import annotations

from typing import Any

import pytest

from wxsdk.errors import ConfigError
from wxsdk.ilink.handler import MessageHandler, as_handler


class Bot(MessageHandler):
    def on_message(self, ctx: Any) -> str:
        return f"handled {ctx}"


class AsyncBot(MessageHandler):
    async def on_message(self, ctx: Any) -> None:
        """Never awaited by anybody."""


def test_a_handler_stays_itself_and_all_but_on_message_may_be_left_out() -> None:
    bot = Bot()
    assert as_handler(bot) is bot
    assert bot.on_start() is bot.on_shutdown() is bot.on_sync_buf_updated("c") is None
    assert bot.on_error(ValueError(), None) is None


def test_a_function_a_lambda_and_a_bound_method_become_on_message() -> None:
    for function in (lambda ctx: f"handled {ctx}", Bot().on_message):
        handler = as_handler(function)
        assert handler is not None
        assert handler.on_message("x") == "handled x"  # type: ignore[arg-type]


def test_no_handler_is_none() -> None:
    assert as_handler(None) is None


async def coroutine(ctx: Any) -> None:
    """Never awaited by anybody."""


@pytest.mark.parametrize("given", [5, "bot", Bot, object(), coroutine, AsyncBot()])
def test_what_cannot_be_called_with_a_message_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError):
        as_handler(given)
