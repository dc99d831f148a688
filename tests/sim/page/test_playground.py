"""The playground as a whole: both sides, groups, state over restarts, exports that run, code that connects."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any, Dict, List

import pytest
import requests

from tests.sim.aibot.raw_bot import RawBot, button_card
from tests.sim.ilink.speaker import Speaker
from tests.sim.page.test_server import hello, post, until_entries
from wxsdk.errors import ConfigError
from wxsdk.sim import AiBotSim
from wxsdk.sim.page import Playground
from wxsdk.sim.page.snippets import snippets


def say(page: Playground, side: str, text: str, chat: str = "alice", **more: Any) -> None:
    assert post(page, "say", {"side": side, "user": "alice", "chat": chat, "text": text, **more}).ok


def entry_of(page: Playground, **wanted: Any) -> Dict[str, Any]:
    """The newest entry with these fields, waited for."""

    def match(entries: List[Dict[str, Any]]) -> Any:
        return next((e for e in reversed(entries) if all(e.get(k) == v for k, v in wanted.items())), None)

    for count in range(1, 50):
        found = match(until_entries(page, count))
        if found:
            return dict(found)
    raise AssertionError(f"no entry with {wanted}")


def test_a_group_message_reaches_the_bot_only_when_it_is_mentioned() -> None:
    with Playground() as page:
        bot = RawBot(page.aibot)
        group = post(page, "group", {"name": "Team", "members": ["alice", "bob"]}).json()["result"]["id"]
        say(page, "aibot", "just between us", chat=group)
        say(page, "aibot", "@Bot hello", chat=group)
        frame = bot.read()
        assert frame["body"]["text"]["content"] == "@Bot hello"
        assert (frame["body"]["chattype"], frame["body"]["chatid"]) == ("group", group)
        states = [(entry["text"], entry["state"]) for entry in until_entries(page, 2)]
        assert states[0] == ("just between us", "unmentioned")
        bot.close()


def test_a_card_is_pressed_and_the_event_is_shown() -> None:
    with Playground() as page:
        bot = RawBot(page.aibot)
        say(page, "aibot", "card")
        assert bot.reply(bot.read(), {"msgtype": "template_card", "template_card": button_card()}) == 0
        shown = entry_of(page, kind="card")
        assert post(page, "press", {"user": "alice", "entry": shown["id"], "key": "yes"}).ok
        event = bot.read()["body"]["event"]["template_card_event"]
        assert (event["event_key"], event["task_id"]) == ("yes", "t1")
        assert entry_of(page, kind="event")["event"]["event_key"] == "yes"
        answer = post(page, "press", {"user": "alice", "entry": shown["id"], "key": "maybe"})
        assert (answer.status_code, "no button" in answer.json()["text"]) == (409, True)
        bot.close()


def test_without_a_bot_a_wecom_message_is_shown_as_lost_and_sent_again_later() -> None:
    with Playground() as page:
        say(page, "aibot", "anybody?")
        lost = entry_of(page, state="lost")
        bot = RawBot(page.aibot)
        assert post(page, "again", {"user": "alice", "entry": lost["id"]}).ok
        assert bot.read()["body"]["text"]["content"] == "anybody?"
        bot.close()


def test_ports_tokens_and_history_survive_a_restart(tmp_path: pathlib.Path) -> None:
    with Playground(state=tmp_path) as page:
        say(page, "ilink", "before")
        with Speaker(page.ilink) as bot:
            bot.poll()
            bot.send("alice", "answer")
        bot_id = until_entries(page, 2)[1]["id"]
        before = (page.url, page.environment())
    assert oct((tmp_path / "playground.json").stat().st_mode)[-3:] in ("600", "666")  # Windows knows no owners
    with Playground(state=tmp_path) as page:
        assert (page.url, page.environment()) == before
        assert [entry["text"] for entry in hello(page)["entries"]] == ["before", "answer"]
        say(page, "ilink", "a quote of old", quote=bot_id)
        with Speaker(page.ilink) as bot:
            quoting = bot.poll()["msgs"][-1]["item_list"][0]
        assert quoting["ref_msg"]["message_item"]["text_item"]["text"] == "answer"


def test_two_playgrounds_of_one_folder_are_refused_by_name(tmp_path: pathlib.Path) -> None:
    with Playground(state=tmp_path):
        pass
    with Playground(state=tmp_path), pytest.raises(ConfigError, match=f"already, process {os.getpid()}"):
        Playground(state=tmp_path).start()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"port": 1, "ilink": {}, "aibot": {}, "page": {}}'])
def test_a_spoilt_state_folder_is_refused_with_its_remedy(tmp_path: pathlib.Path, content: str) -> None:
    (tmp_path / "playground.json").write_text(content)
    with pytest.raises(ConfigError, match="--state"):
        Playground(state=tmp_path)


@pytest.mark.parametrize("side", ["ilink", "aibot"])
def test_the_exported_test_passes(side: str, tmp_path: pathlib.Path) -> None:
    with Playground() as page:
        if side == "ilink":
            with Speaker(page.ilink) as bot:
                say(page, side, 'it\'s "quoted" \\ 你好')
                bot.poll()
                bot.send("alice", "one\ntwo")
                until_entries(page, 2)
        else:
            raw = RawBot(page.aibot)
            say(page, side, "hello")
            raw.stream(raw.read(), "## hi\n\n`there`", finish=True)
            until_entries(page, 2)
            raw.close()
        source = requests.get(f"{page.url}api/export.py?side={side}&chat=alice", timeout=5).text
        saved = requests.get(f"{page.url}api/export.json?side={side}&chat=alice", timeout=5).json()
    assert len(saved["entries"]) == 2
    (tmp_path / "test_chat.py").write_text(source, "utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stdout
    assert "1 passed" in run.stdout


@pytest.mark.parametrize("side", ["ilink", "aibot"])
def test_the_code_to_copy_connects_a_bot_and_names_no_token(side: str, tmp_path: pathlib.Path) -> None:
    with Playground() as page:
        code = hello(page)["code"][side]
        environment = page.environment()
        assert not [
            value for name, value in environment.items() if name in ("WXSDK_TOKEN", "WXSDK_SECRET") and value in code
        ]
        (tmp_path / "bot.py").write_text(code, "utf-8")
        bot = subprocess.Popen([sys.executable, str(tmp_path / "bot.py")], env={**os.environ, **environment})
        try:
            if side == "ilink":
                page.ilink.user("alice").says("hello")
                assert page.ilink.user("alice").expects(timeout=20).text == "You said: hello"
            else:
                page.aibot.wait_subscribed(timeout=20)
                page.aibot.user("alice").says("hello")
                assert page.aibot.user("alice").expects(timeout=20).visible_text == "You said: hello"
        finally:
            bot.terminate()
            bot.wait(20)


def test_the_code_to_copy_is_a_program_for_each_protocol() -> None:
    made = snippets("http://127.0.0.1:1", "http://127.0.0.1:1/c2c", "ws://127.0.0.1:2/")
    for source in made.values():
        compile(source, "bot.py", "exec")
    assert json.dumps(made).count("os.environ") == 6


def test_a_disk_that_cannot_be_written_does_not_end_the_page(tmp_path: pathlib.Path, caplog: Any) -> None:
    with Playground(state=tmp_path) as page:
        (tmp_path / "playground.json.new").mkdir()
        say(page, "ilink", "hello")
        page.ilink.wait_for(lambda: "save its state" in caplog.text)
        say(page, "ilink", "still there")
        assert entry_of(page, text="still there")["who"] == "user"
        (tmp_path / "playground.json.new").rmdir()
    assert caplog.text.count("save its state") == 1
    assert "still there" in (tmp_path / "playground.json").read_text("utf-8")


def test_hostile_messages_and_frames_do_not_end_the_page() -> None:
    with Playground() as page:
        for message in ({}, {"from_user_id": 7, "item_list": None}, {"from_user_id": "x", "item_list": [[]]}):
            page.ilink.user("alice").raw(message)
        page.ilink.user("alice").raw({"from_user_id": "alice", "item_list": [{"type": "1", "text_item": 5}]})
        bot = RawBot(page.aibot)
        for text in ("[]", "null", '{"cmd": 1}', '{"cmd": "x", "headers": {"req_id": "r"}, "body": [1]}'):
            bot.ws.send(text)
        page.aibot.faults.hostile()
        say(page, "ilink", "still there")
        assert entry_of(page, text="still there")["who"] == "user"
        bot.close()


def test_a_killed_playground_goes_on_where_it_was(tmp_path: pathlib.Path) -> None:
    program = (
        "import sys; from wxsdk.sim.page import Playground\n"
        "page = Playground(state=sys.argv[1]).start(); page.ilink.user('alice').says('before')\n"
        "print(page.url, flush=True); sys.stdin.read()"
    )
    arguments = [sys.executable, "-c", program, str(tmp_path)]
    child = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdin is not None
    url = child.stdout.readline().strip()
    file = tmp_path / "playground.json"
    with AiBotSim() as patient:  # looks again at every change, and there is one at each try
        while not (file.exists() and "before" in file.read_text("utf-8")):
            with pytest.raises(AssertionError):
                patient.wait_for(lambda: False, timeout=0.05)
    child.kill()
    child.wait(10)
    child.stdout.close()
    child.stdin.close()
    with Playground(state=tmp_path) as page:
        assert page.url == url
        assert [entry["text"] for entry in page.entries("ilink", "alice")] == ["before"]


def test_only_an_address_of_this_machine_that_proves_itself_is_called() -> None:
    with Playground() as page:
        for url in ("http://example.com/", "ftp://127.0.0.1/", "http://127.0.0.1:1/"):
            assert post(page, "callback", {"url": url}).status_code == 409
            assert page.aibot.callback_url is None
        assert post(page, "callback", {"url": ""}).ok


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        (["scan"], "scaned"),
        (["scan", "confirm"], "confirmed"),
        (["demand"], "need_verifycode"),
        (["demand", "block"], "verify_code_blocked"),
        (["scan", "expire"], "expired"),
        (["bind"], "binded_redirect"),
        (["scan", "redirect"], "scaned_but_redirect"),
    ],
)
def test_each_state_of_a_login_is_reached_from_the_page(steps: List[str], state: str) -> None:
    with Playground() as page, Speaker(page.ilink) as bot:
        code = bot.session.post(
            f"{page.ilink.base_url}/ilink/bot/get_bot_qrcode?bot_type=3",
            json={"local_token_list": []},
            headers=bot.headers(Authorization=None),
            timeout=5,
        ).json()
        for step in steps:
            assert post(page, "login", {"step": step, "user": "alice"}).ok
        shown = hello(page)["status"]["ilink"]["login"]
        assert (shown["state"], shown["user"]) == (state, "alice" if "scan" in steps else "")
        assert code["qrcode"] not in json.dumps(hello(page))


def test_the_exported_test_of_a_group_names_the_group(tmp_path: pathlib.Path) -> None:
    with Playground() as page:
        bot = RawBot(page.aibot)
        group = post(page, "group", {"name": "Team", "members": ["alice"]}).json()["result"]["id"]
        say(page, "aibot", "@Bot hello", chat=group)
        bot.stream(bot.read(), "hi all", finish=True)
        until_entries(page, 2)
        source = requests.get(f"{page.url}api/export.py?side=aibot&chat={group}", timeout=5).text
        bot.close()
    assert f"user.says(said, chat='{group}')" in source
    (tmp_path / "test_chat.py").write_text(source, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout
