"""Start, stop and what ends by itself; handlers that outlive their Bot's stop; calls from where nobody expects them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Iterator, List, Optional

import pytest

from wxsdk import Bot, ConfigError, Kicked, Message, Overloaded, SQLiteStore, WSClientOptions
from wxsdk.bot.trial import config_for, simulators
from wxsdk.sim import AiBotSim, ILinkSim


@pytest.fixture
def sims() -> Iterator[Any]:
    with simulators() as running:
        yield running


def test_one_that_ends_by_itself_is_told_and_does_not_end_the_others(sims: Any) -> None:
    bot = Bot()
    told: List[Any] = []
    heard = threading.Event()

    @bot.on_error
    def note(exc: BaseException, message: Any) -> None:
        told.append((type(exc), message))
        heard.set()

    bot.default(lambda message: "still here")
    bot.add(config_for(sims["ilink"], "ilink"))
    bot.add(config_for(sims["aibot"], "aibot"))
    with bot:
        sims["aibot"].wait_subscribed()
        sims["aibot"].user("eve").event("disconnected_event")
        assert heard.wait(5)
        assert told == [(Kicked, None)]
        assert not bot.wait(0)
        sims["ilink"].user("alice").says("hello")
        assert sims["ilink"].user("alice").expects().text == "still here"
        assert {name: health.state.value for name, health in bot.health().items()} == {
            "ilink": "running",
            "aibot": "kicked",
        }


def test_when_every_bot_has_ended_by_itself_wait_raises_why(sims: Any) -> None:
    bot = Bot()
    bot.default(lambda message: None)
    bot.add(config_for(sims["aibot"], "aibot"))
    with bot:
        sims["aibot"].wait_subscribed()
        sims["aibot"].user("eve").event("disconnected_event")
        with pytest.raises(Kicked):
            bot.wait(10)


def test_a_start_that_fails_leaves_nothing_running(sims: Any) -> None:
    bot = Bot()
    bot.add(config_for(sims["ilink"], "ilink"))
    ended: List[str] = []
    bot.on_stop(lambda: ended.append("stop"))
    config = config_for(sims["aibot"], "aibot")
    bot.add(config)
    other = Bot()
    other.add(config)
    with other, pytest.raises(Exception, match="served by this process already"):
        bot.start()
    assert bot.stop()
    assert bot.wait(0)


def test_a_bot_starts_and_stops_any_number_of_times(sims: Any) -> None:
    bot = Bot()
    events: List[str] = []
    bot.on_start(lambda: events.append("start"))
    bot.on_stop(lambda: events.append("stop"))
    bot.default(lambda message: message.text)
    bot.add(config_for(sims["ilink"], "ilink"))
    for number in range(3):
        bot.start()
        bot.start()
        sims["ilink"].user("alice").says(str(number))
        assert sims["ilink"].user("alice").expects().text == str(number)
        assert bot.stop()
        assert bot.stop()
    assert events == ["start", "stop"] * 3


def test_a_handler_may_stop_its_bot_and_many_threads_at_once(sims: Any) -> None:
    bot = Bot()
    results: List[bool] = []

    @bot.default
    def stop(message: Message) -> None:
        results.append(bot.stop(2.0))

    bot.add(config_for(sims["ilink"], "ilink"))
    bot.start()
    sims["ilink"].user("alice").says("stop")
    assert bot.wait(10)
    threads = [threading.Thread(target=bot.stop) for _ in range(50)]
    bot.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert bot.wait(0)
    assert len(results) == 1


def test_a_handler_that_outlives_a_stop_keeps_its_message_and_its_users_turn(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()
    handled: List[str] = []
    with ILinkSim() as sim:
        bot = Bot(store=SQLiteStore(tmp_path / "bot.db"))

        @bot.default
        def handle(message: Message) -> Optional[str]:
            if message.text == "slow" and not begun.is_set():
                begun.set()
                go_on.wait(10)
            handled.append(message.text)
            return None if message.text == "slow" else message.text

        bot.add(config_for(sim, "ilink"))
        bot.start()
        sim.user("alice").says("slow")
        assert begun.wait(5)
        assert not bot.stop(0.3)
        bot.start()
        sim.user("alice").says("next")
        sim.user("bob").says("other")
        assert sim.user("bob").expects().text == "other"
        assert handled == ["other"]
        go_on.set()
        assert sim.user("alice").expects().text == "next"
        assert bot.stop()
    assert handled == ["other", "slow", "next"]


def test_questions_past_max_conversations_are_refused_and_not_asked() -> None:
    bot = Bot(max_conversations=1)
    errors: List[BaseException] = []
    failed = threading.Event()

    @bot.on_error
    def note(exc: BaseException, message: Any) -> None:
        errors.append(exc)
        failed.set()

    @bot.default
    def ask(message: Message) -> None:
        message.ask("name?")

    with AiBotSim() as sim, bot.stand_in({"aibot": config_for(sim, "aibot")}):
        bot.start()
        sim.user("alice").says("hello")
        sim.user("alice").expects()
        sim.user("bob").says("hello")
        assert failed.wait(5)
        assert isinstance(errors[0], Overloaded)
        assert sim.user("bob").sees == []


def test_asking_from_another_thread_is_refused() -> None:
    bot = Bot()

    @bot.default
    def ask(message: Message) -> str:
        met: List[str] = []

        def elsewhere() -> None:
            try:
                message.ask("name?")
            except ConfigError as exc:
                met.append(exc.what)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return met[0]

    with AiBotSim() as sim, bot.stand_in({"aibot": config_for(sim, "aibot")}):
        bot.start()
        sim.user("alice").says("hello")
        assert "handler's own thread" in sim.user("alice").expects().text


def test_a_message_outside_of_its_handler_says_so() -> None:
    kept: List[Message] = []
    bot = Bot()
    done = threading.Event()

    @bot.middleware
    def keep(message: Message, proceed: Any) -> Any:
        kept.append(message)
        result = proceed()
        done.set()
        return result

    bot.default(lambda message: None)
    with AiBotSim() as sim, bot.stand_in({"aibot": config_for(sim, "aibot")}):
        bot.start()
        sim.user("alice").says("hello")
        assert done.wait(5)
        assert kept[0].reply("later, from elsewhere").confirmed
        assert sim.user("alice").expects().text == "later, from elsewhere"


def test_odd_names_and_late_bots_are_refused() -> None:
    bot = Bot()
    options = WSClientOptions("b", "s")
    bot.add(options, name="shop")
    for name in ("shop", "", 5, "a\nb"):
        with pytest.raises(ConfigError):
            bot.add(options, name=name)  # type: ignore[arg-type]
    bot.add(options)
    bot.add(options)
    assert list(bot.health()) == ["shop", "aibot", "aibot-2"]
    for settings in ({"max_workers": 0}, {"merge_window": -1}, {"state_ttl": 0}, {"apology": ""}, {"store": "x"}):
        with pytest.raises(ConfigError):
            Bot(**settings)  # type: ignore[arg-type]
