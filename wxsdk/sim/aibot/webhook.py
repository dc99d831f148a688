"""Calls a bot's address as the platform does in callback mode: verification, messages, retries, refreshes, and the
response_url (docs/protocol/callback).
"""

from __future__ import annotations

import http.client
import json
import logging
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import quote, urlencode, urlsplit

from . import wire
from .desk import FrameDesk
from .errors import Refused, SimError
from .seal import Seal
from .state import Request, Violation
from .webhook_rules import (
    ANSWER_SECONDS,
    STREAM_SECONDS,
    TRIES,
    URL_SECONDS,
    WebhookRules,
    is_numbered,
    read_answer,
)

log = logging.getLogger("wxsdk.sim.aibot.simulator")

REFRESH_SECONDS = 0.2  # between two refreshes; the platform's own pace is not documented
JOIN_SECONDS = 6.0  # a request that hangs is waited for as long as it may take

Body = Dict[str, Any]


@dataclass(repr=False)
class SimCallback:
    """One HTTP request to the bot and what came back."""

    kind: str
    """``verify``, ``message``, ``refresh`` or the event's type."""
    attempt: int
    """1 for the first try."""
    body: Body
    """The plain text that was sent, encrypted, in it."""
    status: Optional[int] = None
    """The HTTP status; None when there was no answer in time."""
    answer: Optional[Body] = None
    """The decrypted answer; None for an empty one, or none."""
    seconds: float = 0.0
    error: str = ""
    """Why the answer is no use."""
    at: float = field(default_factory=time.monotonic)

    def __repr__(self) -> str:  # without the body: it holds a response_url
        return f"SimCallback({self.kind}, attempt={self.attempt}, status={self.status}, {self.seconds:.2f} s)"


