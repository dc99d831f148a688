"""Checks the machine, the network and the account, and says what to do: ``wxsdk doctor``."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import shutil
import sqlite3
import stat
import time
import urllib.request
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple
from urllib.parse import urlsplit

from .. import SQLiteStore, WeixinClient, WeixinConfig, WSClient, WSClientOptions
from ..core.protocol_level import ILINK_LEVEL
from ..errors import ApiError, ConfigError, TokenStale, TransportError, WxError
from ..health import Health
from ..ilink.config import cdn_ciphers
from ..runtime.http import HttpDoor
from . import output
from .settings import Config, config_of
from .texts import text

PROBE_TIMEOUT = 10.0  # seconds a server may take to answer a probe
MAX_SKEW = 60.0  # seconds; certificates and signed addresses begin to fail some minutes off
LOW_DISK_BYTES = 100 * 2**20  # a store, its log and a few files; below it SQLite may stop soon


@dataclass(frozen=True)
class Row:
    """A finding. ok: None for what was not, or need not be, checked. remedy: what to do, "" for nothing."""

    name: str
    ok: Optional[bool]
    detail: str
    remedy: str = ""


def run_doctor(options: argparse.Namespace) -> int:
    """Print what was found; 0 when nothing is wrong, else 1."""
    rows = examine(options)
    wrong = sum(row.ok is False for row in rows)
    if options.json:
        output.say_json({"checks": [dataclasses.asdict(row) for row in rows]})
        return 1 if wrong else 0
    for row in rows:
        mark = {True: "ok ", False: "BAD", None: " - "}[row.ok]
        output.say(f"{mark} {row.name:14} {row.detail}" + (f" {row.remedy}" if row.remedy else ""))
    output.say(text("doctor.good") if not wrong else text("doctor.bad", count=wrong))
    return 1 if wrong else 0


def examine(options: argparse.Namespace) -> List[Row]:
    """Return the findings, one for each name that the JSON form promises. Raises nothing of ours."""
    try:
        config = config_of(options)
    except ConfigError as exc:
        rest = text("doctor.no_account")
        names = ("network", "tls", "cdn", "clock", "client_version", "lock")
        rows = [Row(name, None, rest) for name in names]
        return [Row("credentials", False, exc.what, exc.remedy), *rows, check_proxy(), check_store(options.store, "")]
    probe = _Probe(_server_of(config))
    return [
        probe.network(),
        probe.tls(),
        _check_cdn(config),
        _check_credentials(config, connect=options.connect),
        probe.clock(time.time()),
        _check_version(config),
        check_proxy(),
        _check_lock(config),
        check_store(options.store, getattr(config, "bot_id", "")),
    ]


class _Probe:
    """One request to a server, and what it says about the way there."""

    def __init__(self, url: str, ciphers: Any = None) -> None:
        self._host = urlsplit(url).hostname or ""
        self._is_https = url.startswith("https")
        self._error: Optional[TransportError] = None
        self._date: Optional[str] = None
        door = HttpDoor(ciphers=ciphers)
        try:
            began = time.time()
            reply = door.request("GET", url, timeout=PROBE_TIMEOUT)
            self._took = time.time() - began
            self._date = reply.headers.get("date")
        except TransportError as exc:
            self._error = exc
        finally:
            door.close()

    def network(self, name: str = "network") -> Row:
        error = self._error
        if error is None or error.kind == "tls":
            return Row(name, True, text("doctor.answers", host=self._host))
        what = text("doctor.unreachable", host=self._host, kind=error.kind, what=error.what)
        return Row(name, False, what, error.remedy or text("doctor.unreachable.remedy"))

    def tls(self) -> Row:
        if not self._is_https:
            return Row("tls", None, text("doctor.tls.none", host=self._host))
        if self._error is None:
            return Row("tls", True, text("doctor.tls.good", host=self._host))
        if self._error.kind == "tls":
            return Row("tls", False, self._error.what, self._error.remedy)
        return Row("tls", None, text("doctor.not_reached"))

    def cdn(self) -> Row:
        error = self._error
        if error is not None and error.kind == "tls":
            return Row("cdn", False, error.what, error.remedy)
        return self.network("cdn")

    def clock(self, now: float) -> Row:
        try:
            theirs = parsedate_to_datetime(self._date or "").timestamp()
        except (TypeError, ValueError, OverflowError):
            return Row("clock", None, text("doctor.clock.none"))
        skew = now - theirs
        if abs(skew) <= MAX_SKEW:
            return Row("clock", True, text("doctor.clock.good", seconds=f"{abs(skew):.0f}"))
        return Row("clock", False, text("doctor.clock.off", seconds=f"{skew:+.0f}"), text("doctor.clock.remedy"))


def _server_of(config: Config) -> str:
    return config.base_url if isinstance(config, WeixinConfig) else config.ws_url.replace("ws", "http", 1)


def _check_cdn(config: Config) -> Row:
    if isinstance(config, WSClientOptions):
        return Row("cdn", None, text("doctor.cdn.none"))
    return _Probe(config.cdn_base_url, cdn_ciphers(config)).cdn()


def _check_credentials(config: Config, *, connect: bool) -> Row:
    if isinstance(config, WSClientOptions):
        if not connect:
            return Row("credentials", None, text("doctor.not_tried"))
        return _asked(lambda: _subscribe(config), text("doctor.secret.good"))
    return _asked(lambda: _ask_config(config), text("doctor.token.good"))


def _asked(question: Callable[[], None], good: str) -> Row:
    try:
        question()
    except WxError as exc:
        return Row("credentials", False, f"{type(exc).__name__}: {exc.what}", exc.remedy)
    return Row("credentials", True, good)


def _ask_config(config: WeixinConfig) -> None:
    # getconfig for a user that does not exist: the platform accepts or refuses the token, and nothing else happens.
    client = WeixinClient(config)
    try:
        client.api.get_config("wxsdk-doctor")
    except TokenStale:
        raise
    except ApiError:
        pass  # the platform knows the token, and not the user
    finally:
        client.shutdown()


def _subscribe(options: WSClientOptions) -> None:
    client = WSClient(options)
    try:
        client.connect(wait=PROBE_TIMEOUT)
    finally:
        client.disconnect()


def _check_version(config: Config) -> Row:
    if isinstance(config, WSClientOptions):
        return Row("client_version", None, text("doctor.version.none"))
    if config.channel_version != ILINK_LEVEL:
        return Row(
            "client_version",
            False,
            text("doctor.version.other", spoken=config.channel_version, known=ILINK_LEVEL),
            text("doctor.version.remedy"),
        )
    return Row("client_version", True, text("doctor.version.good", spoken=ILINK_LEVEL))


def check_proxy() -> Row:
    """Return what the environment says about proxies, without their passwords."""
    found = {scheme: url for scheme, url in urllib.request.getproxies().items() if scheme in ("http", "https", "all")}
    if not found:
        return Row("proxy", True, text("doctor.proxy.none"))
    shown = ", ".join(f"{scheme}: {_without_login(url)}" for scheme, url in sorted(found.items()))
    odd = [url for url in found.values() if not url.lower().startswith("http://") and "://" in url]
    if odd:
        return Row("proxy", False, text("doctor.proxy.odd", proxies=shown), text("doctor.proxy.remedy"))
    return Row("proxy", True, text("doctor.proxy.used", proxies=shown))


def _without_login(url: str) -> str:
    scheme, separator, rest = url.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _check_lock(config: Config) -> Row:
    client: Any = WeixinClient(config) if isinstance(config, WeixinConfig) else WSClient(config)
    try:
        owner = client.owner()
    except WxError as exc:
        return Row("lock", False, exc.what, exc.remedy)
    if owner is None:
        return Row("lock", True, text("doctor.lock.free"))
    since = f"{owner.since.astimezone():%Y-%m-%d %H:%M:%S}"
    return Row("lock", True, text("doctor.lock.held", pid=owner.pid or "?", since=since))


def check_store(path: Optional[Path], bot_id: str) -> Row:
    """Return what the store at *path* holds and how it is; *bot_id* of a WeCom bot."""
    if path is None:
        return Row("store", None, text("doctor.store.none"))
    if not path.exists():
        return Row("store", None, text("doctor.store.new", path=path))
    problems: List[Tuple[str, str]] = []
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        problems.append((text("doctor.store.open"), text("doctor.store.open.remedy", path=path)))
    free = shutil.disk_usage(path.parent).free
    if free < LOW_DISK_BYTES:
        problems.append((text("doctor.store.disk", free=_megabytes(free)), text("doctor.store.disk.remedy")))
    try:
        damage = _damage(path)
        counts = _counts(path, bot_id)
    except (WxError, OSError, sqlite3.Error) as exc:
        return Row("store", False, text("doctor.store.broken", what=exc), text("doctor.store.broken.remedy"))
    if damage:
        problems.append((text("doctor.store.damaged", what=damage), text("doctor.store.broken.remedy")))
    if problems:
        return Row("store", False, " ".join(what for what, _ in problems), " ".join(remedy for _, remedy in problems))
    size = _megabytes(path.stat().st_size)
    return Row("store", True, text("doctor.store.good", size=size, free=_megabytes(free), **counts))


def _damage(path: Path) -> str:
    """Return what SQLite finds wrong with the file, "" for nothing. Reads only."""
    with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()
    return "" if found is None or found[0] == "ok" else str(found[0])


def _counts(path: Path, bot_id: str) -> Dict[str, int]:
    store = SQLiteStore(path)
    try:
        outbox = f"aibot_outbox {bot_id}" if bot_id else "outbox"
        return {"inbox": len(store.items("inbox")), "outbox": len(store.items(outbox))}
    finally:
        store.close()


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MB"


def explain_health(health: Health) -> List[str]:
    """Return *health* in sentences, the remedy last."""
    since = f" ({health.since:%Y-%m-%d %H:%M:%S} UTC)" if health.since else ""
    lines = [text(f"health.{health.state.value}") + since]
    if health.last_error:
        lines.append(text("health.error", error=health.last_error))
    if health.workers and health.workers_busy >= health.workers:
        lines.append(text("health.busy", workers=health.workers, queued=health.queued))
    if health.priority_workers and health.priority_workers_busy >= health.priority_workers:
        lines.append(text("health.busy_events", workers=health.priority_workers, queued=health.priority_queued))
    if health.remedy:
        lines.append(health.remedy)
    return lines
