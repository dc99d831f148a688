"""The QR login, played through without a clock, and where it may lead."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ilink.test_wire import json_values
from wxsdk.errors import ApiError, ConfigError, LoginError, TransportError
from wxsdk.ilink.config import WeixinConfig
from wxsdk.ilink.login_rules import (
    CODE_LIFE,
    LOGIN_TIMEOUT,
    MAX_CODES,
    NEXT,
    Action,
    LoginState,
    LoginStatus,
    after_code,
    after_code_failure,
    after_status,
    after_trouble,
    begin,
    check_code,
    is_login_host,
    poll_timeout,
    read_status,
    with_verify_code,
)
from wxsdk.ilink.wire import QrCodeReply, QrStatusReply

CONFIG = WeixinConfig("")
BASE = CONFIG.base_url
SIM = WeixinConfig("", base_url="http://127.0.0.1:8123")
CREDENTIALS = {"bot_token": "canary-token", "ilink_bot_id": "b", "ilink_user_id": "u"}


def read(config=CONFIG, **fields):
    return read_status(QrStatusReply.from_dict(fields), config.base_url, config)


def shown(now=0.0):
    return after_code(begin(CONFIG, now), CONFIG, now)


def at(state):
    return LoginStatus(state)


def test_every_state_has_a_next_action():
    assert set(NEXT) == set(LoginState)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("wait", LoginState.WAIT),
        ("scaned", LoginState.SCANNED),
        ("scaned_but_redirect", LoginState.REDIRECT),
        ("need_verifycode", LoginState.NEED_VERIFY_CODE),
        ("verify_code_blocked", LoginState.VERIFY_CODE_BLOCKED),
        ("expired", LoginState.EXPIRED),
        ("binded_redirect", LoginState.ALREADY_BOUND),
        ("something_new", LoginState.WAIT),
        (None, LoginState.WAIT),
        (5, LoginState.WAIT),
    ],
)
def test_the_platforms_words_are_states_and_unknown_ones_mean_to_wait(status, state):
    assert read(status=status).state is state


def test_a_confirmation_carries_the_credentials_and_hides_the_token():
    status = read(status="confirmed", baseurl="https://idc2.weixin.qq.com", **CREDENTIALS)
    assert (status.bot_token, status.ilink_bot_id, status.ilink_user_id) == ("canary-token", "b", "u")
    assert status.base_url == "https://idc2.weixin.qq.com"
    assert "canary" not in repr(status)


@pytest.mark.parametrize("missing", ["ilink_bot_id", "bot_token"])
def test_a_confirmation_without_credentials_is_an_error(missing):
    with pytest.raises(LoginError, match=missing):
        read(status="confirmed", **{**CREDENTIALS, missing: ""})


def test_without_an_address_the_bot_stays_where_it_logged_in():
    assert read(status="confirmed", **CREDENTIALS).base_url == BASE


@pytest.mark.parametrize(
    "url",
    [
        "http://ilinkai.weixin.qq.com",
        "http://evil.com",
        "https://weixin.qq.com@evil.com",
        "http://127.0.0.1:80",
        "javascript:alert(1)",
        "ftp://weixin.qq.com",
        "weixin.qq.com@evil.com",
        "https://",
        "://",
        "//",
        "not an address",
        "https://weixin.qq.com\\@evil.com",
        "https://weixin.qq.com#@evil.com",
    ],
)
def test_a_confirmed_login_with_an_address_without_tls_or_with_none_at_all_stays_where_it_is(url, caplog):
    status = read(status="confirmed", baseurl=url, **CREDENTIALS)
    assert (status.bot_token, status.base_url) == ("canary-token", BASE)
    assert "address of the API" in caplog.text
    assert BASE in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.parametrize("url", ["idc2.weixin.qq.com", "//idc2.weixin.qq.com", " idc2.weixin.qq.com\n"])
def test_an_address_without_a_scheme_is_taken_for_https(url):
    assert read(status="confirmed", baseurl=url, **CREDENTIALS).base_url == "https://idc2.weixin.qq.com"
    assert read(SIM, status="confirmed", baseurl="127.0.0.1:9", **CREDENTIALS).base_url == "http://127.0.0.1:9"


def test_the_platform_may_serve_a_bot_anywhere_by_tls_and_the_log_says_where(caplog):
    assert read(status="confirmed", baseurl="https://bots.example/v2", **CREDENTIALS).base_url == (
        "https://bots.example/v2"
    )
    assert "bots.example, outside of weixin.qq.com" in caplog.text
    assert "canary" not in caplog.text


def test_the_place_of_the_settings_is_no_strange_place():
    assert read(SIM, status="confirmed", baseurl="http://127.0.0.1:8123", **CREDENTIALS).base_url == SIM.base_url
    assert read(SIM, status="confirmed", baseurl="http://localhost:9", **CREDENTIALS).base_url == "http://localhost:9"


def test_a_redirect_under_the_home_domain_is_followed_by_https():
    assert (
        read(status="scaned_but_redirect", redirect_host="IDC3.weixin.qq.com").poll_base_url
        == "https://idc3.weixin.qq.com"
    )
    assert read(status="scaned_but_redirect").poll_base_url is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.com",
        "evilweixin.qq.com",
        "weixin.qq.com.evil.com",
        "weixin.qq.com:443",
        "u@weixin.qq.com",
        "weixin.qq.com@evil.com",
        "evil.com/.weixin.qq.com",
        "evil.com#.weixin.qq.com",
        "evil.com?.weixin.qq.com",
        "evil.com\\.weixin.qq.com",
        "https://weixin.qq.com",
        "1.2.3.4",
        "127.0.0.1:80",
        "localhost",
        "[::1]",
        ".weixin.qq.com",
        "a..weixin.qq.com",
        "weixin.qq.com.",
        "a b.weixin.qq.com",
        "x\n.weixin.qq.com",
        "ｗeixin.qq.com",
        "-.weixin.qq.com",
        "a" * 260 + ".weixin.qq.com",
    ],
)
def test_a_redirect_anywhere_else_ends_the_login(host):
    assert not is_login_host(host, CONFIG.login_hosts)
    with pytest.raises(LoginError, match="login_hosts"):
        read(status="scaned_but_redirect", redirect_host=host)


def test_login_hosts_are_domains_beside_the_home_domain():
    hosts = ("example.com", "10.0.0.1")
    assert [is_login_host(host, hosts) for host in ("example.com", "a.example.com", "10.0.0.1", "weixin.qq.com")] == [
        True
    ] * 4
    assert not is_login_host("badexample.com", hosts)


def test_a_simulator_on_this_machine_may_redirect_to_this_machine_when_that_is_a_login_host():
    listed = dataclasses.replace(SIM, login_hosts=("localhost", "127.0.0.1"))
    for host in ("localhost:8123", "127.0.0.1:9"):
        assert read(listed, status="scaned_but_redirect", redirect_host=host).poll_base_url == f"http://{host}"
        with pytest.raises(LoginError):
            read(SIM, status="scaned_but_redirect", redirect_host=host)
    for host in ("evil.com:8123", "evil.com@localhost:1"):
        with pytest.raises(LoginError):
            read(listed, status="scaned_but_redirect", redirect_host=host)


@given(st.text(max_size=40), st.sampled_from(["", ".weixin.qq.com", "@weixin.qq.com", "weixin.qq.com"]))
def test_no_text_smuggles_a_strange_host(text, ending):
    if is_login_host(text + ending, ()):
        assert (text + ending).lower().endswith("weixin.qq.com")
        assert not set(text + ending) & set("/\\@?#: ")


@given(json_values)
def test_any_answer_is_a_status_or_a_login_error(value):
    fields = ("status", "redirect_host", "baseurl", "bot_token", "ilink_bot_id", "ilink_user_id")
    for state in ("confirmed", "scaned_but_redirect", value):
        try:
            status = read(**{**dict.fromkeys(fields, value), "status": state})
        except LoginError:
            continue
        assert isinstance(status.state, LoginState)


def test_waiting_looks_about_once_a_second():
    step = after_status(shown(), at(LoginState.WAIT), 1.0)
    assert (step.action, step.delay, step.changed) == (Action.POLL, 1.0, True)
    again = after_status(step.dance, at(LoginState.WAIT), 2.0)
    assert (again.action, again.changed) == (Action.POLL, False)


def test_a_redirect_is_followed_at_once_and_forgotten_with_the_next_code():
    status = LoginStatus(LoginState.REDIRECT, poll_base_url="https://idc.weixin.qq.com")
    step = after_status(shown(), status, 1.0)
    assert (step.dance.base_url, step.delay) == ("https://idc.weixin.qq.com", 0.0)
    assert after_status(step.dance, at(LoginState.REDIRECT), 2.0).delay == 1.0
    assert after_code(step.dance, CONFIG, 3.0).base_url == BASE


def test_redirects_without_end_are_followed_once_a_second():
    def to(host):
        return LoginStatus(LoginState.REDIRECT, poll_base_url=f"https://{host}.weixin.qq.com")

    dance, delays = shown(), []
    for host in ("a", "a", "b", "a", "c"):
        step = after_status(dance, to(host), 1.0)
        dance = step.dance
        delays.append(step.delay)
    assert delays == [0.0, 1.0, 1.0, 1.0, 1.0]
    assert dance.base_url == "https://c.weixin.qq.com"
    assert after_status(shown(), LoginStatus(LoginState.REDIRECT, poll_base_url=BASE), 1.0).delay == 1.0
    waited = after_status(dance, at(LoginState.WAIT), 2.0).dance
    assert after_status(waited, to("a"), 3.0).delay == 0.0


def test_a_number_is_asked_for_and_asked_for_again_when_it_was_wrong():
    first = after_status(shown(), at(LoginState.NEED_VERIFY_CODE), 1.0)
    assert (first.action, first.was_wrong, first.changed) == (Action.ASK, False, True)
    dance = with_verify_code(first.dance, " 42 ")
    assert dance.verify_code == "42"
    assert "42" not in repr(dance.verify_code)
    lost = after_trouble(dance, TransportError("x"), 2.0)
    assert lost.dance.verify_code == "42"
    wrong = after_status(lost.dance, at(LoginState.NEED_VERIFY_CODE), 3.0)
    assert (wrong.action, wrong.was_wrong) == (Action.ASK, True)
    right = after_status(with_verify_code(wrong.dance, "43"), at(LoginState.SCANNED), 4.0)
    assert right.dance.verify_code is None
    assert not after_status(right.dance, at(LoginState.NEED_VERIFY_CODE), 5.0).was_wrong


@pytest.mark.parametrize("code", ["", "  ", None, 42, "x" * 100, "4\x002"])
def test_a_number_that_cannot_be_one_is_refused(code):
    with pytest.raises(ConfigError):
        with_verify_code(shown(), code)


@pytest.mark.parametrize("state", [LoginState.EXPIRED, LoginState.VERIFY_CODE_BLOCKED])
def test_three_codes_are_shown_in_all(state):
    dance, actions = shown(), []
    for _ in range(MAX_CODES - 1):
        step = after_status(dance, at(state), 1.0)
        actions.append(step.action)
        dance = after_code(step.dance, CONFIG, 1.0)
    assert actions == [Action.NEW_CODE] * 2
    step = after_status(dance, at(state), 2.0)
    assert (step.action, step.status.state, step.changed) == (Action.FAIL, state, True)
    assert "3 codes" in str(step.error)


def test_a_code_that_outlived_its_time_is_replaced_whatever_the_platform_says():
    for state in (LoginState.WAIT, LoginState.SCANNED, LoginState.NEED_VERIFY_CODE, LoginState.REDIRECT):
        step = after_status(shown(), at(state), CODE_LIFE)
        assert (step.action, step.status.state, step.changed) == (Action.NEW_CODE, LoginState.EXPIRED, True)


@pytest.mark.parametrize("state", [LoginState.CONFIRMED, LoginState.ALREADY_BOUND])
def test_success_counts_at_any_time(state):
    for now in (1.0, CODE_LIFE + 1, LOGIN_TIMEOUT + 1):
        step = after_status(shown(), at(state), now)
        assert (step.action, step.changed) == (Action.DONE, True)


def test_the_whole_login_has_an_end():
    step = after_status(shown(), at(LoginState.SCANNED), LOGIN_TIMEOUT)
    assert (step.action, step.status.state, step.changed) == (Action.FAIL, LoginState.SCANNED, True)
    assert "in time" in str(step.error)


def test_each_code_is_reported_anew():
    first = after_status(shown(), at(LoginState.EXPIRED), 1.0)
    assert after_status(after_code(first.dance, CONFIG, 1.0), at(LoginState.EXPIRED), 2.0).changed


def test_trouble_means_to_wait_and_is_the_cause_when_the_time_is_up():
    trouble = TransportError("gateway", kind="http", status=502)
    step = after_trouble(shown(), trouble, 1.0)
    assert (step.action, step.delay) == (Action.POLL, 1.0)
    failed = after_trouble(shown(), trouble, LOGIN_TIMEOUT).error
    assert failed is not None
    assert failed.__cause__ is trouble


def test_a_look_never_outlives_the_code_or_the_login():
    dance = after_code(begin(CONFIG, 0.0, timeout=310.0), CONFIG, 0.0)
    assert [poll_timeout(dance, now, 35.0) for now in (0.0, 280.0, 299.9)] == [35.0, 20.0, 1.0]
    assert poll_timeout(after_code(dance, CONFIG, 300.0), 300.0, 35.0) == 10.0


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "5", None, True])
def test_a_nonsense_timeout_is_refused(timeout):
    with pytest.raises(ConfigError):
        begin(CONFIG, 0.0, timeout)


def test_a_code_that_cannot_be_fetched_is_tried_three_times():
    dance, trouble = begin(CONFIG, 0.0), TransportError("x")
    first = after_code_failure(dance, trouble, 0.0)
    assert first is not None
    assert (first.action, first.delay) == (Action.NEW_CODE, 2.0)
    second = after_code_failure(first.dance, trouble, 2.0)
    assert second is not None
    assert after_code_failure(second.dance, trouble, 4.0) is None
    assert after_code(second.dance, CONFIG, 4.0).code_failures == 0


def test_a_refusal_of_a_code_is_final_and_so_is_the_end_of_the_time():
    dance = begin(CONFIG, 0.0)
    assert after_code_failure(dance, ApiError(-1), 0.0) is None
    assert after_code_failure(dance, TransportError("x"), LOGIN_TIMEOUT - 1) is None


def test_an_answer_without_a_code_is_an_error():
    whole = QrCodeReply.from_dict({"qrcode": "canary", "qrcode_img_content": "https://x/canary"})
    assert check_code(whole) is whole
    assert "canary" not in repr(whole)
    for half in ({"qrcode": "q"}, {"qrcode_img_content": "i"}, {}):
        with pytest.raises(LoginError):
            check_code(QrCodeReply.from_dict(half))
