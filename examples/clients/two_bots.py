"""Two bots in one process: what one WeCom bot hears, the other one says in a group."""

import os
from typing import Tuple

from wxsdk import WSClient, WSClientOptions, WsFrame


def make_clients(ears: WSClientOptions, mouth: WSClientOptions, chatid: str) -> Tuple[WSClient, WSClient]:
    listener, speaker = WSClient(ears), WSClient(mouth)

    @listener.on_message_text
    def pass_on(frame: WsFrame) -> None:
        text = f"**{frame.body.from_.userid}**: {frame.body.text.content}"
        speaker.send_message(chatid, {"msgtype": "markdown", "markdown": {"content": text}})
        with listener.open_stream(frame) as stream:
            stream.write("Passed on.")

    return listener, speaker


if __name__ == "__main__":
    first = WSClientOptions(os.environ["WXSDK_BOT_ID"], os.environ["WXSDK_SECRET"])
    second = WSClientOptions(os.environ["WXSDK_BOT_ID_2"], os.environ["WXSDK_SECRET_2"])
    listening, speaking = make_clients(first, second, os.environ["WXSDK_CHATID"])
    with speaking:
        listening.run()