class Webhook:
    """One bot's address. Each message is delivered by a thread of its own, which refreshes its stream as well."""

    def __init__(self, desk: FrameDesk, url: str, bot_id: str, seal: Seal) -> None:
        self._desk, self.url, self._bot_id, self.seal = desk, url, bot_id, seal
        self.answer_seconds = ANSWER_SECONDS
        self.refresh_seconds = REFRESH_SECONDS
        self.calls: List[SimCallback] = []
        self._urls: Dict[str, Tuple[Request, float]] = {}
        self._used: List[str] = []
        self._threads: List[threading.Thread] = []
        self._count = 0

    # -- calling ----------------------------------------

    def verify(self) -> None:
        """Ask the address to prove that it knows the keys. SimError says why it does not."""
        echo = secrets.token_hex(10)
        call = SimCallback("verify", 1, {"echo": echo})
        sealed = self.seal.close(echo.encode("ascii"))
        data = self._exchange(call, "GET", sealed)
        if call.status != 200:
            raise SimError(f"the verification was answered with {call.status}: {call.error or data[:200]!r}")
        if data != echo.encode("ascii"):
            raise SimError("the verification was not answered with the decrypted text alone")

    def deliver(self, request: Request, body: Body) -> None:
        """Bring *body* to the bot, on a thread of its own; what is brought again is the same in every part."""
        if not str(body.get("response_url", "")).startswith(self._desk.media.base_url()):
            body["response_url"] = self._response_url(request)
        with self._desk.changed:
            self._count += 1
            thread = threading.Thread(
                target=self._deliver, args=(request, body), name=f"wxsdk-sim-aibot-callback-{self._count}", daemon=True
            )
            self._threads = [one for one in self._threads if one.is_alive() or one.ident is None]
            self._threads.append(thread)
        thread.start()

    def join(self) -> bool:
        """Wait for the threads after the simulator was told to stop; True when all have ended."""
        for thread in list(self._threads):
            thread.join(JOIN_SECONDS)
        return not any(thread.is_alive() for thread in self._threads)

    def _deliver(self, request: Request, body: Body) -> None:
        for attempt in range(1, TRIES + 1):
            call = self._call(request.kind, attempt, body)
            if self._desk.stopped.is_set():
                return
            if call.status == 200:
                break
            self._desk.stopped.wait(max(self.answer_seconds - call.seconds, 0.0))
        else:
            self._note("callback not answered", f"{TRIES} tries of a {request.kind}")
            return
        if call.answer is not None:
            self._judge(call, lambda rules: rules.answer(request, call.answer or {}))
        self._refresh(request, body)

    def _refresh(self, request: Request, body: Body) -> None:
        """Ask for the newest snapshot of each open stream until it is finished, or the time is over."""
        while not self._desk.stopped.is_set():
            with self._desk.changed:
                open_ones = [one for one in request.streams.values() if not one.finished]
                over = self._desk.clock() - request.at > STREAM_SECONDS
            if not open_ones or over:
                return
            self._desk.stopped.wait(self.refresh_seconds)
            for bubble in open_ones:
                if bubble.finished or self._desk.stopped.is_set():
                    continue
                asked = {name: part for name, part in body.items() if name in _KEPT}
                stream_id = str(bubble.stream_id)
                asked.update({"msgtype": "stream", "stream": {"id": stream_id}, "msgid": secrets.token_hex(12)})
                call = self._call("refresh", 1, asked)
                if call.status == 200 and call.answer is not None:
                    answer = call.answer
                    self._judge(call, lambda rules: rules.refreshed(request, stream_id, answer))  # noqa: B023

    def _call(self, kind: str, attempt: int, body: Body) -> SimCallback:
        """One encrypted POST."""
        call = SimCallback(kind, attempt, body)
        sealed = self.seal.close(wire.dumps(body))
        data = self._exchange(call, "POST", sealed)
        if call.status == 200:
            try:
                call.answer = read_answer(self.seal, data)
                if not is_numbered(data):
                    self._note("timestamp of an answer", "a text where a number is expected")
            except SimError as error:
                call.error = str(error)
                self._note("callback answer", str(error))
        with self._desk.changed:
            self._desk.changed.tell("callback", call)
            self._desk.changed.notify_all()
        return call

    def _exchange(self, call: SimCallback, method: str, sealed: str) -> bytes:
        """The body of the answer, with the status in *call*; no status when there was none in time."""
        timestamp, nonce = str(int(self._desk.clock())), secrets.token_hex(8)
        query = {"msg_signature": self.seal.sign(timestamp, nonce, sealed), "timestamp": timestamp, "nonce": nonce}
        if method == "GET":
            query["echostr"] = sealed
        parts = urlsplit(self.url)
        own = f"{parts.query}&" if parts.query else ""
        target = f"{parts.path or '/'}?{own}{urlencode(query, quote_via=quote)}"
        made = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = made(parts.hostname or "", parts.port, timeout=self.answer_seconds)
        with self._desk.changed:
            self.calls.append(call)
        began = time.monotonic()
        try:
            body = wire.dumps({"encrypt": sealed}) if method == "POST" else None
            connection.request(method, target, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            data = response.read()
            call.seconds = time.monotonic() - began
            if call.seconds <= self.answer_seconds:
                call.status = response.status
            return data
        except (OSError, http.client.HTTPException) as error:
            call.seconds, call.error = time.monotonic() - began, type(error).__name__
            return b""
        finally:
            connection.close()

    def _judge(self, call: SimCallback, judged: Any) -> None:
        try:
            with self._desk.changed:
                rules = WebhookRules(self._desk.world, self._bot_id, self._desk.clock(), self._note)
                try:
                    judged(rules)
                finally:
                    self._desk.changed.notify_all()
        except Refused as refused:
            call.error = refused.errmsg
            if refused.violation:
                self._note(refused.violation, refused.errmsg)

    def _note(self, rule: str, detail: str) -> None:
        with self._desk.changed:
            self._desk.world.violations.append(Violation(rule, detail, 0))

    # -- being called ----------------------------------------

    def _response_url(self, request: Request) -> str:
        code = secrets.token_hex(16)
        with self._desk.changed:
            self._urls[code] = request, self._desk.clock()
        return f"{self._desk.media.base_url()}/aibot/response?response_code={code}"

    def respond(self, code: str, data: bytes) -> Body:
        """Take a POST to a response_url; what to answer it with."""
        with self._desk.changed:
            found = self._urls.get(code)
            used = code in self._used
            self._used.append(code)
            try:
                if found is None:
                    raise Refused(_BAD_URL, "invalid response_code")
                request, born = found
                if used:
                    raise Refused(_BAD_URL, "response_url was used before", violation="response_url used twice")
                if self._desk.clock() - born > URL_SECONDS:
                    raise Refused(_BAD_URL, "response_url has expired", violation="response_url after its hour")
                body = json.loads(data)
                if not isinstance(body, dict):
                    raise Refused(_BAD_URL, "not a JSON object", violation="response_url body")
                WebhookRules(self._desk.world, self._bot_id, self._desk.clock(), self._note).by_url(request, body)
            except (ValueError, RecursionError):
                return {"errcode": _BAD_URL, "errmsg": "not JSON"}
            except Refused as refused:
                if refused.violation:
                    self._note(refused.violation, refused.errmsg)
                return {"errcode": refused.errcode, "errmsg": refused.errmsg}
            finally:
                self._desk.changed.notify_all()
        return {"errcode": 0, "errmsg": "ok"}


_KEPT = ("aibotid", "chatid", "chattype", "from", "create_time")  # of the message, in a refresh
_BAD_URL = 40058  # a bad parameter; the platform's own code is not documented
