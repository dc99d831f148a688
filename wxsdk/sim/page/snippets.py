"""Writes the code that a person copies to connect a bot. It names environment variables and never a token. Pure."""

from __future__ import annotations

from typing import Dict

_ILINK = """\
import os

from wxsdk import WeixinClient, WeixinConfig


def answer(ctx):
    if ctx.body:
        ctx.reply_text(f"You said: {{ctx.body}}")


config = WeixinConfig(
    token=os.environ["WXSDK_TOKEN"],
    base_url="{base_url}",
    cdn_base_url="{cdn_base_url}",
)
WeixinClient(config, answer).run()
"""

_AIBOT = """\
import os

from wxsdk import WSClient, WSClientOptions

client = WSClient(
    WSClientOptions(
        bot_id=os.environ["WXSDK_BOT_ID"],
        secret=os.environ["WXSDK_SECRET"],
        ws_url="{ws_url}",
    )
)


@client.on_message_text
def answer(frame):
    with client.open_stream(frame) as stream:
        for word in f"You said: {{frame.body.text.content}}".split(" "):
            stream.write(word + " ")


client.run()
"""

_CALLBACK = """\
import os
from wsgiref.simple_server import make_server

from wxsdk import Bot, CallbackOptions
from wxsdk.ext import wsgi

bot = Bot()
bot.add(
    CallbackOptions(
        bot_id=os.environ["WXSDK_BOT_ID"],
        token=os.environ["WXSDK_CALLBACK_TOKEN"],
        encoding_aes_key=os.environ["WXSDK_ENCODING_AES_KEY"],
    )
)


@bot.default
def answer(message):
    return f"You said: {message.text}"


make_server("127.0.0.1", 8000, wsgi.application(bot)).serve_forever()
"""


def snippets(base_url: str, cdn_base_url: str, ws_url: str) -> Dict[str, str]:
    """Return a whole program for each protocol, and one for callback mode."""
    return {
        "ilink": _ILINK.format(base_url=base_url, cdn_base_url=cdn_base_url),
        "aibot": _AIBOT.format(ws_url=ws_url),
        "callback": _CALLBACK,
    }
