from __future__ import annotations

from typing import Any, Callable, Iterator

import pytest

from wxsdk.errors import ApiError, ConfigError, SendRejected, TokenStale, TransportError
from wxsdk.ilink.api import ILinkApi
from wxsdk.ilink.frames_out import message, text_item
from wxsdk.ilink.wire import TypingStatus, decode_message
from wxsdk.sim import ILinkSim

from .bots import config_for


@pytest.fixture
def api(sim: ILinkSim) -> Iterator[ILinkApi]:
    sim.user("alice").says("hi")
    made = ILinkApi(config_for(sim, route_tag="blue", bot_agent="tester/1.0 (a test)"))
    yield made
    made.close()


def text_message(number: int = 0) -> Any:
    return message("alice", text_item("hello"), client_id=f"wxsdk:1700000000000-0000000{number}")


UPLOAD = {
    "filekey": "0" * 32,
    "media_type": 3,
    "to_user_id": "alice",
    "rawsize": 1,
    "rawfilemd5": "0" * 32,
    "filesize": 16,
    "no_need_thumb": True,
    "aeskey": "1" * 32,
}

CALLS = {
    "getupdates": lambda api: api.get_updates(),
    "sendmessage": lambda api: api.send_message(text_message()),
    "getuploadurl": lambda api: api.get_upload_url(UPLOAD),
    "getconfig": lambda api: api.get_config("alice"),
    "sendtyping": lambda api: api.send_typing("alice", "ticket"),
    "notifystart": lambda api: api.notify_start(),
    "notifystop": lambda api: api.notify_stop(),
    "get_bot_qrcode": lambda api: api.get_qr_code(),
    "get_qrcode_status": lambda api: api.get_qr_status("code"),
}


def test_every_endpoint_is_spoken_without_a_breach_of_the_protocol(sim: ILinkSim, api: ILinkApi) -> None:
    updates = api.get_updates()
    assert updates.msgs is not None
    assert updates.msgs[0].from_user_id == "alice"
    assert api.send_message(text_message()).message_id
    assert api.get_upload_url(UPLOAD).upload_param
    ticket = api.get_config("alice", sim.user("alice").context_token).typing_ticket
    assert ticket is not None
    api.send_typing("alice", ticket)
    api.send_typing("alice", ticket, TypingStatus.CANCEL)
    api.notify_start()
    api.notify_stop()
    code = api.get_qr_code(local_tokens=["old"])
    assert code.qrcode is not None
    assert api.get_qr_status(code.qrcode).status == "wait"
    assert sim.violations == []


def test_headers_and_base_info_are_on_every_request(sim: ILinkSim, api: ILinkApi) -> None:
    api.notify_start()
    api.get_qr_code()
    notice, code = sim.requests
    assert notice.headers["Authorization"] == f"Bearer {sim.token}"
    assert "Authorization" not in code.headers
    for request in (notice, code):
        assert request.headers["SKRouteTag"] == "blue"
        assert request.headers["iLink-App-ClientVersion"] == "132105"
    assert notice.json == {"base_info": {"channel_version": "2.4.9", "bot_agent": "tester/1.0 (a test)"}}
    assert code.json == {"local_token_list": []}


def test_a_message_may_be_given_as_object(sim: ILinkSim, api: ILinkApi) -> None:
    api.send_message(decode_message(text_message()))
    assert sim.user("alice").expects().text == "hello"


@pytest.mark.parametrize("place", sorted(CALLS))
def test_a_bad_status_html_and_bad_json_are_transport_errors(place: str, sim: ILinkSim, api: ILinkApi) -> None:
    for trouble in ({"status": 502}, {"status": 404}, {"body": b"<html>"}, {"body": b"{"}, {"body": b"[]"}):
        sim.faults.next(place, **trouble)
        with pytest.raises(TransportError) as caught:
            CALLS[place](api)
        assert caught.value.kind == "http"


@pytest.mark.parametrize("place", sorted(CALLS))
@pytest.mark.parametrize("field", ["ret", "errcode"])
def test_a_code_in_either_place_is_a_typed_error(place: str, field: str, sim: ILinkSim, api: ILinkApi) -> None:
    for code, kind in ((-14, TokenStale), (-2, SendRejected), (-99, ApiError)):
        getattr(sim.faults, field)(place, code, "no")
        with pytest.raises(kind) as caught:
            CALLS[place](api)
        assert (caught.value.errcode, caught.value.endpoint is not None) == (code, True)
        assert caught.value.remedy


def test_a_send_that_fails_names_its_client_id(sim: ILinkSim, api: ILinkApi) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: sim.faults.ret("sendmessage", -2),
        lambda: sim.faults.next("sendmessage", status=502),
        lambda: sim.faults.cut("sendmessage", at="after_reading"),
    ]
    for trouble in calls:
        trouble()
        with pytest.raises((ApiError, TransportError)) as caught:
            api.send_message(text_message())
        assert getattr(caught.value, "client_id") == "wxsdk:1700000000000-00000000"  # noqa: B009  not of every WxError


def test_an_echo_of_the_request_shows_no_secret(sim: ILinkSim, api: ILinkApi) -> None:
    sim.faults.ret("sendmessage", -9, f"bad: {sim.token} and plain-context-secret")
    msg = {**text_message(), "context_token": "plain-context-secret"}
    with pytest.raises(ApiError) as caught:
        api.send_message(msg)
    assert sim.token not in str(caught.value)
    assert "plain-context-secret" not in str(caught.value)


def test_a_new_token_is_used_from_the_next_request_on(sim: ILinkSim, api: ILinkApi) -> None:
    token = sim.mint_token()
    api.set_token(token)
    api.notify_start()
    assert sim.requests[-1].headers["Authorization"] == f"Bearer {token}"
    with pytest.raises(ConfigError):
        api.set_token("with a space")


def test_a_new_token_may_come_with_a_server_of_its_own(sim: ILinkSim) -> None:
    api = ILinkApi(config_for(sim, base_url="http://127.0.0.1:1"))
    for unusable in ("127.0.0.1", "ftp://host", sim.base_url + "/?q", ""):
        with pytest.raises(ConfigError):
            api.set_token("another", base_url=unusable)
        assert api.token == sim.token
    api.set_token(sim.token, base_url=sim.base_url)
    api.notify_start()
    assert (sim.count("notifystart"), api.base_url) == (1, sim.base_url)
    api.set_token(sim.mint_token())
    assert api.base_url == sim.base_url
    api.close()


def test_a_drip_fed_answer_does_not_outlive_the_deadline(sim: ILinkSim, api: ILinkApi) -> None:
    sim.faults.drip("notifystart", interval=0.02)
    with pytest.raises(TransportError) as caught:
        api.notify_start(timeout=0.2)
    assert caught.value.kind == "timeout"


def test_an_interruption_ends_calls_until_they_are_resumed(sim: ILinkSim, api: ILinkApi) -> None:
    api.interrupt_calls()
    with pytest.raises(TransportError):
        api.get_config("alice")
    api.get_updates()  # polls are another matter
    api.resume_calls()
    assert api.get_config("alice").typing_ticket


def test_an_interruption_of_typing_signs_ends_no_other_call(sim: ILinkSim, api: ILinkApi) -> None:
    api.interrupt_signs()
    for call in (lambda: api.get_config("alice"), lambda: api.send_typing("alice", "ticket")):
        with pytest.raises(TransportError):
            call()
    api.send_message(text_message())
    api.resume_signs()
    assert api.get_config("alice").typing_ticket


@pytest.mark.parametrize("msg", [5, None, [], {"context_token": "canary", "run_id": "\ud800"}, {"odd": object()}])
def test_what_is_no_message_is_refused_before_any_request(msg: Any, sim: ILinkSim, api: ILinkApi) -> None:
    with pytest.raises(ConfigError) as caught:
        api.send_message(msg)
    assert "canary" not in f"{caught.value!r} {caught.value.__context__!r}"
    assert sim.requests == []
