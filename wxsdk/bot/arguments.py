"""Reads a handler's signature once, at registration, and says with which arguments it is called."""

from __future__ import annotations

import inspect
import re
from typing import Any, Callable, Dict, FrozenSet, Iterable, Optional

from ..errors import ConfigError

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Handler:
    """A function with what it accepts.

    accepted: names that it may be given beside the message; None: all of them. needed: those without a default.
    """

    __slots__ = ("accepted", "function", "name", "needed")

    def __init__(
        self, function: Callable[..., Any], accepted: Optional[FrozenSet[str]], needed: FrozenSet[str] = frozenset()
    ) -> None:
        self.function = function
        self.accepted = accepted
        self.needed = needed
        self.name = name_of(function)

    def __repr__(self) -> str:
        return f"Handler({self.name})"

    def chosen(self, offered: Dict[str, Any]) -> Dict[str, Any]:
        """Those of the *offered* arguments that the function names; None only where it has no default of its own."""
        accepted = self.accepted
        return {
            name: value
            for name, value in offered.items()
            if (accepted is None or name in accepted) and (value is not None or name in self.needed)
        }


def name_of(function: Any) -> str:
    """Return how messages name *function*: with the file and line where it is known."""
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    name = getattr(function, "__qualname__", None) or repr(function)
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code is not None else str(name)


def check_handler(function: Any, where: str, offered: Iterable[str] = ()) -> Handler:
    """*function* as a Handler that is called with the message and, by name, with what it names of *offered*.

    Raises ConfigError, naming *where* it was registered, when it cannot be called like that.
    """
    check_function(function, where)
    names = frozenset(offered)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a built-in without a signature: it is tried when it is called
        return Handler(function, frozenset())
    if not _takes_message(parameters):
        raise ConfigError(
            f"{where}: {name_of(function)} takes no message.", remedy="Give it a first parameter: def handler(message)."
        )
    rest = parameters if parameters[0].kind is inspect.Parameter.VAR_POSITIONAL else parameters[1:]
    missing = [one.name for one in rest if _is_required(one) and one.name not in names]
    positional_only = [one.name for one in rest if _is_required(one) and one.kind is inspect.Parameter.POSITIONAL_ONLY]
    lacking = ", ".join(missing or positional_only)
    if lacking:
        known = f" (there are: {', '.join(sorted(names))})" if names else ""
        raise ConfigError(
            f"{where}: {name_of(function)} needs {lacking}, which it is not given{known}.",
            remedy="Handlers get the message, and the named groups of on_text's pattern; give the rest defaults.",
        )
    needed = frozenset(one.name for one in rest if _is_required(one))
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in rest):
        return Handler(function, None, needed)
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return Handler(function, frozenset(one.name for one in rest if one.kind in by_name), needed)


def check_function(function: Any, where: str) -> None:
    """ConfigError when *function* is not a plain function (or another callable that is no class or coroutine)."""
    if not callable(function):
        raise ConfigError(f"{where}: {type(function).__name__} is not a function.", remedy=f"Write @bot.{where}.")
    if isinstance(function, type):
        raise ConfigError(f"{where}: {function.__name__} is a class.", remedy="Register a function, or an instance.")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(
            f"{where}: {name_of(function)} is a coroutine function.", remedy="wxsdk calls plain functions: use def."
        )


def check_arity(function: Any, where: str, *arguments: str) -> None:
    """ConfigError when *function* cannot be called with as many positional arguments as are named."""
    check_function(function, where)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        raise ConfigError(
            f"{where}: {name_of(function)} cannot be called as function({', '.join(arguments)}).",
            remedy=f"Write def function({', '.join(arguments)}).",
        ) from None


def compile_pattern(pattern: Any, where: str) -> Optional[re.Pattern[str]]:
    """*pattern* compiled; None for None. ConfigError when it is no regular expression of str."""
    if pattern is None:
        return None
    if callable(pattern) and not isinstance(pattern, (str, re.Pattern)):
        raise ConfigError(f"{where} was given a function in place of a pattern.", remedy=f"Write @bot.{where}().")
    try:
        compiled = re.compile(pattern)
    except (re.error, TypeError) as exc:
        raise ConfigError(f"{where}: the pattern cannot be used: {exc}.", remedy="Give a regular expression.") from None
    if not isinstance(compiled.pattern, str):
        raise ConfigError(f"{where}: the pattern is of bytes.", remedy="Messages are str: give a pattern of str.")
    return compiled


def _takes_message(parameters: Any) -> bool:
    if not parameters:
        return False
    return parameters[0].kind in (*_POSITIONAL, inspect.Parameter.VAR_POSITIONAL)


def _is_required(parameter: inspect.Parameter) -> bool:
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return parameter.default is inspect.Parameter.empty and parameter.kind not in variadic
