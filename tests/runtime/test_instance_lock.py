"""One owner per bot on one machine."""

from __future__ import annotations

import os
import pathlib
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from datetime import datetime, timedelta, timezone

import pytest

from wxsdk.errors import AlreadyRunning, ConfigError
from wxsdk.runtime import instance_lock
from wxsdk.runtime.clock import Clock
from wxsdk.runtime.instance_lock import InstanceLock
from wxsdk.testing import FakeClock

posix = pytest.mark.skipif(os.name != "posix", reason="rights, links and fork are POSIX's")

IDENTITY = "https://ilink.example/|canary-token-value"


@pytest.fixture(autouse=True)
def home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A state folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("WXSDK_LOCK_FOLDER", str(tmp_path / "state" / "wxsdk"))
    (tmp_path / "tmp").mkdir()
    return tmp_path


@pytest.fixture
def no_shared_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a folder in which its users could meet."""
    monkeypatch.delenv("WXSDK_LOCK_FOLDER")
    monkeypatch.setattr(instance_lock, "MACHINE_FOLDERS", ())


def _lock_file(home: pathlib.Path) -> pathlib.Path:
    (found,) = home.rglob("*.lock")
    return found


def test_a_second_client_of_this_process_is_told_at_once() -> None:
    with InstanceLock("ilink", IDENTITY):
        with pytest.raises(AlreadyRunning, match="this process") as raised:
            InstanceLock("ilink", IDENTITY).acquire()
        assert raised.value.pid == os.getpid()


def test_other_bots_and_other_kinds_do_not_meet() -> None:
    bot, other_kind, other_bot = (
        InstanceLock(*owner) for owner in (("ilink", IDENTITY), ("aibot", IDENTITY), ("ilink", "other"))
    )
    with bot, other_kind, other_bot:
        assert [lock.held for lock in (bot, other_kind, other_bot)] == [True] * 3


def test_release_lets_the_next_one_in() -> None:
    first, second = InstanceLock("ilink", IDENTITY), InstanceLock("ilink", IDENTITY)
    for _ in range(3):
        first.acquire()
        first.acquire()
        assert first.held
        first.release()
        first.release()
        assert not first.held
        second.acquire()
        second.release()


def test_releasing_a_lock_never_taken_does_not_free_anothers() -> None:
    with InstanceLock("ilink", IDENTITY):
        loser = InstanceLock("ilink", IDENTITY)
        with pytest.raises(AlreadyRunning):
            loser.acquire()
        loser.release()
        with pytest.raises(AlreadyRunning):
            InstanceLock("ilink", IDENTITY).acquire()


@posix
def test_the_file_is_private_and_tells_the_pid_but_no_secret(home: pathlib.Path) -> None:
    lock = InstanceLock("ilink", IDENTITY)
    with lock:
        file = _lock_file(home)
        assert file.parent == home / "state" / "wxsdk"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert file.read_text() == str(os.getpid())
        assert "canary" not in file.name + repr(lock)
    assert file.read_text() == ""


def test_a_descriptor_is_not_left_behind_by_a_refusal() -> None:
    with InstanceLock("ilink", IDENTITY):
        before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        for _ in range(5):
            with pytest.raises(AlreadyRunning):
                InstanceLock("ilink", IDENTITY).acquire()
        after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after == before


def test_one_of_many_threads_wins() -> None:
    gate = threading.Barrier(10)
    locks = [InstanceLock("ilink", IDENTITY) for _ in range(10)]
    refused: list[InstanceLock] = []

    def take(lock: InstanceLock) -> None:
        gate.wait()
        try:
            lock.acquire()
        except AlreadyRunning:
            refused.append(lock)

    threads = [threading.Thread(target=take, args=(lock,)) for lock in locks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [lock.held for lock in locks].count(True) == 1
    assert len(refused) == 9
    for lock in locks:
        lock.release()


# --- other processes

_HOLDER = """
import os, sys
from wxsdk.runtime.instance_lock import InstanceLock
InstanceLock("ilink", sys.argv[1]).acquire()
if sys.argv[2:] == ["fork"]:
    alive, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(1)
        os.write(tell, b"!")
        sys.stdin.read()
        os._exit(0)
    os.read(alive, 1)  # the child runs, and has given up what it got with the fork
