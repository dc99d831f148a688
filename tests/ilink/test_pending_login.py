"""A login that goes on in the background, as a web page uses it: from several threads, none of which waits."""

from __future__ import annotations

import threading
from typing import Any, Iterator, List

import pytest

from tests.delivery.waiting import WAIT, until
from tests.runtime.servers import RawServer, answering
from wxsdk import ConfigError, LoginError, LoginState, PendingLogin, StandaloneQrLogin, WeixinClient, WeixinConfig
from wxsdk.errors import ApiError
from wxsdk.sim import ILinkSim

from .bots import config_for


@pytest.fixture
def sim() -> Iterator[ILinkSim]:
    with ILinkSim() as made:
        made.settings.hold = 0.05
        yield made


def _begin(sim: ILinkSim, **options: Any) -> PendingLogin:
    return WeixinClient(config_for(sim)).qr_login().begin(**options)


def test_the_page_shows_the_code_and_sees_each_state_until_the_credentials_are_there(sim: ILinkSim) -> None:
    pending = _begin(sim)
    assert pending.status.state is LoginState.WAIT
    assert not pending.done
    assert pending.png().startswith(b"\x89PNG")
    assert "<svg" in pending.svg()
    sim.scan()
    until(lambda: pending.status.state is LoginState.SCANNED)
    sim.confirm()
    status = pending.wait(WAIT)
    assert status is not None
    assert (status.state, bool(status.bot_token)) == (LoginState.CONFIRMED, True)
    assert pending.done
    assert pending.status == status
    assert pending.error is None
    assert str(status.bot_token) not in repr(pending)


def test_a_number_that_the_phone_shows_is_handed_in_by_another_request(sim: ILinkSim) -> None:
    pending = _begin(sim)
    with pytest.raises(LoginError):
        pending.submit_verify_code("1234")  # none is asked for yet
    sim.scan()
    sim.demand_verify_code("4711")
    until(lambda: pending.status.state is LoginState.NEED_VERIFY_CODE)
    assert not pending.verify_code_was_wrong
    for nonsense in ("", "x" * 100, 5):
        with pytest.raises(ConfigError):
            pending.submit_verify_code(nonsense)  # type: ignore[arg-type]
    pending.submit_verify_code("0000")
    until(lambda: pending.verify_code_was_wrong)
    pending.submit_verify_code("4711")
    until(lambda: pending.status.state is not LoginState.NEED_VERIFY_CODE)
    sim.confirm()
    assert pending.wait(WAIT).state is LoginState.CONFIRMED  # type: ignore[union-attr]


def test_an_expired_code_is_followed_by_another_picture(sim: ILinkSim) -> None:
    pending = _begin(sim)
    first = pending.svg()
    sim.expire_qrcode()
    until(lambda: len(sim.logins) == 2 and pending.svg() != first)
    sim.scan()
    sim.confirm()
    assert pending.wait(WAIT).state is LoginState.CONFIRMED  # type: ignore[union-attr]


@pytest.mark.parametrize("asked", [False, True])
def test_cancel_ends_it_at_once_though_a_look_is_held(asked: bool, sim: ILinkSim) -> None:
    sim.settings.hold = 30.0
    pending = _begin(sim)
    if asked:
        sim.scan()
        sim.demand_verify_code("1")
        until(lambda: pending.status.state is LoginState.NEED_VERIFY_CODE)
    assert pending.wait(0.01) is None
    pending.cancel()
    with pytest.raises(LoginError, match="cancelled"):
        pending.wait(2.0)
    assert pending.done
    pending.cancel()
    assert isinstance(pending.error, LoginError)


def test_fifty_requests_look_at_one_login(sim: ILinkSim) -> None:
    pending = _begin(sim)
    seen: List[Any] = []

    def request() -> None:
        seen.append((pending.status.state, len(pending.png()) > 0, pending.done))

    threads = [threading.Thread(target=request) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert seen == [(LoginState.WAIT, True, False)] * 50
    pending.cancel()
    with pytest.raises(LoginError):
        pending.wait(WAIT)


def test_what_keeps_a_code_from_being_fetched_is_raised_by_begin() -> None:
    with RawServer(answering(b'{"ret": -99}')) as server, pytest.raises(ApiError):
        StandaloneQrLogin(WeixinConfig(token="", base_url=server.url, proxy="")).begin()
    with pytest.raises(ConfigError):
        StandaloneQrLogin(WeixinConfig(token="", base_url="http://127.0.0.1:1", proxy="")).begin(local_tokens="x")
    with pytest.raises(ConfigError):
        StandaloneQrLogin(WeixinConfig(token="", base_url="http://127.0.0.1:1", proxy="")).begin(timeout=-1)


def test_a_login_ends_when_its_time_is_over(sim: ILinkSim) -> None:
    pending = _begin(sim, timeout=0.2)
    with pytest.raises(LoginError):
        pending.wait(WAIT)
    assert pending.error is not None
