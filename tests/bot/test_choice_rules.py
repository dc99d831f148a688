from __future__ import annotations

from typing import Any

import pytest

from wxsdk.aibot.card_rules import check_wire_card
from wxsdk.bot.choice_rules import Question, card_of, check_options, check_question, find_option, key_in, may_answer
from wxsdk.bot.facts import Choice, Facts
from wxsdk.errors import ConfigError, LimitExceeded

OPTIONS = {"r": "Red", "b": "Blue", "7": "Seven"}


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ("r", "r"),
        (" Red ", "r"),
        ("BLUE", "b"),
        ("1", "r"),
        ("2.", "b"),
        ("(2)", "b"),
        ("3", "7"),
        ("7", "7"),  # a key goes before a number
        ("0", None),
        ("4", None),
        ("green", None),
        ("", None),
        ("1 and 2", None),
    ],
)
def test_an_option_is_named_by_key_label_or_number(said: str, key: Any) -> None:
    assert find_option(OPTIONS, said) == key


@pytest.mark.parametrize("count", [1, 6, 7, 20])
@pytest.mark.parametrize("chosen", [False, True])
def test_the_card_of_a_question_is_one_that_the_platform_takes(count: int, chosen: bool) -> None:
    options = {f"k{number}": f"Label {number}" for number in range(count)}
    card = card_of(Question("Which?", options, "wxsdk-1-0"), "k0" if chosen else None)
    check_wire_card(card)
    assert card["card_type"] == ("button_interaction" if count <= 6 else "vote_interaction")


@pytest.mark.parametrize(
    "options", [{}, [], "text", 5, None, {"a": ""}, {"": "A"}, {"a": 1}, {1: "A"}, ["A", "a"], {"a": "X", "b": "x "}]
)
def test_options_that_cannot_be_told_apart_or_read_are_refused(options: Any) -> None:
    with pytest.raises(ConfigError):
        check_options(options)


def test_labels_alone_are_their_own_keys() -> None:
    assert check_options(["Red", "Blue"]) == {"Red": "Red", "Blue": "Blue"}


def test_more_options_than_a_vote_card_has_are_refused() -> None:
    with pytest.raises(LimitExceeded):
        check_options({str(number): str(number) for number in range(21)})
    with pytest.raises(LimitExceeded):
        check_options({"k" * 129: "A"})


@pytest.mark.parametrize("text", ["", "  ", None, 5])
def test_a_question_has_words(text: Any) -> None:
    with pytest.raises(ConfigError):
        check_question(text)


def test_clicks_answer_the_question_of_their_card_alone() -> None:
    question = Question("Which?", OPTIONS, "task")
    click = Facts("1", "choice", "alice", "alice", choice=Choice.of("b", "task", {}))
    other = Facts("1", "choice", "alice", "alice", choice=Choice.of("b", "another", {}))
    foreign = Facts("1", "choice", "alice", "alice", choice=Choice.of("x", "task", {}))
    assert [may_answer(question, each) for each in (click, other, foreign)] == [True, False, True]
    assert [key_in(question, each) for each in (click, other, foreign)] == ["b", None, None]
    assert not may_answer(Question("Name?"), click)


@pytest.mark.parametrize(
    ("kind", "answers"), [("text", True), ("image", True), ("voice", True), ("event", False), ("choice", False)]
)
def test_everything_that_a_user_says_may_answer_a_question(kind: str, answers: bool) -> None:
    assert may_answer(Question("Name?"), Facts("1", kind, "alice", "alice")) is answers
