"""Keeps a QR login going in the background, for web pages: each request of the page looks, or hands something in."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Callable, Optional, Sequence

from ..core.redact import hide
from ..errors import LoginError
from ..log import get_logger
from ..runtime.clock import Event
from ..runtime.worker import Worker, next_number
from .login_rules import CODE_LIFE, LoginState, LoginStatus, check_verify_code

if TYPE_CHECKING:
    from .login import QrLogin, QrLoginSession

log = get_logger(__name__)

START_ANEW = "Start another one."


class PendingLogin:
    """A login that is going on. Made by ``QrLogin.begin``; any thread may use it, and nothing here waits but ``wait``.

    It ends by itself: with CONFIRMED or ALREADY_BOUND, or with *error*. ``cancel`` ends it at once.
    """

    def __init__(self, login: QrLogin, cancelled: Event, abort: Callable[[], None]) -> None:
        self._login = login
        self._cancelled = cancelled
        self._abort = abort
        self._changed = threading.Condition()
        self._session: Optional[QrLoginSession] = None
        self._status = LoginStatus(LoginState.WAIT)
        self._error: Optional[BaseException] = None
        self._done = False
        self._code: Optional[str] = None
        self._code_was_wrong = False

    def __repr__(self) -> str:
        return f"<PendingLogin {self._status.state.value}{', over' if self._done else ''}>"

    def start(self, timeout: float, bot_type: Optional[str], local_tokens: Sequence[str]) -> None:
        """Begin, and return when the first code is there. Called by ``QrLogin.begin``; raises what it raises."""
        local_tokens = hide(local_tokens)

        def run() -> None:
            try:
                status = self._login.login(
                    on_qrcode=self._show,
                    on_status=self._report,
                    ask_verify_code=self._ask,
                    timeout=timeout,
                    bot_type=bot_type,
                    local_tokens=local_tokens,
                )
                self._set(_status=status, _done=True)
            except BaseException as exc:  # noqa: BLE001  whoever looks next gets it
                log.info("a login ended: %s", exc)
                self._set(_error=exc, _done=True)

        Worker(f"wxsdk-ilink-login-{next_number()}", run).start()
        with self._changed:
            self._changed.wait_for(lambda: self._session is not None or self._done)
            if self._session is None and self._error is not None:
                raise self._error

    # what a page shows

    @property
    def status(self) -> LoginStatus:
        """The newest state; the credentials are in it once it is CONFIRMED."""
        return self._status

    @property
    def done(self) -> bool:
        """Whether it is over, well or not."""
        return self._done

    @property
    def error(self) -> Optional[BaseException]:
        """Why it ended without success, None while it goes on and after a success."""
        return self._error

    @property
    def session(self) -> QrLoginSession:
        """The code to be scanned now; another one takes its place when it expires."""
        assert self._session is not None  # start() returned
        return self._session

    @property
    def verify_code_was_wrong(self) -> bool:
        """With NEED_VERIFY_CODE: whether the last number that was handed in was refused."""
        return self._code_was_wrong

    def png(self) -> bytes:
        """Draw the code to be scanned now as a PNG picture. ConfigError when the extra ``qr`` is not installed."""
        return self.session.png()

    def svg(self) -> str:
        """Draw the code to be scanned now as an SVG element. ConfigError when the extra ``qr`` is not installed."""
        return self.session.svg()

    # what a page hands in

    def submit_verify_code(self, code: str) -> None:
        """Hand in the number that the phone shows; NEED_VERIFY_CODE again says that it was wrong.

        Raises ConfigError for what is not a number or text, LoginError when none is asked for now.
        """
        code = check_verify_code(code)
        with self._changed:
            if self._done or self._status.state is not LoginState.NEED_VERIFY_CODE:
                raise LoginError("No number is asked for now.", remedy="Wait for the state NEED_VERIFY_CODE.")
            self._code = code
            self._changed.notify_all()

    def cancel(self) -> None:
        """End the login, unless it is over already. Returns at once; ``wait`` then raises LoginError."""
        with self._changed:
            if self._done:
                return
            self._cancelled.set()
            self._changed.notify_all()
        self._abort()

    def wait(self, timeout: Optional[float] = None) -> Optional[LoginStatus]:
        """Wait for the end and return the status; None when *timeout* seconds passed first. Raises ``error``."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._done, timeout):
                return None
        if self._error is not None:
            raise self._error
        return self._status

    # the login's thread

    def _set(self, **facts: Any) -> None:
        with self._changed:
            for name, value in facts.items():
                setattr(self, name, value)
            self._changed.notify_all()

    def _show(self, session: QrLoginSession) -> None:
        self._set(_session=session, _status=LoginStatus(LoginState.WAIT), _code=None)

    def _report(self, status: LoginStatus) -> None:
        self._set(_status=status)

    def _ask(self, was_wrong: bool) -> str:
        with self._changed:
            self._code_was_wrong = was_wrong
            self._changed.wait_for(lambda: self._code is not None or self._cancelled.is_set(), CODE_LIFE)
            handed_in, self._code = self._code, None
        if self._cancelled.is_set():
            raise cancelled()
        if handed_in is None:
            raise LoginError("Nobody handed in the number that the phone shows.", remedy=START_ANEW)
        return handed_in


def cancelled() -> LoginError:
    """Make the error of a login that was cancelled."""
    return LoginError("The login was cancelled.", remedy=START_ANEW)
