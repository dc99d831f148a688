"""Settings that go by name: what ``dataclass(kw_only=True)`` does since Python 3.10, for a part of the fields."""

from __future__ import annotations

import functools
import inspect
from dataclasses import fields
from typing import Any, Callable, List, Type, TypeVar

T = TypeVar("T")


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
