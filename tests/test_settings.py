"""Settings that go by name, on every Python that wxsdk runs on."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Tuple

import pytest

from wxsdk.settings import by_name_after


@by_name_after("pace")
@dataclasses.dataclass(frozen=True)
class Wishes:
    """What is wished."""

    name: str
    pace: float = 1.0
    depth: int = 2
    hosts: Tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "hosts", tuple(self.hosts))


def test_the_first_settings_go_by_position_and_all_by_name() -> None:
    assert Wishes("a", 2.0, depth=3) == Wishes(name="a", pace=2.0, depth=3, hosts=[])  # type: ignore[arg-type]


def test_a_position_too_many_is_refused_by_the_name_of_the_setting() -> None:
    with pytest.raises(TypeError, match="Wishes takes depth and what follows it by name only"):
        Wishes("a", 2.0, 3)
    with pytest.raises(TypeError, match="depth"):
        Wishes("a", 2.0, 3, (), "more")  # type: ignore[call-arg]


def test_what_the_dataclass_refuses_is_refused_as_before() -> None:
    with pytest.raises(TypeError, match="name"):
        Wishes()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="speed"):
        Wishes("a", speed=1)  # type: ignore[call-arg]


def test_the_signature_tells_which_settings_go_by_name() -> None:
    parameters = inspect.signature(Wishes).parameters
    assert list(parameters) == ["name", "pace", "depth", "hosts"]
    assert [each.kind is inspect.Parameter.KEYWORD_ONLY for each in parameters.values()] == [False, False, True, True]
    assert [each.default for each in parameters.values()] == [inspect.Parameter.empty, 1.0, 2, ()]


def test_copies_pickles_and_replacements_work() -> None:
    made = Wishes("a", depth=5)
    assert copy.deepcopy(made) == made == pickle.loads(pickle.dumps(made))
    assert dataclasses.replace(made, depth=6).depth == 6
