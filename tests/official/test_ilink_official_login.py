"""The vendor's own QR login walks through every state of ILinkSim's."""

from __future__ import annotations

from typing import Any, Callable, Iterator

import pytest

from tests.official.ilink_witness import Witness
from tests.official.node import Node, Pending
from wxsdk.sim import ILinkSim

HOST = "https://ilinkai.weixin.qq.com"  # known to its login by heart


@pytest.fixture
def sim(ilink_node: Node) -> Iterator[ILinkSim]:
    with ILinkSim() as running:
        ilink_node.call("place", origin=HOST, at=running.base_url)
        yield running
        assert running.violations == []


class Login:
    """One login of the vendor's plugin under way, and the person's phone."""

    def __init__(self, node: Node, sim: ILinkSim) -> None:
        self.node, self.sim = node, sim
        self.witness = Witness(node, sim)
        self._printed = len(node.told("terminal", "printed"))
        self._pending: Pending = self.witness.begin_login()
        assert node.event(self.witness.account, "qrcode") == sim.logins[-1].img_content

    def told(self, state: str) -> None:
        """Wait until a status poll was answered with *state*."""
        self.sim.wait_for(lambda: self.sim.logins[-1].told == state)

    def prompt(self, part: str) -> None:
        """Wait until its terminal shows *part*, once for each call."""
        node = self.node
        seen = node.wait_for(lambda: [n for n, text in self._texts() if part in text], 10, part)
        self._printed = seen[0] + 1

    def _texts(self) -> Any:
        return [pair for pair in enumerate(self.node.told("terminal", "printed")) if pair[0] >= self._printed]

    def type(self, text: str) -> None:
        self.node.call("type", text=f"{text}\n")

    def result(self) -> Any:
        return self._pending.result()


@pytest.fixture
def begin(ilink_node: Node, sim: ILinkSim) -> Callable[[], Login]:
    return lambda: Login(ilink_node, sim)


def test_wait_scanned_and_confirmed(begin: Callable[[], Login], sim: ILinkSim) -> None:
    sim.settings.qr_hold = 0.05
    login = begin()
    login.told("wait")
    sim.scan(user="alice")
    login.told("scaned")
    token = sim.confirm()
    done = login.result()
    assert (done["connected"], done["botToken"], done["accountId"]) == (True, token, sim.bot_id)
    assert (done["baseUrl"], done["userId"]) == (sim.base_url, "alice")
    first = next(seen for seen in sim.requests if seen.place == "get_bot_qrcode")
    assert first.query == {"bot_type": "3"}
    assert first.headers.get("Authorization") is None


def test_known_tokens_are_sent_along_newest_first(begin: Callable[[], Login], sim: ILinkSim, ilink_node: Node) -> None:
    for _ in range(11):
        newest = sim.mint_token()
        Witness(ilink_node, sim, token=newest)
    login = begin()
    tokens = sim.logins[-1].local_tokens
    assert len(tokens) == 10
    assert tokens[:2] == [sim.token, newest]  # the login's own account was saved last
    sim.scan()
    sim.confirm()
    assert login.result()["connected"]


def test_a_redirect_is_followed(begin: Callable[[], Login], sim: ILinkSim, ilink_node: Node) -> None:
    elsewhere = sim.host.replace("127.0.0.1", "localhost")
    ilink_node.call("place", origin=f"https://{elsewhere}", at=f"http://{elsewhere}")
    login = begin()
    sim.scan()
    sim.redirect(elsewhere)
    login.told("scaned")
    assert sim.requests[-1].headers["Host"] == elsewhere
    sim.confirm()
    assert login.result()["connected"]


def test_a_number_is_asked_for_until_it_is_right(begin: Callable[[], Login], sim: ILinkSim) -> None:
    login = begin()
    sim.scan()
    sim.demand_verify_code("42")
    login.prompt("输入手机微信显示的数字")
    login.type("41")
    login.prompt("不匹配")
    login.type("42")
    login.told("scaned")
    assert sim.logins[-1].wrong_codes == 1
    sim.confirm()
    assert login.result()["connected"]


def test_too_many_wrong_numbers_bring_a_new_code(begin: Callable[[], Login], sim: ILinkSim) -> None:
    login = begin()
    sim.scan()
    sim.demand_verify_code("42")
    login.prompt("输入手机微信显示的数字")
    sim.block_verify_code()
    login.type("41")
    sim.wait_for(lambda: len(sim.logins) == 2)
    sim.scan()
    sim.confirm()
    assert login.result()["connected"]


def test_the_third_code_is_the_last(begin: Callable[[], Login], sim: ILinkSim) -> None:
    login = begin()
    sim.expire_qrcode()
    sim.wait_for(lambda: len(sim.logins) == 2)
    sim.expire_qrcode()
    sim.wait_for(lambda: len(sim.logins) == 3)
    sim.expire_qrcode()
    assert not login.result()["connected"]
    assert len(sim.logins) == 3


def test_a_bot_that_is_bound_already_is_told_so(begin: Callable[[], Login], sim: ILinkSim) -> None:
    login = begin()
    sim.scan()
    sim.bind_already()
    done = login.result()
    assert (done["connected"], done["alreadyConnected"]) == (False, True)


def test_a_confirmation_without_a_bot_id_is_a_failure(begin: Callable[[], Login], sim: ILinkSim) -> None:
    login = begin()
    sim.scan()
    sim.confirm(with_bot_id=False)
    done = login.result()
    assert not done["connected"]
    assert "ilink_bot_id" in done["message"]


def test_gateway_errors_while_waiting_do_not_matter(begin: Callable[[], Login], sim: ILinkSim) -> None:
    sim.faults.next("get_qrcode_status", status=524)
    sim.faults.cut("get_qrcode_status")
    login = begin()
    sim.scan()
    sim.confirm()
    assert login.result()["connected"]
