"""Saves every file, image, video and voice message that it is sent, in a folder per user.

Run it: wxsdk sim -- python examples/clients/ilink_file_saver.py
"""

from pathlib import Path

from wxsdk import MessageContext, MessageHandler, WeixinClient, WeixinConfig, WxError


class FileSaver(MessageHandler):
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_message(self, ctx: MessageContext) -> None:
        if ctx.media is None:
            ctx.reply_text("Send me a file, and I keep it.")
            return
        # A user id comes from the network, so it does not choose the path by itself.
        folder = self.folder / "".join(c if c.isalnum() else "_" for c in ctx.from_user_id)
        folder.mkdir(parents=True, exist_ok=True)
        path = ctx.download_media(ctx.media, folder)
        ctx.reply_text(f"Saved {path.name}, {path.stat().st_size:,} bytes.")


def make_client(config: WeixinConfig, folder: Path) -> WeixinClient:
    return WeixinClient(config, FileSaver(folder))


if __name__ == "__main__":
    try:
        make_client(WeixinConfig.from_env(), Path("saved")).run()
    except WxError as error:  # no account, say
        raise SystemExit(str(error)) from None
