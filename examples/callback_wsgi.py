"""A WeCom AI bot in callback mode, for any WSGI server: gunicorn -w 4 callback_wsgi:application"""

import os
from typing import Any, Iterator, Mapping

from wxsdk import Bot, CallbackOptions, Message, SQLiteStore
from wxsdk.ext import wsgi


def make_bot(environ: Mapping[str, str], **options: Any) -> Bot:
    bot = Bot(**options)

    @bot.default
    def answer(message: Message) -> Iterator[str]:
        yield "You said: "
        yield message.text

    bot.add(
        CallbackOptions(
            bot_id=environ["WXSDK_BOT_ID"],
            token=environ["WXSDK_CALLBACK_TOKEN"],
            encoding_aes_key=environ["WXSDK_ENCODING_AES_KEY"],
        )
    )
    return bot


if "WXSDK_CALLBACK_TOKEN" in os.environ:
    application = wsgi.application(make_bot(os.environ, store=SQLiteStore("bot.db")))
