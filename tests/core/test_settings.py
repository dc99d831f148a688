"""Settings that go by name, on every Python that wxsdk runs on."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any, Tuple

import pytest

from wxsdk.core.settings import MAX_SECONDS, by_name_after, check_patience, check_seconds
from wxsdk.errors import ConfigError


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


@pytest.mark.parametrize(("given", "wanted"), [(0, 0.0), (2, 2.0), (0.5, 0.5), (-3, 0.0), (MAX_SECONDS, MAX_SECONDS)])
def test_seconds_are_numbers_and_a_moment_that_is_past_is_now(given: float, wanted: float) -> None:
    assert check_seconds("timeout", given) == wanted
    assert check_patience("timeout", given) == wanted


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf"), 1e12, True, "x", "5", b"5", [1], 1j])
def test_other_seconds_are_refused_by_name_and_value(odd: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        check_patience("wait", odd)
    assert str(caught.value).startswith(f"wait is {odd!r}.")


def test_no_limit_is_for_those_who_allow_it() -> None:
    assert check_patience("timeout", None) is None
    with pytest.raises(ConfigError, match="timeout is None"):
        check_seconds("timeout", None)


@pytest.mark.parametrize("odd", [0, -1, -0.5])
def test_where_no_time_makes_no_sense_it_is_refused(odd: float) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        check_seconds("timeout", odd, above_zero=True)


def test_a_long_value_is_told_in_short() -> None:
    with pytest.raises(ConfigError) as caught:
        check_seconds("timeout", "5" * 1000)
    assert len(str(caught.value)) < 150
