"""The commands that act for a real account: login, echo, send."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any, Dict, Optional

from .. import (
    ConfigError,
    LoginState,
    MessageContext,
    MessageHandler,
    QrLoginSession,
    SQLiteStore,
    StandaloneQrLogin,
    WeixinClient,
    WeixinConfig,
    WSClient,
    WSClientOptions,
    WsFrame,
)
from ..core.redact import Secret
from . import credentials


def ilink_config(options: argparse.Namespace) -> WeixinConfig:
    """The settings for the stored account, or for WXSDK_TOKEN where that is set."""
    token = os.environ.get("WXSDK_TOKEN")
    known = credentials.Credentials(Secret(token)) if token else credentials.load(options.credentials)
    addresses: Dict[str, Any] = {}
    if options.base_url or known.base_url:
        addresses["base_url"] = options.base_url or known.base_url
    if options.cdn_base_url:
        addresses["cdn_base_url"] = options.cdn_base_url
    return WeixinConfig(token=known.token, **addresses)


def aibot_options(options: argparse.Namespace) -> WSClientOptions:
    """The settings for the bot in WXSDK_BOT_ID and WXSDK_SECRET."""
    bot_id, secret = os.environ.get("WXSDK_BOT_ID"), os.environ.get("WXSDK_SECRET")
    if not bot_id or not secret:
        raise ConfigError("A WeCom AI bot needs its id and secret.", remedy="Set WXSDK_BOT_ID and WXSDK_SECRET.")
    addresses = {"ws_url": options.ws_url} if options.ws_url else {}
    return WSClientOptions(bot_id, secret, **addresses)


def open_store(options: argparse.Namespace) -> Optional[SQLiteStore]:
    return SQLiteStore(options.store) if options.store else None


def log_in(options: argparse.Namespace) -> int:
    """Show QR codes until the login is confirmed, and store the token."""

    def show(session: QrLoginSession) -> None:
        print("Scan this with WeChat:" if not options.headless else "Show this address as a QR code and scan it:")
        print(session.qrcode_img_content if options.headless else session.terminal(), flush=True)

    def ask(was_wrong: bool) -> str:
        return input("That number was wrong. " * was_wrong + "The number shown on the phone: ").strip()

    base = {"base_url": options.base_url} if options.base_url else {}
    login = StandaloneQrLogin(WeixinConfig(token="", **base))
    status = login.login(on_qrcode=show, on_status=lambda s: print(f"· {s.state.name.lower()}"), ask_verify_code=ask)
    if status.state is LoginState.ALREADY_BOUND:
        print("This WeChat account is bound to the bot already; the token you have stays valid.")
        return 0
    token = Secret(status.bot_token or "")
    credentials.save(
        options.credentials,
        credentials.Credentials(token, status.base_url, status.ilink_bot_id, status.ilink_user_id),
    )
    print(f"Logged in as {status.ilink_bot_id}. The token is in {options.credentials}.")
    return 0


class EchoBot(MessageHandler):
    """Says what it hears; of files it only prints that they came."""

    def on_message(self, ctx: MessageContext) -> None:
        print(f"{ctx.from_user_id}: {ctx.body if ctx.body is not None else ctx.media}", flush=True)
        if ctx.body:
            ctx.reply_text(ctx.body)


def run_echo(options: argparse.Namespace) -> int:
    if options.aibot:
        _run_aibot_echo(WSClient(aibot_options(options)))
        return 0
    client = WeixinClient(ilink_config(options), EchoBot(), store=open_store(options))
    print("The bot listens. Ctrl-C ends it.", flush=True)
    client.run()
    return 0


def _run_aibot_echo(client: WSClient) -> None:
    @client.on_message_text
    def echo(frame: WsFrame) -> None:
        text = frame.body.text.content or "" if frame.body.text else ""
        print(f"{frame.body.from_.userid if frame.body.from_ else '?'}: {text}", flush=True)
        with client.open_stream(frame) as stream:
            stream.write(text)

    print("The bot listens. Ctrl-C ends it.", flush=True)
    client.run()


def send(options: argparse.Namespace) -> int:
    if not options.text and not options.file:
        raise ConfigError("There is nothing to send.", remedy="Give a text, or --file.")
    return _send_aibot(options) if options.aibot else _send_ilink(options)


def _send_ilink(options: argparse.Namespace) -> int:
    with WeixinClient(ilink_config(options), store=open_store(options)) as client:
        if options.file:
            result = client.send_media(options.to, options.file, caption=options.text, progress=_show_progress)
            print(file=sys.stderr)
        else:
            result = client.send_text(options.to, options.text)
    print("sent" if result.confirmed else "accepted, but not confirmed by the platform")
    return 0


def _send_aibot(options: argparse.Namespace) -> int:
    with WSClient(aibot_options(options)) as client:
        if options.text:
            client.send_message(options.to, {"msgtype": "markdown", "markdown": {"content": options.text}})
        if options.file:
            media = client.upload_media(options.file, type="file", progress=_show_progress)
            print(file=sys.stderr)
            client.send_media_message(options.to, media.type, media.media_id)
    print("sent")
    return 0


def _show_progress(done: int, total: int) -> None:
    print(f"\r{100 * done // max(total, 1):3d} %", end="", file=sys.stderr, flush=True)
