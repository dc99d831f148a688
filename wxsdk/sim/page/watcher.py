"""Follows both simulators on one thread and fills the page's ledger, inspector and status."""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from ..aibot.simulator import AiBotSim
from ..aibot.views import SimMessage
from ..ilink.simulator import ILinkSim
from . import aibot_view, ilink_view
from .ledger import Ledger
from .shelf import Shelf
from .trouble import Trouble
from .wirelog import WireLog

log = logging.getLogger(__name__)

POLL_GRACE = 4.0  # seconds after a poll in which the next one is still awaited before the bot counts as gone
LOOK_EVERY = 1.0  # seconds after which what only time changes is looked at: typing, expiry, a bot that has gone
SAVE_EVERY = 1.0  # seconds between two writes of the state, at least

_STOP = ("stop", "", None)


class Watcher:
    """Owns the thread "wxsdk-sim-page-watcher"."""

    def __init__(
        self,
        ilink: ILinkSim,
        aibot: AiBotSim,
        ledger: Ledger,
        wirelog: WireLog,
        shelf: Shelf,
        trouble: Trouble,
        publish: Callable[[str, Any], None],
        save: Callable[[], None],
    ) -> None:
        self._ilink, self._aibot = ilink, aibot
        self._ledger, self._wirelog, self._trouble = ledger, wirelog, trouble
        self._publish, self._save = publish, save
        self._views = ilink_view.ILinkView(ilink, ledger, shelf), aibot_view.AiBotView(aibot, ledger, shelf)
        self._queue: queue.SimpleQueue[Tuple[str, str, Any]] = queue.SimpleQueue()
        self._ends: List[Callable[[], None]] = []
        self._thread: Optional[threading.Thread] = None
        self._status: Dict[str, Any] = {}
        self._saved_at = 0.0
        self._failed: Dict[str, str] = {}
        self._done: Dict[str, Callable[[Any], None]] = {
            "ilink request": self._request,
            "ilink said": self._views[0].said,
            "ilink delivered": self._views[0].delivered,
            "aibot said": self._said,
            "aibot bubble": self._views[1].bubble,
            "aibot frame": wirelog.frame,
            "aibot pushed": wirelog.pushed,
            "aibot callback": wirelog.callback,
            "aibot connection": lambda record: wirelog.connection(record.number, record.ended),
        }

    def start(self) -> None:
        """Listen to both simulators, and begin."""
        self._ends = [
            self._ilink.listen(lambda what, thing: self._queue.put(("ilink", what, thing))),
            self._aibot.listen(lambda what, thing: self._queue.put(("aibot", what, thing))),
        ]
        self._thread = threading.Thread(target=self._run, name="wxsdk-sim-page-watcher", daemon=True)
        self._thread.start()

    def stop(self) -> bool:
        """End the thread once it has shown what had happened before, and save; True when it has ended."""
        for end in self._ends:
            end()
        self._ends = []
        if self._thread is None:
            return True
        self._queue.put(_STOP)
        self._thread.join(5.0)
        return not self._thread.is_alive()

    def status(self) -> Dict[str, Any]:
        """Return what the page shows besides the entries."""
        ilink = ilink_view.status(self._ilink)
        ilink["connected"] = self._polls()
        return {"ilink": ilink, "aibot": aibot_view.status(self._aibot), "faults": self._trouble.active}

    def refresh(self) -> None:
        """Look at the status anew, soon."""
        self._queue.put(("page", "changed", None))

    def _polls(self) -> bool:
        if self._ilink.polls_in_flight:
            return True
        last = next((seen for seen in reversed(self._ilink.requests[-50:]) if seen.place == "getupdates"), None)
        recent = last is not None and last.ended_at is not None and time.monotonic() - last.ended_at < POLL_GRACE
        return recent and last is not None and last.status is not None

    def _run(self) -> None:
        over = False
        while not over:
            over = self._take(self._await())
            for step in (self._views[0].follow, self._views[1].follow, self._show_status):
                self._try("follow the simulators", step)
            if over or time.monotonic() - self._saved_at >= SAVE_EVERY:
                self._saved_at = time.monotonic()
                self._try("save its state; a restart will not know what happens now", self._save)

    def _try(self, what: str, step: Callable[[], None]) -> None:
        """Run *step*; what goes wrong is logged when it is news, and never ends the page."""
        try:
            step()
        except Exception as error:  # noqa: BLE001  a full disk, a hostile frame
            if repr(error) != self._failed.get(what):
                self._failed[what] = repr(error)
                log.error("the playground cannot %s: %s", what, error)
        else:
            self._failed.pop(what, None)

    def _await(self) -> List[Tuple[str, str, Any]]:
        """Wait for the next thing, and return it with all that has come meanwhile."""
        found: List[Tuple[str, str, Any]] = []
        try:
            found.append(self._queue.get(timeout=LOOK_EVERY))
            while True:
                found.append(self._queue.get_nowait())
        except queue.Empty:
            return found

    def _take(self, found: List[Tuple[str, str, Any]]) -> bool:
        """Show what has happened. Of several states of one bubble only the newest is there to be shown."""
        shown = set()
        for side, what, thing in found:
            if isinstance(thing, SimMessage):
                if thing in shown:
                    continue
                shown.add(thing)
            handle = self._done.get(f"{side} {what}")
            if handle is not None:
                try:
                    handle(thing)
                except Exception:  # a hostile frame must not end the page
                    log.exception("the playground cannot show %s of %s", what, side)
        return _STOP in found

    def _request(self, seen: Any) -> None:
        self._wirelog.request(seen)

    def _said(self, sent: Any) -> None:
        if self._aibot.callback_url is None:  # else the inspector shows the calls
            self._wirelog.pushed(sent.frame, sent.delivered)
        self._views[1].said(sent)

    def _show_status(self) -> None:
        status = self.status()
        if status != self._status:
            self._status = status
            self._publish("status", status)