print("held", flush=True)
sys.stdin.read()
"""


def _holder(*arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _HOLDER, IDENTITY, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_another_process_is_named_by_its_pid_and_its_death_frees_the_lock() -> None:
    holder = _holder()
    lock = InstanceLock("ilink", IDENTITY)
    with pytest.raises(AlreadyRunning, match=f"process {holder.pid}") as raised:
        lock.acquire()
    assert raised.value.pid == holder.pid
    holder.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    holder.communicate(timeout=20)
    lock.acquire()
    lock.release()


@posix
def test_a_forked_child_does_not_keep_the_lock_of_its_dead_parent() -> None:
    holder = _holder("fork")
    holder.send_signal(signal.SIGKILL)
    holder.wait(timeout=20)
    with InstanceLock("ilink", IDENTITY) as lock:  # the child still waits for the end of its input
        assert lock.held
    holder.communicate(timeout=20)


_CHILD_TRIES = """
import os, sys
from wxsdk.errors import AlreadyRunning
from wxsdk.runtime.instance_lock import InstanceLock
lock = InstanceLock("ilink", sys.argv[1])
lock.acquire()
child = os.fork()
if child == 0:
    assert not lock.held
    lock.release()
    try:
        lock.acquire()
    except AlreadyRunning as exc:
        os._exit(0 if exc.pid == os.getppid() else 2)
    os._exit(1)
