from __future__ import annotations

from wxsdk.aibot.client import WSClient
from wxsdk.aibot.frames import WsFrame
from wxsdk.sim.aibot.simulator import AiBotSim


def test_a_bot_answers_a_text_with_a_stream(sim: AiBotSim, client: WSClient) -> None:
    @client.on_message_text
    def echo(frame: WsFrame) -> None:
        client.reply_stream(frame, "s1", "echo", finish=False)
        client.reply_stream(frame, "s1", f"echo: {frame.body.text.content}", finish=True)

    with client:
        sim.user("alice").says("hello")
        answer = sim.user("alice").expects()
        assert (answer.text, answer.updates, answer.via) == ("echo: hello", 2, "reply")
    assert not sim.thinking()
    assert not sim.violations
