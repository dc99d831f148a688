"""SQLiteStore as a file: its rights, its failures, and what a killed process leaves."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import pathlib
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from typing import Any, Callable, Iterator, List

import pytest

from tests.runtime.locks import write_lock_held
from wxsdk.errors import AlreadyRunning, ConfigError, StoreError, WxError
from wxsdk.runtime import sqlite_file
from wxsdk.runtime.sqlite_file import APPLICATION_ID, MIGRATIONS
from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.runtime.store import Delete, Put

posix = pytest.mark.skipif(os.name != "posix", reason="rights, fork and limits are POSIX's")


WAIT = 10.0  # seconds after which a test gives up


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: pathlib.Path) -> Iterator[SQLiteStore]:
    made = SQLiteStore(path)
    yield made
    made.close()


def _put(key: str, value: str = "value") -> Put:
    return Put("inbox", key, value, 1.0)


# --- the file


@posix
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_all_its_files_are_private_whatever_the_umask(path: pathlib.Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = SQLiteStore(path)
        store.write([_put("k")])
        modes = {name.name: stat.S_IMODE(name.stat().st_mode) for name in path.parent.iterdir()}
    finally:
        os.umask(before)
        store.close()
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}


@posix
def test_an_empty_file_that_others_may_read_becomes_private(path: pathlib.Path) -> None:
    path.touch(mode=0o644)
    SQLiteStore(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_writes_ahead_and_names_its_owner_in_the_header(store: SQLiteStore, path: pathlib.Path) -> None:
    with sqlite3.connect(path) as other:
        found = [other.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "application_id")]
    other.close()
    assert found == ["wal", APPLICATION_ID]


def test_a_path_may_hold_any_character(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a b?c#d%20微.db"
    store = SQLiteStore(str(path))
    store.write([_put("k")])
    store.close()
    assert path.exists()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_relative_path_is_the_one_of_its_making(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = SQLiteStore("here.db")
    store.close()
    monkeypatch.chdir("/")
    store.write([_put("k")])
    store.close()
    there = SQLiteStore(tmp_path / "here.db")
    assert there.get("inbox", "k") == "value"
    there.close()


@pytest.mark.parametrize("bad", ["", "a\0b", ":memory:", b"bytes.db", None, 5, "half\ud800.db"])
def test_a_path_that_is_none_is_refused(bad: Any) -> None:
    with pytest.raises(ConfigError):
        SQLiteStore(bad)


def test_bad_settings_are_refused(path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="FULL"):
        SQLiteStore(path, synchronous="OFF; DROP TABLE entries")
    with pytest.raises(ConfigError, match="busy_timeout"):
        SQLiteStore(path, busy_timeout=-1)
    with pytest.raises(ConfigError, match="busy_timeout is 'x'"):
        SQLiteStore(path, busy_timeout="x")  # type: ignore[arg-type]
    for max_bytes in ("1", -1, 0, 1.5, True):
        with pytest.raises(ConfigError, match=f"max_bytes is {max_bytes!r}"):
            SQLiteStore(path, max_bytes=max_bytes)  # type: ignore[arg-type]
    assert not path.exists()


def test_a_missing_folder_is_named_and_not_made(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        SQLiteStore(tmp_path / "nowhere" / "store.db")
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match=str(tmp_path)):
        SQLiteStore(tmp_path)


def test_full_synchronisation_is_an_option(path: pathlib.Path) -> None:
    for word, level in (("NORMAL", 1), ("FULL", 2)):
        store = SQLiteStore(path, synchronous=word)
        assert store._connection is not None
        assert store._connection.execute("PRAGMA synchronous").fetchone() == (level,)
        store.close()


# --- foreign and damaged files


def _refusal(path: pathlib.Path) -> str:
    """The error's text for *path*, whose folder must be untouched by the try."""
    before = {name.name: name.read_bytes() for name in path.parent.iterdir()}
    with pytest.raises(ConfigError) as raised:
        SQLiteStore(path)
    assert {name.name: name.read_bytes() for name in path.parent.iterdir()} == before
    assert str(path) in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    "content", [b"hello", b"\0" * 5000, b"SQLite format 3\0", b"SQLite format 3\0" + b"\xff" * 500]
)
def test_a_file_of_another_kind_is_left_as_it_is(path: pathlib.Path, content: bytes) -> None:
    path.write_bytes(content)
    _refusal(path)


