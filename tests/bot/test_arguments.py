from __future__ import annotations

import functools
from typing import Any, Callable

import pytest

from wxsdk.bot.arguments import check_arity, check_handler, compile_pattern
from wxsdk.errors import ConfigError


def plain(message: Any) -> None: ...
def named(m: Any, city: str, unit: str = "C") -> None: ...
def everything(*args: Any, **kwargs: Any) -> None: ...
def nothing() -> None: ...
def keyword_only(*, message: Any) -> None: ...
def positional(message: Any, city: Any, /) -> None: ...
async def coroutine(message: Any) -> None: ...
async def async_generator(message: Any) -> Any:
    yield message


class Method:
    def handle(self, message: Any, city: str) -> None: ...

    def __call__(self, message: Any) -> None: ...


@pytest.mark.parametrize(
    "function", [plain, everything, Method(), functools.partial(named, city="x"), lambda message: None, print]
)
def test_what_takes_a_message_is_a_handler(function: Callable[..., Any]) -> None:
    assert check_handler(function, "default").function is function


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (nothing, "takes no message"),
        (keyword_only, "takes no message"),
        (named, "needs city, which it is not given"),
        (coroutine, "is a coroutine function"),
        (async_generator, "is a coroutine function"),
        (Method, "is a class"),
        ("text", "is not a function"),
        (None, "is not a function"),
    ],
)
def test_what_cannot_be_called_with_a_message_is_refused_with_its_name(function: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        check_handler(function, "default")
    if getattr(function, "__code__", None):
        assert "test_arguments.py:" in str(caught.value)


def test_named_groups_are_given_as_far_as_they_are_named() -> None:
    offered = {"city": "Paris", "unit": None, "other": "x"}
    assert check_handler(named, "on_text", offered).chosen(offered) == {"city": "Paris"}
    assert check_handler(plain, "on_text", offered).chosen(offered) == {}
    assert check_handler(Method().handle, "on_text", offered).chosen({"city": None}) == {"city": None}
    assert check_handler(everything, "on_text", offered).chosen(offered) == {"city": "Paris", "other": "x"}


def test_a_group_cannot_be_given_by_position() -> None:
    with pytest.raises(ConfigError, match="needs city"):
        check_handler(positional, "on_text", ["city"])


def test_middleware_and_listeners_have_their_own_arity() -> None:
    check_arity(lambda message, proceed: None, "middleware", "message", "proceed")
    check_arity(everything, "on_start")
    with pytest.raises(ConfigError, match=r"cannot be called as function\(message, proceed\)"):
        check_arity(plain, "middleware", "message", "proceed")


@pytest.mark.parametrize("pattern", ["(", b"x", 5, plain])
def test_a_pattern_that_is_none_is_refused(pattern: Any) -> None:
    with pytest.raises(ConfigError):
        compile_pattern(pattern, "on_text")
