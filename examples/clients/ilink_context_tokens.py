"""Keeps context tokens and the cursor in a file of one's own, with export and import.

(``WeixinClient(config, handler, store=SQLiteStore("bot.db"))`` does all of this by itself, and survives kill -9.)

Run it: wxsdk sim -- python examples/clients/ilink_context_tokens.py
"""

import json
import os
from pathlib import Path
from typing import Any, Dict

from wxsdk import MessageContext, MessageHandler, WeixinClient, WeixinConfig, WxError


class Keeper(MessageHandler):
    def __init__(self, path: Path) -> None:
        self.path = path
        self.client: WeixinClient

    def on_message(self, ctx: MessageContext) -> None:
        ctx.reply_text(f"{ctx.body} to you, too")

    def on_sync_buf_updated(self, sync_buf: str) -> None:
        # Everything up to this cursor has been handled.
        state = {"sync_buf": sync_buf, "context_tokens": self.client.context_tokens.export_all()}
        temporary = self.path.with_suffix(".new")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(state, file)
        temporary.replace(self.path)


def start(config: WeixinConfig, path: Path) -> WeixinClient:
    """A started client that goes on where the file says."""
    state: Dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    keeper = Keeper(path)
    keeper.client = client = WeixinClient(config, keeper)
    client.context_tokens.import_all(state.get("context_tokens", {}))
    client.start(state.get("sync_buf"))
    return client


def main() -> None:
    client = start(WeixinConfig.from_env(), Path("state.json"))
    client.run()  # it is started already, and runs until Ctrl-C


if __name__ == "__main__":
    try:
        main()
    except WxError as error:  # no account, say
        raise SystemExit(str(error)) from None
