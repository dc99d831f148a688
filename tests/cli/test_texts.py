"""Every text of the command line is there in every language, and used."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path
from typing import Iterator, Set

import pytest

import wxsdk.cli
from wxsdk import HealthState, LoginState
from wxsdk.cli import texts
from wxsdk.cli.arguments import COMMANDS
from wxsdk.cli.texts import language_of
from wxsdk.cli.texts_en import ENGLISH
from wxsdk.cli.texts_zh import CHINESE

FOLDER = Path(wxsdk.cli.__file__).parent


def placeholders(template: str) -> Set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_no_text_is_missing_in_a_language() -> None:
    assert set(ENGLISH) == set(CHINESE)
    for key, template in ENGLISH.items():
        assert placeholders(template) == placeholders(CHINESE[key]), key
        assert template.strip(), key
        assert CHINESE[key].strip(), key


def test_every_chinese_text_is_chinese() -> None:
    same = {key for key in ENGLISH if not re.search("[\u4e00-\u9fff]", CHINESE[key])}
    assert same == {
        key for key in same if ENGLISH[key] == CHINESE[key] or "id" in key or "secret" in key or "shell" in key
    }
    assert len(same) < 20


def used_keys() -> Iterator[str]:
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "text" and node.args:
                for each in ast.walk(node.args[0]):
                    if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value in ENGLISH:
                        yield each.value
            elif isinstance(node, ast.Constant) and node.value in ("login.done", "login.kept"):
                yield str(node.value)


def test_every_text_is_used_and_every_used_text_exists() -> None:
    made = {
        *COMMANDS,
        *(f"{name}.examples" for name in COMMANDS),
        *(f"accounts.{name}" for name in ("list", "show", "rename", "remove", "import")),
        *(f"fleet.{name}" for name in ("run", "status", "add", "remove")),
        *(f"login.state.{state.value}" for state in LoginState),
        *(f"health.{state.value}" for state in HealthState),
    }
    assert made <= set(ENGLISH)
    assert set(ENGLISH) - made - set(used_keys()) == set()


def test_no_command_prints_a_sentence_of_its_own() -> None:
    """What people read goes through the catalogue; the demo's transcript and the library's errors are English."""
    own = []
    for path in FOLDER.glob("*.py"):
        if path.stem.startswith(("texts", "demo", "transcript", "run", "reload", "send", "completion")):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("say", "complain"):
                own += [
                    f"{path.name}:{node.lineno}"
                    for each in node.args
                    if isinstance(each, ast.Constant) and " " in str(each.value)
                ]
    assert own == []


@pytest.mark.parametrize(
    ("environment", "encoding", "language"),
    [
        ({}, "utf-8", "en"),
        ({"LANG": "zh_CN.UTF-8"}, "utf-8", "zh"),
        ({"LANG": "zh_TW.Big5"}, "big5", "zh"),
        ({"LANG": "zh_CN.GBK"}, "gbk", "zh"),
        ({"LANG": "zh_CN.UTF-8"}, "ascii", "en"),
        ({"LANG": "zh_CN.UTF-8"}, "cp1252", "en"),
        ({"LANG": "zh_CN.UTF-8"}, None, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "de_DE.UTF-8"}, "utf-8", "en"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "zh_CN"}, "utf-8", "zh"),
        ({"LANG": "zh_CN.UTF-8", "WXSDK_LANG": "en"}, "utf-8", "en"),
        ({"LANG": "C", "WXSDK_LANG": "zh"}, "utf-8", "zh"),
        ({"LANG": "zh_CN.UTF-8"}, "no-such", "en"),
    ],
)
def test_the_locale_and_the_output_choose_the_language(environment: object, encoding: str, language: str) -> None:
    assert language_of(environment, encoding) == language  # type: ignore[arg-type]


def test_every_help_page_can_be_printed_in_every_language(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    for language in ("en", "zh"):
        monkeypatch.setenv("WXSDK_LANG", language)
        for name in COMMANDS:
            with pytest.raises(SystemExit) as ended:
                wxsdk.cli.main([name, "--help"])
            assert ended.value.code == 0
            shown = capsys.readouterr().out
            assert ("examples:" in shown) is (language == "en")
            assert ("示例：" in shown) is (language == "zh")
    texts.use(None)
