"""The sites of Flask and Django run as their READMEs say: served, reloaded, by several workers."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
import requests
import requests.adapters

from ..ext.test_serving import free_port

SITES = Path(__file__).parents[2] / "examples"
PATIENCE = 30.0  # seconds for several interpreters to start where other programs run
MODULES = ("flask", "gunicorn", "uvicorn")


def commands_of(site: str) -> List[str]:
    """The commands of a README that serve."""
    return re.findall(r"^    wxsdk sim -- (.*)$", (SITES / site / "README.rst").read_text("utf-8"), re.M)


SERVED = [(site, command) for site in ("flask_site", "django_site") for command in commands_of(site)]


def words_of(command: str, port: int) -> List[str]:
    """*command* as it runs in the tests' Python, on a port of its own."""
    words = shlex.split(command.replace("8000", str(port)))
    if words[0] == "python":
        return [sys.executable, *words[1:]]
    assert words[0] in MODULES
    return [sys.executable, "-m", *words]


@pytest.fixture
def facts(ilink_sim: Any, aibot_sim: Any, tmp_path: Path) -> Dict[str, str]:
    return {
        **os.environ,
        "WXSDK_TOKEN": ilink_sim.token,
        "WXSDK_BASE_URL": ilink_sim.base_url,
        "WXSDK_BOT_ID": aibot_sim.bot_id,
        "WXSDK_SECRET": aibot_sim.secret,
        "WXSDK_WS_URL": aibot_sim.ws_url,
        "DATABASE": str(tmp_path / "site.sqlite3"),
    }


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The examples in a folder of the test's own, so that it may edit them."""
    for site in ("flask_site", "django_site"):
        shutil.copytree(SITES / site, tmp_path / site, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3"))
    return tmp_path


def ask(site: str, ilink: Any, aibot: Any) -> str:
    """What the bot of *site* says to alice."""
    if site == "flask_site":
        aibot.wait_subscribed(timeout=PATIENCE)
        aibot.user("alice").says("hello")
        return str(aibot.user("alice").expects(timeout=PATIENCE).text)
    ilink.user("alice").says("hello")
    return str(ilink.user("alice").expects(timeout=PATIENCE).text)


def health(port: int) -> Tuple[int, Dict[str, Any]]:
    adapter = requests.adapters.HTTPAdapter(max_retries=requests.adapters.Retry(total=20, backoff_factor=0.1))
    with requests.Session() as session:
        session.mount("http://", adapter)
        answer = session.get(f"http://127.0.0.1:{port}/bot/health", timeout=10, headers={"Connection": "close"})
        return answer.status_code, answer.json()


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn needs POSIX")
@pytest.mark.parametrize(("site", "command"), SERVED, ids=[command for _, command in SERVED])
def test_the_site_runs_as_its_readme_says(
    site: str, command: str, facts: Dict[str, str], copied: Path, ilink_sim: Any, aibot_sim: Any
) -> None:
    port = free_port()
    if site == "django_site":
        migrate = [sys.executable, "manage.py", "migrate", "-v", "0"]
        subprocess.run(migrate, cwd=copied / site, env=facts, check=True, timeout=60)
    with subprocess.Popen(
        words_of(command, port),
        cwd=copied / site,
        env=facts,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert ask(site, ilink_sim, aibot_sim) == "Hello, alice. That was message 1."
            if "wxsdk_run" not in command:
                status, answer = health(port)
                assert (status, answer["state"] in ("running", "standby")) == (200, True)
            if "runserver" in command:
                close = {"Connection": "close"}
                assert "QR" in requests.get(f"http://127.0.0.1:{port}/bot/login", headers=close, timeout=10).text
            if "--debug" in command or "runserver" in command:
                _ask_until(site, _edit(copied / site), "Welcome, alice. ", ilink_sim, aibot_sim)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(PATIENCE)


def _edit(site: Path) -> Path:
    """Change what the bot says; the file that was changed."""
    path = next(each for each in (site / "app.py", site / "chat" / "bot.py") if each.exists())
    path.write_text(path.read_text("utf-8").replace("Hello", "Welcome"), "utf-8")
    return path


def _ask_until(site: str, edited: Path, wanted: str, ilink: Any, aibot: Any) -> None:
    """The reloader looks once a second, and takes as it is what it finds at its first look."""
    answers: List[str] = []
    newer = edited.stat().st_mtime
    for number in range(1, 40):
        os.utime(edited, (newer + number, newer + number))
        threading.Event().wait(0.5)
        answers.append(ask(site, ilink, aibot))
        if answers[-1].startswith(wanted):
            return
    raise AssertionError(answers)


def test_both_sites_show_a_reloader_several_workers_and_an_asgi_server() -> None:
    for site in ("flask_site", "django_site"):
        commands = " ".join(commands_of(site))
        assert "gunicorn -w 4" in commands
        assert "uvicorn" in commands
        assert "--debug" in commands or "runserver" in commands
