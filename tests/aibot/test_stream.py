"""ReplyStream against the simulator."""

from __future__ import annotations

import gc
import queue
import threading
import weakref
from typing import Any, Callable, List, Optional

import pytest

from tests.aibot.conftest import MakeClient
from tests.ctrl_c import everywhere
from wxsdk.aibot import stream as stream_module
from wxsdk.aibot import stream_rules
from wxsdk.aibot.client import WSClient
from wxsdk.aibot.frames import WsFrame
from wxsdk.aibot.logger import DefaultLogger
from wxsdk.aibot.stream import ReplyStream
from wxsdk.aibot.stream_notices import StreamNotices
from wxsdk.aibot.stream_rules import StreamOutcome
from wxsdk.errors import ApiError, ConfigError, ConnectionLost, Unsupported
from wxsdk.health import HealthState
from wxsdk.sim.aibot.desk import SimFrame
from wxsdk.sim.aibot.simulator import AiBotSim

Write = Callable[[ReplyStream], Any]


class Bot:
    """Answers one text by *write*, and keeps what came of it."""

    def __init__(self, sim: AiBotSim, client: WSClient, write: Write) -> None:
        self.sim, self.client, self.write = sim, client, write
        self.stream: Optional[ReplyStream] = None
        self.errors: List[BaseException] = []
        self.left = threading.Event()
        client.on_message_text(self._answer)
        client.on_error(self.errors.append)
        client.connect(wait=5)
        sim.user("alice").says("go")

    def _answer(self, frame: WsFrame) -> None:
        self.stream = self.client.open_stream(frame)
        try:
            with self.stream:
                self.write(self.stream)
        finally:
            self.left.set()

    def outcome(self) -> StreamOutcome:
        assert self.left.wait(10)
        assert self.stream is not None
        assert self.stream.outcome is not None
        return self.stream.outcome


def test_tokens_become_one_answer_in_a_few_frames(sim: AiBotSim, make_client: MakeClient) -> None:
    text = "".join(f"token {number} of the answer, " for number in range(500))

    def write(stream: ReplyStream) -> None:
        for token in text.split(" "):
            stream.write(token + " ")

    bot = Bot(sim, make_client(stream_interval=0.05), write)
    answer = sim.user("alice").expects()
    assert answer.text == text + " "
    outcome = bot.outcome()
    assert (outcome.state, outcome.rescued, outcome.error) == ("delivered", False, None)
    assert outcome.frames == answer.updates < 20
    assert not sim.violations


def test_the_thinking_sign_shows_until_there_is_text(sim: AiBotSim, make_client: MakeClient) -> None:
    go_on = threading.Event()

    def write(stream: ReplyStream) -> None:
        stream.thinking()
        assert go_on.wait(5)
        stream.write("42")

    bot = Bot(sim, make_client(stream_interval=0.01), write)
    sim.wait_for(lambda: [message for message in sim.thinking() if message.thinking])
    go_on.set()
    assert sim.user("alice").expects().text == "42"
    assert bot.outcome().state == "delivered"
    assert not sim.thinking()


def test_a_block_that_raises_leaves_no_chat_thinking(sim: AiBotSim, make_client: MakeClient) -> None:
    failure = ValueError("the model is down")

    def write(stream: ReplyStream) -> None:
        stream.write("half an answer")
        raise failure

    bot = Bot(sim, make_client(), write)
    answer = sim.user("alice").expects()
    assert answer.text.startswith("half an answer")
    assert answer.text.endswith(StreamNotices().broken)
    assert bot.outcome().state == "delivered"
    assert not sim.thinking()
    bot.client.disconnect()
    assert bot.errors == [failure]


def test_a_ctrl_c_wherever_it_strikes_a_stream_does_not_keep_it_from_ending(
    sim: AiBotSim, make_client: MakeClient
) -> None:
    client = make_client(stream_interval=0.01, ack_timeout=0.03)
    frames: queue.Queue[WsFrame] = queue.Queue()
    client.on_message_text(frames.put)
    client.connect(wait=5)
    streams: List[ReplyStream] = []

    def open_another() -> None:
        sim.user("alice").says("go")
        streams.append(client.open_stream(frames.get(timeout=10)))

    def answer() -> None:
        with streams[-1] as stream:
            stream.write("half ")
            stream.write("an answer")

    def ends() -> None:
        outcomes: List[StreamOutcome] = []
        finishing = threading.Thread(target=lambda: outcomes.append(streams[-1].finish()))
        finishing.start()
        finishing.join(10)
        assert outcomes
        open_another()

    open_another()
    assert everywhere(answer, ends, stream_module) > 30


