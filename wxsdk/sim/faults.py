"""Scripted trouble for the simulators.

A fault names the endpoint it waits for and how often it strikes. It is of one of three sorts, and a request
meets the oldest fault of each sort that fits it, so sorts combine and faults of one sort come in the order
they were scripted:

* **wait**: `hold`, `slow`, `latency`: when the answer comes;
* **answer**: `next`, `ret`, `errcode`, `alter`, `drop_header`: what it says;
* **wire**: `cut`, `raw`, `drip`: how its bytes travel.
"""

from __future__ import annotations

import json as json_module
import random
import threading
from dataclasses import dataclass, field
from typing import Any, Callable, Collection, Dict, List, Mapping, Optional, Union

DEFAULT_WAIT = 5.0  # seconds a test waits for something to happen before it fails
ANY = "*"
CUT_STAGES = ("before_reading", "after_reading", "after_handling", "mid_request", "mid_headers", "mid_body")
ERROR_PAGE = b"<html><head><title>simulated fault</title></head><body>simulated fault</body></html>"


class Stopped(Exception):
    """The simulator is stopping; whoever was stalled by a fault gives up its connection."""


@dataclass
class Answer:
    """What an answer fault says: a whole answer, or changes to the true one."""

    status: Optional[int] = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Optional[bytes] = None
    changes: Optional[Mapping[str, Any]] = None
    dropped_header: Optional[str] = None
    handled: bool = False

    @property
    def replaces(self) -> bool:
        """Whether the true answer is thrown away."""
        return self.status is not None


@dataclass
class Wire:
    """How the bytes of an answer travel: cut short, replaced by raw bytes, or dripping."""

    stage: Optional[str] = None
    after: Optional[int] = None
    reset: bool = True
    raw: Optional[bytes] = None
    interval: float = 0.0
    chunk: int = 0


class Hold:
    """Requests that the test keeps waiting. Made by `Faults.hold`; any thread may use it."""

    def __init__(self, where: str) -> None:
        self.where = where
        self._changed = threading.Condition()
        self._released = False
        self._entered = 0
        self._inside = 0

    def __repr__(self) -> str:
        return f"<Hold {self.where} entered={self._entered} inside={self._inside} released={self._released}>"

    @property
    def entered(self) -> int:
        """How many requests have come in so far."""
        return self._entered

    @property
    def inside(self) -> int:
        """How many requests are being held at this moment."""
        return self._inside

    def wait_entered(self, count: int = 1, timeout: float = DEFAULT_WAIT) -> None:
        """Return once *count* requests have come in; AssertionError after *timeout* seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._entered >= count, timeout):
                raise AssertionError(
                    f"{self._entered} of {count} requests to {self.where} arrived within {timeout:g} s"
                )

    def release(self) -> None:
        """Let the held requests go on, and those that are still to come."""
        with self._changed:
            self._released = True
            self._changed.notify_all()

    def pass_through(self) -> None:
        """Stay inside until released. Called by the simulator's connection threads."""
        with self._changed:
            self._entered += 1
            self._inside += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._released)
            self._inside -= 1
            self._changed.notify_all()

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


Sort = Union[Answer, Wire, Hold, Callable[[], float]]


@dataclass
class Fault:
    """One scripted fault: where it strikes, how often still, and what it does."""

    where: str
    sort: str
    what: Sort
    left: Optional[int]
    when: Optional[Callable[[Any], bool]]

    def __repr__(self) -> str:
        left = "for ever" if self.left is None else f"x{self.left}"
        return f"<Fault {self.sort} at {self.where} {left}>"

    def fits(self, where: str, request: Any) -> bool:
        """Whether a request to *where* meets this fault."""
        return self.where in (ANY, where) and (self.when is None or self.when(request))


@dataclass
class Plan:
    """The faults that one request meets; parts without a fault are None."""

    wait: Optional[Union[Hold, Callable[[], float]]] = None
    answer: Optional[Answer] = None
    wire: Optional[Wire] = None


