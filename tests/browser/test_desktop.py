"""A person's whole path through the playground, on a desktop."""

from __future__ import annotations

import json
import re
import struct
import zlib
from pathlib import Path
from typing import Iterator

import pytest

from tests.browser.bots import CARDS, Bots, running
from tests.browser.chromium import Chromium, Page
from tests.callback.bots import served
from wxsdk import Bot, CallbackOptions, Message
from wxsdk.ext.wsgi import application
from wxsdk.ilink.config import WeixinConfig
from wxsdk.ilink.login import StandaloneQrLogin
from wxsdk.sim.page import Playground
from wxsdk.testing import no_leaks

LAST = "[...document.querySelectorAll('.entry')].pop()"


@pytest.fixture
def page(chromium: Chromium, playground: Playground) -> Iterator[Page]:
    made = chromium.page(playground.url)
    yield made
    made.close()
    assert made.problems == []


def picture(path: Path) -> Path:
    """A PNG with a gradient, as a phone would send a photo."""
    rows = b"".join(b"\0" + bytes(v for x in range(160) for v in (x, 140, 255 - y)) for y in range(110))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 160, 110, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def open_chat(page: Page, name: str) -> None:
    page.click(".chat-row", name)
    page.sees(name, ".chat-title h1")


def test_the_badge_shows_when_a_bot_comes_and_until_then_how_to_connect_one(
    page: Page, playground: Playground, pictures: Path
) -> None:
    page.click(".notice button", "How to connect")
    page.until("document.querySelectorAll('.connect pre').length === 3")
    shown = page.text(".connect")
    assert playground.ilink.token not in shown
    assert playground.aibot.secret not in shown
    page.picture(pictures / "connect.png")
    with running(playground):
        page.sees("Bot connected", ".chat-head .badge.on")
        page.until("document.querySelectorAll('.presence.on').length === 2")
        page.until("document.querySelector('.notice').hidden")
    page.sees("No bot connected", ".chat-head .badge.off")


def test_personal_wechat_text_quote_picture_file_voice_quota(
    page: Page, bots: Bots, playground: Playground, tmp_path: Path, pictures: Path
) -> None:
    page.say("hello **there**")
    page.sees("You said: hello **there**", ".theirs .plain")  # WeChat shows plain text
    page.sees("9 of 10 left", ".quota")
    page.click(".theirs [aria-label='Quote']")
    page.type("what is that?")
    page.press("Enter")
    page.sees("(about: You said: hello **there**)", ".theirs .bubble")
    page.until("!!document.querySelector('.mine .quoted')")
    page.choose_files(picture(tmp_path / "sea.png"), _file(tmp_path / "plan.txt"))
    page.sees("sea.png", ".chip")
    page.click(".composer .send")
    page.sees("Got your image.", ".bubble")
    page.sees("Got your file.", ".bubble")
    page.until("document.querySelector('.mine .picture img').naturalWidth === 160")
    assert page.text(".attachment b") == "plan.txt"
    page.click("[aria-label='Send a voice message']")
    page.type("spoken words")
    page.click("dialog button[type=submit]")
    page.sees("You said: spoken words", ".bubble")
    page.until("document.querySelectorAll('.state.delivered').length >= 4")
    page.click(".picture")
    page.until("document.querySelector('dialog img').naturalWidth === 160")
    page.press("Escape")
    page.until("!document.querySelector('dialog')")
    page.picture(pictures / "desktop-wechat.png")
    assert playground.ilink.violations == []


def _file(path: Path) -> Path:
    path.write_text("the plan")
    return path


def test_wecom_markdown_raw_feedback_and_welcome(page: Page, bots: Bots, pictures: Path) -> None:
    open_chat(page, "WeCom")
    page.click(".menu summary")
    page.click(".menu-list button", "Open the chat")
    page.sees("Welcome!", ".theirs .bubble")
    page.sees("enter_chat", ".event")
    page.say("the weekly report")
    page.sees("Weekly report", ".markdown h4")
    page.sees("preliminary", ".markdown blockquote")
    assert page.count(".markdown table tbody tr") == 2
    assert page.text(".markdown .code pre").startswith("def total(rows):")
    assert page.text(".markdown ol ul li") == "before Friday"
    assert page.text(".markdown del") == "late"
    page.click(".theirs [aria-label='Show the raw text']")
    page.until("!!document.querySelector('pre.raw')")
    page.click(".theirs [aria-label='Show as the platform does']")
    page.until("!document.querySelector('pre.raw')")
    page.click("[aria-label='Good answer']")
    page.sees("rated the answer good", ".event")
    page.picture(pictures / "desktop-wecom.png")
    page.click("[aria-label='Bad answer']")
    page.click("dialog .check", "Incomplete")
    page.click("dialog button[type=submit]")
    page.sees("rated the answer bad", ".event")
    assert '"inaccurate_reason_list"' in page.eval(f"{LAST}.textContent")


