"""Logs a bot in and keeps its account: ``wxsdk login``."""

from __future__ import annotations

import argparse
import getpass
import os
from pathlib import Path
from typing import Any, Dict

from .. import LoginState, LoginStatus, QrLoginSession, StandaloneQrLogin, WeixinConfig, WSClientOptions, accounts
from ..accounts import Account
from . import output
from .settings import file_of
from .texts import text

DEFAULT_NAME = "default"


def run_login(options: argparse.Namespace) -> int:
    """Log in and keep the account; 0 once that is done."""
    if options.aibot or options.bot_id:
        return _keep_aibot(options)
    addresses = {"base_url": options.base_url} if options.base_url else {}
    config = WeixinConfig(token="", **addresses)
    status = StandaloneQrLogin(config).login(
        on_qrcode=_show_address if options.headless else _show_code,
        on_status=_show_status,
        ask_verify_code=_ask_number,
        local_tokens=accounts.local_tokens(config.base_url),
    )
    if status.state is LoginState.ALREADY_BOUND:
        output.complain(text("login.bound"))
        if options.json:
            output.say_json({"state": status.state.name, "account": None})
        return 0
    account = Account.of_login(status, options.cdn_base_url)
    return _kept(options, account, "login.done")


def _keep_aibot(options: argparse.Namespace) -> int:
    bot_id = options.bot_id or os.environ.get("WXSDK_BOT_ID") or input(text("login.ask_bot_id")).strip()
    secret = os.environ.get("WXSDK_SECRET") or getpass.getpass(text("login.ask_secret")).strip()
    settings: Dict[str, Any] = {"ws_url": options.ws_url} if options.ws_url else {}
    WSClientOptions(bot_id, secret, **settings)  # refuses what no client would take
    return _kept(options, Account(bot_id=bot_id, secret=secret, ws_url=options.ws_url), "login.kept")


def _kept(options: argparse.Namespace, account: Account, key: str) -> int:
    path, name = file_of(options), options.account or DEFAULT_NAME
    if path is not None:
        accounts.save_file(path, account)
        name = path.stem
    else:
        accounts.save(name, account)
        path = accounts.folder() / f"{name}.json"
    if options.json:
        output.say_json({"state": "CONFIRMED", "account": name, "bot": account.bot, "path": str(Path(path))})
    else:
        output.say(text(key, bot=account.bot, name=name, path=path))
    return 0


def _show_code(session: QrLoginSession) -> None:
    output.complain(text("login.scan"))
    output.complain(session.terminal())


def _show_address(session: QrLoginSession) -> None:
    output.complain(text("login.address"))
    output.complain(str(session.qrcode_img_content))


def _show_status(status: LoginStatus) -> None:
    output.complain(f"· {text(f'login.state.{status.state.value}')}")


def _ask_number(was_wrong: bool) -> str:
    return input(text("login.wrong" if was_wrong else "login.number")).strip()