def test_what_exceeds_a_message_continues_in_the_next(sim: AiBotSim, make_client: MakeClient) -> None:
    text = "很长的回答。" * 3000  # 54,000 bytes of UTF-8
    bot = Bot(sim, make_client(stream_interval=0.01), lambda stream: stream.write(text))
    parts = [sim.user("alice").expects().text for _ in range(3)]
    assert "".join(parts) == text
    assert bot.outcome().state == "delivered"
    assert not sim.thinking()
    assert not sim.violations


def test_an_expired_stream_is_rescued_by_one_push(sim: AiBotSim, make_client: MakeClient) -> None:
    expired = threading.Event()

    def write(stream: ReplyStream) -> None:
        stream.write("the beginning ")
        assert expired.wait(5)
        stream.write("and the end")

    bot = Bot(sim, make_client(stream_interval=0.01), write)
    sim.wait_for(lambda: sim.messages())
    sim.expire_stream()
    expired.set()
    answer = sim.user("alice").expects()
    assert (answer.via, answer.text) == ("push", "the beginning and the end")
    assert bot.outcome().rescued
    assert bot.outcome().state == "delivered"


def test_a_refusal_is_an_honest_failure(sim: AiBotSim, make_client: MakeClient) -> None:
    sim.faults.ack("aibot_respond_msg", errcode=40201, times=None)
    bot = Bot(sim, make_client(), lambda stream: stream.write("buy now"))
    outcome = bot.outcome()
    assert outcome.state == "failed"
    assert getattr(outcome.error, "errcode", None) == 40201


def _is_stream(frame: SimFrame) -> bool:
    return bool((frame.body or {}).get("msgtype") == "stream")


@pytest.mark.parametrize("code", [600039, 846605, 40201, -1])
def test_a_refused_stream_is_rescued_and_reported_once_until_an_answer_arrives(
    sim: AiBotSim, make_client: MakeClient, caplog: pytest.LogCaptureFixture, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_rules, "RETRY_DELAYS", (0.01, 0.02))
    fault = sim.faults.ack(_is_stream, errcode=code, times=None)
    bot = Bot(sim, make_client(), lambda stream: stream.write("the whole answer"))
    assert sim.user("alice").expects().text == "the whole answer"
    outcome = bot.outcome()
    assert (outcome.state, outcome.rescued) == ("delivered", True)
    sim.wait_for(lambda: bot.errors)
    (error,) = bot.errors
    assert isinstance(error, ApiError)
    assert error.errcode == code
    health = bot.client.health()
    assert health.state is HealthState.RUNNING
    assert str(code) in str(health.last_error)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    (warning,) = [text for text in warnings if "streamed answer" in text]
    assert all(word in warning for word in ("alice", str(code), error.remedy))
    fault.cancel()
    bot.left.clear()
    sim.user("alice").says("again")
    assert bot.outcome().state == "delivered"
    sim.wait_for(lambda: bot.client.health().last_error is None)
    assert len(bot.errors) == 1


