from __future__ import annotations

import pytest

from wxsdk.bot.facts import Choice, Command, Facts, parse_command, without_mention


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/reset", Command("reset", "")),
        ("／reset", Command("reset", "")),
        ("  /Reset  now  please ", Command("reset", "now  please")),
        ("/reset\nnow", Command("reset", "now")),
        ("/重置 现在", Command("重置", "现在")),
        ("reset", None),
        ("/", None),
        ("/ reset", None),
        ("", None),
    ],
)
def test_a_command_is_a_slash_and_a_word(text: str, command: Command) -> None:
    assert parse_command(text) == command


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("@RobotA hello", "hello"),
        ("@机器人\u2005/reset now", "/reset now"),
        ("@RobotA", ""),
        ("hello @RobotA", "hello @RobotA"),
        ("bob@example.com wrote", "bob@example.com wrote"),
        ("@/etc/passwd", "@/etc/passwd"),
        ("@bob@example.com wrote", "@bob@example.com wrote"),
    ],
)
def test_the_mention_that_a_group_message_begins_with_is_taken_off(text: str, rest: str) -> None:
    assert without_mention(text) == rest


def test_a_lane_is_the_chat_and_in_groups_the_chat_and_the_user() -> None:
    assert Facts("1", "text", "alice", "alice").lane == "alice"
    assert Facts("1", "text", "alice", "group", is_group=True).lane == "group|alice"


def test_a_choice_is_the_key_or_the_chosen_options() -> None:
    button = Choice.of("yes", "task", {})
    vote = Choice.of("submit", "task", {"dish": ["a", "b"]})
    assert (button, vote) == ("yes", "a,b")
    assert [button.is_of("task"), button.is_of("dish"), vote.is_of("dish")] == [True, False, True]
