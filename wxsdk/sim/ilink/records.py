"""Records every request of a simulator, and waits until something is true, without polling."""

from __future__ import annotations

import json
import selectors
import socket
import threading
import time
from contextlib import contextmanager, suppress
from email.message import Message
from typing import Any, Callable, Dict, Iterator, List, Optional, Set, TypeVar
from urllib.parse import parse_qsl, urlsplit

from ..changes import Changes, Listener
from .faults import DEFAULT_WAIT, Stopped

T = TypeVar("T")


class Body:
    """The body of a request on a connection: `remaining` bytes of it are still unread."""

    def __init__(self, file: Any, length: int) -> None:
        self._file = file
        self.length = length
        self.remaining = length
        self.pace: Optional[Callable[[], int]] = None  # waits, then says how many bytes may be read

    def readinto(self, target: memoryview) -> int:
        """Read into *target*; 0 at the end of the body or when the client went away."""
        if self.pace is not None:
            target = target[: self.pace()]
        count: int = self._file.readinto(target[: self.remaining]) if self.remaining else 0
        self.remaining -= count
        return count

    def read(self, size: int = -1) -> bytes:
        """Read *size* bytes or what is left, all that is left when negative. ConnectionError when the client
        went away.
        """
        size = self.remaining if size < 0 else min(size, self.remaining)
        data: bytes = self._file.read(size)
        self.remaining -= len(data)
        if len(data) < size:
            raise ConnectionError("the client went away in the middle of a request")
        return data

    def drain(self, block: int = 1 << 20) -> None:
        """Read the rest and forget it."""
        while self.remaining and self.read(block):
            pass


class Seen:
    """One request as the simulator received it.

    `n` counts from 1 over the life of the simulator, `connection` tells which connection it came on, `at` is
    time.monotonic() of its arrival. `place` is the last part of its path, the name that faults and
    `ILinkSim.count` go by. `status` is the HTTP status answered, None before that and when the connection was
    cut instead. `ended_at` is time.monotonic() of the answer, `answer` its JSON (kept only while a listener wants it),
    `breaches` the rules of the protocol that this request broke.
    """

    def __init__(
        self,
        n: int,
        connection: int,
        method: str,
        target: str,
        headers: Message,
        stream: Body,
        sock: socket.socket,
    ) -> None:
        self.n = n
        self.connection = connection
        self.method = method
        self.target = target
        parts = urlsplit(target)
        self.path = parts.path
        self.place = parts.path.rstrip("/").rpartition("/")[2]
        self.query: Dict[str, str] = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.headers = headers
        self.at = time.monotonic()
        self.status: Optional[int] = None
        self.ended_at: Optional[float] = None
        self.answer: bytes = b""
        self.breaches: List[str] = []
        self.stream = stream
        self.sock = sock
        self._body: Optional[bytes] = None
        self._reader = threading.get_ident()

    def __repr__(self) -> str:
        return f"<request {self.n}: {self.method} {self.path} -> {self.status or 'no answer'}>"

    @property
    def body(self) -> bytes:
        """The raw body; empty for an upload (see the CDN) and for what was cut before reading."""
        if self._body is None and threading.get_ident() == self._reader and self.place != "upload":
            self._body = self.stream.read()
        return self._body or b""

    @property
    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Gone(Exception):
    """The client closed its connection while it was being held."""


