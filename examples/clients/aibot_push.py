"""Sends one message to a user or a group without being asked, as a cron job would.

Run it: wxsdk sim -- python examples/clients/aibot_push.py alice "Lunch is ready."
"""

import argparse

from wxsdk import WSClient, WSClientOptions, WxError


def push(options: WSClientOptions, chatid: str, text: str) -> None:
    with WSClient(options) as client:
        client.send_message(chatid, {"msgtype": "markdown", "markdown": {"content": text}})


def main() -> None:
    parser = argparse.ArgumentParser(description="Send one message as a WeCom AI bot.")
    parser.add_argument("chat", help="a user id or a chat id")
    parser.add_argument("text", help="Markdown")
    given = parser.parse_args()
    try:
        push(WSClientOptions.from_env(), given.chat, given.text)
    except WxError as error:  # no account, say
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
