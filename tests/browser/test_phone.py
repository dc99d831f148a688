"""The playground on a phone of 390 by 844 pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from tests.browser.bots import Bots
from tests.browser.chromium import Chromium, Page
from wxsdk.sim.page import Playground

WIDTH, HEIGHT = 390, 844


@pytest.fixture
def page(chromium: Chromium, playground: Playground) -> Iterator[Page]:
    made = chromium.page(playground.url, WIDTH, HEIGHT, phone=True)
    yield made
    made.close()
    assert made.problems == []


def fits(page: Page) -> None:
    """Nothing may stand beside the screen, and nothing may scroll sideways but code and tables."""
    assert page.eval("document.documentElement.scrollWidth") == WIDTH
    beside = page.eval(
        f"""[...document.querySelectorAll('body *')].filter((e) => e.getClientRects().length
        && e.getBoundingClientRect().right > {WIDTH} + 1
        && !e.closest('.code, .table, pre')).map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert beside == []


def test_one_thing_at_a_time_from_the_list_to_an_answer_and_back(page: Page, bots: Bots, pictures: Path) -> None:
    page.until("document.querySelectorAll('.presence.on').length === 2")
    assert page.eval("!document.querySelector('.pane').getClientRects().length")
    fits(page)
    page.picture(pictures / "phone-list.png")
    page.click(".chat-row", "WeCom")
    page.until("!!document.querySelector('.pane').getClientRects().length")
    assert page.eval("!document.querySelector('.sidebar').getClientRects().length")
    page.say("the weekly report")
    page.sees("Weekly report", ".markdown h4")
    fits(page)
    box = page.eval("document.querySelector('.composer textarea').getBoundingClientRect().bottom")
    assert 700 < box <= HEIGHT
    page.picture(pictures / "phone-wecom.png")
    page.say("a multiple card")
    page.until("!!document.querySelector('.card')")
    page.click(".card-button", "Book")
    page.sees("alice chose book", ".card")
    fits(page)
    page.click("[aria-label='Back to the chats']")
    page.until("!!document.querySelector('.sidebar').getClientRects().length")
    page.click(".chat-row", "Personal")
    page.say("hello from the phone")
    page.sees("You said: hello from the phone", ".bubble")
    fits(page)
    page.picture(pictures / "phone-wechat.png")


def test_every_tool_is_in_reach(page: Page, bots: Bots, pictures: Path) -> None:
    page.click(".chat-row", "Personal")
    for name in ("Connect", "Faults", "Inspector"):
        page.click(".menu summary")
        page.click(".menu-list button", name)
        page.until("!document.querySelector('.panel').hidden")
        fits(page)
        page.click(".panel [aria-label='Close']")
    page.click(".menu summary")
    page.click(".menu-list button", "Log in by QR code")
    page.sees("wxsdk login", "dialog")
    fits(page)
