"""The guard sees every way out of this machine, in the process of the tests and in those that they start."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

from tests.guard import loopback_guard

STRANGER = "192.0.2.1"  # RFC 5737: for documentation, belongs to no machine


def _udp(send: Callable[[socket.socket], Any]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        send(sock)


def _tcp(connect: Callable[[socket.socket], Any]) -> None:
    with socket.socket() as sock:
        connect(sock)


WAYS: Dict[str, Callable[[], Any]] = {
    "connect": lambda: _tcp(lambda sock: sock.connect((STRANGER, 9))),
    "connect_ex": lambda: _tcp(lambda sock: sock.connect_ex((STRANGER, 9))),
    "datagram": lambda: _udp(lambda sock: sock.sendto(b"x", (STRANGER, 9))),
    "sendmsg": lambda: _udp(lambda sock: sock.sendmsg([b"x"], [], 0, (STRANGER, 9))),
    "getaddrinfo": lambda: socket.getaddrinfo("example.com", 80),
    "getaddrinfo, bytes": lambda: socket.getaddrinfo(b"example.com", 80),
    "gethostbyname": lambda: socket.gethostbyname("example.com"),
    "gethostbyname_ex": lambda: socket.gethostbyname_ex("example.com"),
    "gethostbyaddr": lambda: socket.gethostbyaddr(STRANGER),
    "getnameinfo": lambda: socket.getnameinfo((STRANGER, 9), 0),
}


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A report of this test's own, so that what it provokes does not fail it."""
    path = tmp_path / "violations"
    path.touch()
    monkeypatch.setenv(loopback_guard.REPORT, str(path))
    return path


def _written(report: Path) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in report.read_text().splitlines()]


@pytest.mark.parametrize("way", WAYS)
def test_every_way_out_is_refused_and_written_down(way: str, report: Path) -> None:
    with pytest.raises(AssertionError, match="a test tried"):
        WAYS[way]()

    assert "test_every_way_out" in _written(report)[0]["test"]


def test_loopback_and_addresses_that_only_are_read_pass(report: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    socket.getaddrinfo("localhost", 80)
    socket.getaddrinfo(STRANGER, 80)
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("nowhere.invalid", 80)

    assert _written(report) == []


@pytest.mark.parametrize(
    "program",
    [
        "import socket; socket.getaddrinfo('example.com', 80)",
        "import urllib.request as u; u.urlopen('http://192.0.2.1/')",
        "import os, socket; os.fork() or socket.gethostbyname('example.com'); os.wait()",
    ],
)
def test_a_python_child_is_ended_and_its_violation_reported(program: str, report: Path) -> None:
    swallowing = f"try:\n {program}\nexcept Exception as e: print(e)"

    subprocess.run([sys.executable, "-c", swallowing], capture_output=True, timeout=30, check=False)

    assert "test_a_python_child" in _written(report)[0]["test"]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize(
    "program",
    [
        "fetch('http://example.com/').catch(() => {})",
        "require('net').connect(9, '192.0.2.1').on('error', () => {})",
        "require('https').get('https://example.com/').on('error', () => {})",
        "require('dns').resolve4('example.com', () => {})",
        "require('dns').promises.lookup('example.com').catch(() => {})",
        "require('dgram').createSocket('udp4').send('x', 9, '192.0.2.1')",
    ],
)
def test_a_node_child_is_ended_and_its_violation_reported(program: str, report: Path) -> None:
    done = subprocess.run(["node", "-e", program], capture_output=True, timeout=30, check=False)

    assert done.returncode == loopback_guard.EXIT_CODE
    assert "test_a_node_child" in _written(report)[0]["test"]


@pytest.mark.parametrize(
    ("command", "env"),
    [
        ([sys.executable, "-c", "pass"], {}),
        ([sys.executable, "-I", "-c", "pass"], None),
        (["node", "-e", ""], {loopback_guard.REPORT: "x", "PYTHONPATH": str(loopback_guard.FOLDER)}),
        (["chromium", "--headless"], None),
    ],
)
def test_a_child_that_would_escape_the_guard_is_not_started(command: List[str], env: Any, report: Path) -> None:
    with pytest.raises(AssertionError, match=r"without|option"):
        subprocess.run(command, env=env, check=False)


def test_a_violation_fails_the_test_that_caused_it_though_the_error_was_swallowed(tmp_path: Path) -> None:
    text = (
        "import socket\ndef test_it():\n    try: socket.gethostbyname('example.com')\n    except BaseException: pass\n"
    )
    root = Path(__file__).parents[2]
    (tmp_path / "conftest.py").write_text(
        f"import sys; sys.path.insert(0, {str(root)!r})\nfrom tests.conftest import *\n"
    )
    (tmp_path / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]

    bare = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", loopback_guard.REPORT)}
    with loopback_guard.unwatched_children(reason="that session installs the guard by itself"):
        done = subprocess.run(command, cwd=tmp_path, env=bare, capture_output=True, text=True, timeout=60, check=False)

    assert "left this machine" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1
