"""Settings and arguments: those that go by name, as with ``dataclass(kw_only=True)``, and those that are seconds."""

from __future__ import annotations

import functools
import inspect
from dataclasses import fields
from typing import Any, Callable, List, Optional, Type, TypeVar

from ..errors import ConfigError

T = TypeVar("T")

MAX_SECONDS = 366 * 86400.0  # s; a longer wait is a slip, and threads cannot wait for arbitrary ones


def by_name_after(last: str) -> Callable[[Type[T]], Type[T]]:
    """Decorate a dataclass: its fields behind *last* are given by name only, so their order is no contract.

    A position too many is a TypeError that names the first of them. ``inspect.signature`` tells it as well.
    """

    def decorate(cls: Type[T]) -> Type[T]:
        dataclass_: Any = cls
        made = dataclass_.__init__
        names = [each.name for each in fields(dataclass_)]
        count = names.index(last) + 1

        @functools.wraps(made)
        def init(self: Any, *args: Any, **settings: Any) -> None:
            if len(args) > count:
                raise TypeError(f"{cls.__name__} takes {names[count]} and what follows it by name only.")
            made(self, *args, **settings)

        init.__signature__ = _by_name(inspect.signature(made), count + 1)  # type: ignore[attr-defined]
        dataclass_.__init__ = init
        return cls

    return decorate


def _by_name(signature: inspect.Signature, count: int) -> inspect.Signature:
    """*signature* with all parameters but the first *count* keyword-only."""
    given: List[inspect.Parameter] = list(signature.parameters.values())
    later = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in given[count:]]
    return signature.replace(parameters=[*given[:count], *later])


def check_seconds(name: str, value: Any, *, above_zero: bool = False) -> float:
    """The argument *name* as seconds. What is below 0, such as the time left until a moment that is past, is 0.

    ConfigError that tells name and value unless it is a number of at most a year. above_zero: 0 and less are refused.
    """
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= MAX_SECONDS  # no NaN
    if not usable or (above_zero and value <= 0):
        wanted = "Give a number of seconds above 0" if above_zero else "Give a number of seconds"
        raise ConfigError(f"{name} is {value!r:.40}.", remedy=f"{wanted}, at most a year.")
    return max(float(value), 0.0)


def check_patience(name: str, value: Any) -> Optional[float]:
    """``check_seconds`` where None, for no limit, is allowed as well."""
    return None if value is None else check_seconds(name, value)
