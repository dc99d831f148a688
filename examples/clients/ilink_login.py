"""Logs in by QR code once, keeps the token in a file that only you can read, and uses it from then on."""

import json
import os
from pathlib import Path
from typing import Callable

from wxsdk import LoginState, QrLoginSession, StandaloneQrLogin, WeixinClient, WeixinConfig


def print_code(session: QrLoginSession) -> None:
    print(session.terminal())


def log_in(config: WeixinConfig, path: Path, show: Callable[[QrLoginSession], None] = print_code) -> None:
    """Show codes until one is confirmed on the phone, and store what came of it."""
    status = StandaloneQrLogin(config).login(
        on_qrcode=show,
        on_status=lambda status: print("login:", status.state.name),
        ask_verify_code=lambda was_wrong: input("The number on the phone: "),
    )
    if status.state is not LoginState.CONFIRMED:
        raise SystemExit("This WeChat account is bound already, and its token is not here.")
    # 0600 from the start: the token is as good as the account.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"token": str(status.bot_token), "base_url": status.base_url}, file)


def stored_config(path: Path, **settings: str) -> WeixinConfig:
    stored = json.loads(path.read_text())
    if stored["base_url"]:
        settings["base_url"] = stored["base_url"]
    return WeixinConfig(token=stored["token"], **settings)  # type: ignore[arg-type]


if __name__ == "__main__":
    token_file = Path("token.json")
    if not token_file.exists():
        log_in(WeixinConfig(token=""), token_file)
    WeixinClient(stored_config(token_file), lambda ctx: ctx.reply_text("Logged in.")).run()
