"""Understands images: takes a mixed message apart, downloads the pictures and answers about them.

Run it: wxsdk sim -- python examples/clients/aibot_image.py
"""

from typing import Callable, List

from wxsdk import WSClient, WSClientOptions, WsFrame, WxError

Describe = Callable[[str, List[bytes]], str]


def make_client(options: WSClientOptions, describe: Describe) -> WSClient:
    client = WSClient(options)

    @client.on_message_mixed
    def look(frame: WsFrame) -> None:
        question, pictures = "", []
        for item in frame.body.mixed.msg_item:
            if item.text is not None:
                question += item.text.content
            if item.image is not None:
                content, _ = client.download_file(item.image.url, item.image.aeskey)
                pictures.append(content)
        with client.open_stream(frame) as stream:
            stream.write(describe(question, pictures))

    return client


def count_bytes(question: str, pictures: List[bytes]) -> str:
    """Stands where your vision model would be."""
    return f"«{question.strip()}» comes with {len(pictures)} picture(s), {sum(map(len, pictures)):,} bytes in all."


if __name__ == "__main__":
    try:
        make_client(WSClientOptions.from_env(), count_bytes).run()
    except WxError as error:  # no account, say
        raise SystemExit(str(error)) from None