def test_another_programs_database_is_left_as_it_is(path: pathlib.Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE entries (x)")
    other.commit()
    other.close()
    assert "another program" in _refusal(path)


def test_a_newer_schema_is_left_as_it_is(path: pathlib.Path) -> None:
    SQLiteStore(path).close()
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    newer.execute("PRAGMA journal_mode = DELETE")
    newer.close()
    assert "newer" in _refusal(path)


def _filled(path: pathlib.Path) -> None:
    store = SQLiteStore(path)
    store.write([_put(str(number), "x" * 500) for number in range(200)])
    store.close()


def test_a_damaged_file_is_left_as_it_is(path: pathlib.Path) -> None:
    _filled(path)
    content = bytearray(path.read_bytes())
    content[4096:8192] = random.Random(1).randbytes(4096)
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"damaged|malformed"):
        SQLiteStore(path)
    assert path.read_bytes() == content


def test_a_truncated_file_is_left_as_it_is(path: pathlib.Path) -> None:
    _filled(path)
    content = path.read_bytes()[:-5000]
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"damaged|malformed"):
        SQLiteStore(path)
    assert path.read_bytes() == content


def test_damage_while_it_is_open_is_a_store_error(store: SQLiteStore, path: pathlib.Path) -> None:
    store.write([_put(str(number), "x" * 500) for number in range(200)])
    store.close()
    store.get("inbox", "1")
    assert store._connection is not None
    store._connection.execute("PRAGMA shrink_memory")  # drops the pages it has read already
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(StoreError, match=r"store\.db") as raised:
        store.items("inbox")
    assert isinstance(raised.value, OSError)
    assert isinstance(raised.value, WxError)


@pytest.mark.parametrize("kind", ["TEXT", "BLOB"])
def test_a_row_that_is_no_text_any_more_costs_no_other_row(store: SQLiteStore, path: pathlib.Path, kind: str) -> None:
    store.write([_put("first"), _put("second"), _put("third")])
    with sqlite3.connect(path) as other:
        other.execute(f"UPDATE entries SET value = CAST(? AS {kind}) WHERE key = 'second'", (b'{"a": "\xff\xfe"}',))
    other.close()
    assert store.items("inbox") == [("first", "value"), ("second", '{"a": "\ufffd\ufffd"}'), ("third", "value")]
    assert store.get("inbox", "second") == '{"a": "\ufffd\ufffd"}'
    store.write([Delete("inbox", "second")])
    assert [key for key, _ in store.items("inbox")] == ["first", "third"]


# --- migration


