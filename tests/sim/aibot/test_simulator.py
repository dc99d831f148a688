from __future__ import annotations

import threading

import pytest

from tests.sim.aibot.raw_bot import RawBot
from wxsdk.sim.aibot.simulator import AiBotSim, SimError, SimTimeout


def test_a_text_gets_a_streamed_answer(sim: AiBotSim, bot: RawBot) -> None:
    alice = sim.user("alice")
    alice.says("hello")
    frame = bot.read()
    assert frame["cmd"] == "aibot_msg_callback"
    assert frame["body"]["text"] == {"content": "hello"}
    assert (frame["body"]["chattype"], frame["body"]["from"], frame["body"]["aibotid"]) == (
        "single",
        {"userid": "alice"},
        sim.bot_id,
    )
    assert bot.stream(frame, "hel") == 0
    assert [message.text for message in sim.thinking()] == ["hel"]
    assert alice.unread == 0
    assert bot.stream(frame, "hello you", finish=True) == 0
    answer = alice.expects()
    assert (answer.kind, answer.via, answer.text, answer.finished, answer.updates) == (
        "stream",
        "reply",
        "hello you",
        True,
        2,
    )
    assert not sim.thinking()
    assert not sim.violations


def test_a_user_waits_for_the_bot_to_subscribe(sim: AiBotSim) -> None:
    said = []
    speaker = threading.Thread(target=lambda: said.append(sim.user("alice").says("early")))
    speaker.start()
    late = RawBot(sim)
    assert late.read()["body"]["text"]["content"] == "early"
    speaker.join()
    assert said[0].delivered
    late.close()


def test_a_message_is_lost_when_nobody_waits_and_no_bot_is_there(sim: AiBotSim) -> None:
    assert not sim.user("alice").says("into the void", wait=0).delivered
    with pytest.raises(SimTimeout, match="no bot subscribed"):
        sim.user("alice").says("nobody", wait=0.01)


def test_what_never_comes_says_what_is_there_instead(sim: AiBotSim, bot: RawBot) -> None:
    alice = sim.user("alice")
    bot.stream(alice.says("x") and bot.read(), "half")
    with pytest.raises(SimTimeout, match=r"nothing new for alice.*Unfinished: .*half"):
        alice.expects(timeout=0.01)


def test_stop_ends_every_thread_and_twice_is_once() -> None:
    sim = AiBotSim()
    sim.start()
    sim.start()
    bot = RawBot(sim)
    assert sim.stop()
    assert sim.stop()
    assert bot.ended()
    bot.close()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("wxsdk-sim")] == []
    assert sim.connections[0].ended == "stopped"
    with pytest.raises(SimError, match="not running"):
        sim.user("alice").says("late")


def test_a_simulator_can_be_started_again_on_its_port() -> None:
    sim = AiBotSim()
    with pytest.raises(SimError, match="started"):
        assert sim.ws_url
    with sim:
        url = sim.ws_url
    with sim:
        assert sim.ws_url == url
        RawBot(sim).close()


def test_the_simulator_imports_nothing_of_the_clients() -> None:
    import ast
    from pathlib import Path

    import wxsdk.sim

    for file in Path(wxsdk.sim.__file__).parent.glob("aibot*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level < 2, f"{file.name} imports from beyond sim"
                assert node.level == 1 or not (node.module or "").startswith("wxsdk"), (
                    f"{file.name} imports {node.module}"
                )
