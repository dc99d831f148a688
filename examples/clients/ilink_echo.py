"""A bot for personal WeChat that says what it hears.

Run it: wxsdk sim -- python examples/clients/ilink_echo.py
"""

from wxsdk import MessageContext, MessageHandler, WeixinClient, WeixinConfig, WxError


class EchoBot(MessageHandler):
    def on_message(self, ctx: MessageContext) -> None:
        if ctx.body:
            ctx.reply_text(ctx.body)


def make_client(config: WeixinConfig) -> WeixinClient:
    return WeixinClient(config, EchoBot())


if __name__ == "__main__":
    try:
        make_client(WeixinConfig.from_env()).run()
    except WxError as error:  # no account, say
        raise SystemExit(str(error)) from None
