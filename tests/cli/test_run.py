"""``wxsdk run``: a program's Bot on the simulators in a process of its own, and what is said about odd programs."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Iterator, List

import pytest

from wxsdk.bot.loading import load_bot
from wxsdk.cli import main
from wxsdk.cli.reload import Changes
from wxsdk.errors import ConfigError

PROGRAM = """
from wxsdk import Bot, WeixinConfig, WSClientOptions

bot = Bot()

@bot.default
def answer(message):
    return "{answer}"

@bot.on_start
def started():
    print("answers {answer}", flush=True)

bot.add(WeixinConfig(token="…"))
bot.add(WSClientOptions(bot_id="…", secret="…"))
bot.run()
"""
WAIT = 20.0  # seconds for what must happen


class Process:
    """``wxsdk run`` in a process; its lines as they come."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-u", "-m", "wxsdk", "run", *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._lines: queue.Queue[str] = queue.Queue()
        self.said: List[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put("(the end)")

    def expects(self, part: str) -> str:
        """The next line with *part* in it."""
        deadline = time.monotonic() + WAIT
        while True:
            line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            self.said.append(line)
            if part in line:
                return line
            assert line != "(the end)", f"no {part!r} in {self.said}"

    def interrupts(self) -> int:
        """Ctrl-C; the exit status."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(WAIT)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made: List[Process] = []

    def run(*arguments: str) -> Process:
        made.append(Process(*arguments))
        return made[-1]

    yield run
    for process in made:
        process.close()


def test_a_program_with_placeholders_for_accounts_runs_on_the_simulators_and_stops_by_ctrl_c(
    runs: Any, tmp_path: Path
) -> None:
    (tmp_path / "bot.py").write_text(PROGRAM.format(answer="one"))
    process = runs("--sim", str(tmp_path / "bot.py"))
    process.expects("Talk with your bot at http://127.0.0.1:")
    process.expects("answers one")
    assert process.interrupts() == 0
    process.expects("Stopped.")


def test_a_change_starts_the_program_anew_and_a_syntax_error_waits_for_the_next_one(runs: Any, tmp_path: Path) -> None:
    file = tmp_path / "bot.py"
    file.write_text(PROGRAM.format(answer="one"))
    process = runs("--sim", "--reload", str(file))
    process.expects("answers one")
    file.write_text("def broken(:\n")
    process.expects("SyntaxError")
    process.expects("waiting for a change")
    file.write_text(PROGRAM.format(answer="two"))
    process.expects("answers two")
    assert process.interrupts() == 0


def test_the_files_are_looked_at_without_watchfiles_too(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("one")
    changes = Changes(tmp_path, polls=True)
    changes.start()
    try:
        (tmp_path / "notes.txt").write_text("no source")
        file.write_text("another size")
        assert changes.wait(WAIT) == str(file)
        assert changes.wait(0) is None
    finally:
        changes.stop()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "has no Bot; its names are x."),
        ("", "has no Bot; it is empty."),
        ("from wxsdk import Bot\na, b = Bot(), Bot()", "has 2 Bots (it has a, b)."),
    ],
)
def test_a_program_without_one_bot_is_refused_with_the_names_it_has(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bot.py").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_bot(str(tmp_path / "bot.py"))
    assert said in str(caught.value)


def test_a_bot_is_found_by_its_name_and_by_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "twobots_.py").write_text("from wxsdk import Bot\na, b = Bot(), Bot()")
    monkeypatch.chdir(tmp_path)
    by_file = load_bot("twobots_.py:b")
    by_module = load_bot("twobots_:b")
    assert by_file is not by_module  # each load is its own
    with pytest.raises(ConfigError, match="no Bot named c"):
        load_bot("twobots_:c")
    with pytest.raises(ConfigError, match="no module"):
        load_bot("nothing_of_the_kind")


def test_wrong_programs_end_with_status_2_and_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bot.py").write_text("from wxsdk import Bot\nbot = Bot()")
    assert main(["run", str(tmp_path / "bot.py")]) == 2
    assert "adds no bot" in capsys.readouterr().err
    assert main(["run", str(tmp_path / "none.py")]) == 2
    assert "There is no file" in capsys.readouterr().err
    assert main(["run", "--reload", str(tmp_path / "none.py")]) == 2
    assert "There is no file" in capsys.readouterr().err
    assert os.environ.get("WXSDK_RUN_ON_SIMULATORS") is None


def test_one_file_may_name_several_bots(runs: Any, tmp_path: Path, ilink_sim: Any, aibot_sim: Any) -> None:
    program = ["from wxsdk import Bot", "bot = Bot()", "bot.default(lambda message: f'{message.bot}: {message.text}')"]
    (tmp_path / "bot.py").write_text("\n".join(program))
    bots = {
        "shop": {"token": ilink_sim.token, "base_url": ilink_sim.base_url},
        "office": {"bot_id": aibot_sim.bot_id, "secret": aibot_sim.secret, "ws_url": aibot_sim.ws_url},
    }
    (tmp_path / "bots.json").write_text(json.dumps({"bots": bots}))
    process = runs("--account", str(tmp_path / "bots.json"), str(tmp_path / "bot.py"))
    process.expects("Running shop, office.")
    ilink_sim.user("alice").says("hello")
    assert ilink_sim.user("alice").expects(timeout=WAIT).text == "shop: hello"
    aibot_sim.user("bob").says("hello", wait=WAIT)
    assert aibot_sim.user("bob").expects(timeout=WAIT).text == "office: hello"
    assert process.interrupts() == 0


@pytest.mark.parametrize("content", ["", "{}", '{"bots": []}', '{"bots": {"shop": {}}}', '{"bots": {"shop": 5}}'])
def test_a_file_that_names_no_bots_is_refused(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bot.py").write_text("from wxsdk import Bot\nbot = Bot()")
    (tmp_path / "bots.json").write_text(content)
    assert main(["run", str(tmp_path / "bot.py"), "--account", str(tmp_path / "bots.json")]) == 2
    assert "bots.json" in capsys.readouterr().err