assert os.waitpid(child, 0)[1] == 0
assert lock.held
lock.release()
"""


@posix
def test_a_forked_child_neither_holds_nor_frees_its_parents_lock() -> None:
    command = [sys.executable, "-W", "ignore", "-c", _CHILD_TRIES, IDENTITY]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr


@posix
def test_a_started_program_does_not_inherit_it(home: pathlib.Path) -> None:
    lock = InstanceLock("ilink", IDENTITY)
    lock.acquire()
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    lock.release()
    with InstanceLock("ilink", IDENTITY) as again:
        assert again.held
        assert sleeper.poll() is None
        sleeper.communicate(b"\n", timeout=20)


# --- folders


def test_a_drive_without_locks_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> bool:
        raise OSError(37, "No locks available")

    with monkeypatch.context() as patch:
        patch.setattr(instance_lock, "_try_lock", refuse)
        with pytest.raises(ConfigError, match="No locks available"):
            InstanceLock("ilink", IDENTITY).acquire()
    with InstanceLock("ilink", IDENTITY):
        pass


def test_a_folder_of_choice_is_used_alone(home: pathlib.Path) -> None:
    (home / "mine").mkdir()
    with InstanceLock("ilink", IDENTITY, home / "mine"):
        assert _lock_file(home).parent == home / "mine"
        with pytest.raises(AlreadyRunning):
            InstanceLock("ilink", IDENTITY, f"{home}/mine/../mine").acquire()
    with pytest.raises(ConfigError, match="missing"):
        InstanceLock("ilink", IDENTITY, home / "missing").acquire()


@pytest.mark.usefixtures("no_shared_place")
@posix
def test_an_unusable_state_folder_gives_way_to_the_next(home: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "state").write_text("a file in the way")
    with InstanceLock("ilink", IDENTITY):
        assert _lock_file(home).parent == home / "home" / ".local" / "state" / "wxsdk"
    _lock_file(home).unlink()
    (home / "home" / ".local" / "state" / "wxsdk").chmod(0o777)  # anybody could lay a link there
    with InstanceLock("ilink", IDENTITY):
        assert _lock_file(home).parent == home / "tmp" / f"wxsdk-{os.getuid()}"


@pytest.mark.usefixtures("no_shared_place")
@posix
def test_a_relative_state_folder_is_ignored(home: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.chdir(home)
    with InstanceLock("ilink", IDENTITY):
        assert not (home / "relative").exists()


@pytest.mark.usefixtures("no_shared_place")
@posix
@pytest.mark.parametrize("trap", ["file", "folder", "fifo"])
def test_a_trap_in_the_temporary_folder_is_not_walked_into(
    home: pathlib.Path, monkeypatch: pytest.MonkeyPatch, trap: str
) -> None:
    victim = home / "victim"
    victim.write_text("precious")
    monkeypatch.setattr(instance_lock, "_state_folders", lambda: [str(home / "tmp" / "wxsdk-1")])
    folder = home / "tmp" / "wxsdk-1"
    if trap == "folder":
        (home / "elsewhere").mkdir()
        folder.symlink_to(home / "elsewhere")
    else:
        with InstanceLock("ilink", IDENTITY):
            file = _lock_file(home)
        file.unlink()
        if trap == "file":
            file.symlink_to(victim)
        else:
            os.mkfifo(file)
    with pytest.raises(ConfigError):
        InstanceLock("ilink", IDENTITY).acquire()
    assert victim.read_text() == "precious"
    assert not (home / "elsewhere").exists() or not list((home / "elsewhere").iterdir())


@pytest.mark.usefixtures("no_shared_place")
@posix
def test_users_and_environments_of_a_machine_meet_in_one_place(
    home: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = home / "run" / "lock"
    place.mkdir(parents=True)
    place.chmod(0o1777)
    monkeypatch.setattr(instance_lock, "MACHINE_FOLDERS", (str(home / "missing"), str(home), str(place)))
    with InstanceLock("ilink", IDENTITY):
        assert _lock_file(home).parent == place
        assert stat.S_IMODE(_lock_file(home).stat().st_mode) == 0o666  # another user, too, writes its pid
        for name in ("XDG_STATE_HOME", "HOME", "TMPDIR", "USER"):
            monkeypatch.setenv(name, str(home / "another"))
            with pytest.raises(AlreadyRunning):
                InstanceLock("ilink", IDENTITY).acquire()


@posix
def test_a_file_of_another_user_is_locked_though_it_cannot_be_written(home: pathlib.Path) -> None:
    opened = []

    def open_as_another_user(path: str, flags: int, *mode: int) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied")
        opened.append(path)
        return os_open(path, flags, *mode)

    with InstanceLock("ilink", IDENTITY, home):
        pass
    os_open = os.open
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(instance_lock.os, "open", open_as_another_user)
        with InstanceLock("ilink", IDENTITY, home), pytest.raises(AlreadyRunning):
            InstanceLock("ilink", IDENTITY, home).acquire()
    assert opened


@posix
def test_a_second_name_of_another_file_is_not_written_to(home: pathlib.Path) -> None:
    victim = home / "victim"
    victim.write_text("precious")
    with InstanceLock("ilink", IDENTITY, home):
        file = _lock_file(home)
    file.unlink()
    os.link(victim, file)
    with pytest.raises(ConfigError):
        InstanceLock("ilink", IDENTITY, home).acquire()
    assert victim.read_text() == "precious"


def test_the_environment_can_name_another_place(home: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with InstanceLock("ilink", IDENTITY):
        monkeypatch.setenv("WXSDK_LOCK_FOLDER", str(home / "mine"))
        with InstanceLock("ilink", IDENTITY):
            assert len(list(home.rglob("*.lock"))) == 2


@posix
def test_a_lock_beside_a_file_is_the_same_for_each_link_to_it(home: pathlib.Path) -> None:
    (home / "bot.db").touch()
    (home / "link.db").symlink_to(home / "bot.db")
    with InstanceLock("store", "a", beside=home / "bot.db"):
        assert (home / "bot.db-lock").exists()
        with pytest.raises(AlreadyRunning):
            InstanceLock("store", "b", beside=home / "link.db").acquire()


# --- standing by


def test_the_one_that_waits_takes_over_within_a_second_of_its_turn() -> None:
    clock = FakeClock()
    owner, heir = InstanceLock("ilink", IDENTITY), InstanceLock("ilink", IDENTITY)
    owner.acquire()
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(heir.wait(None, clock.event(), clock)), name="heir")
    thread.start()
    for _ in range(5):
        clock.wait_parked(name="heir")
        clock.advance(1.0)
    clock.wait_parked(name="heir")
    owner.release()
    clock.advance(1.0)
    thread.join(10)
    assert results == [True]
    assert heir.held
    heir.release()


def test_waiting_ends_at_its_time_or_by_a_stop() -> None:
    clock = FakeClock()
    results: list[bool] = []
    with InstanceLock("ilink", IDENTITY):
        for timeout in (2.5, None):
            stop = clock.event()
            heir = InstanceLock("ilink", IDENTITY)
            thread = threading.Thread(target=lambda: results.append(heir.wait(timeout, stop, clock)), name="heir")  # noqa: B023
            thread.start()
            for step in (1.0, 1.0, 0.5):
                clock.wait_parked(name="heir")
                clock.advance(step)
            stop.set()
            thread.join(10)
            assert not thread.is_alive()
    assert results == [False, False]


def test_waiting_for_a_free_lock_takes_it_unless_stopped() -> None:
    clock = Clock()
    stop = clock.event()
    lock = InstanceLock("ilink", IDENTITY)
    assert lock.wait(0.0, stop, clock)
    lock.release()
    stop.set()
    assert not lock.wait(0.0, stop, clock)
    assert not lock.held


def test_the_owner_is_named_to_any_process_and_the_lock_stays_as_it_is(tmp_path):
    before = datetime.now(timezone.utc) - timedelta(seconds=5)
    held, other = InstanceLock("aibot", "bot", tmp_path), InstanceLock("aibot", "bot", tmp_path)
    assert other.owner() is None
    with held:
        for lock in (held, other):
            owner = lock.owner()
            assert owner is not None
            assert owner.pid == os.getpid()
            assert before < owner.since < before + timedelta(seconds=60)
        assert held.held
        assert not other.held
        with pytest.raises(AlreadyRunning):
            other.acquire()
    assert other.owner() is None
