"""Sends one message, directly or through the bot that runs: ``wxsdk send``."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Any, Dict, Optional

from .. import MarkdownBody, SQLiteStore, WeixinClient, WeixinConfig, WSClient, WSClientOptions
from ..errors import AlreadyRunning, ConfigError, Unsupported
from . import output
from .settings import config_of, store_of
from .texts import text

READY_TIMEOUT = 15.0  # seconds to be subscribed; a person or a cron job waits


def run_send(options: argparse.Namespace) -> int:
    """Send what *options* say; 0 when it is sent or handed to the bot that runs."""
    said = _text_of(options)
    if not said and options.file is None:
        raise ConfigError(text("send.nothing"), remedy=text("send.nothing.remedy"))
    config, store = config_of(options), store_of(options)
    if isinstance(config, WeixinConfig):
        done = _send_ilink(options, config, store, said)
    else:
        done = _send_aibot(options, config, store, said)
    if options.json:
        output.say_json(done)
    elif done["via"] == "outbox":
        output.say(text("send.queued", pid=done["pid"]))
    else:
        output.say(text("send.done" if done["confirmed"] else "send.unconfirmed"))
    return 0


def _text_of(options: argparse.Namespace) -> Optional[str]:
    if options.text != "-":
        return str(options.text) if options.text else None
    try:
        # As bytes: in some locales Python would pass on what is not text, in halves of characters.
        given = sys.stdin.buffer.read().decode(sys.stdin.encoding) if hasattr(sys.stdin, "buffer") else sys.stdin.read()
        return given.rstrip("\r\n") or None
    except UnicodeDecodeError as exc:
        raise ConfigError(text("trouble.stdin", encoding=exc.encoding), remedy=text("trouble.stdin.remedy")) from exc


def _send_ilink(
    options: argparse.Namespace, config: WeixinConfig, store: Optional[SQLiteStore], said: Optional[str]
) -> Dict[str, Any]:
    # The client is never started: it would take the messages that a bot has to handle.
    config = dataclasses.replace(config, markdown_filter=options.markdown, outbox=store is not None)
    client = WeixinClient(config, store=store)
    try:
        owner = client.owner()
        if store is not None and (owner is not None or options.outbox):
            if options.file is not None:
                client.outbox.send_media(options.to, options.file, caption=said)
            else:
                client.outbox.send_text(options.to, said or "")
            return {"via": "outbox", "confirmed": False, "pid": owner and owner.pid}
        if options.file is not None:
            progress = output.ProgressBar(text("send.progress"))
            result = client.send_media(options.to, options.file, caption=said, progress=progress)
        else:
            result = client.send_text(options.to, said or "")
    finally:
        client.shutdown()
        if store is not None:
            store.close()
    return {
        "via": "direct",
        "confirmed": result.confirmed,
        "client_id": result.client_id,
        "message_id": result.message_id,
        "parts": len(result.parts),
    }


def _send_aibot(
    options: argparse.Namespace, config: WSClientOptions, store: Optional[SQLiteStore], said: Optional[str]
) -> Dict[str, Any]:
    client = WSClient(dataclasses.replace(config, outbox=store is not None), store=store)
    try:
        client.connect(wait=READY_TIMEOUT)
    except AlreadyRunning as exc:
        return _through_outbox(options, client, store, said, exc)
    try:
        if said:
            client.send_message(options.to, MarkdownBody.of(said))
        if options.file is not None:
            progress = output.ProgressBar(text("send.progress"))
            media = client.upload_media(options.file, type=_media_type(options.file), progress=progress)
            client.send_media_message(options.to, media.type, media.media_id)
    finally:
        client.disconnect()
    return {"via": "direct", "confirmed": True}


def _through_outbox(
    options: argparse.Namespace,
    client: WSClient,
    store: Optional[SQLiteStore],
    said: Optional[str],
    running: AlreadyRunning,
) -> Dict[str, Any]:
    if store is None:
        raise AlreadyRunning(
            text("send.needs_store", pid=running.pid), pid=running.pid, remedy=text("send.needs_store.remedy")
        ) from running
    try:
        if options.file is not None:
            raise Unsupported(
                "A file cannot go through the outbox of a WeCom bot: uploading it needs the connection.",
                remedy="Send the file from the program that runs the bot.",
            )
        client.outbox.send_message(options.to, MarkdownBody.of(said or ""))
    finally:
        store.close()
    return {"via": "outbox", "confirmed": False, "pid": running.pid}


def _media_type(path: Any) -> str:
    ending = str(path).lower().rpartition(".")[2]
    return {"png": "image", "jpg": "image", "jpeg": "image", "gif": "image", "mp4": "video"}.get(ending, "file")
