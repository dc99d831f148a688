"""Several bots of both platforms in one process, told apart by message.bot."""

import os

from wxsdk import Bot, Message, SQLiteStore, WeixinConfig, WSClientOptions

GREETINGS = {"shop": "Welcome to the shop!", "desk": "The help desk is listening."}


def make_bot(shop: WeixinConfig, desk: WSClientOptions, **options: object) -> Bot:
    bot = Bot(**options)  # type: ignore[arg-type]

    @bot.default
    def greet(message: Message) -> str:
        return f"{GREETINGS[message.bot]} You wrote: {message.text}"

    @bot.on_error
    def report(exc: Exception, message: object) -> None:
        print("needs attention:", exc)

    bot.add(shop, name="shop")
    bot.add(desk, name="desk")
    return bot


if __name__ == "__main__":
    make_bot(
        WeixinConfig(token=os.environ["SHOP_TOKEN"]),
        WSClientOptions(os.environ["DESK_BOT_ID"], os.environ["DESK_SECRET"]),
        store=SQLiteStore("bots.db"),
    ).run()