class Faults:
    """The script of troubles of one simulator. Every method may be called from any thread at any time.

    *where* is the last part of a path ("getupdates", "sendmessage", "upload", …) or "*" for every request.
    ``times`` says how many requests a fault strikes (1 unless told), ``forever=True`` all of them until
    `clear`. ``when`` narrows it further: it is called with the request's record and says whether the fault
    strikes.
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
            return list(self._script)

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
    ) -> None:
        """Answer with this in place of the truth; an error page when neither *body* nor *json* is given.

        The request is thrown away unread, or with ``handled=True`` carried out before the answer lies about
        it.
        """
        if json is not None:
            body = json_module.dumps(json, ensure_ascii=False).encode()
        content = ERROR_PAGE if body is None else body
        kind = "application/json" if json is not None else "text/html"
        self._add(
            where,
            "answer",
            Answer(status, {"Content-Type": kind, **(headers or {})}, content, handled=handled),
            which,
        )

    def ret(
        self, where: str, ret: int, errmsg: str = "simulated fault", *, handled: bool = False, **which: Any
    ) -> None:
        """Answer HTTP 200 with ``ret`` = *ret*."""
        self.next(where, json={"ret": ret, "errmsg": errmsg}, handled=handled, **which)

    def errcode(
        self,
        where: str,
        errcode: int,
        errmsg: str = "simulated fault",
        *,
        handled: bool = False,
        **which: Any,
    ) -> None:
        """Answer HTTP 200 with ``errcode`` = *errcode* and no ``ret``."""
        self.next(where, json={"errcode": errcode, "errmsg": errmsg}, handled=handled, **which)

    def alter(self, where: str, changes: Mapping[str, Any], **which: Any) -> None:
        """Carry the request out and answer the truth with some fields of its JSON changed (`DROP` takes a
        field away).
        """
        self._add(where, "answer", Answer(changes=dict(changes), handled=True), which)

    def drop_header(self, where: str, name: str, **which: Any) -> None:
        """Carry the request out and leave one header out of the answer, such as ``x-encrypted-param`` of an
        upload.
        """
        self._add(where, "answer", Answer(dropped_header=name.lower(), handled=True), which)

    # when the answer comes

    def hold(self, where: str, **which: Any) -> Hold:
        """Keep matching requests waiting, after they were read and before they are carried out, until the
        Hold is released.

        Holds every request unless ``times`` is given.
        """
        hold = Hold(where)
        self._add(where, "wait", hold, which if "times" in which else {"forever": True, **which})
        with self._lock:
            self._holds.append(hold)
        return hold

    def slow(self, where: str, seconds: float, **which: Any) -> None:
        """Wait *seconds* before the request is carried out."""
        self._add(where, "wait", lambda: seconds, which)

    def latency(self, where: str, low: float, high: float, *, seed: int = 0, **which: Any) -> None:
        """Wait a random time between *low* and *high* seconds, the same row of times for the same *seed*; for
        ever unless ``times``.
        """
        dice = random.Random(seed)
        self._add(
            where,
            "wait",
            lambda: dice.uniform(low, high),
            which if "times" in which else {"forever": True, **which},
        )

    # how its bytes travel

    def cut(
        self,
        where: str,
        *,
        at: str = "after_handling",
        after: Optional[int] = None,
        reset: bool = True,
        **which: Any,
    ) -> None:
        """End the connection early: with a reset (RST), or with ``reset=False`` by a plain close (FIN).

        *at* is one of: ``before_reading`` (the body stays unread), ``after_reading`` (nothing was carried
        out), ``after_handling`` (carried out, no byte of the answer sent), ``mid_headers``, ``mid_body``
        (carried out, half of it sent), ``mid_request`` (*after* bytes of the request's body were read). With
        *after* alone, that many bytes of the answer are sent.
        """
        if at not in CUT_STAGES:
            raise ValueError(f"at must be one of {', '.join(CUT_STAGES)}, not {at!r}")
        stage = None if after is not None and at == "after_handling" else at
        self._add(where, "wire", Wire(stage=stage, after=after, reset=reset), which)

    def raw(self, where: str, data: bytes, *, handled: bool = False, **which: Any) -> None:
        """Write *data* onto the connection in place of an HTTP answer, then close it."""
        wire = Wire(stage="after_handling" if handled else "after_reading", reset=False, raw=data)
        self._add(where, "wire", wire, which)

    def drip(self, where: str, *, interval: float, chunk: int = 1, **which: Any) -> None:
        """Carry the request out and send the answer *chunk* bytes at a time, *interval* seconds apart."""
        if chunk < 1:
            raise ValueError(f"chunk must be at least 1 byte, not {chunk}")
        self._add(where, "wire", Wire(interval=interval, chunk=chunk), which)

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
            for fault in list(self._script):
                if fault.sort in met or not fault.fits(where, request):
                    continue
                met[fault.sort] = fault.what
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

    def stall(self, what: Optional[Union[Hold, Callable[[], float]]]) -> None:
        """Go through a wait. Raises Stopped when the simulator stopped meanwhile."""
        if isinstance(what, Hold):
            what.pass_through()
        elif what is not None:
            self.pause(what())
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
        """Called when the simulator stops: whoever is stalled gets Stopped at once."""
        self._stopping.set()
        with self._lock:
            holds = list(self._holds)
        for hold in holds:
            hold.release()

    def _add(self, where: str, sort: str, what: Sort, which: Mapping[str, Any]) -> None:
        unknown = set(which) - {"times", "forever", "when"}
        if unknown:
            raise TypeError(
                f"unexpected argument {sorted(unknown)[0]!r}; the choices are times, forever and when"
            )
        if self._places and where != ANY and where not in self._places:
            raise ValueError(f"no endpoint {where!r}; there are {', '.join(sorted(self._places))}")
        left = None if which.get("forever") else which.get("times", 1)
        if left is not None and left < 1:
            raise ValueError(f"times must be at least 1, not {left}")
        with self._lock:
            self._script.append(Fault(where, sort, what, left, which.get("when")))


class _Drop:
    def __repr__(self) -> str:
        return "DROP"


DROP = _Drop()  # as the value of a field in Faults.alter: leave the field out


def altered_json(body: bytes, changes: Mapping[str, Any]) -> bytes:
    """The JSON object *body* with *changes* made to its fields."""
    fields = json_module.loads(body) if body else {}
    fields.update(changes)
    return json_module.dumps({k: v for k, v in fields.items() if v is not DROP}, ensure_ascii=False).encode()
