"""A web application's bot starts where the application is served, and nowhere else."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest
import requests

from wxsdk import WSClient, WSClientOptions
from wxsdk.ext.health_view import health_answer
from wxsdk.ext.serving import Plan, ServedBot, Surroundings, When, decide, decide_for_django, look_around
from wxsdk.ext.standby import Standby
from wxsdk.sim.aibot.errors import SimTimeout

from ..delivery.waiting import until

PATIENCE = 30.0  # seconds for interpreters to start where other programs run

NOW, WORKERS, REQUEST, NEVER = When.NOW, When.IN_THE_WORKERS, When.AT_THE_FIRST_REQUEST, When.NEVER


def loaded_by(*modules: str, **more: Any) -> Surroundings:
    return Surroundings(loaders=frozenset({"__main__", "webapp", *modules}), **more)


SERVERS = [
    (loaded_by("gunicorn.arbiter", "gunicorn.app.base", "gunicorn.workers.base"), NOW),
    (loaded_by("gunicorn.arbiter", "gunicorn.app.base"), WORKERS),
    (loaded_by("gunicorn.arbiter", gevent_worker=True), REQUEST),
    (loaded_by("gunicorn.workers.ggevent", gevent_worker=True), NOW),
    (loaded_by("uvicorn.config"), NOW),
    (loaded_by("hypercorn.utils"), NOW),
    (loaded_by("waitress.runner"), NOW),
    (loaded_by("mod_wsgi"), NOW),
    (loaded_by(uwsgi={"master": b"true"}), NEVER),
    (loaded_by(uwsgi={"enable-threads": True}), WORKERS),
    (loaded_by(uwsgi={"threads": b"2", "lazy-apps": True}), NOW),
]
FLASK = [
    *SERVERS,
    (loaded_by(), REQUEST),
    (loaded_by("my_gunicorn_settings"), REQUEST),
    (loaded_by(command="run"), NOW),
    (loaded_by(command="run", reload=True), NEVER),
    (loaded_by(command="run", reload=True, environment={"WERKZEUG_RUN_MAIN": "true"}), NOW),
    (loaded_by(command="routes"), NEVER),
    (loaded_by(command="shell"), NEVER),
    (loaded_by(command="send-newsletter"), NEVER),
    (loaded_by(command="flask"), NEVER),
]
DJANGO = [
    *((Surroundings(seen.loaders, gevent_worker=seen.gevent_worker, uwsgi=seen.uwsgi, application_made=True), when)
      for seen, when in SERVERS),
    (loaded_by(application_made=True), NOW),
    (loaded_by(arguments=("manage.py", "runserver")), NEVER),
    (loaded_by(arguments=("manage.py", "runserver"), environment={"RUN_MAIN": "true"}), NOW),
    (loaded_by(arguments=("manage.py", "runserver", "--noreload")), NOW),
    (loaded_by(arguments=("manage.py", "migrate")), NEVER),
    (loaded_by(arguments=("manage.py", "test")), NEVER),
    (loaded_by(arguments=("/usr/bin/celery", "worker")), NEVER),
    (loaded_by(arguments=("/usr/bin/pytest",)), NEVER),
    (loaded_by(arguments=("report.py",)), NEVER),
    (loaded_by(arguments=("runserver",)), NEVER),
]  # fmt: skip


@pytest.mark.parametrize(("seen", "when"), FLASK, ids=[str(index) for index in range(len(FLASK))])
def test_a_flask_application_starts_its_bot_where_it_is_served(seen: Surroundings, when: When) -> None:
    assert decide(seen).when is when


@pytest.mark.parametrize(("seen", "when"), DJANGO, ids=[str(index) for index in range(len(DJANGO))])
def test_a_django_project_starts_its_bot_where_it_is_served(seen: Surroundings, when: When) -> None:
    assert decide_for_django(seen).when is when


def bot_on(sim: Any) -> ServedBot:
    return ServedBot(Standby(WSClient(WSClientOptions(sim.bot_id, sim.secret, ws_url=sim.ws_url))))


def test_a_process_that_can_run_no_bot_says_so_in_log_and_health(
    aibot_sim: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bot = bot_on(aibot_sim)
    bot.follow(decide(loaded_by(uwsgi={})))
    assert "enable-threads" in caplog.text
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    status, answer = health_answer(bot)
    assert (status, answer["state"]) == (503, "not_started")
    assert "threads" in answer["last_error"]
    assert "enable-threads" in answer["remedy"]


def test_the_health_tells_the_owner_from_a_standby_and_both_from_a_dead_process(aibot_sim: Any) -> None:
    owner, waiting, idle, dead = (bot_on(aibot_sim) for _ in range(4))
    try:
        owner.start()
        aibot_sim.wait_subscribed()
        owner.standby.client.connect(wait=PATIENCE)  # type: ignore[union-attr]
        waiting.start()
        until(lambda: waiting.standby.owner_pid == os.getpid())
        dead.standby.client.connect = lambda: 1 / 0  # type: ignore[union-attr, method-assign, assignment, return-value]
        dead.start()
        until(lambda: not dead.standby.stands_by)
        found = [(status, answer["state"]) for status, answer in map(health_answer, (owner, waiting, idle, dead))]
        assert found == [(200, "running"), (200, "standby"), (503, "not_started"), (503, "failed")]
        assert health_answer(waiting)[1]["owner_pid"] == os.getpid()
    finally:
        assert [bot.standby.stop() for bot in (owner, waiting, idle, dead)] == [True] * 4


def test_a_bot_that_waits_for_a_request_starts_with_it_and_once(aibot_sim: Any) -> None:
    bot = bot_on(aibot_sim)
    bot.follow(Plan(When.AT_THE_FIRST_REQUEST, "No server is known."))
    assert aibot_sim.subscribes == []
    for _ in range(3):
        bot.on_request()
    aibot_sim.wait_subscribed()
    assert bot.standby.stop()
    bot.on_request()
    assert len(aibot_sim.subscribes) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_bot_that_waits_for_the_workers_starts_in_a_forked_one(aibot_sim: Any) -> None:
    bot = bot_on(aibot_sim)
    bot.follow(Plan(When.IN_THE_WORKERS, "The master does not serve."))
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        aibot_sim_answered = bot.standby.client.wait(0.0) is not None and bot.standby._worker is not None
        os.write(writing, b"1" if aibot_sim_answered else b"0")
        bot.standby.stop()
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 1) == b"1"
    os.close(reading)
    os.close(writing)
    assert not bot.standby.is_owner
    assert not bot.standby.stands_by


def test_in_uwsgi_the_bot_starts_when_a_worker_is_ready_and_other_hooks_run_as_well(
    aibot_sim: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: List[str] = []
    uwsgi = ModuleType("uwsgi")
    uwsgi.opt, uwsgi.has_threads, uwsgi.post_fork_hook = {}, 1, lambda: ran.append("theirs")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    bot = bot_on(aibot_sim)
    bot.follow(decide(look_around()))
    assert bot.plan.when is When.IN_THE_WORKERS
    assert not bot.standby.stands_by
    uwsgi.post_fork_hook()  # type: ignore[attr-defined]
    aibot_sim.wait_subscribed()
    assert ran == ["theirs"]
    assert bot.standby.stop()
    uwsgi.has_threads = 0  # type: ignore[attr-defined]
    assert decide(look_around()).when is When.NEVER


# -- real processes ----------------------------------------

FLASK_APP = """
import os
from flask import Flask
from wxsdk import WSClient, WSClientOptions
from wxsdk.ext.flask import WxBot

