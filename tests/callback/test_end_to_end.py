"""A callback bot against the simulated platform, over real HTTP."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Iterator, Tuple

import pytest

from wxsdk import TemplateCard
from wxsdk.callback.client import CallbackClient
from wxsdk.ext.wsgi import application
from wxsdk.sim import AiBotSim

from .bots import Desk, Handler, options_of, served

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


@contextlib.contextmanager
def bot(handler: Handler, *, store: Any = None, **settings: Any) -> Iterator[Tuple[AiBotSim, CallbackClient, Desk]]:
    sim = AiBotSim(callback_url="http://127.0.0.1:1/")
    client = CallbackClient(options_of(sim, **settings), store=store)
    desk = Desk(client, handler)
    with served(application(client)) as url:
        sim.callback_url = f"{url}/callback?bot=1"
        with sim:
            try:
                yield sim, client, desk
                desk.join()
            finally:
                assert client.shutdown()


def echo(client: CallbackClient, frame: Any) -> None:
    client.reply_text(frame, f"echo: {frame.body.text.content}")


def button_card(task_id: str, title: str = "Choose") -> TemplateCard:
    return TemplateCard.from_dict(
        {
            "card_type": "button_interaction",
            "main_title": {"title": title},
            "button_list": [{"text": "A", "key": "a"}, {"text": "B", "key": "b"}],
            "task_id": task_id,
        }
    )


def test_the_address_verifies() -> None:
    with bot(echo) as (sim, _, _):
        sim.verify_callback()
        assert sim.callbacks[0].status == 200


def test_a_quick_answer_is_in_the_response_itself() -> None:
    with bot(echo) as (sim, _, desk):
        alice = sim.user("alice")
        alice.says("hello")
        answer = alice.expects()
        assert (answer.kind, answer.text, answer.finished) == ("stream", "echo: hello", True)
        assert [call.kind for call in sim.callbacks] == ["message"]
        assert not sim.violations
        assert not desk.failures


def test_a_slow_answer_is_collected_by_refreshes() -> None:
    go = threading.Event()

    def slow(client: CallbackClient, frame: Any) -> None:
        with client.open_stream(frame) as stream:
            stream.write("one")
            go.wait(10)
            stream.write(" two")

    with bot(slow, stream_after=0.05) as (sim, _, _):
        alice = sim.user("alice")
        alice.says("hello")
        sim.wait_for(lambda: [call for call in sim.callbacks if call.kind == "refresh"])
        assert [one.text for one in sim.thinking()] in (["one"], [""])
        go.set()
        answer = alice.expects()
        assert answer.text == "one two"
        assert len(alice.sees) == 1
        assert not sim.violations


def test_a_handler_that_says_nothing_is_answered_with_nothing() -> None:
    with bot(lambda client, frame: None) as (sim, _, _):
        sim.user("alice").says("hello")
        call = sim.wait_for(lambda: [one for one in sim.callbacks if one.status], what="no answer")[0]
        assert (call.status, call.answer) == (200, None)
        assert not sim.violations


def test_several_answers_of_one_message_are_one_bubble() -> None:
    def answer(client: CallbackClient, frame: Any) -> None:
        client.reply_text(frame, "first")
        client.reply_picture(frame, PNG)
        client.reply_text(frame, "second")

    with bot(answer) as (sim, _, desk):
        alice = sim.user("alice")
        alice.says("hello")
        shown = alice.expects()
        assert (shown.text, shown.images) == ("first\n\nsecond", [PNG])
        assert not sim.violations
        assert not desk.failures


def test_a_card_alone_answers_a_message_and_its_click_updates_it() -> None:
    def answer(client: CallbackClient, frame: Any) -> None:
        if frame.msgtype == "event":
            client.reply_card(frame, button_card("other", "Thanks"))
        else:
            client.reply_card(frame, button_card("task-1"))

    with bot(answer) as (sim, _, desk):
        alice = sim.user("alice")
        alice.says("hello")
        card = alice.expects()
        assert card.kind == "card"
        alice.clicks(card, "a")
        sim.wait_for(lambda: card.updates == 2)
        assert card.card["main_title"]["title"] == "Thanks"
        assert card.card["task_id"] == "task-1"
        assert not sim.violations
        assert not desk.failures


def test_a_card_that_comes_late_goes_with_the_end_of_the_stream() -> None:
    go = threading.Event()

    def answer(client: CallbackClient, frame: Any) -> None:
        go.wait(10)
        client.reply_card(frame, button_card("task-2"))

    with bot(answer, stream_after=0.0) as (sim, _, _):
        alice = sim.user("alice")
        alice.says("hello")
        sim.wait_for(lambda: [call for call in sim.callbacks if call.kind == "refresh"])
        go.set()
        assert alice.expects().card["task_id"] == "task-2"
        assert not sim.violations


def test_a_welcome_is_the_response_to_enter_chat() -> None:
    with bot(lambda client, frame: client.reply_text(frame, "Welcome!")) as (sim, _, desk):
        alice = sim.user("alice")
        alice.enters_chat()
        assert alice.expects().text == "Welcome!"
        assert not sim.violations
        assert not desk.failures


def test_a_handler_that_takes_longer_than_the_platform_waits_is_called_once() -> None:
    go = threading.Event()

    def answer(client: CallbackClient, frame: Any) -> None:
        go.wait(10)
        client.reply_text(frame, "at last")

    with bot(answer, answer_timeout=0.5, stream_after=0.1) as (sim, _, desk):
        sim.webhook.answer_seconds = 0.6
        alice = sim.user("alice")
        alice.says("hello")
        sim.wait_for(lambda: len([call for call in sim.callbacks if call.kind == "refresh"]) > 3)
        go.set()
        assert alice.expects().text == "at last"
        assert len(desk.seen) == 1
        assert [call.attempt for call in sim.callbacks if call.kind == "message"] == [1]


def test_the_same_message_again_gets_the_same_answer_and_is_not_handled_twice() -> None:
    with bot(echo) as (sim, _, desk):
        alice = sim.user("alice")
        sent = alice.says("hello")
        alice.expects()
        sent.again()
        sim.wait_for(lambda: len([one for one in sim.callbacks if one.status]) == 2)
        calls = sim.callbacks
        desk.join()
        assert len(desk.seen) == 1
        assert calls[0].answer == calls[1].answer


def test_what_a_bubble_cannot_hold_goes_to_the_response_url() -> None:
    text = "\n".join(f"line {number:05}" for number in range(2500))  # 27,499 bytes

    with bot(lambda client, frame: client.reply_text(frame, text)) as (sim, _, desk):
        alice = sim.user("alice")
        alice.says("hello")
        parts = [alice.expects().text, alice.expects().text]
        assert "\n".join(sorted(parts)) == text
        assert not sim.violations
        assert not desk.failures


def test_what_not_even_the_response_url_can_hold_is_cut_and_reported() -> None:
    with bot(lambda client, frame: client.reply_text(frame, "x" * 60_000)) as (sim, _, desk):
        alice = sim.user("alice")
        alice.says("hello")
        texts = [alice.expects().text, alice.expects().text]
        assert sum(map(len, texts)) < 60_000
        desk.join()
        assert type(desk.failures[0]).__name__ == "LimitExceeded"
        assert not sim.violations


def test_a_handler_that_raises_ends_its_bubble() -> None:
    def answer(client: CallbackClient, frame: Any) -> None:
        with client.open_stream(frame) as stream:
            stream.write("half of it")
            raise RuntimeError("broken")

    with bot(answer) as (sim, _, _):
        alice = sim.user("alice")
        alice.says("hello")
        text = alice.expects().text
        assert text.startswith("half of it")
        assert text != "half of it"
        assert not sim.thinking()


def test_a_picture_without_a_key_of_its_own_is_decrypted_with_the_encoding_aes_key() -> None:
    got = []

    def answer(client: CallbackClient, frame: Any) -> None:
        image = frame.body.image
        got.append(client.download_file(image.url, image.aeskey)[0])

    with bot(answer) as (sim, _, desk):
        alice = sim.user("alice")
        sent = alice.sends(PNG)
        sim.wait_for(lambda: [one for one in sim.callbacks if one.status])
        desk.join()
        assert sent.frame["body"]["image"].keys() == {"url"}
        assert got == [PNG]
        assert not desk.failures


def test_the_rest_after_the_streams_life_goes_to_the_response_url() -> None:
    go = threading.Event()

    def answer(client: CallbackClient, frame: Any) -> None:
        with client.open_stream(frame) as stream:
            stream.write("begun.")
            go.wait(10)
            stream.write(" And done.")

    with bot(answer, stream_after=0.05, stream_life=0.3) as (sim, _, desk):
        alice = sim.user("alice")
        alice.says("hello")
        assert alice.expects().text.startswith("begun.")
        go.set()
        assert alice.expects().text == " And done."
        assert not desk.failures
        assert not sim.violations


def test_the_end_that_is_not_asked_for_goes_to_the_response_url() -> None:
    go = threading.Event()

    def answer(client: CallbackClient, frame: Any) -> None:
        go.wait(10)
        client.reply_text(frame, "late")

    with bot(answer, stream_after=0.0, collect_timeout=0.1) as (sim, _, _):
        sim.webhook.refresh_seconds = 3600.0
        alice = sim.user("alice")
        alice.says("hello")
        sim.wait_for(lambda: sim.callbacks and sim.callbacks[0].status)
        go.set()
        assert alice.expects().text == "late"
        assert not sim.violations


@pytest.mark.parametrize("target", ["/healthz"])
def test_healthz_says_how_it_is(target: str) -> None:
    import json
    import urllib.request

    client = CallbackClient(options_of(AiBotSim()))
    Desk(client, echo)
    with served(application(client)) as url, urllib.request.urlopen(url + target) as answer:
        assert json.load(answer)["bot"]["state"] == "stopped"
