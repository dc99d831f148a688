"""Each example with a Bot does, on both platforms, what its docstring says."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

import pytest

from wxsdk import cli
from wxsdk.bot.loading import load_bot
from wxsdk.bot.trial import Chat

FOLDER = Path(__file__).parents[2] / "examples"
MakeChat = Callable[[Any], Chat]


def module_of(name: str) -> Any:
    """The example, freshly loaded; ``module.bot`` is its Bot."""
    import sys

    load_bot(str(FOLDER / f"{name}.py"))
    return sys.modules["__wxsdk_run__"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # what the examples write
    for name in [name for name in os.environ if name.startswith("WXSDK_")]:
        monkeypatch.delenv(name)


def test_the_assistant_remembers_and_forgets(chat: MakeChat) -> None:
    module = module_of("assistant")

    def answer(history: Any) -> Any:
        for word in (f"{len(history)} ", "messages"):
            yield SimpleNamespace(choices=[SimpleNamespace(delta=SimpleNamespace(content=word))])
        yield SimpleNamespace(choices=[])  # the usage

    module.ask_model = answer
    user = chat(module.bot)
    user.says("hello")
    user.expects("1 messages")
    user.says("again")
    user.expects("3 messages")
    user.says("/reset")
    user.expects("Forgotten.")
    user.says("hello")
    user.expects("1 messages")
    user.says("/stop")  # the handler may be about to end still
    user.expects(re.compile("I was not talking|Stopped"))


def test_the_form_asks_and_remembers(chat: MakeChat) -> None:
    user = chat(module_of("form").bot)
    user.says("/signup")
    user.expects("What is your name?")
    user.says("Bo")
    user.expects("Hello Bo, which team?")
    user.presses("Blue")
    user.expects("Bo plays for Blue.")
    user.says("/team")
    user.expects("You play for Blue.")


def test_the_vote_counts(chat: MakeChat) -> None:
    user = chat(module_of("vote").bot)
    user.says("/lunch")
    user.expects("What shall we eat?")
    user.presses("Dumplings")
    user.expects("Dumplings: 1")


def test_the_keeper_keeps_a_picture_with_its_words_and_gives_it_back(chat: MakeChat, tmp_path: Path) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + b"x" * 100
    (tmp_path / "a.png").write_bytes(picture)
    user = chat(module_of("file_keeper").bot)
    user.sends(tmp_path / "a.png")
    user.says("our cat")
    user.expects(re.compile(r"^Kept .+ \(our cat\)\.$"))
    user.says("/files")
    user.expects("Here they are:")
    assert user.expects().data == picture


def test_the_notifier_tells_subscribers_each_new_line(chat: MakeChat, tmp_path: Path) -> None:
    user = chat(module_of("notifier").bot)
    user.says("/subscribe")
    user.expects("You will hear of it.")
    (tmp_path / "news.txt").write_text("The build is green.\n")
    user.expects("The build is green.")


def test_the_two_platforms_count_apart(chat: MakeChat) -> None:
    user = chat(module_of("two_platforms").bot)
    user.says("hello")
    user.expects(f"On {user.platform}, this is your text number 1.")
    user.says("hello")
    user.expects(f"On {user.platform}, this is your text number 2.")


def test_an_example_without_accounts_says_how_to_give_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", str(FOLDER / "form.py")]) == 2
    assert "--sim" in capsys.readouterr().err
