from __future__ import annotations

import builtins
import io
import json
from typing import Any, Callable, Dict, List, Optional

import pytest

from tests.runtime.servers import Peer, RawServer, answering
from wxsdk.errors import ApiError, ConfigError, LoginError, TransportError
from wxsdk.ilink.client import WeixinClient
from wxsdk.ilink.config import WeixinConfig
from wxsdk.ilink.login import QrLoginSession, StandaloneQrLogin
from wxsdk.ilink.login_rules import LoginState, LoginStatus
from wxsdk.runtime.clock import Clock, Event
from wxsdk.sim import ILinkSim

from .bots import config_for


class HurriedClock(Clock):
    """Real time, but what would be waited for is over at once; the waits are noted."""

    def __init__(self) -> None:
        self.waits: List[float] = []
        self.gone = 0.0

    def now(self) -> float:
        return super().now() + self.gone

    def event(self) -> Event:
        return _Hurried(self)


class _Hurried(Event):
    def __init__(self, clock: HurriedClock) -> None:
        super().__init__(clock)
        self._hurried = clock

    def wait(self, timeout: Optional[float] = None) -> bool:
        self._hurried.waits.append(timeout or 0.0)
        self._hurried.gone += timeout or 0.0
        return False


class Phone:
    """The person with the phone: does the next thing at each code and each change."""

    def __init__(self, sim: ILinkSim, **at: Any) -> None:
        self.sim = sim
        self.at = at
        self.sessions: List[QrLoginSession] = []
        self.states: List[LoginState] = []
        self.asked: List[bool] = []

    def on_qrcode(self, session: QrLoginSession) -> None:
        self.sessions.append(session)
        self._act(f"code{len(self.sessions)}")

    def on_status(self, status: LoginStatus) -> None:
        self.states.append(status.state)
        self._act(status.state.name.lower())

    def ask(self, was_wrong: bool) -> str:
        self.asked.append(was_wrong)
        return str(self.at["numbers"][len(self.asked) - 1])

    def _act(self, when: str) -> None:
        if when in self.at:
            self.at[when]()

    def login(self, clock: Optional[Clock] = None, **settings: Any) -> LoginStatus:
        config = config_for(self.sim, token="", **settings)
        login = StandaloneQrLogin(config, _clock=clock or HurriedClock())
        return login.login(on_qrcode=self.on_qrcode, on_status=self.on_status, ask_verify_code=self.ask)


def both(first: Callable[[], Any], second: Callable[[], Any]) -> None:
    first()
    second()


@pytest.fixture
def quick(sim: ILinkSim) -> ILinkSim:
    sim.settings.qr_hold = 0.02
    return sim


def test_a_login_goes_from_code_to_credentials(quick: ILinkSim) -> None:
    phone = Phone(quick, code1=lambda: quick.scan(), scanned=lambda: quick.confirm())
    status = phone.login()
    assert (status.state, status.ilink_bot_id, status.ilink_user_id) == (LoginState.CONFIRMED, quick.bot_id, "alice")
    assert status.base_url == quick.base_url
    assert phone.states == [LoginState.SCANNED, LoginState.CONFIRMED]
    assert quick.violations == []
    client = WeixinClient(config_for(quick, token=status.bot_token))
    client.api.notify_start()
    client.shutdown()


def test_an_expired_code_is_replaced_three_codes_in_all(quick: ILinkSim) -> None:
    expire = quick.expire_qrcode
    phone = Phone(quick, code1=expire, code2=expire, code3=expire)
    with pytest.raises(LoginError):
        phone.login()
    assert len(phone.sessions) == 3
    assert [state for state in phone.states if state is not LoginState.WAIT] == [LoginState.EXPIRED] * 3
    phone = Phone(quick, code1=expire, code2=lambda: quick.scan(), scanned=lambda: quick.confirm())
    assert phone.login().state is LoginState.CONFIRMED


def test_the_number_on_the_phone_is_asked_for_until_it_is_right(quick: ILinkSim) -> None:
    def demand() -> None:
        quick.scan()
        quick.demand_verify_code("42")

    phone = Phone(quick, code1=demand, scanned=lambda: quick.confirm(), numbers=["41", "42"])
    assert phone.login().state is LoginState.CONFIRMED
    assert phone.asked == [False, True]


def test_a_number_that_nobody_can_enter_is_an_error(quick: ILinkSim) -> None:
    login = StandaloneQrLogin(config_for(quick, token=""))

    def demand(_: QrLoginSession) -> None:
        quick.scan()
        quick.demand_verify_code("42")

    with pytest.raises(LoginError, match="ask_verify_code"):
        login.login(on_qrcode=demand)


def test_a_blocked_number_brings_another_code(quick: ILinkSim) -> None:
    def block() -> None:
        quick.scan()
        quick.demand_verify_code("42")
        quick.block_verify_code()

    phone = Phone(quick, code1=block, code2=lambda: quick.scan(), scanned=lambda: quick.confirm(), numbers=[])
    assert phone.login().state is LoginState.CONFIRMED
    assert LoginState.VERIFY_CODE_BLOCKED in phone.states


def test_the_block_of_the_last_code_is_told_before_the_login_fails(quick: ILinkSim) -> None:
    def block() -> None:
        quick.scan()
        quick.demand_verify_code("42")
        quick.block_verify_code()

    phone = Phone(quick, code1=block, code2=block, code3=block, numbers=[])
    with pytest.raises(LoginError, match="Wrong numbers"):
        phone.login()
    assert phone.states.count(LoginState.VERIFY_CODE_BLOCKED) == 3
    assert phone.states[-1] is LoginState.VERIFY_CODE_BLOCKED


def test_who_is_bound_already_gets_no_new_credentials(quick: ILinkSim) -> None:
    phone = Phone(quick, code1=lambda: both(quick.scan, quick.bind_already))
    status = phone.login()
    assert (status.state, status.bot_token) == (LoginState.ALREADY_BOUND, None)


def test_a_redirect_is_followed_and_one_to_a_stranger_is_not(quick: ILinkSim) -> None:
    port = quick.host.partition(":")[2]
    phone = Phone(
        quick,
        code1=lambda: both(quick.scan, lambda: quick.redirect(f"localhost:{port}")),
        scanned=lambda: quick.confirm(),
    )
    assert phone.login(login_hosts=("localhost",)).state is LoginState.CONFIRMED
    assert LoginState.REDIRECT in phone.states
    assert quick.requests[-1].headers["Host"] == f"localhost:{port}"
    for stranger in ("evil.example.com", f"localhost:{port}"):
        phone = Phone(quick, code1=lambda host=stranger: both(quick.scan, lambda: quick.redirect(host)))
        with pytest.raises(LoginError, match="login_hosts"):
            phone.login()


@pytest.mark.parametrize("where", ["get_bot_qrcode", "get_qrcode_status"])
@pytest.mark.parametrize("trouble", ["502", "html", "cut"])
def test_trouble_on_the_way_is_waited_out(quick: ILinkSim, where: str, trouble: str) -> None:
    if trouble == "cut":
        quick.faults.cut(where, at="after_reading", times=2)
    else:
        quick.faults.next(where, status=502 if trouble == "502" else 200, times=2)
    phone = Phone(quick, code1=lambda: quick.scan(), scanned=lambda: quick.confirm())
    assert phone.login().state is LoginState.CONFIRMED


def test_a_server_that_gives_no_code_is_given_up(quick: ILinkSim) -> None:
    quick.faults.next("get_bot_qrcode", status=502, forever=True)
    with pytest.raises(TransportError):
        Phone(quick).login()
    assert quick.count("get_bot_qrcode") == 3


def test_nobody_who_scans_ends_the_login_in_time(quick: ILinkSim) -> None:
    clock = HurriedClock()
    quick.settings.qr_hold = 0.0
    login = StandaloneQrLogin(config_for(quick, token=""), _clock=clock)
    with pytest.raises(LoginError):
        login.login(on_qrcode=lambda session: None, timeout=30)
    assert 25 <= sum(clock.waits) <= 31
    assert quick.count("get_qrcode_status") <= 31  # about one look a second


def test_step_by_step_the_states_are_seen_and_a_gateway_error_means_wait(quick: ILinkSim) -> None:
    login = StandaloneQrLogin(config_for(quick, token=""))
    session = login.start(local_tokens=["b", "a"])
    assert quick.logins[0].local_tokens == ["b", "a"]
    quick.faults.next("get_qrcode_status", status=524)
    assert login.poll_status(session).state is LoginState.WAIT
    quick.scan(session.qrcode)
    assert login.poll_status(session).state is LoginState.SCANNED
    token = quick.confirm()
    assert login.poll_status(session).bot_token == token
    login.close()


