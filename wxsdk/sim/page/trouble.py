"""Makes trouble by one click: each fault of the page's list, done with the simulators' own faults."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional

from ..aibot.simulator import AiBotSim
from ..ilink.simulator import ILinkSim

SLOW_SECONDS = 3.0  # how late the iLink side answers; long enough to see, shorter than any timeout of the clients

Undo = Callable[[], Any]


class Trouble:
    """The faults by name. A lasting one is on until it is switched off; the others strike once. Any thread."""

    def __init__(self, ilink: ILinkSim, aibot: AiBotSim) -> None:
        self._ilink, self._aibot = ilink, aibot
        self._undo: Dict[str, Undo] = {}
        self._once: Dict[str, Callable[[str], Any]] = {
            "ilink-drop": lambda user: self._drop_ilink(),
            "ilink-refuse": lambda user: ilink.faults.ret("sendmessage", -2, "prepare failed"),
            "ilink-lose": lambda user: ilink.faults.cut("sendmessage", at="after_handling"),
            "ilink-twice": lambda user: ilink.faults.duplicate_messages(),
            "ilink-window": lambda user: ilink.user(user).leaves(),
            "ilink-typing": lambda user: ilink.expire_typing_tickets(),
            "aibot-drop": lambda user: aibot.faults.reset(),
            "aibot-close": lambda user: aibot.faults.close(),
            "aibot-kick": lambda user: aibot.faults.kick(),
            "aibot-expire": lambda user: aibot.expire_stream(),
            "aibot-unsubscribe": lambda user: aibot.faults.lose_subscription(),
            "aibot-lost-ack": lambda user: aibot.faults.ack(lost=True),
            "aibot-rate": lambda user: aibot.faults.ack(errcode=45009, errmsg="api freq out of limit"),
            "aibot-half-open": lambda user: aibot.faults.half_open(),
        }
        self._lasting: Dict[str, Callable[[], Undo]] = {
            "ilink-offline": self._ilink_offline,
            "ilink-stale": self._ilink_stale,
            "ilink-slow": lambda: ilink.faults.slow("*", SLOW_SECONDS, forever=True).cancel,
            "ilink-cdn": self._ilink_cdn,
            "ilink-gateway": lambda: ilink.faults.next("*", status=502, forever=True).cancel,
            "aibot-offline": self._aibot_offline,
            "aibot-slow": self._aibot_slow,
            "aibot-auth": lambda: aibot.faults.refuse_auth(times=None).cancel,
            "aibot-cdn": lambda: aibot.faults.media(status=500, times=None).cancel,
        }

    @property
    def names(self) -> Dict[str, List[str]]:
        """Return the names of both sorts, in the order of the list."""
        return {"once": list(self._once), "lasting": list(self._lasting)}

    @property
    def active(self) -> List[str]:
        """Return the lasting faults that are on."""
        return sorted(self._undo)

    def make(self, name: str, user: str, on: Optional[bool] = None) -> None:
        """Strike once, or switch a lasting fault on or off. LookupError for a name that is not in the list."""
        if name in self._once:
            self._once[name](user)
        elif name not in self._lasting:
            raise LookupError(f"There is no fault {name!r}.")
        elif on and name not in self._undo:
            self._undo[name] = self._lasting[name]()
        elif not on and name in self._undo:
            self._undo.pop(name)()

    def clear(self) -> None:
        """Switch everything off, and forget what has not struck yet."""
        for name in list(self._undo):
            self._undo.pop(name)()
        self._ilink.faults.clear()
        self._aibot.faults.clear()

    def _drop_ilink(self) -> None:
        self._ilink.faults.refuse_connections()
        self._ilink.faults.restore()

    def _ilink_offline(self) -> Undo:
        self._ilink.faults.refuse_connections()
        return self._ilink.faults.restore

    def _ilink_stale(self) -> Undo:
        self._ilink.revoke_token(self._ilink.token)
        return self._ilink.restore_token

    def _ilink_cdn(self) -> Undo:
        made = [self._ilink.faults.next(place, status=500, forever=True) for place in ("upload", "download")]

        def cancel() -> None:
            for fault in made:
                fault.cancel()

        return cancel

    def _aibot_offline(self) -> Undo:
        self._aibot.faults.refuse_connections()
        self._aibot.faults.reset()
        return self._aibot.faults.restore

    def _aibot_slow(self) -> Undo:
        fault = self._aibot.faults.hold_acks()

        def let_go() -> None:
            fault.cancel()
            fault.release()

        return let_go
