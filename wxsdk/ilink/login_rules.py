"""The QR login as a state machine: what each answer means and what to do next (docs/protocol/ilink, 6). Performs none.

::

    dance = begin(config, now, timeout)
    # fetch a code and show it
    dance = after_code(dance, config, now)
    # look: ask dance.base_url, with dance.verify_code, for at most poll_timeout(dance, now, ...)
    step = after_status(dance, read_status(reply, dance.base_url, config), now)
    # or, without an answer, after_trouble(dance, error, now)
    # report step.status when step.changed, then do step.action with step.dance
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from enum import Enum
from typing import Optional, Sequence
from urllib.parse import urlsplit

from ..core.redact import Secret, hide
from ..core.settings import check_seconds, check_url
from ..errors import ConfigError, LoginError, TransportError, WxError
from ..log import get_logger
from .config import WeixinConfig, login_server
from .wire import QrCodeReply, QrStatusReply

log = get_logger(__name__)

MAX_CODES = 3  # QR codes of one login in all; docs/protocol/ilink, 6
CODE_LIFE = 300.0  # s; docs/protocol/ilink, 6
LOGIN_TIMEOUT = 480.0  # s for a whole login; docs/protocol/ilink, 6
POLL_DELAY = 1.0  # s between two looks; docs/protocol/ilink, 6
CODE_TRIES = 3  # to fetch one code
CODE_RETRY_DELAY = 2.0  # s before the next try to fetch one
MIN_POLL_TIMEOUT = 1.0  # s; a look needs some time even when the code is about to end
MAX_VERIFY_CODE_CHARS = 32  # the number on the phone has a few digits
HOME_DOMAIN = "weixin.qq.com"  # docs/protocol/ilink, 6
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_START_ANEW = "Start the login again."


class LoginState(Enum):
    """Where a login stands. ALREADY_BOUND is success without new credentials."""

    WAIT = "wait"
    SCANNED = "scaned"
    REDIRECT = "scaned_but_redirect"
    NEED_VERIFY_CODE = "need_verifycode"
    VERIFY_CODE_BLOCKED = "verify_code_blocked"
    EXPIRED = "expired"
    ALREADY_BOUND = "binded_redirect"
    CONFIRMED = "confirmed"


@dataclass(frozen=True)
class LoginStatus:
    """One look at a login. The credentials are there when the state is CONFIRMED, else None.

    base_url: where the bot's API is from now on. poll_base_url: with REDIRECT, where to look from now on.
    """

    state: LoginState
    bot_token: Optional[Secret] = None
    ilink_bot_id: Optional[str] = None
    base_url: Optional[str] = None
    ilink_user_id: Optional[str] = None
    poll_base_url: Optional[str] = None


class Action(Enum):
    """What follows a look."""

    POLL = "look again after the delay"
    NEW_CODE = "fetch and show another QR code"
    ASK = "ask the person for the number on the phone, then look at once"
    DONE = "the login is over"
    FAIL = "the login is over: raise the step's error"


NEXT = {
    LoginState.WAIT: Action.POLL,
    LoginState.SCANNED: Action.POLL,
    LoginState.REDIRECT: Action.POLL,
    LoginState.NEED_VERIFY_CODE: Action.ASK,
    LoginState.VERIFY_CODE_BLOCKED: Action.NEW_CODE,
    LoginState.EXPIRED: Action.NEW_CODE,
    LoginState.ALREADY_BOUND: Action.DONE,
    LoginState.CONFIRMED: Action.DONE,
}


@dataclass(frozen=True)
class Dance:
    """A login under way. Times are seconds of one monotonic clock.

    base_url: where to look. deadline: end of the whole login. codes: shown so far. code_ends: end of the shown one.
    verify_code: to be sent with every look until it is accepted. reported: the state last reported.
    """

    base_url: str
    deadline: float
    codes: int = 0
    code_ends: float = 0.0
    code_failures: int = 0
    verify_code: Optional[Secret] = None
    reported: Optional[LoginState] = None


@dataclass(frozen=True)
class Step:
    """What follows: *status* is to be reported when *changed*. was_wrong: with ASK, the last number was refused.

    error: with FAIL.
    """

    dance: Dance
    action: Action
    status: LoginStatus
    changed: bool
    delay: float = 0.0
    was_wrong: bool = False
    error: Optional[LoginError] = None


def begin(config: WeixinConfig, now: float, timeout: float = LOGIN_TIMEOUT) -> Dance:
    """A login that may take *timeout* seconds in all. ConfigError for a nonsense timeout."""
    return Dance(login_server(config), now + check_seconds("timeout", timeout, above_zero=True))


def check_code(reply: QrCodeReply) -> QrCodeReply:
    """*reply* when it holds a code to show; LoginError when not."""
    if not reply.qrcode or not reply.qrcode_img_content:
        raise LoginError("The platform gave no QR code.", remedy="Check base_url, and try again later.")
    return reply


def after_code(dance: Dance, config: WeixinConfig, now: float) -> Dance:
    """Another code was fetched and is shown: everything about the last one is over, the redirect too."""
    return dataclasses.replace(
        dance,
        base_url=login_server(config),
        codes=dance.codes + 1,
        code_ends=now + CODE_LIFE,
        code_failures=0,
        verify_code=None,
        reported=None,
    )


def after_code_failure(dance: Dance, error: WxError, now: float) -> Optional[Step]:
    """No code could be fetched: wait step.delay and fetch again, or None: raise *error*, it will not pass."""
    failures = dance.code_failures + 1
    if not isinstance(error, TransportError) or failures >= CODE_TRIES or now + CODE_RETRY_DELAY >= dance.deadline:
        return None
    status = LoginStatus(LoginState.WAIT)
    counted = dataclasses.replace(dance, code_failures=failures)
    return Step(counted, Action.NEW_CODE, status, changed=False, delay=CODE_RETRY_DELAY)


def with_verify_code(dance: Dance, code: object) -> Dance:
    """The person gave *code*; it goes with every look from now on. ConfigError when it is no number or text."""
    return dataclasses.replace(dance, verify_code=check_verify_code(hide(code)))


def check_verify_code(code: object) -> Secret:
    """Return *code* without white space around it; ConfigError when it is not a number or text."""
    text = Secret(code.strip()) if isinstance(code, str) else Secret("")
    if not text or len(text) > MAX_VERIFY_CODE_CHARS or not text.isprintable():
        raise ConfigError("The verify code is not usable.", remedy="Give the number that the phone shows, as text.")
    return text


def poll_timeout(dance: Dance, now: float, longest: float) -> float:
    """Seconds that the next look may take: *longest*, or what is left of the code's or the login's time."""
    return max(min(longest, dance.code_ends - now, dance.deadline - now), MIN_POLL_TIMEOUT)


def after_trouble(dance: Dance, error: WxError, now: float) -> Step:
    """A look failed: the same as an answer that says to wait. *error* is the cause of the step's."""
    step = after_status(dance, LoginStatus(LoginState.WAIT), now)
    if step.error is not None:
        step.error.__cause__ = error
    return step


