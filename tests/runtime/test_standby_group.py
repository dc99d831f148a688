"""Who of a group is alive, and what holds for the group until the last of them has gone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wxsdk.errors import AlreadyRunning
from wxsdk.runtime.instance_lock import InstanceLock, LockNoted
from wxsdk.runtime.standby_group import StandbyGroup

pytestmark = pytest.mark.skipif(os.name != "posix", reason="only there locks can be held together")


def lock(folder: Path) -> InstanceLock:
    return InstanceLock("test", "bot", folder)


def leave_note(folder: Path, note: str = "kicked") -> None:
    owner = lock(folder)
    owner.acquire()
    owner.release(note)


def has_note(folder: Path) -> bool:
    taken = lock(folder)
    try:
        taken.acquire(unless_noted=True)
    except LockNoted as noted:
        return noted.note == "kicked"
    taken.release("kicked")
    return False


def test_a_note_is_found_by_who_asks_and_gone_after_the_next_owner(tmp_path: Path) -> None:
    leave_note(tmp_path)
    assert has_note(tmp_path)
    assert has_note(tmp_path)
    owner = lock(tmp_path)
    owner.acquire()
    with pytest.raises(AlreadyRunning) as caught:
        lock(tmp_path).acquire(unless_noted=True)
    assert caught.value.pid == os.getpid()
    owner.release()
    assert not has_note(tmp_path)


def test_the_first_member_forgets_a_note_and_a_later_one_does_not(tmp_path: Path) -> None:
    leave_note(tmp_path)
    first, second, third = (StandbyGroup(lock(tmp_path)) for _ in range(3))
    first.join()
    first.join()
    assert not has_note(tmp_path)  # and leaves one
    second.join()
    first.leave()
    third.join()
    assert has_note(tmp_path)
    for each in (second, third, third):
        each.leave()
    first.join()
    assert not has_note(tmp_path)
    first.leave()


def test_joining_takes_no_lock_from_its_owner(tmp_path: Path) -> None:
    owner = lock(tmp_path)
    owner.acquire()
    for group in (StandbyGroup(owner), StandbyGroup(lock(tmp_path))):
        group.join()
        assert owner.held
        group.leave()
    owner.release()


def test_a_forked_child_does_not_stay_a_member_for_its_parent(tmp_path: Path) -> None:
    group = StandbyGroup(lock(tmp_path))
    group.join()
    leave_note(tmp_path)
    group._after_fork()
    later = StandbyGroup(lock(tmp_path))
    later.join()
    assert not has_note(tmp_path)
    later.leave()
