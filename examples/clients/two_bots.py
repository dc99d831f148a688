"""Two bots in one process: what one for personal WeChat hears, a WeCom bot says in a group.

Run it: wxsdk sim -- python examples/clients/two_bots.py team
"""

import argparse
from typing import Tuple

from wxsdk import MessageContext, WeixinClient, WeixinConfig, WSClient, WSClientOptions, WxError


def make_clients(ears: WeixinConfig, mouth: WSClientOptions, chatid: str) -> Tuple[WeixinClient, WSClient]:
    speaker = WSClient(mouth)

    def pass_on(ctx: MessageContext) -> None:
        text = f"**{ctx.from_user_id}**: {ctx.body}"
        speaker.send_message(chatid, {"msgtype": "markdown", "markdown": {"content": text}})
        ctx.reply_text("Passed on.")

    return WeixinClient(ears, pass_on), speaker


def main() -> None:
    parser = argparse.ArgumentParser(description="Pass on what is heard to a group.")
    parser.add_argument("chat", help="the WeCom chat that hears it")
    given = parser.parse_args()
    try:
        listener, speaker = make_clients(WeixinConfig.from_env(), WSClientOptions.from_env(), given.chat)
        with speaker:
            listener.run()
    except WxError as error:  # no account, say
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
