"""What a type checker must refuse: each line that says so. Never run; see check.py."""

from wxsdk import WSClient, WSClientOptions, WsFrame

client = WSClient(WSClientOptions("bot", "secret"))


@client.on_message_text  # refused
def two(frame: WsFrame, more: int) -> None: ...


@client.on_event  # refused
def none() -> None: ...


@client.on_message  # refused
def other(frame: int) -> None: ...


def untyped(frame, more):  # type: ignore[no-untyped-def]
    print(frame, more)


client.on_message_file(untyped)  # refused
client.on_connected(lambda frame: None)  # refused
client.on_disconnected(lambda: None)  # refused
client.on_error(lambda: None)  # refused
client.on_reconnecting(lambda: None)  # refused
client.on_outbox_given_up(lambda item: None)  # refused


@client.on_message_voice
def fields(frame: WsFrame) -> int:
    print(frame.body.no_such_part)  # refused
    return frame.body.voice.content  # refused
