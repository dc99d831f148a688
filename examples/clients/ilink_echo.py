"""A bot for personal WeChat that says what it hears."""

import os

from wxsdk import MessageContext, MessageHandler, WeixinClient, WeixinConfig


class EchoBot(MessageHandler):
    def on_message(self, ctx: MessageContext) -> None:
        if ctx.body:
            ctx.reply_text(ctx.body)


def make_client(config: WeixinConfig) -> WeixinClient:
    return WeixinClient(config, EchoBot())


if __name__ == "__main__":
    make_client(WeixinConfig(token=os.environ["WXSDK_TOKEN"])).run()