def after_status(dance: Dance, status: LoginStatus, now: float) -> Step:
    """What follows *status*. It fails when the time, or the third code, is used up."""
    action = NEXT[status.state]
    if action in (Action.POLL, Action.ASK) and dance.code_ends <= now < dance.deadline:
        status, action = LoginStatus(LoginState.EXPIRED), Action.NEW_CODE
    error = _failure(dance, status, now)
    if error is not None:
        action = Action.FAIL
    base_url = status.poll_base_url or dance.base_url
    # Two redirects in a row wait for each other, so that servers that send it to and fro are not stormed.
    moved = base_url != dance.base_url and dance.reported is not LoginState.REDIRECT
    following = dataclasses.replace(
        dance,
        base_url=base_url,
        # Only "scaned" says that the number was right; until then a lost look must not lose it.
        verify_code=None if status.state is LoginState.SCANNED else dance.verify_code,
        reported=status.state,
    )
    return Step(
        following,
        action,
        status,
        changed=status.state is not dance.reported,
        delay=POLL_DELAY if action is Action.POLL and not moved else 0.0,
        was_wrong=action is Action.ASK and dance.verify_code is not None,
        error=error,
    )


def _failure(dance: Dance, status: LoginStatus, now: float) -> Optional[LoginError]:
    """Why nothing can follow *status*, None when something can."""
    action = NEXT[status.state]
    if action is not Action.DONE and now >= dance.deadline:
        return LoginError("Nobody completed the login in time.", remedy=_START_ANEW)
    if action is Action.NEW_CODE and dance.codes >= MAX_CODES:
        blocked = status.state is LoginState.VERIFY_CODE_BLOCKED
        why = "Wrong numbers were entered too often" if blocked else "The QR code expired unused"
        return LoginError(f"{why}, and {MAX_CODES} codes were shown.", remedy=_START_ANEW)
    return None


