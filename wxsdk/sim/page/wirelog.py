"""Keeps the newest requests and frames for the page's inspector, without their secrets."""

from __future__ import annotations

import json
import time
from collections import OrderedDict, deque
from typing import Any, Callable, ContextManager, Deque, Dict, List, Optional

from ..aibot.desk import SimFrame
from ..aibot.webhook import SimCallback
from ..ilink.records import Seen
from .hiding import hide

KEPT = 500  # exchanges
MAX_CALLBACKS = 2_000  # whose time of arrival is kept, to say how long an answer took

Exchange = Dict[str, Any]
Publish = Callable[[str, Any], None]


class WireLog:
    """The newest exchanges. Any thread may use it; *lock* is the feed's."""

    def __init__(self, publish: Publish, lock: ContextManager[Any]) -> None:
        self._publish = publish
        self._lock = lock
        self._kept: Deque[str] = deque()
        self._exchanges: Dict[str, Exchange] = {}
        self._pushed_at: OrderedDict[str, float] = OrderedDict()
        self._pushes = 0
        self._skew = time.time() - time.monotonic()

    def snapshot(self) -> List[Exchange]:
        """Return the exchanges, oldest first."""
        with self._lock:
            return [dict(one) for one in self._exchanges.values()]

    def request(self, seen: Seen) -> None:
        """Note a request of the iLink side, or its end."""
        body, answer = seen.json if seen.status is not None else None, _json(seen.answer)
        self._put(
            f"i{seen.n}",
            {
                "side": "ilink",
                "dir": "in",
                "what": seen.place,
                "how": seen.method,
                "at": seen.at + self._skew,
                "status": seen.status,
                "code": _code(answer),
                "ms": None if seen.ended_at is None else _ms(seen.ended_at - seen.at),
                "cut": seen.ended_at is not None and seen.status is None,
                "breaches": list(seen.breaches),
                "request": hide(body if body is not None else dict(seen.query)),
                "answer": hide(answer),
                "size": seen.stream.length,
            },
        )

    def frame(self, frame: SimFrame) -> None:
        """Note a frame of a WeCom bot and what became of it."""
        pushed_at = self._pushed_at.get(frame.req_id)
        self._put(
            f"f{frame.number}",
            {
                "side": "aibot",
                "dir": "in",
                "what": frame.cmd,
                "at": frame.at + self._skew,
                "code": frame.errcode,
                "ms": None if frame.answered_at is None else _ms(frame.answered_at - frame.at),
                "after": None if pushed_at is None else _ms(frame.at - pushed_at),
                "held": frame.answered_at is None,
                "breaches": list(frame.breaches),
                "request": hide(frame.data),
                "answer": hide(frame.answer),
                "size": len(json.dumps(frame.data)),
            },
        )

    def pushed(self, data: Dict[str, Any], delivered: bool = True) -> None:
        """Note a frame to a WeCom bot."""
        self._pushes += 1
        body = data.get("body") or {}
        event = (body.get("event") or {}).get("eventtype") if isinstance(body.get("event"), dict) else None
        self._pushed_at[str(data.get("headers", {}).get("req_id"))] = time.monotonic()
        while len(self._pushed_at) > MAX_CALLBACKS:
            self._pushed_at.popitem(last=False)
        self._put(
            f"p{self._pushes}",
            {
                "side": "aibot",
                "dir": "out",
                "what": str(event or body.get("msgtype") or data.get("cmd")),
                "at": time.monotonic() + self._skew,
                "code": None,
                "ms": None,
                "cut": not delivered,
                "breaches": [],
                "request": hide(data),
                "answer": None,
                "size": len(json.dumps(data)),
            },
        )

    def callback(self, call: SimCallback) -> None:
        """Note a request to a bot in callback mode, decrypted, and its answer."""
        self._pushes += 1
        self._put(
            f"w{self._pushes}",
            {
                "side": "aibot",
                "dir": "out",
                "what": f"callback {call.kind}" + (f" ({call.attempt})" if call.attempt > 1 else ""),
                "at": call.at + self._skew,
                "status": call.status,
                "code": None,
                "ms": _ms(call.seconds),
                "cut": call.status is None,
                "breaches": [call.error] if call.error else [],
                "request": hide(call.body),
                "answer": hide(call.answer),
                "size": len(json.dumps(call.body)),
            },
        )

    def connection(self, number: int, how: Optional[str]) -> None:
        """Note that a WeCom bot's connection was opened, or how it ended."""
        self._put(
            f"c{number}{'-' if how else '+'}",
            {
                "side": "aibot",
                "dir": "in",
                "what": "connection",
                "at": time.time(),
                "code": None,
                "ms": None,
                "note": how or "opened",
                "breaches": [],
                "request": None,
                "answer": None,
                "size": 0,
            },
        )

    def clear(self) -> None:
        """Forget the exchanges."""
        with self._lock:
            self._kept.clear()
            self._exchanges.clear()

    def _put(self, name: str, exchange: Exchange) -> None:
        exchange["id"] = name
        with self._lock:
            if name not in self._exchanges:
                self._kept.append(name)
            self._exchanges[name] = exchange
            while len(self._kept) > KEPT:
                self._exchanges.pop(self._kept.popleft(), None)
            self._publish("wire", exchange)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _json(answer: bytes) -> Any:
    try:
        return json.loads(answer) if answer else None
    except ValueError:
        return f"({len(answer):,} bytes that are not JSON)"


def _code(answer: Any) -> Optional[int]:
    if not isinstance(answer, dict):
        return None
    return answer.get("errcode") or answer.get("ret") or 0
