"""Sends one message to a user or a group without being asked, as a cron job would."""

import os
import sys

from wxsdk import WSClient, WSClientOptions


def push(options: WSClientOptions, chatid: str, text: str) -> None:
    with WSClient(options) as client:
        client.send_message(chatid, {"msgtype": "markdown", "markdown": {"content": text}})


if __name__ == "__main__":
    push(WSClientOptions(os.environ["WXSDK_BOT_ID"], os.environ["WXSDK_SECRET"]), sys.argv[1], sys.argv[2])