app = Flask(__name__)
client = WSClient(WSClientOptions(os.environ["BOT_ID"], os.environ["SECRET"], ws_url=os.environ["WS_URL"]))
bot = WxBot(client, health_url="/health")

@app.cli.command("report")
def report():
    print("reported")

@client.on_message_text
def answer(frame):
    with client.open_stream(frame) as stream:
        stream.write("VERSION-ONE " + os.environ.get("WERKZEUG_RUN_MAIN", "-"))

bot.init_app(app)

if __name__ == "__main__":
    app.run(port=int(os.environ["PORT"]), debug=True)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def site(aibot_sim: Any, tmp_path: Path) -> Tuple[Path, Dict[str, str]]:
    """A folder with a Flask application, and the environment of its commands."""
    (tmp_path / "webapp.py").write_text(textwrap.dedent(FLASK_APP))
    facts = {"BOT_ID": aibot_sim.bot_id, "SECRET": aibot_sim.secret, "WS_URL": aibot_sim.ws_url}
    return tmp_path, {**os.environ, **facts, "PORT": str(free_port()), "FLASK_APP": "webapp"}


@pytest.fixture
def running() -> Iterator[List[subprocess.Popen[bytes]]]:
    processes: List[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.terminate()
        process.wait(15)


def _touch_until(source: Path, noticed: Callable[[float], Any]) -> None:
    """The reloader takes as it is what it finds at its first look, which may come after the edit."""
    for age in range(int(PATIENCE)):
        os.utime(source, (age, age))
        with contextlib.suppress(SimTimeout):
            noticed(1.0)
            return
    raise AssertionError("the edit was not noticed")


def answer_of(sim: Any) -> str:
    sim.user("bob").says("who are you?")
    return str(sim.user("bob").expects(timeout=PATIENCE).text)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", ["flask run", "app.run"])
def test_under_the_reloader_the_bot_runs_in_the_process_that_serves_and_an_edit_counts(
    how: str, aibot_sim: Any, site: Tuple[Path, Dict[str, str]], running: List[subprocess.Popen[bytes]]
) -> None:
    folder, environment = site
    command = [sys.executable, "webapp.py"]
    if how == "flask run":
        command = [sys.executable, "-m", "flask", "run", "--debug", "--port", environment["PORT"]]
    running.append(subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL))
    first = aibot_sim.wait_subscribed(timeout=PATIENCE)
    assert answer_of(aibot_sim) == "VERSION-ONE true"
    source = folder / "webapp.py"
    source.write_text(source.read_text().replace("VERSION-ONE", "VERSION-TWO"))
    _touch_until(source, lambda timeout: aibot_sim.wait_for(lambda: not first.open, timeout=timeout))
    aibot_sim.wait_for(lambda: len(aibot_sim.subscribes) > 1, timeout=PATIENCE)
    assert answer_of(aibot_sim) == "VERSION-TWO true"