class Hub:
    """The one lock of a simulator, and the threads that wait for a change under it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._changed = Changes(self.lock)
        self._wakers: Set[socket.socket] = set()
        self._stopped = False

    def begin(self) -> None:
        """The simulator starts."""
        with self.lock:
            self._stopped = False

    def stop(self) -> None:
        """The simulator stops: held requests end."""
        with self.lock:
            self._stopped = True
            self.notify()

    def notify(self) -> None:
        """Make every waiting thread look again."""
        with self.lock:
            self._changed.notify_all()
            for waker in self._wakers:
                with suppress(BlockingIOError):  # full of earlier rings: it will look anyway
                    waker.send(b"!")

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Report everything that happens to *listener*, until the returned function is called; see `Listener`."""
        return self._changed.listen(listener)

    @property
    def heard(self) -> bool:
        """Whether there is a listener."""
        return self._changed.heard

    def tell(self, what: str, thing: Any) -> None:
        """Report what happened to the listeners alone."""
        self._changed.tell(what, thing)

    def wait_for(self, predicate: Callable[[], T], timeout: float) -> T:
        """Wait until *predicate* is true, called under the lock at every change; its value comes back."""
        with self.lock:
            return self._changed.wait_for(predicate, timeout)

    def hold(self, sock: socket.socket, ready: Callable[[], Optional[T]], seconds: float) -> Optional[T]:
        """Wait until *ready* gives something other than None, at most *seconds*; then None.

        Raises Gone when the client behind *sock* closes its connection meanwhile, Stopped when the simulator
        stops.
        """
        deadline = time.monotonic() + seconds
        with self._waker() as bell, selectors.DefaultSelector() as selector:
            selector.register(bell, selectors.EVENT_READ)
            selector.register(sock, selectors.EVENT_READ)
            while True:
                with self.lock:
                    if self._stopped:
                        raise Stopped
                    found = ready()
                left = deadline - time.monotonic()
                if found is not None or left <= 0:
                    return found
                for key, _ in selector.select(left):
                    if key.fileobj is bell:
                        bell.recv(4096)
                    elif socket.socket.recv(sock, 1, socket.MSG_PEEK):
                        selector.unregister(sock)  # the next request, ahead of time: the client is there
                    else:
                        raise Gone

    @contextmanager
    def _waker(self) -> Iterator[socket.socket]:
        bell, waker = socket.socketpair()
        waker.setblocking(False)
        with bell, waker:
            with self.lock:
                self._wakers.add(waker)
            try:
                yield bell
            finally:
                with self.lock:
                    self._wakers.discard(waker)


class Recorder:
    """Every request in the order of arrival, and how many were in flight at once."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.requests: List[Seen] = []
        self.in_flight: Dict[str, int] = {}
        self.most_in_flight: Dict[str, int] = {}
        self._numbers = 0
        self._current = threading.local()

    def number(self) -> int:
        """The number of the next request."""
        with self._hub.lock:
            self._numbers += 1
            return self._numbers

    def begin(self, seen: Seen, lane: Optional[str]) -> None:
        """A request was read; *lane* names what it is in flight for."""
        with self._hub.lock:
            self.requests.append(seen)
            if lane is not None:
                self.in_flight[lane] = now = self.in_flight.get(lane, 0) + 1
                self.most_in_flight[lane] = max(now, self.most_in_flight.get(lane, 0))
            self._current.seen = seen
            self._hub.tell("request", seen)
            self._hub.notify()

    def end(self, seen: Seen, lane: Optional[str], status: Optional[int]) -> None:
        """Its answer is about to leave, or its connection was cut."""
        with self._hub.lock:
            seen.status = status
            seen.ended_at = time.monotonic()
            if lane is not None:
                self.in_flight[lane] -= 1
            self._current.seen = None
            self._hub.tell("request", seen)
            self._hub.notify()

    @property
    def keeps_answers(self) -> bool:
        """Whether the JSON of the answers is to be kept with the requests."""
        return self._hub.heard

    def breach(self, sentence: str) -> None:
        """Note a breach of the protocol by the request that this thread is answering, if it is answering one."""
        seen: Optional[Seen] = getattr(self._current, "seen", None)
        if seen is not None:
            seen.breaches.append(sentence)

    def count(self, place: str) -> int:
        """Count the requests for *place*: the last part of a path, or a whole path."""
        with self._hub.lock:
            return sum(1 for seen in self.requests if place in (seen.place, seen.path, seen.path.lstrip("/")))

    def wait_for(self, predicate: Callable[[], Any], timeout: float = DEFAULT_WAIT) -> Any:
        """Wait until *predicate* is true; AssertionError after *timeout* seconds. Its value comes back."""
        value = self._hub.wait_for(predicate, timeout)
        if not value:
            raise AssertionError(
                f"what was waited for did not happen within {timeout:g} s; seen: {self.requests[-10:]}"
            )
        return value
