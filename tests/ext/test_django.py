"""The Django integration, in a small project of its own processes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
import requests
import requests.adapters

from tests.delivery.waiting import until

from .test_serving import free_port

SETTINGS = """
SECRET_KEY = "of the test"
DEBUG = True
INSTALLED_APPS = ["wxsdk.ext.django"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "test.db"}}
WXSDK_CLIENT = "bot.make_client"
WXSDK_AUTOSTART = True
ROOT_URLCONF = "bot"
ALLOWED_HOSTS = ["127.0.0.1"]
WSGI_APPLICATION = "site_wsgi.application"
"""

WSGI = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
"""

BOT = """
import os
from django.db import connection
from wxsdk import WeixinClient, WeixinConfig
from wxsdk.ext.django import with_database

from django.urls import path
from wxsdk.ext.django.views import health

urlpatterns = [path("bot/health", health)]

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
    for name, text in {"settings.py": SETTINGS, "bot.py": BOT, "manage.py": MANAGE, "site_wsgi.py": WSGI}.items():
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


@pytest.mark.parametrize(
    "program",
    [
        "manage.py check",
        "manage.py migrate --plan",
        "-c import(django);django.setup()",
        "-m pytest -q -p no:cacheprovider -p no:randomly test_site.py",
        "-c import(celery_like)",
    ],
)
def test_what_does_not_serve_does_not_start_it(
    program: str, tmp_path: Path, project: Dict[str, str], ilink_sim: Any
) -> None:
    (tmp_path / "celery_like.py").write_text("import django\ndjango.setup()\n")
    (tmp_path / "test_site.py").write_text(
        "import django\ndjango.setup()\n"
        "from django.test import Client\n"
        "def test_health():\n    assert Client().get('/bot/health').status_code == 503\n"
    )
    words = program.replace("import(django);", "import django;").replace("import(celery_like)", "import celery_like")
    command = ["-c", words[3:]] if words.startswith("-c ") else words.split()
    environment = {**project, "DJANGO_SETTINGS_MODULE": "settings"}
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ilink_sim.requests == []


GUNICORN = ["gunicorn", "-b", "ADDRESS", "--graceful-timeout", "1", "site_wsgi:application"]
SERVED = [
    GUNICORN,
    [*GUNICORN, "--preload"],
    ["uvicorn", "--host", "127.0.0.1", "--port", "PORT", "--interface", "wsgi", "site_wsgi:application"],
]


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn needs POSIX")
@pytest.mark.parametrize("server", SERVED, ids=lambda words: " ".join(words[::4]))
def test_a_server_started_as_a_module_runs_it(
    server: List[str], tmp_path: Path, project: Dict[str, str], ilink_sim: Any
) -> None:
    port = free_port()
    words = [word.replace("ADDRESS", f"127.0.0.1:{port}").replace("PORT", str(port)) for word in server]
    with subprocess.Popen(
        [sys.executable, "-m", *words], cwd=tmp_path, env=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            ilink_sim.user("alice").says("ask the database")
            assert ilink_sim.user("alice").expects(timeout=30).text == "the database says 42"
            until(lambda: _is_open(port))  # the bot may answer before the server's port is open
            answer = requests.get(f"http://127.0.0.1:{port}/bot/health", timeout=10)
            assert (answer.status_code, answer.json()["state"]) == (200, "running")
        finally:
            process.terminate()
            process.wait(15)


def test_the_reloading_server_runs_it_in_the_process_that_serves(
    tmp_path: Path, project: Dict[str, str], ilink_sim: Any
) -> None:
    port = free_port()
    command = [sys.executable, "manage.py", "runserver", f"127.0.0.1:{port}"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            ilink_sim.user("alice").says("ask the database")
            assert ilink_sim.user("alice").expects(timeout=30).text == "the database says 42"
            ilink_sim.user("alice").says("ask the database")
            ilink_sim.user("alice").expects(timeout=30)
            assert owner_of(port) != process.pid
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(15)


def owner_of(port: int) -> Any:
    adapter = requests.adapters.HTTPAdapter(max_retries=requests.adapters.Retry(total=20, backoff_factor=0.1))
    with requests.Session() as session:
        session.mount("http://", adapter)
        return session.get(f"http://127.0.0.1:{port}/bot/health", timeout=10).json()["owner_pid"]


def test_connections_are_closed_by_age_and_not_by_message(tmp_path: Path, project: Dict[str, str]) -> None:
    (tmp_path / "ages.py").write_text(
        textwrap.dedent(
            """
            import django
            django.setup()
            from django.conf import settings
            from django.db import connection, transaction
            from wxsdk.ext.django.database import CONN_MAX_AGE, refresh_connections

            settings.WXSDK_AUTOSTART = False
            connection.ensure_connection()
            first = connection.connection
            for now in (0.0, 1.0, CONN_MAX_AGE - 0.1):
                refresh_connections(now)
                assert connection.connection is first, now
            with transaction.atomic():
                refresh_connections(CONN_MAX_AGE + 5)
                assert connection.connection is first, "inside a transaction"
            refresh_connections(CONN_MAX_AGE + 5)
            assert connection.connection is None
            connection.ensure_connection()
            refresh_connections(100.0)
            second = connection.connection
            assert second is not None, "the age is that of the new connection"
            connection.errors_occurred = True
            refresh_connections(101.0)
            assert connection.connection is None, "a broken one goes at once"
            settings.WXSDK_CONN_MAX_AGE = None
            connection.ensure_connection()
            for now in (200.0, 1e9):
                refresh_connections(now)
                assert connection.connection is not None
            """
        )
    )
    environment = {**project, "DJANGO_SETTINGS_MODULE": "settings"}
    done = subprocess.run([sys.executable, "ages.py"], cwd=tmp_path, env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("del WXSDK_CLIENT", "W001"),
        ("WXSDK_CLIENT = 5", "E001"),
        ("WXSDK_CLIENT = 'bot.nothing'", "E002"),
        ("WXSDK_CLIENT = 'no_such_module.client'", "E002"),
        ("WXSDK_CLIENT = 'bot.urlpatterns'", "E003"),
        ("WXSDK_AUTOSTART = 'yes'", "E004"),
        ("WXSDK_CONN_MAX_AGE = -1", "E005"),
    ],
)
def test_the_system_checks_find_a_wrong_setting(line: str, code: str, tmp_path: Path, project: Dict[str, str]) -> None:
    with (tmp_path / "settings.py").open("a") as settings:
        settings.write(f"WXSDK_AUTOSTART = False\n{line}\n")
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=tmp_path, env=project, capture_output=True, timeout=60
    )
    assert f"wxsdk.{code}" in (done.stdout + done.stderr).decode()
