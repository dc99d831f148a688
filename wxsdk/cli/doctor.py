"""``wxsdk doctor``: looks at this machine, the network and the credentials, and says in words what it finds."""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import sqlite3
import ssl
import stat
from contextlib import closing
from pathlib import Path
from typing import Callable, List, Mapping, Optional
from urllib.parse import urlsplit

from .. import SQLiteStore, WeixinClient, WeixinConfig, WSClient, WSClientOptions, __version__
from ..errors import ApiError, ConfigError, TokenStale, TransportError, WxError
from ..health import Health, HealthState
from ..ilink.config import cdn_ciphers
from ..runtime.http import HttpDoor
from .accounts import aibot_options, ilink_config

PROBE_TIMEOUT = 10.0  # seconds a server may take to answer a probe
EXTRAS = {"sim": ("werkzeug", "wsproto", "filetype"), "qr": ("segno",), "silk": ("pilk",)}

HEALTH_IN_WORDS = {
    HealthState.STOPPED: "the client is not started",
    HealthState.STARTING: "the client has started and has not heard from the platform yet",
    HealthState.RUNNING: "the client works",
    HealthState.RETRYING: "the last exchange failed, and the client tries again",
    HealthState.TOKEN_STALE: "the platform no longer accepts the token; receiving waits for a new one",
    HealthState.KICKED: "another program connected with the same bot and took it over",
    HealthState.FAILED: "the client gave up; it will not try again by itself",
}


class Report:
    """Lines of findings; counts the bad ones."""

    def __init__(self) -> None:
        self.problems = 0

    def good(self, text: str) -> None:
        print(f"  ok    {text}", flush=True)

    def note(self, text: str) -> None:
        print(f"  note  {text}", flush=True)

    def bad(self, text: str) -> None:
        self.problems += 1
        print(f"  BAD   {text}", flush=True)


def run_doctor(options: argparse.Namespace) -> int:
    """Print what was found; 0 when nothing is wrong, else 1."""
    report = Report()
    print("This machine")
    check_machine(report)
    if options.store:
        print(f"The store {options.store}")
        check_store(report, options.store, aibot=options.aibot)
    print("The account")
    check = _check_aibot if options.aibot else _check_ilink
    try:
        check(report, options)
    except ConfigError as exc:
        report.bad(str(exc))
    print("Nothing is wrong." if not report.problems else f"{report.problems} problem(s) found.")
    return 1 if report.problems else 0


def check_machine(report: Report) -> None:
    report.good(f"wxsdk {__version__}, Python {platform.python_version()}, {platform.system()}, {ssl.OPENSSL_VERSION}")
    for extra, modules in EXTRAS.items():
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        if missing:
            report.note(f"extra '{extra}' is not installed ({', '.join(missing)}): pip install 'wxsdk[{extra}]'")


def check_store(report: Report, path: Path, *, aibot: bool = False) -> None:
    if not path.exists():
        report.note("The file does not exist yet; the bot will make it.")
        return
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        report.bad(f"Others can read it, and it holds tokens. Run: chmod 600 {path}")
    try:
        with closing(SQLiteStore(path)) as store:
            waiting = len(store.items("inbox"))
            unsent = len(store.items(_outbox_table(aibot)))
    except (WxError, OSError, sqlite3.Error) as exc:
        report.bad(f"It cannot be opened: {exc}")
        return
    if waiting:
        report.note(f"{waiting} message(s) wait to be handled; they go first when the bot starts.")
    if unsent:
        report.note(f"{unsent} message(s) of the outbox wait to be sent, which needs a started bot that has it on.")
    if not waiting and not unsent:
        report.good("It can be opened, and no message waits in it.")


def _outbox_table(aibot: bool) -> str:
    return f"aibot_outbox {os.environ.get('WXSDK_BOT_ID', '')}" if aibot else "outbox"


def explain_health(health: Health) -> List[str]:
    """*health* in sentences, the remedy last."""
    since = f" (since {health.since:%Y-%m-%d %H:%M:%S} UTC)" if health.since else ""
    lines = [HEALTH_IN_WORDS[health.state] + since]
    if health.last_error:
        lines.append(f"last error: {health.last_error}")
    if health.workers and health.workers_busy >= health.workers:
        lines.append(f"all {health.workers} workers are busy and {health.queued} message(s) wait: raise max_workers")
    if health.priority_workers and health.priority_workers_busy >= health.priority_workers:
        lines.append(
            f"all {health.priority_workers} workers for enter_chat and card clicks are busy and"
            f" {health.priority_queued} of these events wait: raise priority_workers"
        )
    if health.remedy:
        lines.append(health.remedy)
    return lines


def _check_ilink(report: Report, options: argparse.Namespace) -> None:
    config = ilink_config(options)
    _probe(report, "the iLink server", config.base_url)
    _probe(report, "the media server", config.cdn_base_url, ciphers=cdn_ciphers(config))
    _ask(report, lambda: _ilink_answer(config), "The token is accepted.")


def _ilink_answer(config: WeixinConfig) -> None:
    # getconfig for a user that nobody is: a valid token is told so, and nothing is received or sent.
    with WeixinClient(config) as client:
        try:
            client.api.get_config("wxsdk-doctor")
        except TokenStale:
            raise
        except ApiError:
            pass  # the platform knows the token, and not the user


def _check_aibot(report: Report, options: argparse.Namespace) -> None:
    settings: WSClientOptions = aibot_options(options)
    _probe(report, "the gateway", settings.ws_url.replace("ws", "http", 1))
    if not options.connect:
        report.note("Not tried: to subscribe, which takes the bot over from a program that runs it. --connect does it.")
        return
    client = WSClient(settings)

    def subscribe() -> None:
        try:
            client.connect(wait=PROBE_TIMEOUT)
        finally:
            for line in explain_health(client.health()):
                report.note(line)
            client.disconnect()

    _ask(report, subscribe, "The bot id and secret are accepted.")


def _probe(report: Report, name: str, url: str, *, ciphers: Optional[Mapping[str, str]] = None) -> None:
    host = urlsplit(url).hostname
    door = HttpDoor(ciphers=ciphers)
    try:
        door.request("GET", url, timeout=PROBE_TIMEOUT)
    except TransportError as exc:
        report.bad(f"{name} ({host}) cannot be reached ({exc.kind}): {exc.what}")
    else:
        report.good(f"{name} ({host}) answers")
    finally:
        door.close()


def _ask(report: Report, question: Callable[[], None], good: str) -> None:
    problem: Optional[WxError] = None
    try:
        question()
    except WxError as exc:
        problem = exc
    if problem is None:
        report.good(good)
    else:
        report.bad(f"{type(problem).__name__}: {problem}")
