"""The application that gunicorn's workers run in test_workers: settings come from the environment."""

from __future__ import annotations

import os
import threading
from typing import Any

from wxsdk import Bot, CallbackOptions, SQLiteStore
from wxsdk.ext.wsgi import application as make_application

bot = Bot(store=SQLiteStore(os.environ["TEST_STORE"]))
bot.add(CallbackOptions(os.environ["TEST_BOT"], os.environ["TEST_TOKEN"], os.environ["TEST_KEY"], stream_after=0.2))


@bot.command("signup")
def signup(message: Any) -> str:
    name = message.ask("Name?").text
    town = message.ask("Town?").text
    return f"{name} of {town}"


@bot.command("die")
def die(message: Any) -> Any:
    yield "I am about to"
    if not message.redelivered:
        os._exit(9)
    yield f" live on in another worker: {message.redelivered}"


@bot.command("slow")
def slow(message: Any) -> Any:
    for step in range(10):
        yield f"{step} "
        threading.Event().wait(0.1)
    yield f"by {os.getpid()}"


@bot.default
def echo(message: Any) -> str:
    return f"{message.text} by {os.getpid()}"


application = make_application(bot)
