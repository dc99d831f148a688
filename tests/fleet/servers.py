"""Real servers for the tests: Redis and PostgreSQL on free loopback ports, with their files in temporary folders."""

from __future__ import annotations

import glob
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from typing import Any, Dict, List, Optional

LIMIT = 30.0  # seconds for a server to come up


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", port)) == 0


class _Server:
    """A server process. start(), kill() and start() again keep its data."""

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="wxsdk-test-"))
        self.process: Optional[subprocess.Popen[bytes]] = None

    def _command(self) -> List[str]:
        raise AssertionError("each server knows its command")

    def _ready(self) -> bool:
        return _listens(self.port)

    def start(self) -> None:
        """Start it and wait until it answers."""
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(self._command(), stdout=log, stderr=log, **self._as_user())
        deadline = time.monotonic() + LIMIT
        while not self._ready():
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "the server does not come up"
            threading.Event().wait(0.02)

    def _as_user(self) -> Dict[str, Any]:
        return {}

    def send(self, number: int) -> None:
        """Send a signal: SIGSTOP lets it hang, SIGCONT go on."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9 and wait."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def remove(self) -> None:
        """End it and delete its files."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Redis(_Server):
    """redis-server with an append-only file that is synced at each write."""

    def __init__(self, *extra: str) -> None:
        super().__init__()
        self.extra = extra

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def _command(self) -> List[str]:
        settings = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        return ["redis-server", *settings, "--appendonly", "yes", "--appendfsync", "always", "--save", "", *self.extra]

    def _ready(self) -> bool:
        with socket.socket() as sock:
            sock.settimeout(1)
            if sock.connect_ex(("127.0.0.1", self.port)):
                return False
            sock.sendall(b"PING\r\n")
            return sock.recv(64).startswith(b"+PONG")  # and not -LOADING


class Postgres(_Server):
    """postgres, which refuses to run as root and then runs as the user postgres."""

    def __init__(self) -> None:
        super().__init__()
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        self._bin = found[-1] if found else os.path.dirname(shutil.which("postgres") or "")
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        options = ["-A", "trust", "-U", "wxsdk", "-E", "UTF8", "--no-sync"]
        done = subprocess.run(
            [f"{self._bin}/initdb", "-D", str(self.folder / "data"), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **self._as_user(),
        )
        assert done.returncode == 0, done.stdout.decode()

    @property
    def dsn(self) -> str:
        return f"postgresql://wxsdk@127.0.0.1:{self.port}/postgres"

    def _as_user(self) -> Dict[str, Any]:
        return {"cwd": self.folder, **({"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {})}

    def _command(self) -> List[str]:
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}", "-c", "unix_socket_directories="]
        return [f"{self._bin}/postgres", "-D", str(self.folder / "data"), *settings, "-c", "fsync=off"]

    def _ready(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def installed() -> bool:
    """Whether both servers and their Python packages are there."""
    try:
        import psycopg  # noqa: F401
        import redis  # noqa: F401
    except ImportError:
        return False
    return bool(shutil.which("redis-server")) and bool(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