def test_an_older_schema_is_brought_forward_with_its_rows(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _filled(path)
    step = ("ALTER TABLE entries ADD COLUMN weight INTEGER NOT NULL DEFAULT 7",)
    monkeypatch.setattr(sqlite_file, "MIGRATIONS", (*MIGRATIONS, step))
    monkeypatch.setattr(sqlite_file, "SCHEMA_VERSION", len(MIGRATIONS) + 1)
    for _ in range(2):  # the second time nothing is left to do
        store = SQLiteStore(path)
        assert len(store.items("inbox")) == 200
        assert store._connection is not None
        assert store._connection.execute("SELECT DISTINCT weight FROM entries").fetchall() == [(7,)]
        store.close()


def test_a_migration_that_fails_changes_nothing(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _filled(path)
    steps = (*MIGRATIONS, ("ALTER TABLE entries ADD COLUMN weight INTEGER", "no such statement"))
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_file, "MIGRATIONS", steps)
        patch.setattr(sqlite_file, "SCHEMA_VERSION", len(steps))
        with pytest.raises(ConfigError):
            SQLiteStore(path)
    store = SQLiteStore(path)
    assert len(store.items("inbox")) == 200
    store.close()


def test_many_threads_may_make_the_same_file_at_once(path: pathlib.Path) -> None:
    stores: list[SQLiteStore] = []
    gate = threading.Barrier(8)

    def make() -> None:
        gate.wait()
        stores.append(SQLiteStore(path))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, store in enumerate(stores):
        store.write([_put(str(number))])
    assert [len(store.items("inbox")) for store in stores] == [8] * 8
    for store in stores:
        store.close()


# --- failures


def test_a_write_that_fails_midway_has_no_effect(store: SQLiteStore) -> None:
    with pytest.raises((sqlite3.Error, StoreError)):
        store.write([_put("good"), Put("inbox", "bad", "value", object())])  # type: ignore[arg-type]
    assert store.items("inbox") == []
    store.write([_put("after")])
    assert store.items("inbox") == [("after", "value")]


def test_a_store_without_room_refuses_whole_batches_and_recovers(path: pathlib.Path) -> None:
    store = SQLiteStore(path, max_bytes=200_000)
    store.write([_put("first")])
    with pytest.raises(StoreError) as raised:
        store.write([_put(str(number), "x" * 1000) for number in range(1000)])
    assert raised.value.errno == errno.ENOSPC
    assert "Free some space" in str(raised.value)
    assert store.items("inbox") == [("first", "value")]
    store.write([_put("second")])
    assert len(store.items("inbox")) == 2
    store.close()


_FULL_DISK = """
import errno, resource, signal, sys
from wxsdk.errors import StoreError
from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.runtime.store import Put
store = SQLiteStore(sys.argv[1])
store.write([Put("inbox", "first", "value", 1.0)])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    store.write([Put("inbox", str(n), "x" * 1000, 1.0) for n in range(1000)])
except StoreError as exc:
    assert isinstance(exc, OSError), exc
else:
    raise SystemExit("no error")
assert store.items("inbox") == [("first", "value")]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.write([Put("inbox", "second", "value", 1.0)])
assert len(store.items("inbox")) == 2
store.close()
"""


@posix
def test_a_disk_that_takes_no_more_costs_nothing_but_the_failed_write(path: pathlib.Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(path)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr


def test_another_writer_is_waited_for_and_then_reported(path: pathlib.Path) -> None:
    store = SQLiteStore(path, busy_timeout=0.01)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError) as raised:
        store.write([_put("k")])
    assert raised.value.errno == errno.EBUSY
    other.execute("ROLLBACK")
    other.close()
    store.write([_put("k")])
    store.close()


# --- the file taken away while it is open (Windows does not allow it)


def _delete(path: pathlib.Path) -> None:
    path.unlink()


def _replace(path: pathlib.Path) -> None:
    other = path.with_name("other.db")
    SQLiteStore(other).close()
    other.replace(path)


@posix
@pytest.mark.parametrize("take_away", [_delete, _replace])
@pytest.mark.parametrize("file", ["store.db", "store.db-wal"])
def test_a_write_into_a_file_that_a_restart_would_not_find_is_refused(
    store: SQLiteStore, path: pathlib.Path, take_away: Callable[[pathlib.Path], None], file: str
) -> None:
    store.write([_put("before")])
    take_away(path.with_name(file))
    for write in (lambda: store.write([_put("after")]), lambda: store.trim("inbox", max_count=0)):
        with pytest.raises(StoreError, match=f"{file} was deleted, moved or replaced") as raised:
            write()
    assert raised.value.errno == errno.ENOENT
    assert "start it again" in raised.value.remedy
    assert store.items("inbox") == [("before", "value")]  # what is there can still be read


@posix
def test_a_file_that_is_put_back_is_written_to_again(store: SQLiteStore, path: pathlib.Path) -> None:
    store.write([_put("before")])
    aside = path.rename(path.with_name("aside.db"))
    with pytest.raises(StoreError):
        store.write([_put("refused")])
    aside.rename(path)
    store.write([_put("after")])
    store.close()
    assert [key for key, _ in store.items("inbox")] == ["before", "after"]


@posix
def test_after_close_a_store_whose_file_is_gone_makes_a_new_one(store: SQLiteStore, path: pathlib.Path) -> None:
    store.write([_put("before")])
    path.unlink()
    store.close()
    store.write([_put("after")])
    assert store.items("inbox") == [("after", "value")]
    assert path.exists()


@posix
def test_a_lost_wal_costs_nothing_once_the_store_is_closed(store: SQLiteStore, path: pathlib.Path) -> None:
    store.write([_put("before")])
    path.with_name("store.db-wal").unlink()
    with pytest.raises(StoreError):
        store.write([_put("refused")])
    store.close()
    store.write([_put("after")])
    assert [key for key, _ in store.items("inbox")] == ["before", "after"]


@posix
def test_a_link_to_the_file_is_followed_to_its_wal(store: SQLiteStore, path: pathlib.Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    linked = SQLiteStore(link)
    linked.write([_put("k")])
    link.unlink()
    with pytest.raises(StoreError, match=r"link\.db"):
        linked.write([_put("j")])
    linked.close()
    assert store.items("inbox") == [("k", "value")]


# --- closing, forking, killing


def test_after_close_the_next_call_opens_it_again(store: SQLiteStore) -> None:
    store.write([_put("k")])
    store.close()
    assert store.get("inbox", "k") == "value"
    store.close()
    store.write([_put("j")])
    assert len(store.items("inbox")) == 2


def test_a_second_store_on_the_file_keeps_the_firsts_locks(path: pathlib.Path) -> None:
    # Closing any descriptor of the file would drop them, and another process could then delete the -wal file.
    first = SQLiteStore(path)
    first.write([_put("k")])
    SQLiteStore(path).close()
    probe = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('select * from entries'); c.close()"
    subprocess.run([sys.executable, "-c", probe, str(path)], check=True, timeout=30)
    assert path.with_name("store.db-wal").exists()
    first.write([_put("j")])
    first.close()
    again = SQLiteStore(path)
    assert len(again.items("inbox")) == 2
    again.close()


_FORK = """
import os, sys, threading
from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.runtime.store import Put
store = SQLiteStore(sys.argv[1])
store.write([Put("t", "parent", "1", 1.0)])
held, free = threading.Event(), threading.Event()
def hold():
    with store._lock:
        held.set()
        free.wait(20)
holder = threading.Thread(target=hold)
holder.start()
held.wait()
child = os.fork()
if child == 0:
    assert store.get("t", "parent") == "1"
    store.write([Put("t", "child", "1", 1.0)])
    store.close()
    os._exit(0)
_, status = os.waitpid(child, 0)
free.set()
holder.join()
assert status == 0, status
store.write([Put("t", "parent2", "1", 1.0)])
assert [key for key, _ in store.items("t")] == ["parent", "child", "parent2"]
store.close()
"""


@posix
def test_a_forked_child_uses_a_connection_of_its_own_even_when_the_lock_was_held(path: pathlib.Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FORK, str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr


_WRITER = """
import sys
from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.runtime.store import Put, Delete
store = SQLiteStore(sys.argv[1])
start = int(store.get("state", "cursor") or 0)
for turn in range(start + 1, start + 1_000_000):
    batch = [Put("inbox", f"{turn}-{n}", "x" * 200, 1.0) for n in range(5)]
    store.write([*batch, Put("state", "cursor", str(turn), 1.0)])
    sys.stdout.write(f"{turn}\\n")
    sys.stdout.flush()
    if turn % 50 == 0:
        store.trim("inbox", max_count=100)
"""


@posix
def test_a_killed_process_loses_nothing_it_had_committed_and_tears_no_batch(path: pathlib.Path) -> None:
    chance = random.Random(7)
    for _ in range(4):
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, bufsize=0)
        assert writer.stdout is not None
        told = 0
        for _ in range(chance.randrange(1, 200)):
            told = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.communicate(timeout=30)[0]
        told = int([str(told), *rest.decode().split("\n")[:-1]][-1])
        store = SQLiteStore(path)
        cursor = int(store.get("state", "cursor") or 0)
        turns = [int(key.split("-")[0]) for key, _ in store.items("inbox")]
        store.close()
        assert cursor in (told, told + 1)  # killed between the commit and the word about it
        assert turns == sorted(turns)
        assert turns[-1] == cursor
        assert all(turns.count(turn) == 5 for turn in set(turns))


def test_a_forgotten_store_closes_its_file(tmp_path: pathlib.Path) -> None:
    SQLiteStore(tmp_path / "a.db").items("table")  # Python 3.13 would warn, and warnings are errors here
    gc.collect()
    assert not (tmp_path / "a.db-wal").exists()  # the last connection takes it away when it closes


def test_reads_go_on_while_a_write_waits_for_another_process(path: pathlib.Path) -> None:
    store = SQLiteStore(path, busy_timeout=30)
    store.write([_put("k", "v")])
    with write_lock_held(path):
        writer = threading.Thread(target=store.write, args=([_put("k", "newer")],))
        writer.start()
        for _ in range(100):
            assert store.get("inbox", "k") == "v"
        assert writer.is_alive()
    writer.join(WAIT)
    assert store.get("inbox", "k") == "newer"
    store.close()


def test_a_write_that_waits_for_another_process_can_be_interrupted(path: pathlib.Path) -> None:
    store = SQLiteStore(path, busy_timeout=3600)
    raised: List[BaseException] = []

    def write() -> None:
        try:
            store.write([_put("k")])
        except StoreError as exc:
            raised.append(exc)

    with write_lock_held(path):
        writer = threading.Thread(target=write)
        writer.start()
        while not raised:  # the thread may not wait yet when this interrupts
            store.interrupt()
            writer.join(0.01)
    assert isinstance(raised[0], StoreError)
    assert raised[0].errno == errno.EBUSY
    store.write([_put("k", "later")])
    assert store.get("inbox", "k") == "later"
    store.close()


@posix
@pytest.mark.parametrize("mode", [0o644, 0o660, 0o666, 0o604])
def test_a_store_that_others_could_read_is_made_private_with_all_its_files(path: pathlib.Path, mode: int) -> None:
    first = SQLiteStore(path)
    first.write([_put("k", "v")])
    copies = {name: path.with_name(name).read_bytes() for name in ("store.db", "store.db-wal", "store.db-shm")}
    first.close()
    for name, content in copies.items():  # a backup of a bot that ran, restored by another tool
        path.with_name(name).write_bytes(content)
        path.with_name(name).chmod(mode)
    store = SQLiteStore(path)
    assert store.get("inbox", "k") == "v"
    modes = {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == {0o600}
    store.close()


@posix
def test_a_file_that_is_not_a_store_keeps_its_mode_and_content(path: pathlib.Path) -> None:
    foreign = path.with_name("foreign.db")
    with contextlib.closing(sqlite3.connect(foreign)) as other:
        other.execute("CREATE TABLE theirs (x)")
    for content in (b"root:x:0:0\n", foreign.read_bytes()):
        path.write_bytes(content)
        path.chmod(0o644)
        with pytest.raises(ConfigError, match="Nothing was changed"):
            SQLiteStore(path)
        assert (stat.S_IMODE(path.stat().st_mode), path.read_bytes()) == (0o644, content)


@posix
def test_a_store_that_cannot_be_made_private_is_refused(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SQLiteStore(path).close()
    path.chmod(0o644)

    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    for change_nothing in (refused, lambda *_: None):  # a file of somebody else's; a file system without modes
        monkeypatch.setattr(os, "chmod", change_nothing)
        with pytest.raises(ConfigError, match="Others can read"):
            SQLiteStore(path)


def _truncate(path: pathlib.Path) -> None:
    os.truncate(path, 4096)


def _empty(path: pathlib.Path) -> None:
    os.truncate(path, 0)


def _overwrite(path: pathlib.Path) -> None:
    path.write_bytes(b"another program's data " * 4000)


def _overwrite_the_middle(path: pathlib.Path) -> None:
    with open(path, "r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 4096 * 4)


@posix
@pytest.mark.parametrize("harm", [_truncate, _empty, _overwrite, _overwrite_the_middle])
def test_a_file_truncated_or_written_over_while_it_is_open_fails_the_next_write(
    path: pathlib.Path, harm: Callable[[pathlib.Path], None]
) -> None:
    store = SQLiteStore(path)
    store.write([_put(str(number), "x" * 100) for number in range(2000)])
    store.close()  # all of it is in the file itself now
    store.write([_put("k", "v")])
    harm(path)
    for _ in range(2):
        with pytest.raises(StoreError, match="truncated or written over") as caught:
            store.write([_put("k", "newer")])
        assert caught.value.remedy
    store.close()


@posix
def test_what_other_processes_write_and_checkpoint_is_no_damage(path: pathlib.Path) -> None:
    store = SQLiteStore(path)
    store.write([_put("k")])
    for number in range(5):
        other = sqlite3.connect(path, isolation_level=None)
        other.execute(
            "INSERT INTO entries (name, key, value, at) VALUES ('inbox', ?, ?, 1.0)", (f"other {number}", "x" * 9000)
        )
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        other.close()
        store.write([_put(f"own {number}")])
    assert len(store.items("inbox")) == 11
    store.close()


def test_clean_up_gives_free_pages_back_to_the_disk(path: pathlib.Path) -> None:
    store = SQLiteStore(path)
    for begin in range(0, 20_000, 1000):
        store.write([_put(str(number), "x" * 500) for number in range(begin, begin + 1000)])
    store.trim("inbox", max_count=10)
    store.close()
    assert path.stat().st_size < 2 * 1024 * 1024
    assert len(store.items("inbox")) == 10
    store.close()


def test_a_file_of_an_earlier_version_that_is_mostly_air_is_made_small(path: pathlib.Path) -> None:
    old = sqlite3.connect(path, isolation_level=None)
    for statement in MIGRATIONS[0]:
        old.execute(statement)
    old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    old.execute("PRAGMA user_version = 1")
    old.execute("PRAGMA synchronous = OFF")
    old.execute("BEGIN")
    old.executemany(
        "INSERT INTO entries (name, key, value, at) VALUES ('inbox', ?, ?, 1.0)",
        ((str(number), "x" * 4000) for number in range(2000)),
    )
    old.execute("DELETE FROM entries WHERE key != '7'")
    old.execute("COMMIT")
    old.close()
    store = SQLiteStore(path)
    assert store.items("inbox") == [("7", "x" * 4000)]
    store.close()
    assert path.stat().st_size < 1024 * 1024


def test_a_store_knows_when_somebody_else_wrote(path: pathlib.Path) -> None:
    store, other = SQLiteStore(path), SQLiteStore(path)
    store.changed_elsewhere()
    store.write([_put("k")])
    assert not store.changed_elsewhere()
    other.write([_put("k", "newer")])
    assert store.changed_elsewhere()
    assert not store.changed_elsewhere()
    other.close()
    store.close()
    assert not store.changed_elsewhere()


def test_a_process_killed_while_it_made_the_file_leaves_one_that_can_be_used(path: pathlib.Path) -> None:
    made = sqlite3.connect(path, isolation_level=None)
    made.execute("PRAGMA auto_vacuum = INCREMENTAL")  # writes the first page, before anything says whose it is
    made.close()
    assert path.stat().st_size > 0
    store = SQLiteStore(path)
    store.write([_put("k", "v")])
    assert store.get("inbox", "k") == "v"
    store.close()


def test_processes_that_open_a_new_file_at_the_same_moment_all_get_it(path: pathlib.Path) -> None:
    probe = "import sys; from wxsdk import SQLiteStore; SQLiteStore(sys.argv[1]).close()"
    for _ in range(5):
        started = [subprocess.Popen([sys.executable, "-c", probe, str(path)], stderr=subprocess.PIPE) for _ in range(4)]
        ends = [(process.communicate(timeout=30)[1], process.returncode) for process in started]
        assert [error for error, code in ends if code] == []
        for each in path.parent.glob(f"{path.name}*"):
            each.unlink()


@posix
def test_every_name_of_a_file_leads_to_the_same_lock(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    store = SQLiteStore(path)
    (tmp_path / "elsewhere").mkdir()
    symlink, hard_link = tmp_path / "elsewhere" / "link.db", tmp_path / "elsewhere" / "hard.db"
    symlink.symlink_to(path)
    os.link(path, hard_link)
    locks = store.owner_locks()
    for lock in locks:
        lock.acquire()
    assert path.with_name("store.db-lock").exists()
    for name in (path, symlink, hard_link):
        other = SQLiteStore(name)
        refused = 0
        for lock in other.owner_locks():
            try:
                lock.acquire()
            except AlreadyRunning:
                refused += 1
            else:
                lock.release()
        assert refused > 0
        other.close()
    for lock in locks:
        lock.release()
    store.close()