def test_what_a_bot_writes_never_runs_and_fetches_nothing(page: Page, bots: Bots) -> None:
    open_chat(page, "WeCom")
    page.say("be hostile")
    page.sees("<b>not bold</b>", ".markdown p")
    assert page.eval("window.broken === undefined && !document.querySelector('.markdown :is(script, b, img, a)')")
    page.sees("seen", ".remote-picture")
    assert not [url for url in page.requests if "pictures.invalid" in url]


@pytest.mark.parametrize("kind", CARDS)
def test_each_card_is_shown_and_does_what_it_promises(page: Page, bots: Bots, kind: str, pictures: Path) -> None:
    open_chat(page, "WeCom")
    page.say(f"a {kind.split('_')[0]} card")
    page.until(f"!!document.querySelector('.card.{kind}')")
    page.picture(pictures / f"card-{kind.split('_')[0]}.png")
    if kind == "text_notice":
        page.click(".card-jumps button")
        page.sees("You said: incidents in May", ".bubble")
        return
    if kind == "news_notice":
        before = len(page.requests)
        assert not [url for url in page.requests if "pictures.invalid" in url]
        page.sees("Click to load", ".remote-picture")
        assert len(page.requests) == before
        return
    if kind == "button_interaction":
        page.click(".card-button", "Deploy")
        key = "go"
    elif kind == "vote_interaction":
        page.click(".card-button", "Vote")
        page.sees("Choose an answer first", ".toast")
        page.click(".card-options label", "Rice")
        page.click(".card-button", "Vote")
        key = "vote"
    else:
        page.eval("document.querySelector('.card select').value = 'red'")
        page.click(".card-button", "Book")
        key = "book"
    page.sees(f"alice chose {key}", ".card.text_notice")
    page.sees(f"pressed “{key}”", ".event")
    event = page.eval("document.querySelector('.event pre').textContent")
    chosen = {"vote_interaction": "rice", "multiple_interaction": "red"}.get(kind)
    assert chosen is None or chosen in event


def test_a_stream_thinks_grows_and_leaves_the_reader_in_place(page: Page, bots: Bots, pictures: Path) -> None:
    open_chat(page, "WeCom")
    for number in range(8):
        page.say(f"filler {number}")
        page.sees(f"You said: filler {number}", ".bubble")
    page.say("a slow answer")
    page.until("!!document.querySelector('.dots')")
    page.picture(pictures / "thinking.png")
    page.eval("document.querySelector('.messages').scrollTop = 100")
    page.until("document.querySelector('.messages').scrollTop === 100")
    bots.go.set()
    page.until("document.querySelector('.growing')?.innerText.includes('Line 40')")
    bots.end.set()
    page.sees("The end.", ".bubble")
    assert page.eval("document.querySelector('.messages').scrollTop") == 100
    page.click(".jump-down")
    page.until(
        "(() => { const m = document.querySelector('.messages');"
        " return m.scrollHeight - m.scrollTop - m.clientHeight < 2; })()"
    )


def test_groups_users_and_mentions(page: Page, bots: Bots, playground: Playground, pictures: Path) -> None:
    page.click("[aria-label='New user']")
    page.type("carol")
    page.click("dialog button[type=submit]")
    page.until("document.querySelector('.me-who select').value === 'carol'")
    page.click("[aria-label='New group']")
    page.type("Lunch")
    page.click("dialog .check", "bob")
    page.click("dialog button[type=submit]")
    page.sees("Lunch", ".chat-title h1")
    page.say("between us")
    page.sees("it is not mentioned", ".entry-foot")
    page.click(".composer textarea")
    page.type("@B")
    page.sees("@Bot", ".mentions")
    page.press("Enter")
    page.type("hello")
    page.press("Enter")
    page.sees("You said: @Bot hello", ".bubble")
    assert page.count(".entry.theirs") == 1
    page.picture(pictures / "group.png")
    assert sorted(playground.aibot.group(page.eval("location.hash").split("/")[1]).members) == ["bob", "carol"]