@pytest.mark.parametrize("command", [["routes"], ["report"], ["--help"], ["shell", "--help"]], ids=str)
def test_a_command_of_flask_starts_no_bot(
    command: List[str], aibot_sim: Any, site: Tuple[Path, Dict[str, str]]
) -> None:
    folder, environment = site
    done = subprocess.run([sys.executable, "-m", "flask", *command], cwd=folder, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert aibot_sim.subscribes == []


def test_a_test_of_the_application_starts_no_bot(aibot_sim: Any) -> None:
    from flask import Flask

    from wxsdk.ext.flask import WxBot

    app = Flask(__name__)
    client = WSClient(WSClientOptions(aibot_sim.bot_id, aibot_sim.secret, ws_url=aibot_sim.ws_url))
    bot = WxBot(client, app, health_url="/health")
    answer = app.test_client().get("/health")
    assert (answer.status_code, answer.get_json()["state"]) == (503, "not_started")
    bot.start()
    aibot_sim.wait_subscribed()
    client.connect(wait=PATIENCE)
    answer = app.test_client().get("/health")
    assert (answer.status_code, answer.get_json()["state"]) == (200, "running")
    assert bot.stop()


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn needs POSIX")
@pytest.mark.parametrize("more", [["--preload", "-w", "3"], ["-w", "2"], ["-k", "gthread", "--threads", "2"]], ids=str)
def test_gunicorn_runs_the_bot_in_one_worker_also_when_the_master_loads_it(
    more: List[str], aibot_sim: Any, site: Tuple[Path, Dict[str, str]], running: List[subprocess.Popen[bytes]]
) -> None:
    folder, environment = site
    address = f"127.0.0.1:{environment['PORT']}"
    command = [sys.executable, "-m", "gunicorn", "-b", address, "--graceful-timeout", "1", *more, "webapp:app"]
    with (folder / "log").open("wb") as log:
        running.append(subprocess.Popen(command, cwd=folder, env=environment, stderr=log))
    aibot_sim.wait_subscribed(timeout=PATIENCE)
    assert answer_of(aibot_sim) == "VERSION-ONE -"
    answer = requests.get(f"http://{address}/health", timeout=10).json()
    assert answer["state"] in ("running", "standby")
    assert answer["owner_pid"] != running[0].pid
    assert len(aibot_sim.subscribes) == 1


UWSGI = shutil.which("uwsgi") or shutil.which("uwsgi", path=str(Path(sys.prefix) / "bin"))


@pytest.mark.skipif(UWSGI is None, reason="uwsgi is not installed")
@pytest.mark.parametrize("more", [["--enable-threads"], ["--enable-threads", "--lazy-apps"]], ids=str)
def test_uwsgi_runs_the_bot_in_one_worker(
    more: List[str], aibot_sim: Any, site: Tuple[Path, Dict[str, str]], running: List[subprocess.Popen[bytes]]
) -> None:
    folder, environment = site
    address = f"127.0.0.1:{environment['PORT']}"
    path = os.pathsep.join([environment.get("PYTHONPATH", ""), *(each for each in sys.path if each)])
    command = [str(UWSGI), "--http-socket", address, "--master", "--processes", "2", "--die-on-term", "--need-app"]
    with (folder / "log").open("wb") as log:
        running.append(
            subprocess.Popen(
                [*command, *more, "--module", "webapp:app"],
                cwd=folder,
                env={**environment, "PYTHONPATH": path},
                stdout=log,
                stderr=log,
            )
        )
    aibot_sim.wait_subscribed(timeout=PATIENCE)
    assert answer_of(aibot_sim) == "VERSION-ONE -"
    assert len(aibot_sim.subscribes) == 1
