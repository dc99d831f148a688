"""The Django integration, in a small project of its own process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

SETTINGS = """
SECRET_KEY = "of the test"
DEBUG = True
INSTALLED_APPS = ["wxsdk.ext.django"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "test.db"}}
WXSDK_CLIENT = "bot.make_client"
WXSDK_AUTOSTART = True
ROOT_URLCONF = "bot"
"""

BOT = """
import os
from django.db import connection
from wxsdk import WeixinClient, WeixinConfig
from wxsdk.ext.django import with_database

urlpatterns = []

@with_database
def on_message(ctx):
    with connection.cursor() as cursor:
        cursor.execute("select 6 * 7")
        ctx.reply_text(f"the database says {cursor.fetchone()[0]}")

def make_client():
    return WeixinClient(WeixinConfig(token=os.environ["TOKEN"], base_url=os.environ["BASE_URL"]), on_message)
"""

MANAGE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""


@pytest.fixture
def project(tmp_path: Path, ilink_sim: Any) -> Dict[str, str]:
    """A project in tmp_path; the environment of its commands."""
    for name, text in {"settings.py": SETTINGS, "bot.py": BOT, "manage.py": MANAGE}.items():
        (tmp_path / name).write_text(textwrap.dedent(text))
    facts = {"TOKEN": ilink_sim.token, "BASE_URL": ilink_sim.base_url, "XDG_STATE_HOME": str(tmp_path / "state")}
    return {**os.environ, **facts}


@contextlib.contextmanager
def manage(tmp_path: Path, project: Dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command: List[str] = [sys.executable, "manage.py", *arguments]
    with subprocess.Popen(command, cwd=tmp_path, env=project, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_command_runs_the_bot_until_ctrl_c(tmp_path: Path, project: Dict[str, str], ilink_sim: Any) -> None:
    with manage(tmp_path, project, "wxsdk_run") as process:
        ilink_sim.user("alice").says("ask the database")
        assert ilink_sim.user("alice").expects(timeout=30).text == "the database says 42"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)
    assert process.returncode == 0


def test_autostart_runs_the_bot_inside_the_server(tmp_path: Path, project: Dict[str, str], ilink_sim: Any) -> None:
    with manage(tmp_path, project, "runserver", "--noreload", "127.0.0.1:0") as process:
        ilink_sim.user("alice").says("ask the database")
        assert ilink_sim.user("alice").expects(timeout=30).text == "the database says 42"
        process.terminate()  # Django's, not ours: it may be started where Ctrl-C is ignored
        process.communicate(timeout=15)


def test_other_commands_do_not_start_it(tmp_path: Path, project: Dict[str, str], ilink_sim: Any) -> None:
    with manage(tmp_path, project, "check") as process:
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert ilink_sim.requests == []