def test_faults_by_one_click(page: Page, bots: Bots, playground: Playground, pictures: Path) -> None:
    open_chat(page, "WeCom")
    page.press("f", alt=True)
    page.click("[data-fault='aibot-offline']")
    page.until("document.querySelector(\"[data-fault='aibot-offline']\").getAttribute('aria-checked') === 'true'")
    page.sees("No bot connected", ".chat-head .badge.off")
    page.say("anybody there?")
    page.sees("Not delivered", ".entry-foot")
    page.picture(pictures / "faults.png")
    page.click(".faults .primary")
    page.sees("Bot connected", ".chat-head .badge.on")
    page.click(".entry-foot button", "Send again")
    page.sees("You said: anybody there?", ".bubble")
    open_chat(page, "Personal")
    page.click("[data-fault='ilink-twice']")
    page.sees("Done", ".toast")
    page.say("only once")
    page.sees("You said: only once", ".bubble")
    assert page.count(".theirs") == 1


def test_the_inspector_shows_every_exchange_and_no_secret(
    page: Page, bots: Bots, playground: Playground, pictures: Path
) -> None:
    page.press("i", alt=True)
    page.say("look at this")
    page.sees("sendmessage", ".exchanges")
    page.click(".exchanges summary", "sendmessage")
    page.sees("context_token", ".exchanges pre")
    shown = page.eval("document.querySelector('.exchanges').innerText")
    assert '"context_token": "•••"' in shown
    assert playground.ilink.token not in shown
    page.picture(pictures / "inspector.png")
    page.click("[aria-label='Pause']")
    before = page.count(".exchanges > li")
    page.say("and at this")
    page.sees("You said: and at this", ".bubble")
    assert page.count(".exchanges > li") == before
    page.click("[aria-label='Go on']")
    page.until(f"document.querySelectorAll('.exchanges > li').length > {before}")
    page.click(".wire input[type=search]")
    page.type("no such thing")
    page.until("document.querySelectorAll('.exchanges > li').length === 0")


def test_the_login_dialog_shows_the_qr_code_and_each_state(page: Page, playground: Playground, pictures: Path) -> None:
    page.click(".menu summary")
    page.click(".menu-list button", "Log in by QR code")
    page.sees("No bot has asked for a QR code", "dialog")
    config = WeixinConfig(token="", base_url=playground.ilink.base_url)
    login = StandaloneQrLogin(config)
    session = login.start()
    page.until("document.querySelector('dialog .qr img')?.naturalWidth > 100")
    page.picture(pictures / "login.png")
    page.click("dialog .steps button", "Scan")
    page.sees("Scanned, not confirmed yet", ".login-state")
    page.click("dialog .steps button", "Ask for a number")
    page.sees("Asks for the number", ".login-state")
    assert re.fullmatch(r"\d{6}", page.text("dialog .number strong"))
    login.poll_status(session, verify_code="000000")
    page.sees("1 wrong so far", "dialog")
    login.poll_status(session, verify_code=page.text("dialog .number strong"))
    page.sees("Scanned, not confirmed yet", ".login-state")
    page.click("dialog .steps button", "Confirm")
    page.sees("Logged in", ".login-state")
    status = login.poll_status(session)
    assert status.bot_token
    assert status.bot_token not in page.eval("document.documentElement.outerHTML")
    login.start()
    page.sees("Waiting to be scanned", ".login-state")
    page.click("dialog .steps button", "Let it expire")
    page.sees("Expired", ".login-state")


def test_the_keyboard_alone_is_enough(page: Page, bots: Bots) -> None:
    page.press("Tab")
    assert "Skip" in page.eval("document.activeElement.innerText")
    page.press("Enter")
    page.until("document.activeElement.matches('.composer textarea')")
    page.press("ArrowDown", alt=True)
    page.sees("WeCom", ".chat-title h1")
    page.type("from the keys")
    page.press("Enter")
    page.sees("You said: from the keys", ".bubble")
    page.press("c", alt=True)
    page.until("!document.querySelector('.panel').hidden")
    page.press("Escape")
    page.until("document.querySelector('.panel').hidden")
    reached = set()
    for _ in range(60):
        page.press("Tab")
        reached.add(page.eval("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText"))
    assert {"Quote", "Copy", "Good answer", "Send", "New user", "Keys"} <= reached


def test_every_control_has_a_name_and_the_messages_are_a_log(page: Page, bots: Bots) -> None:
    open_chat(page, "WeCom")
    page.say("a vote card")
    page.until("!!document.querySelector('.card')")
    for key in ("c", "f", "i"):
        page.press(key, alt=True)
        nameless = page.eval(
            """[...document.querySelectorAll('button, a[href], input, select, textarea, summary')]
            .filter((e) => e.getClientRects().length && !(e.getAttribute('aria-label') || e.textContent.trim()
              || e.labels?.length || e.title || e.placeholder)).map((e) => e.outerHTML)"""
        )
        assert nameless == []
    assert page.eval("document.querySelector('.messages').getAttribute('role')") == "log"
    assert page.eval("document.querySelectorAll('main').length") == 1
    assert page.eval("[...document.images].every((image) => image.hasAttribute('alt'))")


def test_dark_and_chinese(chromium: Chromium, playground: Playground, bots: Bots, pictures: Path) -> None:
    page = chromium.page(playground.url, language="zh-CN")
    assert page.eval("document.documentElement.lang") == "zh-CN"
    page.say("你好，世界")
    page.sees("You said: 你好，世界", ".bubble")
    open_chat(page, "企业微信")
    page.say("请给我 report")
    page.sees("Weekly report", ".markdown h4")
    for _ in range(2):
        page.click(".rail-foot [aria-label^='颜色']")
    assert page.eval("document.documentElement.dataset.theme") == "dark"
    page.say("a button card")
    page.until("!!document.querySelector('.card')")
    page.picture(pictures / "dark-chinese.png")
    assert page.eval("getComputedStyle(document.body).backgroundColor") == "rgb(16, 19, 18)"
    page.close()
    assert page.problems == []


def test_the_page_goes_on_after_a_restart_of_the_playground(chromium: Chromium, tmp_path: Path) -> None:
    with Playground(state=tmp_path) as playground:
        url = playground.url
        page = chromium.page(url)
        page.say("before the restart")
        page.sees("before the restart", ".mine .bubble")
    with no_leaks(), Playground(state=tmp_path) as playground:
        assert playground.url == url
        page.until("document.querySelector('.notice').innerText.includes('No bot')")
        page.say("after it")
        page.sees("after it", ".mine .bubble")
        texts = [entry["text"] for entry in playground.entries("ilink", "alice")]
        assert texts == ["before the restart", "after it"]
        page.close()


def test_the_exports_are_offered(page: Page, bots: Bots) -> None:
    page.say("to be kept")
    page.sees("You said: to be kept", ".bubble")
    links = page.eval("[...document.querySelectorAll('.menu-list a')].map((each) => each.href)")
    saved = json.loads(page.eval(f"fetch({json.dumps(links[0])}).then((answer) => answer.text())"))
    assert [entry["text"] for entry in saved["entries"]] == ["to be kept", "You said: to be kept"]
    assert "def test_the_chat(ilink_sim)" in page.eval(f"fetch({json.dumps(links[1])}).then((answer) => answer.text())")


def test_a_bot_in_callback_mode_is_tried_in_the_page(page: Page, playground: Playground) -> None:
    bot = Bot()
    sim = playground.aibot
    bot.add(CallbackOptions(sim.bot_id, sim.token, sim.encoding_aes_key))

    @bot.default
    def answer(message: Message) -> str:
        return f"Called with: {message.text}"

    with bot, served(application(bot)) as url:
        open_chat(page, "WeCom")
        page.press("c", alt=True)
        page.click(".callback input")
        page.type(f"{url}/callback")
        page.press("Enter")
        page.sees("Bot connected", ".chat-head .badge.on")
        page.say("hello")
        page.sees("Called with: hello", ".bubble")
        page.click("[role=tab]", "Inspector")
        page.sees("callback message", ".exchanges b")
        playground.aibot.callback_url = None
    assert sim.violations == []
