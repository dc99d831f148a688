"""A bot for groups: it keeps a list per group, and says who put what on it.

Run it: wxsdk sim -- python examples/clients/aibot_group.py
"""

from typing import Dict, List

from wxsdk import WSClient, WSClientOptions, WsFrame, WxError


def make_client(options: WSClientOptions) -> WSClient:
    client = WSClient(options)
    lists: Dict[str, List[str]] = {}

    @client.on_message_text
    def note(frame: WsFrame) -> None:
        body = frame.body
        if body.chattype != "group":
            answer = "I keep lists for groups."
        else:
            # Messages of one group are handled one at a time, so the list needs no lock.
            entries = lists.setdefault(body.chatid, [])
            entries.append(f"{body.text.content} ({body.from_.userid})")
            answer = "\n".join(f"{number}. {entry}" for number, entry in enumerate(entries, 1))
        with client.open_stream(frame) as stream:
            stream.write(answer)

    return client


if __name__ == "__main__":
    try:
        make_client(WSClientOptions.from_env()).run()
    except WxError as error:  # no account, say
        raise SystemExit(str(error)) from None
