"""Each example for WeCom AI bots does, on the simulator, what its docstring says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Callable, List

from wxsdk import WeixinConfig, WSClientOptions

Example = Callable[[str], Any]


def test_the_stream_delivers_the_whole_answer(example: Example, aibot_sim: Any, options: WSClientOptions) -> None:
    with example("aibot_stream").make_client(options, lambda question: iter(["You ", "said ", question])):
        aibot_sim.user("bob").says("hello")
        answer = aibot_sim.user("bob").expects()
    assert answer.finished
    assert answer.text == "You said hello"


def test_the_welcome_card_is_updated_by_a_click(example: Example, aibot_sim: Any, options: WSClientOptions) -> None:
    bob = aibot_sim.user("bob")
    with example("aibot_welcome_card").make_client(options):
        bob.enters_chat()
        card = bob.expects()
        bob.clicks(card, "lunch")
        aibot_sim.wait_for(lambda: card.card["main_title"]["title"] == "There are dumplings.")


def test_the_vote_counts(example: Example, aibot_sim: Any, options: WSClientOptions) -> None:
    votes: Counter[str] = Counter()
    bob = aibot_sim.user("bob")
    with example("aibot_vote").make_client(options, votes):
        bob.says("vote!")
        card = bob.expects()
        bob.votes(card, {"dish": ["noodles"]})
        aibot_sim.wait_for(lambda: card.card["main_title"]["title"] == "Noodles leads with 1")
    assert votes == {"noodles": 1}


def test_the_image_bot_downloads_what_is_in_a_mixed_message(
    example: Example, aibot_sim: Any, options: WSClientOptions
) -> None:
    seen: List[bytes] = []

    def describe(question: str, pictures: List[bytes]) -> str:
        seen.extend(pictures)
        return f"{question}: {len(pictures)}"

    with example("aibot_image").make_client(options, describe):
        aibot_sim.user("bob").mixed(["What is this?", b"\x89PNG one", b"\x89PNG two"])
        assert aibot_sim.user("bob").expects().text == "What is this?: 2"
    assert seen == [b"\x89PNG one", b"\x89PNG two"]


def test_the_file_sender_sends_only_what_is_in_its_folder(
    example: Example, aibot_sim: Any, options: WSClientOptions, tmp_path: Path
) -> None:
    (tmp_path / "plan.txt").write_bytes(b"the plan")
    bob = aibot_sim.user("bob")
    with example("aibot_file_sender").make_client(options, tmp_path):
        bob.says("plan.txt")
        sent = bob.expects()
        bob.says("../../etc/passwd")
        refused = bob.expects()
    assert (sent.kind, sent.name, sent.data) == ("file", "plan.txt", b"the plan")
    assert refused.text == "I have: plan.txt"


def test_the_push_reaches_a_group(example: Example, aibot_sim: Any, options: WSClientOptions) -> None:
    group = aibot_sim.group("team", ["bob"])
    example("aibot_push").push(options, "team", "**Lunch**")
    assert group.expects().text == "**Lunch**"


def test_the_group_bot_keeps_a_list_per_group(example: Example, aibot_sim: Any, options: WSClientOptions) -> None:
    first, second = aibot_sim.group("first", ["bob", "eve"]), aibot_sim.group("second", ["bob"])
    bob, eve = aibot_sim.user("bob"), aibot_sim.user("eve")
    with example("aibot_group").make_client(options):
        bob.says("milk", chat=first)
        first.expects()
        eve.says("bread", chat=first)
        assert first.expects().text == "1. milk (bob)\n2. bread (eve)"
        bob.says("tea", chat=second)
        assert second.expects().text == "1. tea (bob)"


def test_two_bots_work_side_by_side(
    example: Example, ilink_sim: Any, aibot_sim: Any, config: WeixinConfig, options: WSClientOptions
) -> None:
    group = aibot_sim.group("team", ["bob"])
    listener, speaker = example("two_bots").make_clients(config, options, "team")
    with speaker, listener:
        ilink_sim.user("alice").says("hello")
        assert group.expects().text == "**alice**: hello"
        assert ilink_sim.user("alice").expects().text == "Passed on."
