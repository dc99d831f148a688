from __future__ import annotations

import os

import pytest

from wxsdk.errors import AlreadyRunning
from wxsdk.ilink.ownership import Ownership
from wxsdk.runtime.store import MemoryStore

SERVER = "https://ilink.example"


class Shared(MemoryStore):
    identity = "the rows of this test"


def test_a_bot_has_one_owner_until_it_is_released() -> None:
    first, second = (Ownership(MemoryStore(), wanted=True) for _ in range(2))
    for _ in range(2):
        first.acquire(SERVER, "t")
    with pytest.raises(AlreadyRunning) as caught:
        second.acquire(SERVER, "t")
    assert caught.value.pid == os.getpid()
    Ownership(MemoryStore(), wanted=False).acquire(SERVER, "t")
    first.release()
    second.acquire(SERVER, "t")
    second.release()


def test_a_store_has_one_owner_and_a_refusal_keeps_no_bot() -> None:
    first, second = (Ownership(Shared(), wanted=True) for _ in range(2))
    first.acquire(SERVER, "a")
    with pytest.raises(AlreadyRunning, match="uses this store"):
        second.acquire(SERVER, "b")
    second.release()
    first.release()
    second.acquire(SERVER, "a")
    second.release()


def test_another_bot_is_owned_only_once_all_of_the_move_went_well() -> None:
    owner, other = (Ownership(MemoryStore(), wanted=True) for _ in range(2))
    with owner.moving(SERVER, "b"):
        pass  # it owns none
    owner.acquire(SERVER, "a")
    with pytest.raises(KeyError), owner.moving(SERVER, "b"):
        raise KeyError
    other.acquire(SERVER, "b")
    with pytest.raises(AlreadyRunning), owner.moving(SERVER, "b"):
        raise AssertionError("entered")
    other.release()
    with owner.moving(SERVER, "b"):
        pass
    other.acquire(SERVER, "a")
    with pytest.raises(AlreadyRunning):
        Ownership(MemoryStore(), wanted=True).acquire(SERVER, "b")
    owner.release()
    other.release()
