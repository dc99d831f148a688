"""Runs both simulators and the page to chat with a bot through them."""

from __future__ import annotations

import http.client
import json
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Union

from werkzeug.wrappers import Request, Response

from ...errors import ConfigError
from ..aibot.simulator import AiBotSim
from ..ilink.simulator import ILinkSim
from . import transcript
from .actions import BOT_NAME, Actions
from .aibot_view import visible
from .feed import Feed
from .folder import StateFolder
from .hiding import without
from .ledger import Ledger
from .qr import qr_picture
from .server import PROGRAM, PageServer, download, text_of
from .shelf import Shelf
from .snippets import snippets
from .trouble import Trouble
from .watcher import Watcher
from .wirelog import WireLog

FIRST_USERS = ("alice", "bob")


class Playground:
    """Both simulators and their page. A context manager; start() and stop() do the same by hand.

    *ilink*, *aibot*: running simulators to show, made and owned by the playground when left out. *port*: the page's
    port; 0 takes that of the state folder, else a free one. *state*: a folder that keeps ports, tokens and history over
    restarts; it holds secrets.
    """

    def __init__(
        self,
        ilink: Optional[ILinkSim] = None,
        aibot: Optional[AiBotSim] = None,
        *,
        port: int = 0,
        state: Union[str, Path, None] = None,
    ) -> None:
        self._owned = (ilink is None, aibot is None)
        self.ilink = ilink or ILinkSim()
        self.aibot = aibot or AiBotSim()
        self._folder = None if state is None else StateFolder(Path(state))
        self._feed = Feed(self._clean)
        self._ledger = Ledger(self._feed.publish, self._feed.changed)
        self._shelf = Shelf(None if self._folder is None else self._folder.files)
        self._wirelog = WireLog(self._feed.publish, self._feed.changed)
        self._trouble = Trouble(self.ilink, self.aibot)
        self._actions = Actions(self.ilink, self.aibot, self._ledger, self._shelf, self._trouble)
        self._saved = ""
        self._life = threading.Lock()
        extra = {"export.json": self._export_json, "export.py": self._export_test, "qr.svg": self._qr}
        self._server = PageServer(self._actions, self._feed, self._shelf, self._snapshot, self._clean, extra, port)
        self._load(port)
        self._watcher: Optional[Watcher] = None

    def start(self) -> Playground:
        """Serve; returns when the page can be opened. Again changes nothing. Raises ConfigError for a port in use."""
        with self._life:
            if self._watcher is None:
                self._begin()
        return self

    def stop(self) -> bool:
        """End everything that start() began, and save; True when all threads have ended. Twice is once."""
        with self._life:
            watcher, self._watcher = self._watcher, None
            if watcher is None:
                return True
            self._trouble.clear()
            ended = self._server.stop()
            ended = watcher.stop() and ended
            return self._stop_simulators() and ended

    def __enter__(self) -> Playground:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where to look."""
        return self._server.url

    def environment(self) -> Dict[str, str]:
        """Return what a bot needs to find the simulators, by environment variable. Some of them are secrets: show them
        on a terminal, never on the page.
        """
        return {
            "WXSDK_TOKEN": self.ilink.token,
            "WXSDK_BASE_URL": self.ilink.base_url,
            "WXSDK_CDN_BASE_URL": self.ilink.cdn_base_url,
            "WXSDK_BOT_ID": self.aibot.bot_id,
            "WXSDK_SECRET": self.aibot.secret,
            "WXSDK_WS_URL": self.aibot.ws_url,
            "WXSDK_CALLBACK_TOKEN": self.aibot.token,
            "WXSDK_ENCODING_AES_KEY": self.aibot.encoding_aes_key,
        }

    def entries(self, side: str, chat: str) -> List[Dict[str, Any]]:
        """Return what the page shows of one chat, oldest first."""
        return self._ledger.entries(side, chat)

    def _begin(self) -> None:
        try:
            if self._owned[0]:
                self._open("iLink simulator", self.ilink.start)
            if self._owned[1]:
                self._open("WeCom simulator", self.aibot.start)
            for user in self._ledger.users or FIRST_USERS:
                self._ledger.add_user(user)
                self.aibot.user(user)
            watcher = Watcher(
                self.ilink,
                self.aibot,
                self._ledger,
                self._wirelog,
                self._shelf,
                self._trouble,
                self._feed.publish,
                self._save,
            )
            self._open("page", self._server.start)
        except BaseException:
            self._stop_simulators()
            raise
        self._watcher = watcher
        watcher.start()

    def _stop_simulators(self) -> bool:
        ended = self.aibot.stop() if self._owned[1] else True
        return (self.ilink.stop() if self._owned[0] else True) and ended

    def _open(self, what: str, start: Callable[[], Any]) -> None:
        try:
            start()
        except OSError as error:
            other = other_playground(self._server.port)
            raise ConfigError(
                f"The port of the {what} cannot be opened: {error.strerror or error}."
                + (f" A playground is running there already, process {other}." if other else ""),
                remedy="End the program that has the port (a playground of the same --state folder?), or take another.",
            ) from error

    # what the page gets

    def _snapshot(self) -> Dict[str, Any]:
        watcher = self._watcher
        return {
            **self._ledger.snapshot(),
            "bot": BOT_NAME,
            "wire": self._wirelog.snapshot(),
            "status": watcher.status() if watcher is not None else {},
            "faults": self._trouble.names,
            "code": snippets(self.ilink.base_url, self.ilink.cdn_base_url, self.aibot.ws_url),
            "base_url": self.ilink.base_url,
        }

    def _clean(self, text: str) -> str:
        """Take every secret of the simulators out of what leaves for the page, from whatever source."""
        return without(text, [*self.ilink.secrets, *self.aibot.secrets])

    def _entries(self, request: Request) -> List[Dict[str, Any]]:
        entries = self._ledger.entries(text_of(request, "side"), text_of(request, "chat"))
        for entry in entries:
            if entry["who"] == "bot" and entry["side"] == "aibot":
                entry["shown"] = visible(str(entry.get("text") or ""))
        return entries

    def _export_json(self, request: Request) -> Response:
        side, chat = text_of(request, "side") or "ilink", text_of(request, "chat") or ""
        data = transcript.as_json(side, chat, self._entries(request))
        text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
        return download(self._clean(text), f"{side}-{chat}.json", "application/json")

    def _export_test(self, request: Request) -> Response:
        side, chat = text_of(request, "side") or "ilink", text_of(request, "chat") or ""
        entries, is_group = self._entries(request), chat in self._ledger.people_by_group
        text = transcript.as_test(side, chat, is_group, entries, time.strftime("%Y-%m-%d"))
        return download(self._clean(text), f"test_{side}_chat.py", "text/x-python")

    def _qr(self, request: Request) -> Response:
        codes = self.ilink.logins
        if not codes:
            return Response("no bot has asked for a QR code\n", status=404)
        return Response(qr_picture(codes[-1].img_content), content_type="image/svg+xml")

    # what stays over a restart

    def _load(self, port: int) -> None:
        saved = None if self._folder is None else self._folder.load()
        if saved is None or self._folder is None:
            return
        try:
            if self._owned[0]:
                self.ilink.import_state(saved["ilink"])
            if self._owned[1]:
                self.aibot.import_state(saved["aibot"])
            self._ledger.load(saved["page"])
            self._server.port = port or int(saved["port"])
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{self._folder.path} holds a state that this version of wxsdk cannot use: {error}.",
                remedy="Remove the folder, or name another one with --state.",
            ) from error

    def _save(self) -> None:
        if self._folder is None:
            return
        state = {
            "port": self._server.port,
            "ilink": self.ilink.export_state(),
            "aibot": self.aibot.export_state(),
            "page": self._ledger.export(),
        }
        text = json.dumps(state, ensure_ascii=False)
        if text != self._saved:
            self._folder.save(text)
            self._saved = text  # only now: a save that failed is tried again, although nothing is new


def other_playground(port: int) -> Optional[int]:
    """Return the process id of the playground that answers on *port*; None when none does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
    try:
        connection.request("GET", "/api/who")
        found = json.loads(connection.getresponse().read(1_000))
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return found.get("pid") if isinstance(found, dict) and found.get("program") == PROGRAM else None
