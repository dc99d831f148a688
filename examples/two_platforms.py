"""One program for personal WeChat and WeCom, with accounts from the environment and a store that survives a crash.

    WXSDK_TOKEN=… WXSDK_BOT_ID=… WXSDK_SECRET=… python examples/two_platforms.py

Either platform may be left out. ``wxsdk run --sim examples/two_platforms.py`` needs no account.
"""

from __future__ import annotations

import os

from wxsdk import Bot, Message, SQLiteStore, WeixinConfig, WSClientOptions

bot = Bot(store=SQLiteStore(os.environ.get("BOT_STORE", "bot.db")))


@bot.on_event("enter_chat")
def welcome(message: Message) -> str:
    return "Welcome! Say something."


@bot.on_text()
def count(message: Message) -> str:
    message.state["count"] = message.state.get("count", 0) + 1
    return f"On {message.platform}, this is your text number {message.state['count']}."


@bot.default
def other(message: Message) -> str:
    return f"I cannot read a message of kind {message.kind!r}."


if os.environ.get("WXSDK_TOKEN"):
    bot.add(WeixinConfig(os.environ["WXSDK_TOKEN"]))
if os.environ.get("WXSDK_BOT_ID"):
    bot.add(WSClientOptions(os.environ["WXSDK_BOT_ID"], os.environ["WXSDK_SECRET"]))
if __name__ == "__main__":
    bot.run()
