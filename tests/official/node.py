"""A Node process that runs one of the drivers/*.mjs, spoken to in lines of JSON.

Python writes ``{"id": 1, "call": "…", …}``; the driver answers ``{"id": 1, "value": …}`` or ``{"id": 1, "error":
{…}}`` and tells at any time ``{"event": [channel, name, what]}``. The driver ends when its stdin does, so that it
cannot outlive the tests.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

PROXIES = ("http_proxy", "https_proxy", "all_proxy")
WAIT = 20.0  # seconds for any one answer: Node starts slowly on a busy machine
DRIVERS = Path(__file__).parent / "drivers"


def _without_proxies() -> Dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.lower() not in PROXIES}


class OfficialError(Exception):
    """The vendor's client threw. `what` is what it threw: an object, or its ``name``, ``message`` and ``code``."""

    def __init__(self, what: Any) -> None:
        super().__init__(json.dumps(what, ensure_ascii=False))
        self.what = what


class Pending:
    """The answer to a call that may still be under way."""

    def __init__(self, node: Node, number: int) -> None:
        self._node, self._number = node, number

    @property
    def done(self) -> bool:
        return self._number in self._node.answers

    def result(self, timeout: float = WAIT) -> Any:
        """The value; raises OfficialError for what was thrown, AssertionError after *timeout* seconds."""
        self._node.wait_for(lambda: self.done, timeout, "an answer of the driver")
        answer = self._node.answers[self._number]
        if "error" in answer:
            raise OfficialError(answer["error"])
        return answer.get("value")


class Node:
    """One driver process. Made by `start`, ended by `close`; any thread may use it."""

    def __init__(self, driver: str, arguments: Sequence[str] = (), environment: Mapping[str, str] = {}) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  # closed in close()
        command = ["node", *arguments, str(DRIVERS / driver)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env={**_without_proxies(), **environment},
        )
        self._changed = threading.Condition()
        self._ids = itertools.count(1)
        self._over = False
        self.answers: Dict[int, Dict[str, Any]] = {}
        self.events: List[List[Any]] = []
        self._taken: Dict[Any, int] = {}
        self._reader: Optional[threading.Thread] = None

    def start(self) -> Node:
        """Begin to read what the driver says."""
        self._reader = threading.Thread(target=self._read, name="official-node", daemon=True)
        self._reader.start()
        return self

    def close(self) -> None:
        """End the process and the thread, by force when 5 seconds do not suffice."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._reader is not None:
            self._reader.join(5)
        self._process.stdout.close()
        self._complaints.close()

    def begin(self, call: str, **arguments: Any) -> Pending:
        """Make a call and do not wait for its answer."""
        assert self._process.stdin is not None
        number = next(self._ids)
        line = json.dumps({"id": number, "call": call, **arguments}) + "\n"
        with self._changed:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        return Pending(self, number)

    def call(self, call: str, timeout: float = WAIT, **arguments: Any) -> Any:
        """Make a call and return its value; see Pending.result."""
        return self.begin(call, **arguments).result(timeout)

    def event(self, channel: str, name: str, timeout: float = WAIT) -> Any:
        """What came with the next event *name* of *channel*; each comes once, in order."""
        return self.wait_for(lambda: self._take(channel, name), timeout, f"event {name} of {channel}")[0]

    def told(self, channel: str, name: str) -> List[Any]:
        """Every event *name* of *channel* so far, those taken included."""
        with self._changed:
            return [what for where, which, what in self.events if (where, which) == (channel, name)]

    def wait_for(self, predicate: Any, timeout: float, what: str) -> Any:
        """The first true value of *predicate*; AssertionError when the process ended or after *timeout* seconds."""
        found: List[Any] = []  # the predicate may take what it finds, so a find is kept

        def look() -> bool:
            value = predicate()
            if value:
                found.append(value)
            return bool(value) or self._over

        with self._changed:
            self._changed.wait_for(look, timeout)
            if not found:
                raise AssertionError(f"{what} did not come; {self._story()}")
            return found[0]

    def _take(self, channel: str, name: str) -> Optional[List[Any]]:
        met = self.told(channel, name)
        count = self._taken.get((channel, name), 0)
        if count >= len(met):
            return None
        self._taken[channel, name] = count + 1
        return [met[count]]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            with self._changed:
                if "event" in said:
                    self.events.append(said["event"])
                else:
                    self.answers[said["id"]] = said
                self._changed.notify_all()
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _story(self) -> str:
        self._complaints.seek(0)
        complaints = self._complaints.read().decode(errors="replace")[-2000:]
        return f"ended: {self._over}, events: {[event[:2] for event in self.events[-10:]]}, stderr: {complaints}"
