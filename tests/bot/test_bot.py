"""A Bot by its public names, on both simulators: the program of the contract, and what each part of it promises."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional

import pytest

from wxsdk import Bot, Cancelled, ConfigError, Message, NoAnswer, TemplateCard, Unsupported
from wxsdk.bot.trial import Chat

MakeChat = Callable[[Bot], Chat]
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 40


def test_the_program_of_the_contract(chat: MakeChat, tmp_path: Path) -> None:
    bot = Bot()

    @bot.command("reset", help="forget our conversation")
    def reset(message: Message) -> str:
        message.state.clear()
        return "Forgotten."

    @bot.on_text(r"weather in (?P<city>\w+)")
    def weather(message: Message, city: str) -> str:
        return f"sunny in {city}"

    @bot.on("image", "file")
    def keep(message: Message) -> str:
        paths = [each.save(f"{tmp_path}/inbox/") for each in message.attachments]
        return f"Kept {len(paths)}: {paths[0].read_bytes() == PNG}"

    @bot.default
    def answer(message: Message) -> Iterator[str]:
        history = message.state.setdefault("history", [])
        history.append(message.text)
        yield from (f"{word} " for word in history)

    @bot.command("signup")
    def signup(message: Message) -> str:
        name = message.ask("What is your name?").text
        team = message.choose(f"Hello {name}, which team?", {"r": "Red", "b": "Blue"})
        return f"{name} plays for {team}."

    user = chat(bot)
    user.says("weather in Paris")
    user.expects("sunny in Paris")
    user.says("one")
    user.expects("one")
    user.says("two")
    user.expects("one two")
    user.says("/reset")
    user.expects("Forgotten.")
    user.says("three")
    user.expects("three")
    user.says("/signup")
    user.expects("What is your name?")
    user.says("Bo")
    assert user.expects("Hello Bo, which team?").options == ["Red", "Blue"]
    user.presses("Blue")
    user.expects("Bo plays for b.")
    (tmp_path / "a.png").write_bytes(PNG)
    user.sends(tmp_path / "a.png")
    user.expects("Kept 1: True")
    user.says("/help")
    user.expects("/reset  forget our conversation\n/signup")
    assert user.sim.violations == []


def test_a_handler_may_answer_with_a_list_of_everything(chat: MakeChat, tmp_path: Path) -> None:
    bot = Bot()
    (tmp_path / "a.png").write_bytes(PNG)

    @bot.default
    def answer(message: Message) -> List[Any]:
        return ["first", tmp_path / "a.png", iter(["la", "st"])]

    user = chat(bot)
    user.says("go")
    user.expects("first")
    assert user.expects().data == PNG
    user.expects("last")


def test_what_cannot_be_sent_is_told_to_on_error_with_the_handler(chat: MakeChat) -> None:
    bot = Bot(apology="Sorry.")
    errors: List[BaseException] = []
    bot.on_error(lambda exc, message: errors.append(exc))

    @bot.default
    def gives_bytes(message: Message) -> Any:
        return {"text": 12, "empty": " ", "yields": iter([1])}[message.text]

    user = chat(bot)
    for text in ("text", "empty", "yields"):
        user.says(text)
        user.expects("Sorry.")
    assert [type(error) for error in errors] == [ConfigError] * 3
    assert all("gives_bytes" in str(error) for error in errors)


def test_a_raising_handler_changes_no_state_and_is_told_once(chat: MakeChat) -> None:
    bot = Bot(apology="Sorry.")
    told: List[Any] = []

    @bot.on_error
    def note(exc: BaseException, message: Optional[Message]) -> None:
        told.append((type(exc), message.text if message else None))

    @bot.on_text("boom")
    def boom(message: Message) -> None:
        message.state["count"] = 100
        raise ZeroDivisionError

    @bot.default
    def count(message: Message) -> str:
        message.state["count"] = message.state.get("count", 0) + 1
        return str(message.state["count"])

    user = chat(bot)
    user.says("a")
    user.expects("1")
    user.says("boom")
    user.expects("Sorry.")
    user.says("b")
    user.expects("2")
    assert told == [(ZeroDivisionError, "boom")]


def test_a_state_that_is_no_json_is_refused_naming_its_key(chat: MakeChat) -> None:
    bot = Bot(apology="Sorry.")
    errors: List[BaseException] = []
    bot.on_error(lambda exc, message: errors.append(exc))

    @bot.default
    def answer(message: Message) -> None:
        message.state["seen"] = {1, 2}

    user = chat(bot)
    user.says("a")
    user.expects("Sorry.")
    assert "message.state['seen'] is of type set" in str(errors[0])


def test_middleware_runs_around_every_handler_the_first_one_outermost(chat: MakeChat) -> None:
    bot = Bot()

    @bot.middleware
    def outer(message: Message, proceed: Callable[[], Any]) -> Any:
        return f"<{proceed()}>"

    @bot.middleware
    def inner(message: Message, proceed: Callable[[], Any]) -> Any:
        return "no" if message.text == "secret" else f"({proceed()})"

    @bot.default
    def answer(message: Message) -> str:
        return message.text

    user = chat(bot)
    user.says("a")
    user.expects("<(a)>")
    user.says("secret")
    user.expects("<no>")


def test_commands_are_handled_while_a_question_stays_open(chat: MakeChat) -> None:
    bot = Bot()

    @bot.command("time")
    def tell(message: Message) -> str:
        return "noon"

    @bot.default
    def answer(message: Message) -> str:
        return f"thanks, {message.ask('your name?').text}"

    user = chat(bot)
    user.says("hello")
    user.expects("your name?")
    user.says("/time")
    user.expects("noon")
    user.says("Bo")
    user.expects("thanks, Bo")


def test_a_wrong_choice_repeats_the_question_which_stays_open(chat: MakeChat) -> None:
    bot = Bot()

    @bot.default
    def answer(message: Message) -> str:
        return message.choose("which?", {"r": "Red", "b": "Blue"})

    user = chat(bot)
    user.says("go")
    user.expects("which?")
    user.says("green")
    assert user.expects("which?").options == ["Red", "Blue"]
    user.says("blue")
    user.expects("b")


def test_a_vote_of_many_options(chat: MakeChat) -> None:
    bot = Bot()
    options = {f"k{number}": f"Label {number}" for number in range(12)}

    @bot.default
    def answer(message: Message) -> str:
        return message.choose("which?", options)

    user = chat(bot)
    user.says("go")
    user.expects("which?")
    user.presses("Label 11")
    user.expects("k11")


def test_an_unanswered_question_raises_no_answer(chat: MakeChat) -> None:
    bot = Bot()

    @bot.default
    def answer(message: Message) -> str:
        try:
            message.ask("your name?", timeout=0.05)
        except NoAnswer:
            return "never mind"
        return "?"

    user = chat(bot)
    user.says("hello")
    user.expects("your name?")
    user.expects("never mind")
    user.says("Bo")
    user.expects("your name?")


def test_an_urgent_command_stops_the_running_handler(chat: MakeChat) -> None:
    bot = Bot(max_workers=1)
    begun, ended = threading.Event(), threading.Event()
    errors: List[BaseException] = []
    bot.on_error(lambda exc, message: errors.append(exc))

    @bot.command("stop", urgent=True)
    def stop(message: Message) -> str:
        assert begun.wait(5)
        found = message.cancel_running()
        assert ended.wait(5)
        return f"stopped {found}"

    @bot.default
    def answer(message: Message) -> Iterator[str]:
        yield "some text"
        begun.set()
        try:
            while True:
                assert not ended.wait(0.01)
                yield "."
        finally:
            assert message.cancelled
            ended.set()

    user = chat(bot)
    user.says("talk")
    assert begun.wait(5)
    user.says("/stop")
    said = {user.expects().text.rstrip("."), user.expects().text.rstrip(".")}
    assert said == {"some text", "stopped True"}
    assert errors == []


def test_cancelled_reaches_a_handler_that_waits_for_an_answer(chat: MakeChat) -> None:
    bot = Bot()
    met: List[type] = []

    @bot.command("stop")
    def stop(message: Message) -> str:
        return f"stopped {message.cancel_running()}"

    @bot.default
    def answer(message: Message) -> None:
        try:
            message.ask("your name?")
        except Cancelled as exc:
            met.append(type(exc))
            raise

    user = chat(bot)
    user.says("hello")
    user.expects("your name?")
    user.says("/stop")
    user.expects("stopped True")
    user.says("/stop")
    user.expects("stopped False")
    assert met == [Cancelled]


def test_a_card_on_a_platform_without_cards_is_unsupported_and_nothing_is_sent(chat: MakeChat) -> None:
    bot = Bot()

    @bot.default
    def answer(message: Message) -> Any:
        card = TemplateCard.button_interaction("ok?", buttons=[{"text": "Yes", "key": "y"}])
        try:
            message.reply_card(card)
        except Unsupported:
            return "no cards"
        return None

    user = chat(bot)
    user.says("go")
    user.expects("no cards" if user.platform == "ilink" else "ok?")


def test_an_address_reaches_the_chat(chat: MakeChat) -> None:
    bot = Bot()
    addresses: List[str] = []

    @bot.default
    def answer(message: Message) -> str:
        addresses.append(message.address)
        return "noted"

    user = chat(bot)
    user.says("go")
    user.expects("noted")
    bot.send(addresses[0], "later")
    user.expects("later")
    with pytest.raises(ConfigError, match="not an address"):
        bot.send("alice", "hi")


def test_expects_says_what_came_instead(chat: MakeChat) -> None:
    bot = Bot()
    bot.default(lambda message: "one")
    user = chat(bot)
    user.says("go")
    with pytest.raises(AssertionError, match="the bot said Reply\\('one'\\), not 'two'"):
        user.expects("two")
    user.says("go")
    assert user.expects(re.compile("^o")).text == "one"


def test_a_bot_without_bots_or_with_an_odd_config_is_refused() -> None:
    with pytest.raises(ConfigError, match="There is no bot"):
        Bot().start()
    with pytest.raises(ConfigError, match="no config of a platform"):
        Bot().add(42)


def test_a_conversation_that_a_click_goes_on_with_keeps_its_turn(chat: MakeChat) -> None:
    bot = Bot()
    chosen, asked_again = threading.Event(), threading.Event()

    @bot.command("team")
    def team(message: Message) -> str:
        return str(message.state.get("team"))

    @bot.default
    def answer(message: Message) -> str:
        key = message.choose("which?", {"r": "Red", "b": "Blue"})
        chosen.set()
        assert asked_again.wait(5)
        message.state["team"] = key
        return "noted"

    user = chat(bot)
    user.says("go")
    user.expects("which?")
    user.presses("Blue")
    assert chosen.wait(5)
    user.says("/team")
    asked_again.set()
    user.expects("noted")
    user.expects("b")


def test_within_the_merge_window_messages_become_one_and_commands_do_not_wait(chat: MakeChat, tmp_path: Path) -> None:
    bot = Bot(merge_window=0.3)
    (tmp_path / "a.png").write_bytes(PNG)

    @bot.command("now")
    def now(message: Message) -> str:
        return "now"

    @bot.default
    def answer(message: Message) -> str:
        return f"{message.kind}, {len(message.attachments)} file(s): {message.text!r}"

    user = chat(bot)
    user.sends(tmp_path / "a.png")
    user.says("what is this?")
    user.says("tell me")
    user.expects("mixed, 1 file(s): 'what is this?\\ntell me'")
    user.says("one")
    user.says("/now")
    user.expects("text, 0 file(s): 'one'")
    user.expects("now")


def test_a_generator_may_ask_between_its_chunks_and_before_them(chat: MakeChat) -> None:
    bot = Bot()

    @bot.command("first")
    def first(message: Message) -> Iterator[str]:
        name = message.ask("name?").text
        yield f"hello {name}"

    @bot.default
    def between(message: Message) -> Iterator[str]:
        yield "before"
        name = message.ask("name?").text
        yield f"after {name}"

    user = chat(bot)
    user.says("go")
    user.expects("before")
    user.expects("name?")
    user.says("Bo")
    user.expects("after Bo")
    user.says("/first")
    user.expects("name?")
    user.says("Al")
    user.expects("hello Al")


def test_an_answer_of_a_conversation_is_a_message_of_its_own(chat: MakeChat, tmp_path: Path) -> None:
    bot = Bot()
    (tmp_path / "a.png").write_bytes(PNG)

    @bot.default
    def answer(message: Message) -> str:
        picture = message.ask("a picture, please")
        picture.state["kept"] = len(picture.attachments[0].read())
        picture.reply(f"{picture.kind} of {message.state['kept']} bytes")
        with message.typing(), message.stream() as stream:
            stream.write("thank ")
            stream.write("you")
        assert stream.outcome is not None
        return stream.outcome.state

    user = chat(bot)
    user.says("go")
    user.expects("a picture, please")
    user.sends(tmp_path / "a.png")
    user.expects(f"image of {len(PNG)} bytes")
    user.expects("thank you")
    user.expects("delivered")


@pytest.mark.parametrize("timeout", ["soon", float("nan"), None, 1e12])
def test_an_odd_timeout_is_refused_before_anything_is_asked(chat: MakeChat, timeout: Any) -> None:
    bot = Bot()

    @bot.default
    def answer(message: Message) -> str:
        with pytest.raises(ConfigError, match="timeout"):
            message.ask("name?", timeout=timeout)
        return "refused"

    user = chat(bot)
    user.says("go")
    user.expects("refused")


def test_many_threads_of_one_handler_may_reply(chat: MakeChat) -> None:
    bot = Bot()

    @bot.default
    def answer(message: Message) -> None:
        threads = [threading.Thread(target=message.reply, args=(f"reply {number}",)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    user = chat(bot)
    user.says("go")
    assert sorted(user.expects().text for _ in range(8)) == [f"reply {number}" for number in range(8)]


def test_a_handler_that_exits_is_a_failure_like_any_other(chat: MakeChat) -> None:
    bot = Bot(apology="Sorry.")
    errors: List[BaseException] = []

    @bot.on_error
    def note(exc: BaseException, message: Optional[Message]) -> None:
        errors.append(exc)
        raise SystemExit  # of on_error itself: logged, and nothing more

    @bot.default
    def answer(message: Message) -> None:
        raise SystemExit(3)

    user = chat(bot)
    for _ in range(2):
        user.says("go")
        user.expects("Sorry.")
    assert [type(exc) for exc in errors] == [SystemExit, SystemExit]
