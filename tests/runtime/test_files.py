from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import List, Tuple

import pytest

from wxsdk.errors import ConfigError, DownloadFailed, UploadFailed
from wxsdk.runtime.files import CallbackRaised, Destination, Progress, SourceFile


def test_a_source_is_measured_and_read_in_pieces_again_and_again(payload: Path) -> None:
    with SourceFile(payload) as source:
        assert (source.name, source.size) == ("report.bin", payload.stat().st_size)
        assert source.md5_hex() == hashlib.md5(payload.read_bytes()).hexdigest()
        buffer = memoryview(bytearray(1000))
        for _ in range(2):
            assert b"".join(bytes(block) for block in source.blocks(buffer)) == payload.read_bytes()


@pytest.mark.parametrize("path", [None, "", 5, b"x", "a\0b", "half \ud800"])
def test_what_is_no_path_is_refused(path: object) -> None:
    with pytest.raises((ConfigError, UploadFailed)):
        SourceFile(path)  # type: ignore[arg-type]


def test_a_folder_a_pipe_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        SourceFile(tmp_path)
    with pytest.raises(UploadFailed, match="cannot be read"):
        SourceFile(tmp_path / "missing")
    with pytest.raises(ConfigError):
        SourceFile(os.devnull)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ConfigError, match="no regular file"):
            SourceFile(tmp_path / "pipe")


def test_a_file_that_grows_or_shrinks_is_noticed(payload: Path) -> None:
    with SourceFile(payload) as source:
        with payload.open("ab") as file:
            file.write(b"more")
        with pytest.raises(UploadFailed, match="changed"):
            source.check_unchanged()
    with SourceFile(payload) as source:
        os.truncate(payload, 10)
        with pytest.raises(UploadFailed, match="changed"):
            list(source.blocks(memoryview(bytearray(64))))


def test_progress_never_goes_back_and_ends_at_the_size() -> None:
    calls: List[Tuple[int, int]] = []
    progress = Progress(lambda done, total: calls.append((done, total)))
    for done in (10, 20, 5, 20, 30):
        progress.report(done, 35)
    progress.finish(30)
    assert calls == [(10, 35), (20, 35), (30, 35), (30, 30)]


def test_progress_of_an_empty_file_ends_too() -> None:
    calls: List[Tuple[int, int]] = []
    Progress(lambda done, total: calls.append((done, total))).finish(0)
    assert calls == [(0, 0)]


def test_what_a_callback_raises_is_carried_out() -> None:
    def callback(done: int, total: int) -> None:
        raise ValueError("enough")

    with pytest.raises(CallbackRaised) as caught:
        Progress(callback).report(1, 2)
    assert isinstance(caught.value.error, ValueError)


def test_a_download_appears_at_its_place_only_when_it_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "saved.bin"
    target.write_bytes(b"old")
    destination = Destination(target)
    with destination.writing() as file:
        file.write(b"new")
        assert target.read_bytes() == b"old"
        assert file.keep("ignored") == target
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["saved.bin"]


def test_what_is_not_kept_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with Destination(tmp_path).writing() as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert os.listdir(tmp_path) == []


def test_names_in_a_folder_are_made_unique(tmp_path: Path) -> None:
    for _ in range(3):
        destination = Destination(tmp_path)
        with destination.writing() as file:
            file.write(b"x")
            file.keep("a.txt")
    assert sorted(os.listdir(tmp_path)) == ["a (2).txt", "a (3).txt", "a.txt"]


def test_a_saved_file_has_the_rights_that_the_umask_gives(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        destination = Destination(tmp_path / "a.txt")
        with destination.writing() as file:
            file.write(b"x")
            file.keep("a.txt")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        Destination(tmp_path / "missing" / "a.txt")


def test_another_try_begins_an_empty_file_and_its_head_anew(tmp_path: Path) -> None:
    with Destination(tmp_path).writing() as file:
        file.write(b"\x89PNG" + bytes(100))
        file.restart()
        file.write(b"GI")
        file.write(b"F89a" + bytes(100))
        assert file.head == b"GIF89a" + bytes(58)
        saved = file.keep("a.gif")
    assert saved.read_bytes() == b"GIF89a" + bytes(100)


@pytest.mark.parametrize(
    ("code", "remedy"), [(errno.ENOSPC, "Make room"), (errno.EROFS, "read-only"), (errno.EIO, "another folder")]
)
def test_what_the_disk_refuses_says_what_to_do_and_leaves_nothing(tmp_path: Path, code: int, remedy: str) -> None:
    def save() -> None:
        with Destination(tmp_path).writing() as file:
            file.write(b"half")
            raise OSError(code, os.strerror(code))

    with pytest.raises(DownloadFailed, match=os.strerror(code)) as caught:
        save()
    assert remedy in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_taken_leaves_neither_a_part_nor_an_empty_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(DownloadFailed, match="Permission denied"), Destination(tmp_path).writing() as file:
        file.keep("a.txt")
    assert os.listdir(tmp_path) == []


def test_a_file_system_that_spells_names_its_own_way_does_not_hold_a_download_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "caf\u00e9.txt").write_bytes(b"first")
    monkeypatch.setattr(os, "listdir", lambda folder: ["cafe\u0301.txt"])  # decomposed, as macOS lists them
    with Destination(tmp_path).writing() as file:
        assert file.keep("caf\u00e9.txt").name == "caf\u00e9 (2).txt"
