"""Sends a file when asked for it by name.

Run it: wxsdk sim -- python examples/clients/aibot_file_sender.py
"""

from pathlib import Path

from wxsdk import MediaError, WSClient, WSClientOptions, WsFrame, WxError


def make_client(options: WSClientOptions, folder: Path) -> WSClient:
    client = WSClient(options)

    @client.on_message_text
    def send(frame: WsFrame) -> None:
        # Only names that are in the folder count: a text from the network chooses no path.
        files = {path.name: path for path in folder.iterdir() if path.is_file()}
        path = files.get(frame.body.text.content.strip())
        if path is None:
            with client.open_stream(frame) as stream:
                stream.write("I have: " + (", ".join(sorted(files)) or "nothing"))
            return
        try:
            media = client.upload_media(path, type="file")
        except MediaError as exc:
            with client.open_stream(frame) as stream:
                stream.write(f"That did not work: {exc.what}")
            return
        client.reply_media(frame, media.type, media.media_id)

    return client


if __name__ == "__main__":
    try:
        make_client(WSClientOptions.from_env(), Path("files")).run()
    except WxError as error:  # no account, say
        raise SystemExit(str(error)) from None
