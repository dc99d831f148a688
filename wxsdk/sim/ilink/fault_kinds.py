"""Defines what a scripted fault consists of. The script itself is in `faults`."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Optional, Union

DEFAULT_WAIT = 5.0  # seconds a test waits for something to happen before it fails
ANY = "*"
CUT_STAGES = ("before_reading", "after_reading", "after_handling", "mid_request", "mid_headers", "mid_body")
ERROR_PAGE = b"<html><head><title>simulated fault</title></head><body>simulated fault</body></html>"


class Stopped(Exception):
    """The simulator is stopping; a thread that a fault has stalled gives up its connection."""


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
    sip: int = 0


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
        """The number of requests that have come in so far."""
        return self._entered

    @property
    def inside(self) -> int:
        """The number of requests that are being held at this moment."""
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


@dataclass
class Wait:
    """How long a request waits: for the test, or some seconds. *late*: after it was carried out."""

    hold: Optional[Hold] = None
    seconds: Optional[Callable[[], float]] = None
    late: bool = False


Sort = Union[Answer, Wire, Wait]


@dataclass
class Fault:
    """One scripted fault: where it strikes, how often still, and what it does."""

    where: str
    sort: str
    what: Sort
    left: Optional[int]
    when: Optional[Callable[[Any], bool]]
    hits: int = 0  # how many requests it has struck

    def cancel(self) -> None:
        """Strike no further request."""
        self.left = 0

    def __repr__(self) -> str:
        left = "for ever" if self.left is None else f"x{self.left}"
        return f"<Fault {self.sort} at {self.where} {left}>"

    def fits(self, where: str, request: Any) -> bool:
        """Whether a request to *where* meets this fault."""
        return self.where in (ANY, where) and (self.when is None or self.when(request))


@dataclass
class Plan:
    """The faults that one request meets; parts without a fault are None."""

    wait: Optional[Wait] = None
    answer: Optional[Answer] = None
    wire: Optional[Wire] = None
