from __future__ import annotations

from typing import Any, List, Optional

import pytest

from wxsdk.bot.facts import Choice, Facts
from wxsdk.bot.routes import Routes
from wxsdk.errors import ConfigError


def facts(text: str = "", kind: str = "text", event: str = "", choice: Optional[Choice] = None) -> Facts:
    return Facts("1", kind, "alice", "alice", False, text, event, choice)


def handler(name: str) -> Any:
    def handle(message: Any) -> str:
        return name

    handle.__qualname__ = name
    return handle


def found(routes: Routes, what: Facts) -> Any:
    match = routes.find(what)
    return None if match is None else match.handler.function(None, **match.arguments)


@pytest.fixture
def routes() -> Routes:
    made = Routes()
    made.set_default(handler("default"))
    made.add_text("hel+o", handler("hello"))
    made.add_kinds(("image", "voice"), handler("kinds"))
    made.add_event("enter_chat", handler("enter"))
    made.add_choice("dish", handler("dish"))
    made.add_text(None, handler("any text"))
    made.add_command(("reset", "r"), "forget", False, handler("reset"))
    return made


@pytest.mark.parametrize(
    ("what", "name"),
    [
        (facts("/reset hello"), "reset"),
        (facts("/R"), "reset"),
        (facts("say hello"), "hello"),
        (facts("hello", "voice"), "hello"),
        (facts("other", "voice"), "kinds"),
        (facts("hello", "mixed"), "hello"),
        (facts("other", "mixed"), "default"),
        (facts("other"), "any text"),
        (facts("/unknown hello"), "hello"),
        (facts("/unknown"), "any text"),
        (facts("", "image"), "kinds"),
        (facts("", "event", "enter_chat"), "enter"),
        (facts("", "event", "feedback_event"), None),
        (facts("", "choice", "template_card_event", Choice.of("x", "dish", {})), "dish"),
        (facts("", "choice", "template_card_event", Choice.of("x", "t", {"dish": ["a"]})), "dish"),
        (facts("", "choice", "template_card_event", Choice.of("x", "other", {})), None),
        (facts("", "file"), "default"),
    ],
)
def test_the_first_match_is_commands_then_rules_as_registered_then_default(
    routes: Routes, what: Facts, name: Optional[str]
) -> None:
    assert found(routes, what) == name


def test_what_nothing_takes_has_no_handler() -> None:
    assert Routes().find(facts("hello")) is None


def test_the_rest_of_a_command_is_its_args(routes: Routes) -> None:
    match = routes.find(facts("/reset  all of  it "))
    assert match is not None
    assert match.args == "all of  it"


def test_help_is_made_of_the_help_texts_unless_it_is_registered(routes: Routes) -> None:
    assert found(routes, facts("/help")) == "/reset /r  forget"
    routes.add_command(("help",), "", False, handler("own help"))
    assert found(routes, facts("/help")) == "own help"


def test_without_commands_help_is_a_text_like_any_other() -> None:
    routes = Routes()
    routes.set_default(handler("default"))
    assert found(routes, facts("/help")) == "default"


@pytest.mark.parametrize("name", ["", "a b", "/reset", "／x", 5, None])
def test_a_command_has_the_name_of_a_word(name: Any) -> None:
    with pytest.raises(ConfigError, match="cannot be a command's name"):
        Routes().add_command((name,), "", False, handler("x"))


def test_what_is_taken_unknown_or_odd_is_refused_at_registration(routes: Routes) -> None:
    refusals: List[Any] = [
        lambda: routes.add_command(("x", "reset"), "", False, handler("x")),
        lambda: routes.add_command(("x", "x"), "", False, handler("x")),
        lambda: routes.set_default(handler("x")),
        lambda: routes.add_kinds(("hologram",), handler("x")),
        lambda: routes.add_kinds((), handler("x")),
        lambda: routes.add_event("", handler("x")),
        lambda: routes.add_choice(None, handler("x")),
        lambda: routes.add_command(("y",), None, False, handler("x")),
    ]
    for refuse in refusals:
        with pytest.raises(ConfigError):
            refuse()
    assert found(routes, facts("/x")) == "any text"  # nothing of a refused one is left
