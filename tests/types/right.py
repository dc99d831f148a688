"""What a user may write, and what a type checker must know of it. Never run; see check.py."""

# ruff: noqa: F821

from wxsdk import WSClient, WSClientOptions, WsFrame

client = WSClient(WSClientOptions("bot", "secret"))


@client.on_message_text
def answer(frame: WsFrame) -> str:
    reveal_type(frame.body.text.content)  # is str
    reveal_type(frame.body.from_.userid)  # is str
    reveal_type(frame.body.mixed.msg_item[0].image.url.upper())  # is str
    reveal_type(frame.body.create_time)  # is int
    return frame.body.quote.text.content if frame.body.quote else ""


@client.on_message
def untyped(frame):  # type: ignore[no-untyped-def]
    client.reply(frame, {})


client.on_message_image(lambda frame: print(frame.body.image.aeskey))
client.on_error(lambda exc: print(exc))
client.on_disconnected(print)
client.on_connected(client.health)
client.on_outbox_given_up(lambda item, error: print(item.id, error.remedy))
