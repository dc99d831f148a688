"""Runs a bot that says what it hears: ``wxsdk echo``."""

from __future__ import annotations

import argparse

from .. import MessageContext, WeixinClient, WeixinConfig, WSClient, WsFrame
from . import output
from .settings import config_of, store_of
from .texts import text


def run_echo(options: argparse.Namespace) -> int:
    """Run until Ctrl-C or SIGTERM; 0."""
    config = config_of(options)
    if isinstance(config, WeixinConfig):
        client: WeixinClient = WeixinClient(config, _echo_ilink, store=store_of(options))
        output.say(text("echo.started"))
        client.run()
        return 0
    bot = WSClient(config)

    @bot.on_message_text
    def echo(frame: WsFrame) -> None:
        said = (frame.body.text.content or "") if frame.body.text else ""
        output.say(f"{frame.body.from_.userid if frame.body.from_ else '?'}: {said}")
        with bot.open_stream(frame) as stream:
            stream.write(said)

    output.say(text("echo.started"))
    bot.run()
    return 0


def _echo_ilink(ctx: MessageContext) -> None:
    output.say(f"{ctx.from_user_id}: {ctx.body if ctx.body is not None else ctx.media}")
    if ctx.body:
        ctx.reply_text(ctx.body)
