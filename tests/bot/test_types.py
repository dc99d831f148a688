"""What type checkers know of handlers: the message in every decorated one, and that a wrong form is refused."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

RIGHT = """
from typing import Any, Callable, Iterator, List, Union
from pathlib import Path
from wxsdk import Bot, Message, TemplateCard

bot = Bot()

@bot.command("a", "b", help="h", urgent=True)
def command(message: Message) -> str:
    reveal_type(message.ask("x").text)
    return message.choose("x", {"r": "Red"})

@bot.on_text(r"(?P<city>\\w+)")
def text(message: Message, city: str) -> Iterator[str]:
    yield city

@bot.on_text()
def plain(message: Message) -> None: ...

@bot.on("image")
def image(message: Message) -> List[Union[str, Path]]:
    return [each.save("x/") for each in message.attachments]

@bot.on_event("enter_chat")
def event(message: Message) -> TemplateCard:
    return TemplateCard.button_interaction("x", buttons=[])

@bot.on_choice("q")
def choice(message: Message) -> str:
    return message.choice or ""

@bot.default
def default(message: Message) -> Iterator[Any]:
    with message.stream() as stream:
        stream.write("x")
    yield "x"

@bot.middleware
def around(message: Message, proceed: Callable[[], Any]) -> Any:
    return proceed()

reveal_type(command)
reveal_type(text)
bot.default(lambda message: reveal_type(message.text))
"""
WRONG = """
from wxsdk import Bot, Message

bot = Bot()

@bot.command("a")
def too_few() -> str: raise ValueError

@bot.command("b")
def too_many(message: Message, more: int) -> str: raise ValueError

@bot.default
def of_another(message: int) -> str: raise ValueError

@bot.on_text("x")
def none() -> str: raise ValueError

@bot.on("image")
def gives_number(message: Message) -> int: raise ValueError
"""


def checked(tool: str, program: str, folder: Path) -> List[str]:
    """What the *tool* says of *program*, a line each."""
    file = folder / "program.py"
    file.write_text(program)
    commands = {
        "mypy": [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder.parent / "mypy"), str(file)],
        "pyright": [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, str(file)],
    }
    ran = subprocess.run(commands[tool], capture_output=True, text=True, timeout=110, cwd=Path(__file__).parents[2])
    return [line for line in ran.stdout.splitlines() if "program.py:" in line]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("tool", ["mypy"])
def test_every_decorated_handler_keeps_its_type(tool: str, tmp_path: Path) -> None:
    said = checked(tool, RIGHT, tmp_path)
    assert [line for line in said if "error" in line] == []
    revealed = [line.partition("is ")[2].strip('"') for line in said if "Revealed" in line]
    assert revealed[0] in ("str", "builtins.str")
    assert re.fullmatch(r"def \((message: )?wxsdk\.bot\.message\.Message\) -> (builtins\.)?str", revealed[1])
    assert "wxsdk.bot.message.Message, city: " in revealed[2]
    assert revealed[3] in ("str", "builtins.str")  # of a lambda without an annotation


@pytest.mark.timeout(120)
@pytest.mark.parametrize("tool", ["mypy"])
def test_a_handler_of_another_form_is_refused(tool: str, tmp_path: Path) -> None:
    said = checked(tool, WRONG, tmp_path)
    lines = {int(re.search(r":(\d+):", line).group(1)) for line in said if "error" in line}  # type: ignore[union-attr]
    assert lines == {6, 9, 12, 15, 18}
