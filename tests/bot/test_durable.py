"""What a Bot with a durable store keeps over its stop, and over SIGKILL."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest

from tests.bench.bot_killing import kill_bots
from tests.bench.bot_questions import open_questions
from wxsdk import Bot, Message, SQLiteStore
from wxsdk.bot.trial import config_for, simulators

KILLS = 6
PLATFORMS = ["ilink", "aibot"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_kill_9_loses_doubles_and_forgets_nothing(platform: str, tmp_path: Path) -> None:
    tally = kill_bots(KILLS, tmp_path, platform)
    print(tally)
    assert (tally.twice, tally.missing, tally.lost_steps) == ([], [], [])
    assert sum(tally.repeated.values()) <= KILLS  # one send at most between it and its row, at each kill
    assert tally.counted == tally.said > 0
    assert tally.forms > 0


class Life:
    """One simulator, and Bots on it one after the other, with one store."""

    def __init__(self, platform: str, folder: Path) -> None:
        self.platform = platform
        self._path = folder / "bot.db"
        self._sims = simulators((platform,))
        self.sim: Any = self._sims.__enter__()[platform]
        self.user = self.sim.user("alice")

    def run(self, define: Callable[[Bot], Any], **settings: Any) -> Bot:
        """A started Bot with what *define* registers."""
        bot = Bot(store=SQLiteStore(self._path), **settings)
        define(bot)
        bot.add(config_for(self.sim, self.platform))
        bot.start()
        return bot

    def said(self) -> str:
        message = self.user.expects()
        return str(message.text if self.platform == "ilink" else message.visible_text)

    def close(self) -> None:
        self._sims.__exit__(None, None, None)


@pytest.fixture(params=PLATFORMS)
def life(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Life]:
    made = Life(request.param, tmp_path)
    yield made
    made.close()


def test_a_conversation_goes_on_after_a_stop_and_asks_nothing_twice(life: Life) -> None:
    calls: List[bool] = []

    def define(bot: Bot) -> None:
        @bot.default
        def form(message: Message) -> str:
            calls.append(message.redelivered)
            message.reply("let us see")
            name = message.ask("name?").text
            team = message.choose("team?", {"r": "Red", "b": "Blue"})
            return f"{name} {team} {message.ask('why?').text}"

    first = life.run(define)
    life.user.says("hello")
    assert [life.said(), life.said()] == ["let us see", "name?"]
    assert first.stop()
    second = life.run(define)
    life.user.says("Bo")
    life.said()
    assert second.stop()
    third = life.run(define)
    life.user.says("red")
    assert life.said() == "why?"
    life.user.says("because")
    assert life.said() == "Bo r because"
    assert third.stop()
    assert calls == [False, True, True]
    store = SQLiteStore(life._path)
    assert store.items(f"{life.platform}/bot_journal") == []
    store.close()


def test_what_was_not_handled_before_a_stop_is_handled_after_it(life: Life) -> None:
    begun, go_on = threading.Event(), threading.Event()
    handled: List[str] = []

    def blocks(bot: Bot) -> None:
        @bot.default
        def wait(message: Message) -> str:
            begun.set()
            go_on.wait(10)
            message.reply("too late")
            return "never"

    def answers(bot: Bot) -> None:
        @bot.default
        def answer(message: Message) -> str:
            handled.append(message.text)
            return f"{message.text} {message.redelivered}"

    first = life.run(blocks)
    for text in ("one", "two"):
        life.user.says(text)
    assert begun.wait(5)
    stopping = threading.Thread(target=lambda: first.stop(1.0, drain=0.1))
    stopping.start()
    stopping.join()
    go_on.set()
    second = life.run(answers)
    assert [life.said(), life.said()] == ["one True", "two True"]
    assert second.stop()
    assert handled == ["one", "two"]


def test_a_stop_gives_streams_time_and_then_ends_them_with_the_notice(life: Life) -> None:
    begun, never = threading.Event(), threading.Event()

    def define(bot: Bot) -> None:
        @bot.default
        def talk(message: Message) -> Iterator[str]:
            yield "some words"
            begun.set()
            while not message.cancelled:
                never.wait(0.01)
                yield "."
            yield "never shown"

    bot = life.run(define, notice="(restarting)")
    life.user.says("go")
    assert begun.wait(5)
    bot.stop(3.0, drain=0.05)
    said = life.said()
    assert said.startswith("some words")
    assert said.endswith("(restarting)")
    assert "never" not in said


def test_a_bot_that_ended_in_time_lets_its_handlers_finish(life: Life) -> None:
    begun = threading.Event()

    def define(bot: Bot) -> None:
        @bot.default
        def slow(message: Message) -> str:
            begun.set()
            threading.Event().wait(0.2)
            return "done"

    bot = life.run(define)
    life.user.says("go")
    assert begun.wait(5)
    assert bot.stop(5.0)
    assert life.said() == "done"


def test_many_open_questions_cost_little_and_stop_at_once() -> None:
    figures = open_questions(60)
    assert figures["memory_kb"] < 100
    assert figures["stop_s"] < 0.5
