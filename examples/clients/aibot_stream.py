"""A WeCom AI bot that streams its answers, as a language model writes them.

Run it: wxsdk sim -- python examples/clients/aibot_stream.py
"""

from typing import Callable, Iterator

from wxsdk import WSClient, WSClientOptions, WsFrame, WxError

Model = Callable[[str], Iterator[str]]


def make_client(options: WSClientOptions, model: Model) -> WSClient:
    client = WSClient(options)

    @client.on_message_text
    def answer(frame: WsFrame) -> None:
        with client.open_stream(frame) as stream:
            stream.thinking()
            for token in model(frame.body.text.content):
                stream.write(token)
        outcome = stream.outcome  # there is one after the block
        if outcome is not None and outcome.state != "delivered":
            print("not delivered:", outcome.error)

    return client


def parrot(question: str) -> Iterator[str]:
    """Stands where your model's client would be."""
    for word in f"You asked: {question}. Let me think about it.".split(" "):
        yield word + " "


if __name__ == "__main__":
    try:
        make_client(WSClientOptions.from_env(), parrot).run()
    except WxError as error:  # no account, say
        raise SystemExit(str(error)) from None
