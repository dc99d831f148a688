"""Scripts faults of the simulated iLink platform: ``sim.faults``.

A fault names the endpoint it waits for and how often it strikes. It is of one of three sorts, and a request
meets the oldest fault of each sort that fits it, so sorts combine and faults of one sort come in the order
they were scripted:

* **wait**: `hold`, `slow`, `latency`: when the answer comes;
* **answer**: `next`, `ret`, `errcode`, `alter`, `drop_header`: what it says;
* **wire**: `cut`, `raw`, `drip`, `sip`: how its bytes travel.
"""

from __future__ import annotations

import json as json_module
import random
import threading
from typing import Any, Callable, Collection, Dict, List, Mapping, Optional

from .fault_kinds import (
    ANY,
    CUT_STAGES,
    DEFAULT_WAIT,
    ERROR_PAGE,
    Answer,
    Fault,
    Hold,
    Plan,
    Sort,
    Stopped,
    Wait,
    Wire,
)

__all__ = ["ANY", "DEFAULT_WAIT", "DROP", "Answer", "Fault", "Faults", "Hold", "Plan", "Stopped", "Wire"]


class Faults:
    """The script of troubles of one simulator. Every method may be called from any thread at any time.

    *where* is the last part of a path ("getupdates", "sendmessage", "upload", …) or "*" for every request.
    ``times`` says how many requests a fault strikes (1 unless told), ``forever=True`` all of them until
    `clear`. ``when`` narrows it further: it is called with the request's record and says whether the fault
    strikes. Each returns its `Fault`, whose ``hits`` counts and whose ``cancel()`` ends it.
    """

    def __init__(self, places: Collection[str] = ()) -> None:
        self._places = frozenset(places)
        self._outage: Optional[Callable[[], Any]] = None
        self._recovery: Optional[Callable[[], Any]] = None
        self._lock = threading.Lock()
        self._script: List[Fault] = []
        self._holds: List[Hold] = []
        self._duplicates = 0
        self._stopping = threading.Event()

    def __repr__(self) -> str:
        return f"<Faults {self.pending}>"

    @property
    def pending(self) -> List[Fault]:
        """The faults that have not struck as often as they were told to."""
        with self._lock:
            return [fault for fault in self._script if fault.left != 0]

    # what the answer says

    def next(
        self,
        where: str,
        *,
        status: int = 200,
        body: Optional[bytes] = None,
        json: Any = None,
        headers: Optional[Mapping[str, str]] = None,
        handled: bool = False,
        **which: Any,
    ) -> Fault:
        """Answer with this in place of the truth; an error page when neither *body* nor *json* is given.

        The request is thrown away unread, or with ``handled=True`` carried out before the answer lies about
        it.
        """
        if json is not None:
            body = json_module.dumps(json, ensure_ascii=False).encode()
        content = ERROR_PAGE if body is None else body
        kind = "application/json" if json is not None else "text/html"
        return self._add(
            where,
            "answer",
            Answer(status, {"Content-Type": kind, **(headers or {})}, content, handled=handled),
            which,
        )

    def ret(
        self, where: str, ret: int, errmsg: str = "simulated fault", *, handled: bool = False, **which: Any
    ) -> Fault:
        """Answer HTTP 200 with ``ret`` = *ret*."""
        return self.next(where, json={"ret": ret, "errmsg": errmsg}, handled=handled, **which)

    def errcode(
        self,
        where: str,
        errcode: int,
        errmsg: str = "simulated fault",
        *,
        handled: bool = False,
        **which: Any,
    ) -> Fault:
        """Answer HTTP 200 with ``errcode`` = *errcode* and no ``ret``."""
        return self.next(where, json={"errcode": errcode, "errmsg": errmsg}, handled=handled, **which)

    def alter(self, where: str, changes: Mapping[str, Any], **which: Any) -> Fault:
        """Carry the request out and answer the truth with some fields of its JSON changed (`DROP` takes a
        field away).
        """
        return self._add(where, "answer", Answer(changes=dict(changes), handled=True), which)

    def drop_header(self, where: str, name: str, **which: Any) -> Fault:
        """Carry the request out and leave one header out of the answer, such as ``x-encrypted-param`` of an
        upload.
        """
        return self._add(where, "answer", Answer(dropped_header=name.lower(), handled=True), which)

    # when the answer comes

    def hold(self, where: str, *, late: bool = False, **which: Any) -> Hold:
        """Keep matching requests waiting until the Hold is released: after they were read and before they are
        carried out, or with *late* after they were carried out and before they are answered.

        Holds every request unless ``times`` is given.
        """
        hold = Hold(where)
        self._add(where, "wait", Wait(hold=hold, late=late), _lasting(which))
        with self._lock:
            self._holds.append(hold)
        return hold

    def slow(self, where: str, seconds: float, *, late: bool = False, **which: Any) -> Fault:
        """Wait *seconds* before the request is carried out, or with *late* after it, before the answer."""
        return self._add(where, "wait", Wait(seconds=lambda: seconds, late=late), which)

    def latency(self, where: str, low: float, high: float, *, seed: int = 0, **which: Any) -> Fault:
        """Wait a random time between *low* and *high* seconds, the same row of times for the same *seed*; for
        ever unless ``times``.
        """
        dice = random.Random(seed)
        return self._add(where, "wait", Wait(seconds=lambda: dice.uniform(low, high)), _lasting(which))

    # how its bytes travel

    def cut(
        self,
        where: str,
        *,
        at: str = "after_handling",
        after: Optional[int] = None,
        reset: bool = True,
        **which: Any,
    ) -> Fault:
        """End the connection early: with a reset (RST), or with ``reset=False`` by a plain close (FIN).

        *at* is one of: ``before_reading`` (the body stays unread), ``after_reading`` (nothing was carried
        out), ``after_handling`` (carried out, no byte of the answer sent), ``mid_headers``, ``mid_body``
        (carried out, half of it sent), ``mid_request`` (*after* bytes of the request's body were read). With
        *after* alone, that many bytes of the answer are sent.
        """
        if at not in CUT_STAGES:
            raise ValueError(f"at must be one of {', '.join(CUT_STAGES)}, not {at!r}")
        stage = None if after is not None and at == "after_handling" else at
        return self._add(where, "wire", Wire(stage=stage, after=after, reset=reset), which)

    def raw(self, where: str, data: bytes, *, handled: bool = False, **which: Any) -> Fault:
        """Write *data* onto the connection in place of an HTTP answer, then close it."""
        wire = Wire(stage="after_handling" if handled else "after_reading", reset=False, raw=data)
        return self._add(where, "wire", wire, which)

    def sip(self, where: str, *, interval: float, chunk: int, **which: Any) -> Fault:
        """Read the body of an upload at most *chunk* bytes at a time, *interval* seconds apart."""
        if chunk < 1:
            raise ValueError(f"chunk must be at least 1 byte, not {chunk}")
        return self._add(where, "wire", Wire(interval=interval, sip=chunk), which)

    def drip(self, where: str, *, interval: float, chunk: int = 1, **which: Any) -> Fault:
        """Carry the request out and send the answer *chunk* bytes at a time, *interval* seconds apart."""
        if chunk < 1:
            raise ValueError(f"chunk must be at least 1 byte, not {chunk}")
        return self._add(where, "wire", Wire(interval=interval, chunk=chunk), which)

    # beyond one request

    def duplicate_messages(self, count: int = 1) -> None:
        """Deliver each of the next *count* messages of users twice."""
        with self._lock:
            self._duplicates += count

    def refuse_connections(self) -> None:
        """Begin an outage: existing connections are reset, new ones are refused, until `restore`."""
        if self._outage is None:
            raise RuntimeError("this simulator cannot refuse connections")
        self._outage()

    def restore(self) -> None:
        """End the outage, on the same port."""
        if self._recovery is not None:
            self._recovery()

    def clear(self) -> None:
        """Forget every fault and release every hold. An outage goes on until `restore`."""
        with self._lock:
            self._script.clear()
            self._duplicates = 0
            holds, self._holds = self._holds, []
        for hold in holds:
            hold.release()

    # for the simulators

    def plan(self, where: str, request: Any = None) -> Plan:
        """Take the faults that this request meets off the script."""
        met: Dict[str, Any] = {}
        with self._lock:
            self._script = [fault for fault in self._script if fault.left != 0]
            for fault in list(self._script):
                if fault.sort in met or not fault.fits(where, request):
                    continue
                met[fault.sort] = fault.what
                fault.hits += 1
                if fault.left is not None:
                    fault.left -= 1
                    if not fault.left:
                        self._script.remove(fault)
        return Plan(**met)

    def take_duplicate(self) -> bool:
        """Whether the message being queued is to be delivered twice."""
        with self._lock:
            due = self._duplicates > 0
            self._duplicates -= due
            return due

    def stall(self, wait: Optional[Wait], *, late: bool) -> None:
        """Go through a wait, if there is one for this moment. Raises Stopped when the simulator stopped."""
        if wait is None or wait.late is not late:
            return
        if wait.hold is not None:
            wait.hold.pass_through()
        if wait.seconds is not None:
            self.pause(wait.seconds())
        if self._stopping.is_set():
            raise Stopped

    def pause(self, seconds: float) -> None:
        """Wait *seconds*. Raises Stopped when the simulator stopped meanwhile."""
        if self._stopping.wait(seconds):
            raise Stopped

    def on_outage(self, outage: Callable[[], Any], recovery: Callable[[], Any]) -> None:
        """Called by the simulator: how it refuses connections, and how it takes them again."""
        self._outage, self._recovery = outage, recovery

    def begin(self) -> None:
        """Called when the simulator starts."""
        self._stopping.clear()

    def interrupt(self) -> None:
        """Called when the simulator stops: each stalled thread gets Stopped at once."""
        self._stopping.set()
        with self._lock:
            holds = list(self._holds)
        for hold in holds:
            hold.release()

    def _add(self, where: str, sort: str, what: Sort, which: Mapping[str, Any]) -> Fault:
        unknown = set(which) - {"times", "forever", "when"}
        if unknown:
            raise TypeError(f"unexpected argument {sorted(unknown)[0]!r}; the choices are times, forever and when")
        if self._places and where != ANY and where not in self._places:
            raise ValueError(f"no endpoint {where!r}; there are {', '.join(sorted(self._places))}")
        left = None if which.get("forever") else which.get("times", 1)
        if left is not None and left < 1:
            raise ValueError(f"times must be at least 1, not {left}")
        fault = Fault(where, sort, what, left, which.get("when"))
        with self._lock:
            self._script.append(fault)
        return fault


def _lasting(which: Mapping[str, Any]) -> Mapping[str, Any]:
    return which if "times" in which else {"forever": True, **which}


class _Drop:
    def __repr__(self) -> str:
        return "DROP"


DROP = _Drop()  # as the value of a field in Faults.alter: leave the field out


def altered_json(body: bytes, changes: Mapping[str, Any]) -> bytes:
    """The JSON object *body* with *changes* made to its fields."""
    fields = json_module.loads(body) if body else {}
    fields.update(changes)
    return json_module.dumps({k: v for k, v in fields.items() if v is not DROP}, ensure_ascii=False).encode()
