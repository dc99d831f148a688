"""The examples of the clients, run as their headers say, and run wrongly."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest

from .conftest import FOLDER

PATIENCE = 20.0  # seconds for an interpreter to start where other programs run
PROGRAMS = sorted(FOLDER.glob("*.py"))
ONE_SHOT = {"aibot_push"}


def arguments_of(path: Path) -> List[str]:
    """What the header's command gives the example."""
    found = re.search(rf"^Run it: wxsdk sim -- python examples/clients/{path.name}(.*)$", path.read_text("utf-8"), re.M)
    assert found is not None, f"{path.name} has no command in its header"
    return [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', found.group(1))]


@pytest.fixture
def environment(ilink_sim: Any, aibot_sim: Any, tmp_path: Path) -> Dict[str, str]:
    """What ``wxsdk sim`` gives a program."""
    aibot_sim.group("team", ["bob"])
    aibot_sim.user("alice")
    return {
        **os.environ,
        "WXSDK_HOME": str(tmp_path),
        "WXSDK_TOKEN": ilink_sim.token,
        "WXSDK_BASE_URL": ilink_sim.base_url,
        "WXSDK_CDN_BASE_URL": ilink_sim.cdn_base_url,
        "WXSDK_BOT_ID": aibot_sim.bot_id,
        "WXSDK_SECRET": aibot_sim.secret,
        "WXSDK_WS_URL": aibot_sim.ws_url,
    }


@pytest.mark.parametrize("path", PROGRAMS, ids=[path.stem for path in PROGRAMS])
def test_the_example_runs_as_its_header_says_and_ends_with_ctrl_c(
    path: Path, environment: Dict[str, str], ilink_sim: Any, aibot_sim: Any, tmp_path: Path
) -> None:
    command = [sys.executable, str(path), *arguments_of(path)]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE) as process:
        if path.stem in ONE_SHOT:
            assert process.wait(PATIENCE) == 0
        elif path.stem.startswith("aibot"):
            aibot_sim.wait_subscribed(timeout=PATIENCE)
        elif path.stem == "ilink_login":
            ilink_sim.scan(user="alice", timeout=PATIENCE)
            ilink_sim.confirm()
            ilink_sim.user("alice").says("hello")
            assert ilink_sim.user("alice").expects(timeout=PATIENCE).text == "Logged in."
        else:
            ilink_sim.wait_for(lambda: any("getupdates" in each.path for each in ilink_sim.requests), timeout=PATIENCE)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err.decode()
    assert b"Traceback" not in err


@pytest.mark.parametrize("path", PROGRAMS, ids=[path.stem for path in PROGRAMS])
def test_without_an_account_or_arguments_it_says_what_to_do(path: Path, tmp_path: Path) -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("WXSDK_") or "TEST" in name}
    bare["WXSDK_HOME"] = str(tmp_path)
    given = arguments_of(path)
    for words in (given, [], ["--nonsense"]) if given else (given,):
        if path.stem == "ilink_login":
            bare["WXSDK_BASE_URL"] = "http://127.0.0.1:1"
        command = [sys.executable, str(path), *words]
        done = subprocess.run(command, cwd=tmp_path, env=bare, capture_output=True, timeout=60)
        assert done.returncode in (1, 2)
        assert b"Traceback" not in done.stderr
        assert done.stderr.strip()