def test_an_answer_that_nothing_can_save_is_reported_too(
    sim: AiBotSim, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    sim.faults.ack(errcode=40201, times=None)
    bot = Bot(sim, make_client(), lambda stream: stream.write("answer"))
    assert bot.outcome().state == "failed"
    sim.wait_for(lambda: bot.errors)
    assert [getattr(error, "errcode", None) for error in bot.errors] == [40201]
    assert "It did not arrive." in caplog.text


def test_a_logger_that_blocks_on_a_report_holds_up_no_reading_and_no_timer(
    sim: AiBotSim, make_client: MakeClient
) -> None:
    class Blocking(DefaultLogger):
        def warning(self, message: str, *args: object) -> None:
            entered.set()
            assert release.wait(10)

    entered, release = threading.Event(), threading.Event()
    sim.faults.ack(_is_stream, errcode=600039, times=1)
    bot = Bot(sim, make_client(logger=Blocking(), heartbeat_interval=0.05), lambda stream: stream.write("one"))
    assert sim.user("alice").expects().text == "one"
    assert entered.wait(5)
    before = len(sim.pings)
    sim.wait_for(lambda: len(sim.pings) > before + 2)
    bot.left.clear()
    sim.user("alice").says("again")
    assert bot.outcome().state == "delivered"
    release.set()


def test_a_pause_shows_the_last_character(
    sim: AiBotSim, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_rules, "PAUSE", 0.1)
    go_on = threading.Event()

    def write(stream: ReplyStream) -> None:
        stream.write("Your code is 4711")
        assert go_on.wait(10)

    bot = Bot(sim, make_client(stream_interval=0.02), write)
    sim.wait_for(lambda: [message for message in sim.messages() if message.text == "Your code is 4711"])
    go_on.set()
    assert bot.outcome().state == "delivered"
    assert sim.user("alice").expects().text == "Your code is 4711\u200b"


def test_a_lost_final_ack_is_unknown(sim: AiBotSim, make_client: MakeClient) -> None:
    sim.faults.ack(lambda it: it.cmd == "aibot_respond_msg" and it.body["stream"]["finish"], lost=True, times=None)
    bot = Bot(sim, make_client(ack_timeout=0.1), lambda stream: stream.write("hello"))
    outcome = bot.outcome()
    assert outcome.state == "unknown"
    assert sim.user("alice").expects().text == "hello"


def test_a_stop_ends_open_streams_before_the_socket_goes(sim: AiBotSim, make_client: MakeClient) -> None:
    writing, stopped = threading.Event(), threading.Event()

    def write(stream: ReplyStream) -> None:
        stream.write("unfinished")
        writing.set()
        assert stopped.wait(5)
        stream.write("too late")

    bot = Bot(sim, make_client(), write)
    assert writing.wait(5)
    sim.wait_for(sim.thinking)  # else "nobody is thinking" would be true before the first frame came
    threading.Thread(target=lambda: sim.wait_for(lambda: not sim.thinking()) and stopped.set()).start()
    assert bot.client.disconnect(drain=0)
    assert sim.user("alice").expects().text == f"unfinished\n\n{StreamNotices().broken}"
    assert bot.outcome().state == "delivered"
    assert [type(error) for error in bot.errors] == [ConnectionLost]
    assert not sim.thinking()


def _cut(sim: AiBotSim, client: WSClient, begin: Write) -> ReplyStream:
    """A stream that *begin* began and disconnect() ended."""
    frames: queue.Queue[WsFrame] = queue.Queue()
    client.on_message(frames.put)
    client.connect(wait=5)
    sim.user("alice").says("x")
    stream = client.open_stream(frames.get(timeout=5))
    begin(stream)
    assert client.disconnect(drain=0)
    return stream


def _error_of_write(stream: ReplyStream) -> str:
    with pytest.raises(ConnectionLost) as caught:
        stream.write("more")
    assert not caught.value.may_have_been_sent
    return str(caught.value)


def test_a_stop_says_nothing_in_a_chat_where_nothing_was_shown(sim: AiBotSim, client: WSClient) -> None:
    stream = _cut(sim, client, lambda stream: None)
    assert sim.user("alice").sees == []
    assert stream.outcome is not None
    assert (stream.outcome.state, stream.outcome.frames) == ("failed", 0)
    assert _error_of_write(stream).endswith("Nothing was delivered.")


def test_a_stop_ends_a_thinking_bubble_with_a_notice(sim: AiBotSim, client: WSClient) -> None:
    def begin(stream: ReplyStream) -> None:
        stream.thinking()
        sim.wait_for(sim.thinking)

    stream = _cut(sim, client, begin)
    assert [message.text for message in sim.user("alice").sees] == [StreamNotices().broken]
    assert _error_of_write(stream).endswith("Only a notice is shown. The rest was not delivered.")


def test_writing_after_a_stop_tells_that_a_part_is_shown(sim: AiBotSim, client: WSClient) -> None:
    stream = _cut(sim, client, lambda stream: stream.write("begun"))
    assert [message.text for message in sim.user("alice").sees] == [f"begun\n\n{StreamNotices().broken}"]
    assert stream.outcome is not None
    assert stream.outcome.state == "delivered"
    assert _error_of_write(stream).endswith("A part of the answer is shown. The rest was not delivered.")


def test_a_block_that_raises_before_any_word_says_nothing(sim: AiBotSim, make_client: MakeClient) -> None:
    failure = ValueError("the model is down")

    def write(stream: ReplyStream) -> None:
        raise failure

    bot = Bot(sim, make_client(), write)
    assert bot.outcome().state == "failed"
    bot.client.disconnect()
    assert (bot.errors, sim.user("alice").sees) == ([failure], [])


def test_a_stream_that_is_opened_after_the_end_fails_at_once(sim: AiBotSim, client: WSClient) -> None:
    frames: List[WsFrame] = []
    got = threading.Event()
    client.on_message(lambda frame: (frames.append(frame), got.set()))
    client.connect(wait=5)
    sim.user("alice").says("x")
    assert got.wait(5)
    client.disconnect()
    with client.open_stream(frames[0]) as stream:
        stream.write("nobody hears this")
    assert stream.outcome is not None
    assert stream.outcome.state == "failed"
    assert isinstance(stream.outcome.error, ConnectionLost)
    assert not stream.outcome.error.may_have_been_sent


def test_the_final_text_survives_a_reconnect(sim: AiBotSim, make_client: MakeClient) -> None:
    cut = threading.Event()

    def write(stream: ReplyStream) -> None:
        stream.write("before ")
        assert cut.wait(5)
        stream.write("after")

    bot = Bot(sim, make_client(stream_interval=0.01), write)
    sim.wait_for(lambda: sim.messages())
    sim.faults.reset()
    cut.set()
    assert sim.user("alice").expects().text == "before after"
    assert bot.outcome().state == "delivered"


def test_several_threads_may_write(sim: AiBotSim, make_client: MakeClient) -> None:
    def write(stream: ReplyStream) -> None:
        threads = [threading.Thread(target=lambda: [stream.write("x") for _ in range(200)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    bot = Bot(sim, make_client(stream_interval=0.001), write)
    assert sim.user("alice").expects().text == "x" * 800
    assert bot.outcome().state == "delivered"
    assert not sim.violations


def test_odd_arguments_are_refused_before_anything_is_sent(sim: AiBotSim, make_client: MakeClient) -> None:
    raised: List[BaseException] = []

    def write(stream: ReplyStream) -> None:
        for attempt in (
            lambda: stream.write(5),  # type: ignore[arg-type]
            lambda: stream.finish(msg_item=[{"msgtype": "image", "image": {"base64": "?", "md5": "?"}}]),
        ):
            with pytest.raises(ConfigError) as caught:
                attempt()
            raised.append(caught.value)
        stream.finish("right")
        with pytest.raises(ConfigError) as caught:
            stream.write("more")
        raised.append(caught.value)

    bot = Bot(sim, make_client(), write)
    assert sim.user("alice").expects().text == "right"
    assert bot.outcome().frames == 1
    assert len(raised) == 3


def test_an_event_takes_no_stream(sim: AiBotSim, client: WSClient) -> None:
    errors: List[BaseException] = []
    told = threading.Event()
    client.on_event_enter_chat(client.open_stream)
    client.on_error(lambda exc: (errors.append(exc), told.set()))
    with client:
        sim.user("alice").enters_chat()
        assert told.wait(5)
    assert isinstance(errors[0], Unsupported)


def test_a_stream_that_is_opened_and_forgotten_is_not_kept(sim: AiBotSim, client: WSClient) -> None:
    kept: List[Any] = []
    opened = threading.Event()
    client.on_message_text(lambda frame: (kept.append(weakref.ref(client.open_stream(frame))), opened.set()))
    with client.connect(wait=5):
        sim.user("alice").says("x")
        assert opened.wait(5)
    gc.collect()
    assert kept[0]() is None


def test_a_stream_that_was_begun_and_forgotten_is_ended_by_the_stop(sim: AiBotSim, client: WSClient) -> None:
    @client.on_message_text
    def begin(frame: WsFrame) -> None:
        client.open_stream(frame).thinking()

    with client.connect(wait=5):
        sim.user("alice").says("x")
        sim.wait_for(lambda: sim.thinking())
        gc.collect()
        assert client.disconnect(drain=0.1)
    assert not sim.thinking()
