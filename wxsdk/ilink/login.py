"""Logging a bot in by QR code (docs/protocol/ilink, 6): step by step, or the whole dance."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, Callable, Optional, Sequence

from ..core.qr_text import draw, shows_colours
from ..core.redact import Secret, hide
from ..errors import ApiError, ConfigError, LoginError, TransportError, WxError
from ..log import get_logger
from ..runtime.clock import Clock
from .api import ILinkApi
from .config import WeixinConfig, login_server
from .login_rules import (
    LOGIN_TIMEOUT,
    Action,
    Dance,
    LoginState,
    LoginStatus,
    Step,
    after_code,
    after_code_failure,
    after_status,
    after_trouble,
    begin,
    check_code,
    poll_timeout,
    read_status,
    with_verify_code,
)
from .pending_login import PendingLogin, cancelled
from .wire import QrCodeReply

log = get_logger(__name__)

FINAL_STATES = (
    LoginState.CONFIRMED,
    LoginState.ALREADY_BOUND,
    LoginState.EXPIRED,
    LoginState.VERIFY_CODE_BLOCKED,
)
QUIET_ZONE = 4  # modules around the code; ISO/IEC 18004
PNG_SCALE = 6  # pixels a module: large enough for a phone's camera on any screen

OnQrcode = Callable[["QrLoginSession"], Any]
OnStatus = Callable[[LoginStatus], Any]
AskVerifyCode = Callable[[bool], str]


class QrLoginSession:
    """A QR code to be scanned with WeChat. In Jupyter it shows itself as a picture.

    qrcode: its id; who knows it can ask for the token. qrcode_img_content: the address to show as a QR code.
    """

    def __init__(self, qrcode: str, qrcode_img_content: str, base_url: str) -> None:
        self.qrcode = Secret(qrcode)
        self.qrcode_img_content = Secret(qrcode_img_content)
        self._poll_base_url = base_url

    def __repr__(self) -> str:
        return "<QrLoginSession>"

    def terminal(self, output: Optional[Any] = None) -> str:
        """Return the code in characters that *output* (sys.stdout by default) can show, and its address below.

        Raises nothing: without the extra ``qr`` the address stands alone, for any program that draws QR codes.
        """
        output = sys.stdout if output is None else output
        address = str(self.qrcode_img_content)
        try:
            matrix = tuple(_segno().make_qr(address).matrix_iter(border=QUIET_ZONE))
        except ConfigError as exc:
            return f"{address}\n({exc})\n"
        encoding = getattr(output, "encoding", None) or "utf-8"
        return f"{draw(matrix, encoding, shows_colours(output, os.environ))}\n{address}\n"

    def png(self) -> bytes:
        """Draw the code as a PNG picture. ConfigError when the extra ``qr`` is not installed."""
        drawn = io.BytesIO()
        _segno().make_qr(str(self.qrcode_img_content)).save(drawn, kind="png", scale=PNG_SCALE)
        return drawn.getvalue()

    def svg(self) -> str:
        """Draw the code as an SVG element. ConfigError when the extra ``qr`` is not installed."""
        return str(_segno().make_qr(str(self.qrcode_img_content)).svg_inline(scale=PNG_SCALE))

    _repr_png_, _repr_svg_ = png, svg  # for Jupyter


class QrLogin:
    """The login at login_base_url of a client's config, until it is redirected.

    Any thread may use it; every call blocks. Nothing here changes a client or stores anything: the token is in the
    LoginStatus.
    """

    def __init__(self, config: WeixinConfig, api: ILinkApi, clock: Optional[Clock] = None) -> None:
        self._config = config
        self._api = api
        self._clock = clock or Clock()

    def start(self, bot_type: Optional[str] = None, local_tokens: Sequence[str] = ()) -> QrLoginSession:
        """Fetch a QR code. It lives 5 minutes.

        local_tokens: bot tokens known here, newest first; ten are sent, so that the platform can tell ALREADY_BOUND.
        Raises ConfigError, LoginError when the platform gave no code, TransportError or ApiError.
        """
        local_tokens = hide(local_tokens)
        if isinstance(local_tokens, (str, bytes)) or not all(isinstance(token, str) for token in local_tokens):
            raise ConfigError("local_tokens is no list of tokens.", remedy="Give the known tokens, newest first.")
        reply = check_code(self._get_code(bot_type, local_tokens))
        return QrLoginSession(str(reply.qrcode), str(reply.qrcode_img_content), login_server(self._config))

    def _get_code(self, bot_type: Optional[str], local_tokens: Sequence[str]) -> QrCodeReply:
        """Ask for a code; once more without *local_tokens* when they are refused (docs/protocol/ilink, 7)."""
        try:
            return self._api.get_qr_code(bot_type, local_tokens)
        except ApiError as error:
            if not local_tokens:
                raise
            log.info("the known tokens were refused, so a code is asked for without them: %s", error)
        return self._api.get_qr_code(bot_type)

    def poll_status(self, session: QrLoginSession, verify_code: Optional[str] = None) -> LoginStatus:
        """One look at the state of *session*'s code; ask again about once a second.

        A redirect is followed by the next look. A timeout or a gateway's error means WAIT. Raises TransportError for
        other failures on the way, ApiError for a refusal, LoginError for an answer that cannot be trusted.
        """
        verify_code = hide(verify_code)
        try:
            return self._look(session, verify_code, self._config.qr_status_timeout)
        except TransportError as error:
            if error.kind == "timeout" or (error.status or 0) >= 500:
                return LoginStatus(LoginState.WAIT)
            raise

    def login(
        self,
        *,
        on_qrcode: OnQrcode,
        on_status: Optional[OnStatus] = None,
        ask_verify_code: Optional[AskVerifyCode] = None,
        timeout: float = LOGIN_TIMEOUT,
        bot_type: Optional[str] = None,
        local_tokens: Sequence[str] = (),
    ) -> LoginStatus:
        """The whole login, on the calling thread; Ctrl-C ends it. CONFIRMED or ALREADY_BOUND comes back.

        on_qrcode(session) is called for each code to be shown (three at most), on_status(status) for each change, the
        last one included, ask_verify_code(was_wrong) when the phone shows a number that has to be entered here. Trouble
        on the way is waited out. Raises LoginError when it cannot go on or *timeout* seconds are over, ConfigError,
        what the callbacks raise, and the TransportError or ApiError that kept coming when no code could be fetched.
        """
        local_tokens = hide(local_tokens)
        dance = begin(self._config, self._clock.now(), timeout)
        try:
            while True:
                session, dance = self._show_code(dance, on_qrcode, bot_type, local_tokens)
                step = self._watch(session, dance, on_status, ask_verify_code)
                if step.action is Action.DONE:
                    return step.status
                dance = step.dance
        finally:
            self._done()

    def begin(
        self,
        *,
        timeout: float = LOGIN_TIMEOUT,
        bot_type: Optional[str] = None,
        local_tokens: Sequence[str] = (),
    ) -> PendingLogin:
        """Begin a login that goes on in the background, for a web page; returns once the first code is there.

        timeout: seconds for the whole login. Raises what ``start`` does, and the TransportError or ApiError that kept
        coming when no code could be fetched.
        """
        local_tokens = hide(local_tokens)
        login = _InBackground(self._config, self._clock)
        pending = PendingLogin(login, login.cancelled, login.abort)
        pending.start(timeout, bot_type, local_tokens)
        return pending

    def _show_code(
        self, dance: Dance, on_qrcode: OnQrcode, bot_type: Optional[str], local_tokens: Sequence[str]
    ) -> tuple[QrLoginSession, Dance]:
        while True:
            try:
                session = self.start(bot_type, local_tokens)
                break
            except WxError as error:
                retry = after_code_failure(dance, error, self._clock.now())
                if retry is None:
                    raise
                log.info("no QR code could be fetched, trying again: %s", error)
                self._pause(retry.delay)
                dance = retry.dance
        on_qrcode(session)
        return session, after_code(dance, self._config, self._clock.now())

    def _watch(
        self,
        session: QrLoginSession,
        dance: Dance,
        on_status: Optional[OnStatus],
        ask_verify_code: Optional[AskVerifyCode],
    ) -> Step:
        """Look until the login is over or needs another code."""
        while True:
            step = self._step(session, dance)
            dance = step.dance
            if step.changed and on_status is not None:
                on_status(step.status)
            if step.error is not None:
                raise step.error
            if step.action in (Action.DONE, Action.NEW_CODE):
                return step
            if step.action is Action.ASK:
                if ask_verify_code is None:
                    raise LoginError("The phone shows a number to be entered here.", remedy="Give ask_verify_code.")
                dance = with_verify_code(dance, ask_verify_code(step.was_wrong))
            self._pause(step.delay)

    def _step(self, session: QrLoginSession, dance: Dance) -> Step:
        patience = poll_timeout(dance, self._clock.now(), self._config.qr_status_timeout)
        try:
            status = self._look(session, dance.verify_code, patience)
        except (ConfigError, LoginError):
            raise
        except WxError as error:
            log.info("a look at the login failed, trying again: %s", error)
            return after_trouble(dance, error, self._clock.now())
        return after_status(dance, status, self._clock.now())

    def _look(self, session: QrLoginSession, verify_code: Optional[str], timeout: float) -> LoginStatus:
        base_url = session._poll_base_url
        reply = self._api.get_qr_status(session.qrcode, verify_code, base_url=base_url, timeout=timeout)
        status = read_status(reply, base_url, self._config)
        if status.poll_base_url:
            session._poll_base_url = status.poll_base_url
        if status.state in FINAL_STATES:
            self._done()
        return status

    def _pause(self, seconds: float) -> None:
        if seconds > 0:
            self._clock.event().wait(seconds)

    def _done(self) -> None:
        """A client's connections are its own business."""


