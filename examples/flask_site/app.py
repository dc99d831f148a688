"""A Flask site with a bot inside; see README.rst."""

from __future__ import annotations

from collections import Counter
from typing import Counter as CounterType

from flask import Flask, current_app

from wxsdk import WSClient, WSClientOptions, WsFrame
from wxsdk.ext.flask import WxBot

app = Flask(__name__)
app.config["GREETING"] = "Hello"

client = WSClient(WSClientOptions.from_env())
bot = WxBot(client, health_url="/bot/health")
heard: CounterType[str] = Counter()


@client.on_message_text
@bot.context
def answer(frame: WsFrame) -> None:
    user = frame.body.from_.userid
    heard[user] += 1
    with client.open_stream(frame) as stream:
        stream.write(f"{current_app.config['GREETING']}, {user}. That was message {heard[user]}.")


@app.get("/")
def index() -> str:
    return "The bot's health is at /bot/health."


bot.init_app(app)  # last: from here on messages may come