def read_status(reply: QrStatusReply, base_url: str, config: WeixinConfig) -> LoginStatus:
    """What an answer says. *base_url*: where it came from.

    An unknown state means to wait. LoginError for a confirmation without credentials, and for a redirect outside of
    login_hosts, which would give the QR code away.
    """
    try:
        state = LoginState(reply.status)
    except ValueError:
        state = LoginState.WAIT
    if state is LoginState.REDIRECT:
        return LoginStatus(state, poll_base_url=_redirect(reply.redirect_host, base_url, config))
    if state is not LoginState.CONFIRMED:
        return LoginStatus(state)
    if not reply.ilink_bot_id or not reply.bot_token:
        missing = "bot_token" if reply.ilink_bot_id else "ilink_bot_id"
        raise LoginError(f"The login was confirmed without {missing}.", remedy=_START_ANEW)
    return LoginStatus(
        state,
        bot_token=reply.bot_token,
        ilink_bot_id=reply.ilink_bot_id,
        base_url=_api_url(reply.baseurl, base_url, config),
        ilink_user_id=reply.ilink_user_id,
    )


def _redirect(host: Optional[str], base_url: str, config: WeixinConfig) -> Optional[str]:
    """The address to look at from now on, None to stay when the platform named no host."""
    if not host:
        return None
    if is_login_host(host, config.login_hosts):
        return f"https://{host.lower()}"
    listed = _is_loopback(f"//{host}") and is_login_host(urlsplit(f"//{host}").hostname or "", config.login_hosts)
    if listed and _is_loopback(base_url):
        return f"{urlsplit(base_url).scheme}://{host}"  # the simulator: from this machine to this machine
    raise LoginError(
        f"The login was redirected outside of {HOME_DOMAIN} and login_hosts.",
        remedy="If that is right, add its domain to login_hosts; if not, somebody is between you and the platform.",
    )


def _api_url(url: Optional[str], base_url: str, config: WeixinConfig) -> str:
    """Where the bot's API is: at *url*, or where the login is confirmed when that cannot be used.

    A confirmed login is not lost for its address, since the code cannot be scanned again; and no token goes where the
    platform did not say, or unencrypted.
    """
    if not url:
        return base_url
    address = _with_scheme(url.strip(), base_url)
    try:
        check_url("baseurl", address)
    except ConfigError:
        log.warning("the login gave an unusable address of the API; the one that was asked is kept: %s", base_url)
        return base_url
    parts = urlsplit(address)
    if parts.scheme == "https":
        if not is_login_host(parts.hostname or "", config.login_hosts):
            # The platform made the token, so it may say where it serves; but a person should know.
            log.warning("the API of the new token is at %s, outside of %s and login_hosts", parts.netloc, HOME_DOMAIN)
        return address
    same = any(parts[:2] == urlsplit(known)[:2] for known in (base_url, config.base_url, login_server(config)))
    if same or (_is_loopback(address) and _is_loopback(config.base_url)):
        return address
    log.warning(
        "the login gave an address of the API without TLS, which would show the token (%s); the one that was asked is"
        " kept: %s",
        parts.netloc,
        base_url,
    )
    return base_url


def _with_scheme(url: str, base_url: str) -> str:
    """*url*; when it has no scheme: https, or that of *base_url* from this machine to this machine (the simulator)."""
    if "://" in url:
        return url
    rest = url[2:] if url.startswith("//") else url
    scheme = urlsplit(base_url).scheme if _is_loopback(base_url) and _is_loopback(f"//{rest}") else "https"
    return f"{scheme}://{rest}"


def is_login_host(host: str, login_hosts: Sequence[str]) -> bool:
    """Whether *host* is a plain host name equal to, or under, weixin.qq.com or one of *login_hosts*."""
    name = host.lower()
    if not _HOST_NAME.fullmatch(name):
        return False
    return any(name == domain or name.endswith(f".{domain}") for domain in (HOME_DOMAIN, *login_hosts))


def _is_loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.hostname in _LOOPBACK and parts.username is None and not parts.path.strip("/") and parts.port != 0
    except ValueError:
        return False
