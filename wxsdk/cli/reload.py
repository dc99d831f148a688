"""Runs a program in a child process, and starts it anew when a source file changes."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from ..runtime.lifecycle import wait_until_stopped
from .texts import text

LOOK_EVERY = 0.3  # seconds between two looks at the files, where watchfiles is not installed
STOP_TIMEOUT = 12.0  # seconds that the child gets to stop by itself: its drain and its stop

Stamps = Dict[str, Tuple[int, int]]


def supervise(
    command: List[str], environment: Mapping[str, str], folder: Path, say: Callable[[str], None], *, polls: bool = False
) -> int:
    """Run *command* until Ctrl-C or SIGTERM, anew after each change of a ``.py`` file under *folder*; its exit status.

    A child that ends by itself (a syntax error, say) has printed why; the next change starts it again. polls: look at
    the files although watchfiles is installed.
    """
    supervisor = _Supervisor(command, environment, folder, say, polls)
    wait_until_stopped(supervisor.wait, start=supervisor.start)
    return supervisor.stop()


class _Supervisor:
    def __init__(
        self,
        command: List[str],
        environment: Mapping[str, str],
        folder: Path,
        say: Callable[[str], None],
        polls: bool,
    ) -> None:
        self._command = command
        self._environment = dict(environment)
        self._folder = folder
        self._say = say
        self._changes = Changes(folder, polls)
        self._child: Optional[subprocess.Popen[bytes]] = None
        self._told = False

    def start(self) -> None:
        self._say(text("run.watching", folder=self._folder))
        self._changes.start()
        self._begin()

    def wait(self, timeout: float) -> bool:
        """Look for a change for *timeout* seconds; never the end, which comes by a signal."""
        changed = self._changes.wait(timeout)
        if changed:
            self._say(text("run.changed", file=os.path.relpath(changed, self._folder)))
            self._end()
            self._begin()
        elif self._child is not None and self._child.poll() is not None and not self._told:
            self._told = True
            self._say(text("run.ended", status=self._child.returncode))
        return False

    def stop(self) -> int:
        self._changes.stop()
        return self._end()

    def _begin(self) -> None:
        # A group of its own: Ctrl-C in the terminal reaches this process alone, which then stops the child.
        self._child = subprocess.Popen(self._command, env=self._environment, start_new_session=os.name == "posix")
        self._told = False

    def _end(self) -> int:
        child = self._child
        if child is None:
            return 0
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(STOP_TIMEOUT)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                child.kill()
                child.wait()
                raise
        return 0 if child.returncode == -signal.SIGTERM else child.returncode


class Changes:
    """Says when a ``.py`` file under a folder changes: by watchfiles where it is installed, else by looking."""

    def __init__(self, folder: Path, polls: bool = False) -> None:
        self._folder = folder
        self._polls = polls
        self._stopped = threading.Event()
        self._found = threading.Condition()
        self._changed: Optional[str] = None
        self._thread = threading.Thread(target=self._run, name="wxsdk-run-watch", daemon=True)

    def start(self) -> None:
        """Begin to look; changes from now on count."""
        self._stamps = stamps(self._folder)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(2 * LOOK_EVERY)

    def wait(self, timeout: float) -> Optional[str]:
        """Return the path of a file that changed, None when none did within *timeout* seconds."""
        with self._found:
            self._found.wait_for(lambda: self._changed is not None, timeout)
            changed, self._changed = self._changed, None
            return changed

    def _run(self) -> None:
        watchfiles = None if self._polls else _watchfiles()
        if watchfiles is None:
            while not self._stopped.wait(LOOK_EVERY):
                self._look()
            return
        only_sources = watchfiles.PythonFilter()
        for found in watchfiles.watch(self._folder, watch_filter=only_sources, stop_event=self._stopped, debounce=200):
            self._note(sorted(path for _, path in found)[0])

    def _look(self) -> None:
        before, self._stamps = self._stamps, stamps(self._folder)
        changed = [path for path, stamp in self._stamps.items() if before.get(path) != stamp]
        changed += [path for path in before if path not in self._stamps]
        if changed:
            self._note(changed[0])

    def _note(self, path: str) -> None:
        with self._found:
            self._changed = path
            self._found.notify_all()


def _watchfiles() -> Any:
    """Return the package, None when it is not installed."""
    try:
        return importlib.import_module("watchfiles")
    except ImportError:
        return None


def stamps(folder: Path) -> Stamps:
    """Return the size and time of every source file under *folder*, hidden and cache folders aside."""
    found: Stamps = {}
    for path in _sources(str(folder)):
        with contextlib.suppress(OSError):  # gone meanwhile
            status = os.stat(path)
            found[path] = (status.st_mtime_ns, status.st_size)
    return found


def _sources(folder: str) -> Iterator[str]:
    for where, folders, files in os.walk(folder):
        folders[:] = [
            each
            for each in folders
            if not each.startswith((".", "__pycache__"))
            and each not in ("node_modules", "site-packages")
            and not os.path.exists(os.path.join(where, each, "pyvenv.cfg"))
        ]
        yield from (os.path.join(where, file) for file in files if file.endswith(".py"))
