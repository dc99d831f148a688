"""Logs in by QR code once, keeps the account in a file that only you can read, and uses it from then on.

Run it: wxsdk sim -- python examples/clients/ilink_login.py

(Scan the code on the page that the command names.)
"""

from typing import Callable

from wxsdk import LoginState, QrLoginSession, StandaloneQrLogin, WeixinClient, WeixinConfig, WxError, accounts

NAME = "example"


def print_code(session: QrLoginSession) -> None:
    print(session.terminal())


def log_in(config: WeixinConfig, name: str, show: Callable[[QrLoginSession], None] = print_code) -> None:
    """Show codes until one is confirmed on the phone, and keep what came of it."""
    status = StandaloneQrLogin(config).login(
        on_qrcode=show,
        on_status=lambda status: print("login:", status.state.name),
        ask_verify_code=lambda was_wrong: input("The number on the phone: "),
        local_tokens=accounts.local_tokens(config.base_url),
    )
    if status.state is not LoginState.CONFIRMED:
        raise SystemExit("This WeChat account is bound already, and its token is not here.")
    accounts.save(name, accounts.Account(token=status.bot_token, base_url=status.base_url))


def main() -> None:
    if NAME not in accounts.list():
        log_in(WeixinConfig.from_env(token=""), NAME)
    WeixinClient(WeixinConfig.from_env(NAME), lambda ctx: ctx.reply_text("Logged in.")).run()


if __name__ == "__main__":
    try:
        main()
    except WxError as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
