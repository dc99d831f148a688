"""The QR login: the test plays the person with the phone."""

from __future__ import annotations

import threading
from typing import Any, Optional

import pytest

from wxsdk.sim import ILinkSim
from wxsdk.sim.ilink.login import NEXT, QRCODE_LIFE, Logins

from ..conftest import Now
from .fixtures import bot, sim
from .speaker import BASE_INFO, Speaker

__all__ = ["bot", "sim"]  # fixtures


def begin(bot: Speaker, **body: Any) -> Any:
    body = {"local_token_list": [], **body}
    return bot.post("get_bot_qrcode?bot_type=3", body, Authorization=None).json()


def status(bot: Speaker, qrcode: str, verify_code: Optional[str] = None, host: Optional[str] = None) -> Any:
    query = {"qrcode": qrcode, **({"verify_code": verify_code} if verify_code else {})}
    headers = {"iLink-App-Id": "bot", "iLink-App-ClientVersion": "132105", **({"Host": host} if host else {})}
    url = f"{bot.sim.base_url}/ilink/bot/get_qrcode_status"
    return bot.session.get(url, params=query, headers=headers, timeout=5).json()


def test_scan_and_confirm_give_a_valid_token(sim: ILinkSim, bot: Speaker) -> None:
    code = begin(bot, local_token_list=["old"])
    assert status(bot, code["qrcode"])["status"] == "wait"
    sim.scan(user="bob")
    assert status(bot, code["qrcode"])["status"] == "scaned"
    token = sim.confirm()
    answer = status(bot, code["qrcode"])
    assert answer["status"] == "confirmed"
    assert (answer["bot_token"], answer["ilink_bot_id"], answer["ilink_user_id"]) == (
        token,
        sim.bot_id,
        "bob",
    )
    assert answer["baseurl"] == sim.base_url
    with Speaker(sim, token) as fresh:
        assert fresh.poll()["ret"] == 0
    assert sim.logins[0].local_tokens == ["old"]
    assert sim.violations == []


def test_scanning_waits_for_a_qr_code_and_takes_what_it_shows(sim: ILinkSim, bot: Speaker) -> None:
    scanning = threading.Thread(target=sim.scan)
    scanning.start()
    code = begin(bot)
    scanning.join(5)
    assert status(bot, code["qrcode"])["status"] == "scaned"
    other = begin(bot)
    sim.scan(other["qrcode_img_content"])
    assert status(bot, other["qrcode"])["status"] == "scaned"


def test_a_status_poll_is_held_until_there_is_news(sim: ILinkSim, bot: Speaker) -> None:
    sim.settings.qr_hold = 30
    code = begin(bot)
    assert status(bot, code["qrcode"])["status"] == "wait"
    answers = []
    poll = threading.Thread(target=lambda: answers.append(status(bot, code["qrcode"])))
    poll.start()
    sim.wait_for(lambda: sim.count("get_qrcode_status") == 2)
    sim.scan()
    poll.join(5)
    assert answers[0]["status"] == "scaned"


def test_a_demanded_number_is_asked_for_until_it_is_right(sim: ILinkSim, bot: Speaker) -> None:
    code = begin(bot)["qrcode"]
    sim.scan()
    sim.demand_verify_code("1234")
    assert status(bot, code)["status"] == "need_verifycode"
    assert status(bot, code, "1111")["status"] == "need_verifycode"
    assert sim.logins[0].wrong_codes == 1
    assert status(bot, code, "1234")["status"] == "scaned"
    sim.confirm()
    assert status(bot, code)["status"] == "confirmed"


def test_too_many_wrong_numbers_block_the_code(sim: ILinkSim, bot: Speaker) -> None:
    code = begin(bot)["qrcode"]
    sim.scan()
    sim.demand_verify_code("1234")
    sim.block_verify_code()
    assert status(bot, code)["status"] == "verify_code_blocked"


def test_a_code_expires_by_call_and_by_age(sim: ILinkSim, bot: Speaker, now: Now) -> None:
    first = begin(bot)["qrcode"]
    sim.expire_qrcode()
    assert status(bot, first)["status"] == "expired"
    second = begin(bot)["qrcode"]
    now.time += QRCODE_LIFE - 1
    assert status(bot, second)["status"] == "wait"
    now.time += 1
    assert status(bot, second)["status"] == "expired"
    assert status(bot, "unknown")["status"] == "expired"


def test_an_old_connection_is_told_so_without_credentials(sim: ILinkSim, bot: Speaker) -> None:
    code = begin(bot)["qrcode"]
    sim.scan()
    sim.bind_already()
    assert status(bot, code) == {"ret": 0, "status": "binded_redirect"}


def test_a_redirect_stands_until_a_poll_comes_to_the_new_host(sim: ILinkSim, bot: Speaker) -> None:
    code = begin(bot)["qrcode"]
    sim.scan()
    sim.redirect("elsewhere.weixin.qq.com")
    answer = status(bot, code)
    assert (answer["status"], answer["redirect_host"]) == ("scaned_but_redirect", "elsewhere.weixin.qq.com")
    assert status(bot, code)["status"] == "scaned_but_redirect"
    assert status(bot, code, host="elsewhere.weixin.qq.com")["status"] == "scaned"


def test_a_confirmation_can_lack_the_bot_id(sim: ILinkSim, bot: Speaker) -> None:
    code = begin(bot)["qrcode"]
    sim.scan()
    sim.confirm(with_bot_id=False)
    assert "ilink_bot_id" not in status(bot, code)


def test_an_illegal_step_names_state_and_event(sim: ILinkSim, bot: Speaker) -> None:
    begin(bot)
    with pytest.raises(RuntimeError, match="a login in state 'wait' cannot confirm"):
        sim.confirm()


@pytest.mark.parametrize(
    ("body", "headers", "sentence"),
    [
        ({}, {"Authorization": "Bearer x"}, "the QR request carries Authorization"),
        ({"base_info": BASE_INFO}, {"Authorization": None}, "the QR request carries base_info"),
        (
            {"local_token_list": ["t"] * 11},
            {"Authorization": None},
            "local_token_list has 11 tokens, 10 are allowed",
        ),
        ({"local_token_list": "t"}, {"Authorization": None}, "local_token_list is not a list of strings"),
    ],
)
def test_a_wrong_qr_request_is_refused_and_noted(
    sim: ILinkSim, bot: Speaker, body: Any, headers: Any, sentence: str
) -> None:
    body = {"local_token_list": [], **body}
    assert bot.post("get_bot_qrcode?bot_type=3", body, **headers).json()["ret"] == -3
    assert sim.violations == [f"get_bot_qrcode: {sentence}"]


def test_a_status_poll_must_not_carry_the_token(sim: ILinkSim, bot: Speaker) -> None:
    url = f"{sim.base_url}/ilink/bot/get_qrcode_status?qrcode=x"
    assert bot.session.get(url, headers=bot.headers(), timeout=5).json()["ret"] == -3
    assert sim.violations == ["get_qrcode_status: the QR request carries Authorization"]


def test_every_state_of_the_table_can_be_reached() -> None:
    reached = {"wait"}
    while True:
        more = {to for (state, _), to in NEXT.items() if state in reached} | reached
        if more == reached:
            break
        reached = more
    assert reached == {state for state, _ in NEXT} | set(NEXT.values())


def test_a_code_is_found_by_id_by_picture_or_as_the_newest() -> None:
    logins = Logins()
    one, two = logins.begin(0, []), logins.begin(1, [])
    assert logins.find(None) is two
    assert logins.find(one.qrcode) is one
    assert logins.find(one.img_content) is one
    assert logins.find("neither") is None
