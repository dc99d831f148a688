"""Logs a bot in from a web page: a page with the QR code, and the requests that it makes. Knows no web framework.

One path does it all. GET is the page; a GET with ``id`` is the state of a login as JSON; a POST of JSON begins one,
hands in the number that the phone shows, or cancels it. A login lives in the process that began it, so a site with
several workers needs requests of one browser to reach the same one, or a process of its own for this page.
"""

from __future__ import annotations

import json
import secrets
import threading
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional

from .. import LoginState, PendingLogin, StandaloneQrLogin, WeixinConfig, accounts
from ..accounts import Account
from ..errors import WxError
from ..log import get_logger
from .login_html import page_html

log = get_logger(__name__)

HEADER = "X-Wxsdk-Login"  # its presence shows that a page of this site asks: other sites' forms cannot send it
MAX_BODY_BYTES = 4096  # a number and an id
NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; connect-src 'self'"


class PageAnswer(NamedTuple):
    """What a view has to send."""

    status: int
    headers: Dict[str, str]
    body: bytes


class LoginPage:
    """The page of one account. Any thread may call ``answer``.

    account: the name under which the account is kept. config: for another server. on_login: called with the Account
    once it is kept, to give a running client its new token, say.
    """

    def __init__(
        self,
        account: str,
        config: Optional[WeixinConfig] = None,
        on_login: Optional[Callable[[Account], Any]] = None,
    ) -> None:
        self._account = account
        self._config = config
        self._on_login = on_login
        self._lock = threading.Lock()
        self._id = ""
        self._pending: Optional[PendingLogin] = None
        self._kept = False

    def answer(self, method: str, query: Mapping[str, str], body: bytes, headers: Mapping[str, str]) -> PageAnswer:
        """Answer a request of the page; *headers* with any case of names. Waits only for the first code."""
        if method == "GET":
            if "id" in query:
                return self._state(query["id"])
            policy = {"Content-Security-Policy": _POLICY, "Content-Type": "text/html; charset=utf-8", **NO_STORE}
            language = next((value for name, value in headers.items() if name.lower() == "accept-language"), "")
            return PageAnswer(200, policy, page_html(language, HEADER).encode())
        if method != "POST":
            return _json(405, {"error": "GET or POST"})
        if not any(name.lower() == HEADER.lower() for name in headers):
            return _json(403, {"error": f"The header {HEADER} is missing."})
        try:
            given = json.loads(body[: MAX_BODY_BYTES + 1])
        except (ValueError, RecursionError):
            return _json(400, {"error": "The body is not JSON."})
        return self._act(given if isinstance(given, dict) else {})

    def close(self) -> None:
        """Cancel a login that is going on."""
        with self._lock:
            pending = self._pending
        if pending is not None:
            pending.cancel()

    def _act(self, given: Dict[str, Any]) -> PageAnswer:
        action = given.get("action")
        try:
            if action == "begin":
                return self._begin()
            pending = self._known(given.get("id"))
            if pending is None:
                return _unknown()
            if action == "number":
                pending.submit_verify_code(str(given.get("code", "")))
            elif action == "cancel":
                pending.cancel()
            else:
                return _json(400, {"error": "There is no such action."})
        except WxError as exc:
            return _json(409, {"error": str(exc)})
        return self._state(str(given.get("id")))

    def _begin(self) -> PageAnswer:
        self.close()  # the one before: its page is gone, or its person starts anew
        config = self._config or WeixinConfig.from_env(token="")
        tokens = accounts.local_tokens(config.base_url)
        pending = StandaloneQrLogin(config).begin(local_tokens=tokens)
        with self._lock:
            self._id, self._pending, self._kept = secrets.token_urlsafe(18), pending, False
            begun = self._id
        return self._state(begun)

    def _known(self, given: object) -> Optional[PendingLogin]:
        with self._lock:
            matches = isinstance(given, str) and self._id and secrets.compare_digest(given.encode(), self._id.encode())
            return self._pending if matches else None

    def _state(self, given: str) -> PageAnswer:
        pending = self._known(given)
        if pending is None:
            return _unknown()
        try:
            if pending.done and pending.status.state is LoginState.CONFIRMED:
                self._keep(pending)
            shown = {
                "id": given,
                "state": pending.status.state.value,
                "done": pending.done,
                "error": None if pending.error is None else str(pending.error),
                "code_was_wrong": pending.verify_code_was_wrong,
                "svg": None if pending.done else pending.svg(),
                "account": self._account,
            }
        except WxError as exc:
            return _json(500, {"error": str(exc)})
        return _json(200, shown)

    def _keep(self, pending: PendingLogin) -> None:
        """Keep the account, once."""
        with self._lock:
            first, self._kept = not self._kept, True
        if not first:
            return
        account = Account.of_login(pending.status)
        try:
            accounts.save(self._account, account)
        except BaseException:
            with self._lock:
                self._kept = False
            raise
        log.info("the account %r was logged in from the page", self._account)
        if self._on_login is not None:
            self._on_login(account)


def _unknown() -> PageAnswer:
    return _json(404, {"error": "This login is not known here. It may run in another process of the site: start anew."})


def _json(status: int, value: Any) -> PageAnswer:
    headers = {"Content-Type": "application/json", **NO_STORE}
    return PageAnswer(status, headers, json.dumps(value).encode())
