"""A Bot in callback mode, against the simulated platform over real HTTP."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Iterator, List, Tuple

import pytest

from wxsdk import Bot, CallbackOptions, SQLiteStore, TemplateCard
from wxsdk.errors import LimitExceeded, Unsupported
from wxsdk.ext.wsgi import application
from wxsdk.sim import AiBotSim

from .bots import options_of, served

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


@contextlib.contextmanager
def serving(bot: Bot, **settings: Any) -> Iterator[Tuple[AiBotSim, List[BaseException]]]:
    """*bot* behind a web server, and the platform that calls it. Comes with what on_error hears."""
    failures: List[BaseException] = []
    bot.on_error(lambda exc, message: failures.append(exc))
    sim = AiBotSim(callback_url="http://127.0.0.1:1/")
    bot.add(options_of(sim, **settings))
    with served(application(bot)) as url:
        sim.callback_url = f"{url}/callback"
        with sim:
            try:
                yield sim, failures
            finally:
                assert bot.stop()


def test_text_in_text_out() -> None:
    bot = Bot()
    bot.default(lambda message: f"{message.platform}: {message.text}")
    with serving(bot) as (sim, failures):
        alice = sim.user("alice")
        alice.says("hello")
        assert alice.expects().text == "callback: hello"
        assert (failures, sim.violations) == ([], [])


def test_a_generator_is_a_stream_that_the_platform_collects() -> None:
    bot, go = Bot(), threading.Event()

    @bot.default
    def chat(message: Any) -> Any:
        yield "one"
        go.wait(10)
        yield " two"

    with serving(bot) as (sim, failures):
        alice = sim.user("alice")
        alice.says("hello")
        sim.wait_for(lambda: [one for one in sim.thinking() if one.text == "one"])
        go.set()
        assert alice.expects().text == "one two"
        assert (failures, sim.violations) == ([], [])


def test_a_question_ends_its_bubble_and_the_answer_goes_to_the_newest_message() -> None:
    bot = Bot()

    @bot.command("signup")
    def signup(message: Any) -> str:
        name = message.ask("What is your name?").text
        town = message.ask(f"Where do you live, {name}?").text
        return f"{name} of {town}."

    with serving(bot) as (sim, failures):
        alice = sim.user("alice")
        alice.says("/signup")
        assert alice.expects().text == "What is your name?"
        alice.says("Alice")
        assert alice.expects().text == "Where do you live, Alice?"
        alice.says("Rome")
        assert alice.expects().text == "Alice of Rome."
        assert (failures, sim.violations, sim.thinking()) == ([], [], [])


def test_a_choice_is_a_card_and_what_follows_goes_by_the_clicks_response_url() -> None:
    bot = Bot()

    @bot.command("team")
    def team(message: Any) -> str:
        first = message.choose("Which team?", {"r": "Red", "b": "Blue"})
        second = message.choose("Really?", {"y": "Yes", "n": "No"})
        return f"{first} {second}"

    with serving(bot) as (sim, failures):
        alice = sim.user("alice")
        alice.says("/team")
        alice.clicks(alice.expects(), "r")
        alice.clicks(alice.expects(), "y")
        assert alice.expects().text == "r y"
        assert (failures, sim.violations) == ([], [])


def test_a_picture_and_its_caption() -> None:
    bot = Bot()

    @bot.default
    def picture(message: Any) -> None:
        message.reply_file(PNG, "a.png", caption="Look:")

    with serving(bot) as (sim, failures):
        alice = sim.user("alice")
        alice.says("hello")
        answer = alice.expects()
        assert (answer.text, answer.images) == ("Look:", [PNG])
        assert (failures, sim.violations) == ([], [])


def test_a_file_is_unsupported_and_nothing_is_sent() -> None:
    bot = Bot()

    @bot.default
    def file(message: Any) -> None:
        message.reply_file(b"%PDF-1.7", "a.pdf")

    with serving(bot) as (sim, failures):
        sim.user("alice").says("hello")
        sim.wait_for(lambda: [call for call in sim.callbacks if call.status] and failures)
        assert isinstance(failures[0], Unsupported)
        assert sim.messages() == []


def test_a_received_picture_is_read() -> None:
    bot, got = Bot(), []

    @bot.on("image")
    def keep(message: Any) -> str:
        got.append(message.attachments[0].read())
        return "Kept."

    with serving(bot) as (sim, failures):
        alice = sim.user("alice")
        alice.sends(PNG)
        assert alice.expects().text == "Kept."
        assert (got, failures) == ([PNG], [])


def test_a_returned_card_updates_the_card_that_was_clicked() -> None:
    bot = Bot()
    card = {
        "card_type": "button_interaction",
        "main_title": {"title": "Vote"},
        "button_list": [{"text": "A", "key": "a"}],
        "task_id": "vote-1",
    }
    bot.default(lambda message: TemplateCard.from_dict(card))

    @bot.on_choice("vote-1")
    def voted(message: Any) -> TemplateCard:
        return TemplateCard.from_dict({**card, "main_title": {"title": "Thanks"}, "task_id": "another"})

    with serving(bot) as (sim, failures):
        alice = sim.user("alice")
        alice.says("hello")
        shown = alice.expects()
        alice.clicks(shown, "a")
        sim.wait_for(lambda: shown.updates == 2)
        assert shown.card["main_title"]["title"] == "Thanks"
        assert (failures, sim.violations) == ([], [])


def test_a_welcome_that_comes_too_late_is_reported() -> None:
    bot, go = Bot(), threading.Event()

    @bot.on_event("enter_chat")
    def welcome(message: Any) -> str:
        go.wait(10)
        return "Welcome!"

    with serving(bot, answer_timeout=0.2, stream_after=0.1) as (sim, failures):
        sim.user("alice").enters_chat()
        sim.wait_for(lambda: [call for call in sim.callbacks if call.status])
        go.set()
        sim.wait_for(lambda: failures)
        assert isinstance(failures[0], LimitExceeded)
        assert sim.messages() == []


def test_pushing_is_unsupported() -> None:
    bot = Bot()
    bot.default(lambda message: message.address)
    with serving(bot) as (sim, _):
        alice = sim.user("alice")
        alice.says("where?")
        address = alice.expects().text
        with pytest.raises(Unsupported):
            bot.send(address, "hello")


def test_a_handler_that_raises_leaves_no_bubble_thinking(tmp_path: Any) -> None:
    bot = Bot(store=SQLiteStore(tmp_path / "bot.db"), apology="Sorry.")

    @bot.default
    def broken(message: Any) -> Any:
        yield "half"
        raise RuntimeError("broken")

    with serving(bot) as (sim, failures):
        alice = sim.user("alice")
        alice.says("hello")
        text = alice.expects().text
        assert text.startswith("half")
        assert "Sorry." in text
        assert isinstance(failures[0], RuntimeError)
        assert (sim.thinking(), sim.violations) == ([], [])


def test_two_callback_bots_are_told_apart_by_name() -> None:
    bot = Bot()
    bot.default(lambda message: message.bot)
    sims = [AiBotSim(callback_url="http://127.0.0.1:1/", bot_id=f"bot-{n}") for n in (1, 2)]
    with contextlib.ExitStack() as stack:
        for number, sim in enumerate(sims):
            bot.add(CallbackOptions(sim.bot_id, sim.token, sim.encoding_aes_key), name=f"shop-{number}")
        for number, sim in enumerate(sims):
            sim.callback_url = stack.enter_context(served(application(bot, f"shop-{number}")))
            stack.enter_context(sim)
        for number, sim in enumerate(sims):
            bob = sim.user("bob")
            bob.says("who?")
            assert bob.expects().text == f"shop-{number}"
    assert bot.stop()
