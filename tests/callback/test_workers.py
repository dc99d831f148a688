"""gunicorn with four workers, really started, on one SQLiteStore."""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from typing import Iterator, List

import pytest

from wxsdk.sim import AiBotSim

ROOT = pathlib.Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn needs POSIX")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def gunicorn(tmp_path: pathlib.Path, workers: int = 4) -> Iterator[AiBotSim]:
    port = free_port()
    sim = AiBotSim(callback_url=f"http://127.0.0.1:{port}/callback")
    environment = {
        **os.environ,
        "TEST_STORE": str(tmp_path / "bot.db"),
        "TEST_BOT": sim.bot_id,
        "TEST_TOKEN": sim.token,
        "TEST_KEY": sim.encoding_aes_key,
    }
    command = [sys.executable, "-m", "gunicorn", "-w", str(workers), "--threads", "4", "-b", f"127.0.0.1:{port}"]
    command += ["--worker-tmp-dir", str(tmp_path), "--graceful-timeout", "5", "tests.callback.worker_app:application"]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            _await(process, port)
            with sim:
                yield sim
        finally:
            process.terminate()
            process.wait(20)


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert process.poll() is None, "gunicorn ended"
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
            return
        threading.Event().wait(0.05)
    raise AssertionError("gunicorn did not answer")


def test_streams_are_collected_whichever_worker_is_asked(tmp_path: pathlib.Path) -> None:
    with gunicorn(tmp_path) as sim:
        users = [sim.user(f"user-{number}") for number in range(6)]
        for user in users:
            user.says("/slow")
        texts = [user.expects(timeout=30).text for user in users]
        assert all(text.startswith("0 1 2 3 4 5 6 7 8 9 by ") for text in texts)
        assert (sim.violations, sim.thinking()) == ([], [])


def test_a_conversation_goes_on_whichever_worker_gets_the_next_message(tmp_path: pathlib.Path) -> None:
    with gunicorn(tmp_path) as sim:
        failures: List[str] = []

        def talk(number: int) -> None:
            user = sim.user(f"user-{number}")
            for said, wanted in (("/signup", "Name?"), (f"N{number}", "Town?"), ("Rome", f"N{number} of Rome")):
                user.says(said)
                answer = user.expects(timeout=30).text
                if answer != wanted:
                    failures.append(f"{said}: {answer}")

        threads = [threading.Thread(target=talk, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert (sim.violations, sim.thinking()) == ([], [])


def test_messages_of_one_user_are_answered_in_order_and_once(tmp_path: pathlib.Path) -> None:
    with gunicorn(tmp_path) as sim:
        user = sim.user("alice")
        for number in range(12):
            user.says(f"m{number}")
            assert user.expects(timeout=30).text.startswith(f"m{number} by ")
        assert len(user.sees) == 12
        assert not sim.violations


@pytest.mark.timeout(120)
def test_a_message_whose_worker_is_killed_is_answered_by_another(tmp_path: pathlib.Path) -> None:
    with gunicorn(tmp_path) as sim:
        user = sim.user("alice")
        user.says("/die")
        assert "live on in another worker: True" in user.expects(timeout=60).text
        assert not sim.thinking()
