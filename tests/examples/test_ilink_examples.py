"""Each example for personal WeChat does, on the simulator, what its docstring says."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any, Callable

import pytest

from wxsdk import WeixinClient, WeixinConfig

Example = Callable[[str], Any]


def test_the_echo_bot_says_what_it_hears(example: Example, ilink_sim: Any, config: WeixinConfig) -> None:
    with example("ilink_echo").make_client(config):
        ilink_sim.user("alice").says("hello")
        assert ilink_sim.user("alice").expects().text == "hello"


def test_the_file_saver_keeps_what_it_is_sent(
    example: Example, ilink_sim: Any, config: WeixinConfig, tmp_path: Path
) -> None:
    alice = ilink_sim.user("alice@im.wechat")
    with example("ilink_file_saver").make_client(config, tmp_path):
        alice.sends(b"some content", kind="file", name="notes.txt")
        assert alice.expects().text == "Saved notes.txt, 12 bytes."
    assert (tmp_path / "alice_im_wechat" / "notes.txt").read_bytes() == b"some content"


def test_the_slow_answer_shows_the_typing_sign(example: Example, ilink_sim: Any, config: WeixinConfig) -> None:
    alice = ilink_sim.user("alice")
    typing = []

    def model(question: str) -> Any:
        ilink_sim.wait_for(lambda: alice.is_typing)
        typing.append(alice.is_typing)
        yield "An answer to "
        yield question

    with example("ilink_slow_answer").make_client(config, model):
        alice.says("why?")
        assert alice.expects().text == "An answer to why?"
        ilink_sim.wait_for(lambda: not alice.is_typing)
    assert typing == [True]


def test_the_announcer_reaches_everybody_who_wrote(example: Example, ilink_sim: Any, config: WeixinConfig) -> None:
    announcer = example("ilink_push").Announcer(config)
    people = [ilink_sim.user(name) for name in ("alice", "bob")]
    with announcer.client:
        for person in people:
            person.says("hello")
            person.expects()
        assert announcer.announce("Dinner is ready.") == 2
        assert [person.expects().text for person in people] == ["Dinner is ready."] * 2


def test_the_login_keeps_an_account_that_works(
    example: Example, ilink_sim: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WXSDK_HOME", str(tmp_path))
    login = example("ilink_login")

    def scan(session: Any) -> None:
        ilink_sim.scan(session.qrcode, user="alice")
        ilink_sim.confirm()

    login.log_in(WeixinConfig(token="", base_url=ilink_sim.base_url), "example", show=scan)
    assert stat.S_IMODE((tmp_path / "accounts" / "example.json").stat().st_mode) == 0o600
    with WeixinClient(WeixinConfig.from_env("example"), lambda ctx: ctx.reply_text("yes")):
        ilink_sim.user("alice").says("are you there?")
        assert ilink_sim.user("alice").expects().text == "yes"


def test_context_tokens_and_cursor_survive_a_restart(
    example: Example, ilink_sim: Any, config: WeixinConfig, tmp_path: Path
) -> None:
    module, path, alice = example("ilink_context_tokens"), tmp_path / "state.json", ilink_sim.user("alice")
    with module.start(config, path):
        alice.says("good day")
        assert alice.expects().text == "good day to you, too"
    state = json.loads(path.read_text())
    assert state["sync_buf"]
    assert set(state["context_tokens"]) == {"alice"}
    with module.start(config, path) as client:
        client.send_text("alice", "I remember you.")
        assert alice.expects().text == "I remember you."


EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = [*EXAMPLES.glob("*.py"), *(EXAMPLES / "clients").glob("*.py")]  # test_sites runs the sites as a whole


@pytest.mark.parametrize("path", sorted(PROGRAMS), ids=lambda p: p.stem)
def test_every_example_has_a_test_here_or_beside(path: Path) -> None:
    tests = "".join(each.read_text() for each in Path(__file__).parent.glob("test_*.py"))
    assert f'example("{path.stem}")' in tests or f'module_of("{path.stem}")' in tests
