"""The programs of the tutorial and the how-to pages do, on the simulators, what the pages say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.callback.bots import served
from wxsdk import WeixinConfig, WSClientOptions
from wxsdk.ext import wsgi
from wxsdk.sim import AiBotSim
from wxsdk.testing import chat

Example = Callable[[str], Any]
both = pytest.mark.parametrize("platform", ["ilink", "aibot"])


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@both
def test_the_assistant_streams_and_remembers(example: Example, platform: str) -> None:
    with chat(example("tutorial").bot, platform) as user:
        user.says("why?")
        user.expects(re.compile(r"Answer 1: you asked “why\?”"))
        user.says("and then?")
        user.expects(re.compile(r"Answer 2: "))
        user.says("/reset")
        user.expects("Forgotten.")
        user.says("again?")
        user.expects(re.compile(r"Answer 1: "))


@both
def test_the_assistant_takes_files_and_asks_with_buttons(example: Example, platform: str, tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("some words", "utf-8")
    with chat(example("tutorial").bot, platform) as user:
        user.sends(note)
        user.expects("Kept note.txt.")
        user.says("/signup")
        user.expects("What is your name?")
        user.says("Ada")
        user.expects("Hello Ada, which team?")
        user.presses("Blue")
        user.expects("Ada plays for Blue.")
    assert (tmp_path / "inbox" / "note.txt").read_text("utf-8") == "some words"


def test_one_process_serves_bots_of_both_platforms(example: Example, ilink_sim: Any, aibot_sim: Any) -> None:
    shop = WeixinConfig(
        token=ilink_sim.token, base_url=ilink_sim.base_url, cdn_base_url=ilink_sim.cdn_base_url, sends_per_second=None
    )
    desk = WSClientOptions(aibot_sim.bot_id, aibot_sim.secret, ws_url=aibot_sim.ws_url)
    bot = example("many_accounts").make_bot(shop, desk)
    with bot:
        aibot_sim.wait_subscribed()
        ilink_sim.user("alice").says("a book, please")
        aibot_sim.user("bob").says("my printer")
        assert ilink_sim.user("alice").expects().text == "Welcome to the shop! You wrote: a book, please"
        assert aibot_sim.user("bob").expects().text == "The help desk is listening. You wrote: my printer"


def test_the_callback_bot_answers_behind_a_web_server(example: Example) -> None:
    sim = AiBotSim(callback_url="http://127.0.0.1:1/")
    environ = {
        "WXSDK_BOT_ID": sim.bot_id,
        "WXSDK_CALLBACK_TOKEN": sim.token,
        "WXSDK_ENCODING_AES_KEY": sim.encoding_aes_key,
    }
    bot = example("callback_wsgi").make_bot(environ)
    with served(wsgi.application(bot)) as url, bot:
        sim.callback_url = url
        with sim:
            sim.verify_callback()
            sim.user("bob").says("hello")
            assert sim.user("bob").expects().text == "You said: hello"