def test_a_client_can_log_in_and_take_the_token_over(quick: ILinkSim) -> None:
    client = WeixinClient(config_for(quick, token=""), _clock=HurriedClock())
    status = client.qr_login().login(
        on_qrcode=lambda session: quick.scan(session.qrcode),
        on_status=lambda status: quick.confirm() if status.state is LoginState.SCANNED else None,
    )
    assert status.bot_token is not None
    client.set_token(status.bot_token)
    client.api.notify_start()
    client.shutdown()


def test_what_a_callback_raises_ends_the_login(quick: ILinkSim) -> None:
    def stop(_: QrLoginSession) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        StandaloneQrLogin(config_for(quick, token="")).login(on_qrcode=stop)


def test_bad_arguments_are_refused_before_any_request(quick: ILinkSim) -> None:
    login = StandaloneQrLogin(config_for(quick, token=""))
    with pytest.raises(ConfigError):
        login.start(local_tokens="token")
    with pytest.raises(ConfigError):
        login.login(on_qrcode=lambda session: None, timeout=-1)
    with pytest.raises(ConfigError):
        StandaloneQrLogin("token")  # type: ignore[arg-type]
    assert quick.requests == []


SESSION = QrLoginSession("the-code", "https://weixin.qq.com/x/abc", "https://example.com")


def test_a_session_draws_itself_and_hides_its_code() -> None:
    assert "▀" in SESSION.terminal() or "█" in SESSION.terminal()
    assert SESSION._repr_png_().startswith(b"\x89PNG")
    assert SESSION._repr_svg_().startswith("<svg")
    assert "the-code" not in repr(SESSION)
    assert "abc" not in repr(SESSION)


def test_without_the_extra_drawing_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def no_segno(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "segno":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_segno)
    assert SESSION.terminal().startswith("https://weixin.qq.com/x/abc\n")
    assert "wxsdk[qr]" in SESSION.terminal()
    with pytest.raises(ConfigError, match=r"wxsdk\[qr\]"):
        SESSION._repr_png_()


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "cp936", "cp1252", "ascii", None, "no-such-encoding"])
def test_every_output_gets_the_code_and_its_address(encoding: Optional[str]) -> None:
    class Output(io.StringIO):
        pass

    Output.encoding = encoding  # type: ignore[assignment]
    shown = SESSION.terminal(Output())
    code, address = shown.rstrip("\n").rsplit("\n", 1)
    assert address == "https://weixin.qq.com/x/abc"
    assert len(code.split("\n")) >= 14
    if encoding not in (None, "no-such-encoding"):
        shown.encode(str(encoding))


def test_a_status_hides_its_token(quick: ILinkSim) -> None:
    phone = Phone(quick, code1=lambda: quick.scan(), scanned=lambda: quick.confirm())
    status = phone.login()
    assert str(status.bot_token) not in repr(status)


@pytest.mark.parametrize("refusal", [{"ret": -1}, {"errcode": 40001}, {"ret": -14, "errmsg": "no"}, {"errcode": -99}])
def test_known_tokens_that_are_refused_are_left_out_of_one_more_try(refusal: Dict[str, Any]) -> None:
    asked: List[Any] = []

    def answer(peer: Peer) -> None:
        while (request := peer.read_request()) is not None:
            asked.append(json.loads(request.body)["local_token_list"])
            good = {"qrcode": "id", "qrcode_img_content": "https://x/q"}
            peer.answer(json.dumps(refusal if asked[-1] else good).encode())

    with RawServer(answer) as server:
        login = StandaloneQrLogin(WeixinConfig(token="", base_url=server.url, proxy=""))
        assert login.start(local_tokens=["old-token"]).qrcode == "id"
        login.close()
    assert asked == [["old-token"], []]


def test_a_refusal_that_has_nothing_to_do_with_tokens_is_raised_at_once() -> None:
    with RawServer(answering(b'{"ret": -99}')) as server:
        login = StandaloneQrLogin(WeixinConfig(token="", base_url=server.url, proxy=""))
        for tokens, tries in (([], 1), (["old"], 3)):
            with pytest.raises(ApiError):
                login.start(local_tokens=tokens)
            assert len(server.requests) == tries
        login.close()
