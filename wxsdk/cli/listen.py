"""Prints what users send: ``wxsdk listen``."""

from __future__ import annotations

import argparse
import threading
from datetime import datetime
from pathlib import Path
from typing import Any, Dict, List, Optional

from .. import MessageContext, WeixinClient, WeixinConfig, WSClient, WsFrame
from ..errors import WxError
from . import output
from .settings import config_of, store_of
from .texts import text

READER_GONE = 141  # 128 + SIGPIPE, as shells report it


def run_listen(options: argparse.Namespace) -> int:
    """Print messages until Ctrl-C, SIGTERM, or --count of them; 0, or 141 when nobody reads any more."""
    config = config_of(options)
    output.complain(text("listen.started"))
    if isinstance(config, WeixinConfig):
        client = WeixinClient(config, lambda ctx: printer.show(_of_ilink(ctx, options.save)), store=store_of(options))
        printer = _Printer(options, client.shutdown)
        client.run()
    else:
        bot = WSClient(config)
        printer = _Printer(options, bot.disconnect)
        bot.on_message(lambda frame: printer.show(_of_aibot(bot, frame, options.save)))
        bot.run()
    return READER_GONE if printer.reader_gone else 0


class _Printer:
    """Prints one message at a time, and calls *stop* when it has printed enough or nobody reads on."""

    def __init__(self, options: argparse.Namespace, stop: Any) -> None:
        self._json = options.json
        self._left: Optional[int] = options.count
        self._stop = stop
        self._lock = threading.Lock()
        self.reader_gone = False

    def show(self, message: Dict[str, Any]) -> None:
        with self._lock:
            if self.reader_gone or self._left == 0:
                return
            try:
                self._print(message)
            except BrokenPipeError:
                self.reader_gone = True
            if self._left is not None:
                self._left -= 1
            enough = self.reader_gone or self._left == 0
        if enough:
            self._stop()

    def _print(self, message: Dict[str, Any]) -> None:
        if self._json:
            output.say_json(message, indent=False)
            return
        where = f"{message['user']} ({message['chat']})" if message["chat"] else message["user"]
        files = [f"({each['kind']} {each['name'] or ''})".replace(" )", ")") for each in message["files"]]
        said = " ".join([message["text"] or "", *files]).strip()
        # One line a message, whatever it holds.
        output.say(f"{message['at'][11:19]}  {where}  " + said.replace("\r", "").replace("\n", " ⏎ "))


def _of_ilink(ctx: MessageContext, folder: Optional[Path]) -> Dict[str, Any]:
    media = ctx.media
    files = [] if media is None else [_file(media.kind, media.file_name, media.size)]
    if folder is not None and media is not None:
        folder.mkdir(parents=True, exist_ok=True)
        _saved(files, lambda: ctx.download_media(media, folder))
    return {
        "platform": "ilink",
        "id": ctx.message_id,
        "at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "user": ctx.from_user_id,
        "chat": None,
        "text": ctx.body,
        "files": files,
        "redelivered": ctx.redelivered,
    }


def _of_aibot(bot: WSClient, frame: WsFrame, folder: Optional[Path]) -> Dict[str, Any]:
    body = frame.body
    files: List[Dict[str, Any]] = []
    texts: List[str] = [body.text.content or ""] if body.text else []
    if body.voice is not None and body.voice.content:
        texts.append(body.voice.content)
    parts = [(kind, getattr(body, kind)) for kind in ("image", "file", "video")]
    for item in body.mixed.msg_item or () if body.mixed else ():
        if item.text is not None:
            texts.append(item.text.content or "")
        parts.append(("image", item.image))
    for kind, part in parts:
        if part is None:
            continue
        found = [_file(kind, None, None)]
        if folder is not None and part.url:
            _saved(found, lambda part=part: bot.save_file(part.url, part.aeskey, folder))
        files += found
    return {
        "platform": "aibot",
        "id": body.msgid,
        "at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "user": body.from_.userid if body.from_ else None,
        "chat": body.chatid if body.chattype == "group" else None,
        "text": "\n".join(texts) or None,
        "files": files,
        "redelivered": False,
    }


def _file(kind: str, name: Optional[str], size: Optional[int]) -> Dict[str, Any]:
    return {"kind": kind, "name": name, "size": size, "path": None}


def _saved(files: List[Dict[str, Any]], save: Any) -> None:
    """Save the file and note where; a failure is reported and the message is still shown."""
    try:
        path = save()
    except WxError as exc:
        output.complain(f"wxsdk: {type(exc).__name__}: {exc}")
        return
    files[0].update(path=str(path), name=files[0]["name"] or path.name, size=path.stat().st_size)