class StandaloneQrLogin(QrLogin):
    """The login without a client: ``StandaloneQrLogin(WeixinConfig(token=""))``. Nothing is opened here."""

    def __init__(self, config: WeixinConfig, *, _clock: Optional[Clock] = None) -> None:
        if not isinstance(config, WeixinConfig):
            raise ConfigError("The config is no WeixinConfig.", remedy='Give WeixinConfig(token="").')
        super().__init__(config, ILinkApi(config), _clock)

    def close(self) -> None:
        """Close the idle connections; done by itself when a login is over."""
        self._api.close()

    def _done(self) -> None:
        self.close()


class _InBackground(QrLogin):
    """A login with connections of its own, so that cancelling it ends its calls and no other ones."""

    def __init__(self, config: WeixinConfig, clock: Clock) -> None:
        super().__init__(config, ILinkApi(config), clock)
        self.cancelled = clock.event()

    def abort(self) -> None:
        """End the call under way and all later ones."""
        self._api.interrupt_calls()

    def _get_code(self, bot_type: Optional[str], local_tokens: Sequence[str]) -> QrCodeReply:
        local_tokens = hide(local_tokens)
        try:
            return super()._get_code(bot_type, local_tokens)
        finally:
            self._check()

    def _look(self, session: QrLoginSession, verify_code: Optional[str], timeout: float) -> LoginStatus:
        try:
            return super()._look(session, verify_code, timeout)
        finally:
            self._check()

    def _pause(self, seconds: float) -> None:
        if seconds > 0:
            self.cancelled.wait(seconds)
        self._check()

    def _check(self) -> None:
        if self.cancelled.is_set():
            raise cancelled()

    def _done(self) -> None:
        self._api.close()


def _segno() -> Any:
    try:
        import segno  # only those who draw codes need it
    except ImportError as exc:
        raise ConfigError("Drawing a QR code needs segno.", remedy="Run: pip install 'wxsdk[qr]'") from exc
    return segno
