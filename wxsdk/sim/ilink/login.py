"""Moves the QR login of the simulated iLink platform along a table of states, as a person with a phone would.

Pure: `now` is an argument. The owner of the lock calls it. Source: docs/protocol/ilink, 6.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

QRCODE_LIFE = 300.0  # seconds; docs/protocol/ilink, 6
IMG_CONTENT = "https://liteapp.weixin.qq.com/q/"

WAIT, SCANED, CONFIRMED, EXPIRED = "wait", "scaned", "confirmed", "expired"
REDIRECT, NEED_VERIFY, BLOCKED, BOUND = (
    "scaned_but_redirect",
    "need_verifycode",
    "verify_code_blocked",
    "binded_redirect",
)

NEXT: Dict[Tuple[str, str], str] = {
    (WAIT, "scan"): SCANED,
    (WAIT, "expire"): EXPIRED,
    (WAIT, "demand"): NEED_VERIFY,
    (WAIT, "redirect"): REDIRECT,
    (WAIT, "bind"): BOUND,
    (SCANED, "confirm"): CONFIRMED,
    (SCANED, "expire"): EXPIRED,
    (SCANED, "demand"): NEED_VERIFY,
    (SCANED, "redirect"): REDIRECT,
    (SCANED, "bind"): BOUND,
    (NEED_VERIFY, "verified"): SCANED,
    (NEED_VERIFY, "block"): BLOCKED,
    (NEED_VERIFY, "expire"): EXPIRED,
    (REDIRECT, "moved"): SCANED,
    (REDIRECT, "confirm"): CONFIRMED,
    (REDIRECT, "expire"): EXPIRED,
    (SCANED, "block"): BLOCKED,
    (WAIT, "block"): BLOCKED,
}


@dataclass
class QrCode:
    """One QR code and how far its login has come."""

    qrcode: str = field(repr=False)
    born: float
    local_tokens: List[str] = field(default_factory=list, repr=False)
    state: str = WAIT
    user: str = ""
    verify_code: Optional[str] = field(default=None, repr=False)
    wrong_codes: int = 0
    redirect_host: Optional[str] = None
    credentials: Dict[str, str] = field(default_factory=dict, repr=False)
    told: Optional[str] = None  # the state last answered

    @property
    def img_content(self) -> str:
        """What the QR code shows."""
        return f"{IMG_CONTENT}{self.qrcode}"

    def possible(self) -> List[str]:
        """The events that can come next."""
        return [event for state, event in NEXT if state == self.state]

    def step(self, event: str) -> None:
        """Move on; RuntimeError names state and event of an illegal step."""
        try:
            self.state = NEXT[self.state, event]
        except KeyError:
            raise RuntimeError(f"a login in state {self.state!r} cannot {event}") from None

    def seen(self, now: float, host: str, verify_code: Optional[str]) -> None:
        """A status poll came in on *host*: what it brings may move the login on."""
        if now - self.born >= QRCODE_LIFE and (self.state, "expire") in NEXT:
            self.step("expire")
        if self.state == REDIRECT and host == self.redirect_host:
            self.step("moved")
        if self.state == NEED_VERIFY and verify_code is not None:
            if verify_code == self.verify_code:
                self.step("verified")
            else:
                self.wrong_codes += 1
                self.told = None  # asking again is news

    def status(self) -> Dict[str, Any]:
        """The answer to a status poll."""
        self.told = self.state
        answer: Dict[str, Any] = {"status": self.state}
        if self.state == REDIRECT:
            answer["redirect_host"] = self.redirect_host
        if self.state == CONFIRMED:
            answer.update(self.credentials)
        return answer


class Logins:
    """The QR codes given out by one simulator, oldest first."""

    def __init__(self) -> None:
        self.codes: List[QrCode] = []

    def begin(self, now: float, local_tokens: List[str]) -> QrCode:
        """Give out a QR code."""
        code = QrCode(secrets.token_hex(16), now, local_tokens)
        self.codes.append(code)
        return code

    def find(self, qrcode: Optional[str]) -> Optional[QrCode]:
        """The code of that id or that picture, or the newest; None when there is none such."""
        for code in reversed(self.codes):
            if qrcode is None or qrcode in (code.qrcode, code.img_content):
                return code
        return None
